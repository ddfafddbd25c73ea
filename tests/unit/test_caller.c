/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* From a name to an account and its SIDs, in a directory that is an LDIF file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ldif_directory.h"

/* groupType */
#define GLOBAL       "groupType: -2147483646\n"
#define DOMAIN_LOCAL "groupType: -2147483644\n"
#define DISTRIBUTION "groupType: 2\n"

/* --- a directory, entry by entry --- */

static void put_sids(const char *attribute, const char *texts)
{
    char *rest, *text, *copy = apr_pstrdup(pool, texts);

    for (text = apr_strtok(copy, " ", &rest); text; text = apr_strtok(NULL, " ", &rest))
        put_sid(attribute, text);
}

/* more: further lines, each with its line end. sid NULL: none. */
static void put_entry(const char *dn, const char *classes, const char *name, const char *sid,
                      const char *more)
{
    fprintf(ldif, "dn: %s\n%s", dn, classes);
    if (name)
        fprintf(ldif, "sAMAccountName: %s\n", name);
    if (sid)
        put_sid("objectSid", sid);
    fprintf(ldif, "%s", more);
}

#define USER     "objectClass: top\nobjectClass: user\n"
#define COMPUTER "objectClass: top\nobjectClass: user\nobjectClass: computer\n"
#define GROUP    "objectClass: top\nobjectClass: group\n"
#define ENABLED  "userAccountControl: 512\n"

static const char *users_dn(const char *cn)
{
    return apr_psprintf(pool, "CN=%s,CN=Users," BASE, cn);
}

static void put_user(const char *name, const char *rid, const char *more)
{
    put_entry(users_dn(name), USER, name, rid, "");
    fprintf(ldif, "%s\n", more);
}

static void put_group(const char *name, const char *rid, const char *more)
{
    put_entry(users_dn(name), GROUP, name, rid, "");
    fprintf(ldif, "%s\n", more);
}

/* --- what is expected --- */

struct expectation {
    const char *user;
    apr_status_t status; /* -1: an error, any but APR_NOTFOUND */
    /* APR_SUCCESS: RIDs of the domain and SIDs; Everyone, Network, This Organization and
     * Authenticated Users ("-S-1-5-11": without that) go without saying. Else a part of *error. */
    const char *text;
};

static struct cep_token expected_token(const char *text)
{
    apr_array_header_t *sids = apr_array_make(pool, 8, sizeof(struct cep_sid));
    const char *all = apr_pstrcat(pool, text, " S-1-1-0 S-1-5-2 S-1-5-15",
                                  strstr(text, "-S-1-5-11") ? "" : " S-1-5-11", NULL);
    char *rest, *word;

    for (word = apr_strtok(apr_pstrdup(pool, all), " ", &rest); word;
         word = apr_strtok(NULL, " ", &rest)) {
        if (*word == '-')
            continue;
        if (*word != 'S')
            word = apr_psprintf(pool, DOMAIN "-%s", word);
        assert_int_equal(cep_sid_parse(apr_array_push(sids), word), 1);
    }
    return cep_token_make(sids);
}

static const char *token_text(const struct cep_token *token)
{
    char buffer[CEP_SID_TEXT_MAX];
    const char *text = "";
    int i;

    for (i = 0; i < token->count; i++)
        text = apr_pstrcat(pool, text, " ", cep_sid_format(&token->sids[i], buffer), NULL);
    return text;
}

static void check_success(const struct expectation *expectation, const struct cep_caller *caller)
{
    struct cep_token token = expected_token(expectation->text);
    const char *wanted = token_text(&token), *got = token_text(&caller->token);

    if (strcmp(wanted, got) != 0)
        fail_msg("%s has%s instead of%s", expectation->user, got, wanted);
}

static void check(struct cep_directory *directory, const struct expectation *expectation)
{
    const char *error = NULL;
    struct cep_caller *caller = NULL;
    apr_status_t status =
        cep_caller_find(&caller, directory, &config, expectation->user, 10 * SECOND, pool, &error);

    if (expectation->status == APR_SUCCESS) {
        if (status != APR_SUCCESS)
            fail_msg("%s: %d: %s", expectation->user, status, error);
        check_success(expectation, caller);
        return;
    }
    assert_null(caller);
    assert_non_null(error);
    if (expectation->status == -1 ? status == APR_NOTFOUND || status == APR_SUCCESS
                                  : status != expectation->status)
        fail_msg("%s: status %d: %s", expectation->user, status, error);
    if (!strstr(error, expectation->text))
        fail_msg("%s: \"%s\" does not say \"%s\"", expectation->user, error, expectation->text);
}

static void check_all(struct cep_directory *directory, const struct expectation *expectations,
                      size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        check(directory, &expectations[i]);
    assert_int_equal(cep_directory_usable(directory), 1);
}
#define CHECK_ALL(directory, list) check_all(directory, list, sizeof(list) / sizeof((list)[0]))

/* --- who is meant --- */

static void put_name_accounts(void)
{
    put_user("alice", "1104", ENABLED "userPrincipalName: alice@corp.example\n");
    put_user("bob", "1105", ENABLED "userPrincipalName: robert.tables@sales.example\n");
    put_user("eve", "1106", ENABLED "userPrincipalName: mallory@corp.example\n");
    put_user("mallory", "1107", ENABLED);
    put_user("frank", "1108", ENABLED "userPrincipalName: same@corp.example\n");
    put_user("grace", "1109", ENABLED "userPrincipalName: SAME@corp.example\n");
    put_entry(users_dn("twin 1"), USER, "twin", "1110", ENABLED "\n");
    put_entry(users_dn("twin 2"), USER, "TWIN", "1111", ENABLED "\n");
    put_entry(users_dn("odd 1"), USER, "O'Hara (a*b)", "1112",
              ENABLED "userPrincipalName: o(h)*ra@corp.example\n\n");
    put_entry(users_dn("odd 2"), USER, "alice*", "1113", ENABLED "\n");
    put_entry(users_dn("odd 3"), USER, NULL, "1114",
              ENABLED "sAMAccountName:: asO2cmc=\n\n"); /* j, o with diaeresis, rg */
    put_entry("CN=WS01,CN=Computers," BASE, COMPUTER, "WS01$", "1201",
              "userAccountControl: 4096\nservicePrincipalName: HOST/ws01.corp.example\n"
              "servicePrincipalName: HOST/WS01\nservicePrincipalName: HTTP/shared\n"
              "userPrincipalName: nfs/ws01.corp.example@CORP.EXAMPLE\n\n");
    put_entry("CN=WS02,CN=Computers," BASE, COMPUTER, "WS02$", "1202",
              "userAccountControl: 4096\nservicePrincipalName: HTTP/shared\n\n");
    put_group("PKI Users", "2001", GLOBAL);
    put_entry(users_dn("contact"), "objectClass: contact\n", "contact", NULL, ENABLED "\n");
}

static void names_find_one_account_or_nobody(void **state)
{
    static const struct expectation list[] = {
        {"alice", APR_SUCCESS, "1104"},
        {"ALICE", APR_SUCCESS, "1104"},
        {"alice@corp.example", APR_SUCCESS, "1104"},
        {"Alice@CORP.EXAMPLE", APR_SUCCESS, "1104"},
        {"alice@OTHER.REALM", APR_SUCCESS, "1104"},
        {"alice@other.realm", APR_SUCCESS, "1104"},
        {"CORP\\alice", APR_SUCCESS, "1104"},
        {"corp\\Alice", APR_SUCCESS, "1104"},
        {"corp.example\\alice", APR_SUCCESS, "1104"},
        {"OTHER.REALM\\alice", APR_SUCCESS, "1104"},
        {"alice@CORP", APR_NOTFOUND, "the realm \"CORP\" is not served"},
        {"alice@EVIL.EXAMPLE", APR_NOTFOUND, "the realm \"EVIL.EXAMPLE\" is not served"},
        {"alice@sub.corp.example", APR_NOTFOUND, "is not served"},
        {"alice@corp.example.", APR_NOTFOUND, "is not served"},
        {"EVIL\\alice", APR_NOTFOUND, "the domain \"EVIL\" of \"EVIL\\alice\" is not served"},
        {".\\alice", APR_NOTFOUND, "is not served"},
        {"nobody", APR_NOTFOUND, "no account is named \"nobody\""},
        {"nobody@corp.example", APR_NOTFOUND, "no account is named"},
        {"CORP\\nobody", APR_NOTFOUND, "no account is named"},
        {"", APR_NOTFOUND, "the name is empty"},
        {"a@b@corp.example", APR_NOTFOUND, "more than one @"},
        /* a UPN suffix need not be a realm that is served */
        {"robert.tables@sales.example", APR_SUCCESS, "1105"},
        {"bob@sales.example", APR_NOTFOUND, "is not served"},
        {"bob@corp.example", APR_SUCCESS, "1105"},
        {"robert.tables", APR_NOTFOUND, "no account is named"},
        {"robert.tables@corp.example", APR_NOTFOUND, "no account is named"},
        /* one account's UPN is the other's name */
        {"mallory@corp.example", APR_NOTFOUND, "is the userPrincipalName of CN=eve"},
        {"mallory", APR_SUCCESS, "1107"},
        {"mallory@OTHER.REALM", APR_SUCCESS, "1107"},
        {"eve@corp.example", APR_SUCCESS, "1106"},
        /* more than one */
        {"same@corp.example", APR_NOTFOUND, "more than one entry has the userPrincipalName"},
        {"twin", APR_NOTFOUND, "more than one entry has the sAMAccountName"},
        {"twin@corp.example", APR_NOTFOUND, "more than one entry has the sAMAccountName"},
        {"CORP\\TWIN", APR_NOTFOUND, "more than one entry has the sAMAccountName"},
        /* nothing in a name is a pattern */
        {"O'Hara (a*b)", APR_SUCCESS, "1112"},
        {"o(h)*ra@corp.example", APR_SUCCESS, "1112"},
        {"alice*", APR_SUCCESS, "1113"},
        {"*", APR_NOTFOUND, "no account"},
        {"al*", APR_NOTFOUND, "no account"},
        {"*@corp.example", APR_NOTFOUND, "no account"},
        {"alice)(objectClass=*", APR_NOTFOUND, "no account"},
        {"alice)(|(objectClass=*@corp.example", APR_NOTFOUND, "no account"},
        {"\\2a", APR_NOTFOUND, "empty realm or domain"},
        {"alice\\00", APR_NOTFOUND, "is not served"},
        {"CORP\\\\61lice", APR_NOTFOUND, "more than one @ or backslash"},
        {"%61lice", APR_NOTFOUND, "no account"},
        {"CN=alice,CN=Users," BASE, APR_NOTFOUND, "no account"},
        {"j\xc3\xb6rg@corp.example", APR_SUCCESS, "1114"},
        {"J\xc3\xb6RG", APR_SUCCESS, "1114"},
        {"jorg", APR_NOTFOUND, "no account"},
        /* computers and services */
        {"WS01$", APR_SUCCESS, "1201"},
        {"ws01$@CORP.EXAMPLE", APR_SUCCESS, "1201"},
        {"CORP\\WS01$", APR_SUCCESS, "1201"},
        {"WS01", APR_NOTFOUND, "no account"},
        {"host/ws01.corp.example@CORP.EXAMPLE", APR_SUCCESS, "1201"},
        {"HOST/WS01.CORP.EXAMPLE", APR_SUCCESS, "1201"},
        {"host/ws01@CORP.EXAMPLE", APR_SUCCESS, "1201"},
        {"host/ws02.corp.example@CORP.EXAMPLE", APR_NOTFOUND, "no account"},
        {"host/ws01.corp.example@EVIL.EXAMPLE", APR_NOTFOUND, "is not served"},
        {"HTTP/ws01.corp.example@CORP.EXAMPLE", APR_NOTFOUND, "no account"},
        {"HTTP/shared@CORP.EXAMPLE", APR_NOTFOUND, "more than one entry has the servicePrincipal"},
        {"nfs/ws01.corp.example@CORP.EXAMPLE", APR_SUCCESS, "1201"},
        /* not accounts */
        {"PKI Users", APR_NOTFOUND, "is neither user, computer nor managed service account"},
        {"contact", APR_NOTFOUND, "is neither user, computer nor managed service account"},
    };

    (void)state;
    start_ldif();
    put_name_accounts();
    CHECK_ALL(open_ldif(), list);
}

static void the_caller_is_told_as_the_directory_spells_it(void **state)
{
    struct cep_directory *directory;
    struct cep_caller *caller;
    const char *error;

    (void)state;
    start_ldif();
    put_name_accounts();
    directory = open_ldif();
    assert_int_equal(
        cep_caller_find(&caller, directory, &config, "CORP\\ws01$", SECOND, pool, &error),
        APR_SUCCESS);
    cep_directory_close(directory);
    assert_string_equal(caller->account, "WS01$");
    assert_string_equal(caller->dn, "CN=WS01,CN=Computers," BASE);
}

/* --- who may be a caller --- */

/* FILETIME of now and some seconds. */
static const char *filetime(int seconds)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT,
                        (apr_time_sec(apr_time_now()) + seconds + APR_INT64_C(11644473600)) *
                            10000000);
}

static void put_state(const char *name, const char *line, const char *value)
{
    put_user(name, "1104", apr_psprintf(pool, ENABLED "%s: %s\n", line, value));
}

static void accounts_that_are_not_in_use_are_nobody(void **state)
{
    static const struct expectation list[] = {
        {"disabled", APR_NOTFOUND, "is disabled"},
        {"disabled-pc", APR_NOTFOUND, "is disabled"},
        {"trust", APR_NOTFOUND, "stands for a trust"},
        {"expired", APR_NOTFOUND, "has expired"},
        {"expired-long-ago", APR_NOTFOUND, "has expired"},
        {"expires-in-1601", APR_NOTFOUND, "has expired"},
        {"expires-soon", APR_SUCCESS, "1104"},
        {"expires-0", APR_SUCCESS, "1104"},
        {"expires-never", APR_SUCCESS, "1104"},
        {"expires-late", APR_SUCCESS, "1104"},
        {"expires-oddly", -1, "the accountExpires of CN=expires-oddly"},
        {"locked-computed", APR_NOTFOUND, "is locked out"},
        {"unlocked-computed", APR_SUCCESS, "1104"},
        {"locked-time", APR_NOTFOUND, "is locked out"},
        {"locked-0", APR_SUCCESS, "1104"},
        {"locked-oddly", -1, "the lockoutTime of CN=locked-oddly"},
        {"locked-pc", APR_SUCCESS, "1104"},
        {"lock-over", APR_SUCCESS, "1104"},
        {"no-control", -1, "has no readable userAccountControl"},
        {"odd-control", -1, "has no readable userAccountControl"},
        {"no-sid", -1, "has no readable objectSid"},
        {"odd-sid", -1, "has no readable objectSid"},
        {"two-sids", -1, "has no readable objectSid"},
        {"only-computer", APR_SUCCESS, "1104"},
        {"gmsa", APR_SUCCESS, "1104"},
        {"password-expired", APR_SUCCESS, "1104"},
    };

    (void)state;
    start_ldif();
    put_user("disabled", "1104", "userAccountControl: 514\n");
    put_entry(users_dn("pc"), COMPUTER, "disabled-pc", "1104", "userAccountControl: 4098\n\n");
    put_user("trust", "1104", "userAccountControl: 2080\n");
    put_state("expired", "accountExpires", filetime(-2));
    put_state("expired-long-ago", "accountExpires", "128000000000000000");
    put_state("expires-in-1601", "accountExpires", "1");
    put_state("expires-soon", "accountExpires", filetime(60));
    put_state("expires-0", "accountExpires", "0");
    put_state("expires-never", "accountExpires", "9223372036854775807");
    put_state("expires-late", "accountExpires", "9223372036854775806");
    put_state("expires-oddly", "accountExpires", "9223372036854775808");
    put_state("locked-computed", "msDS-User-Account-Control-Computed", "16");
    put_state("unlocked-computed", "msDS-User-Account-Control-Computed", "0");
    put_state("locked-time", "lockoutTime", "132000000000000000");
    put_state("locked-0", "lockoutTime", "0");
    put_state("locked-oddly", "lockoutTime", "yes");
    put_entry(users_dn("locked-pc"), COMPUTER, "locked-pc", "1104",
              "userAccountControl: 4096\nlockoutTime: 132000000000000000\n\n");
    put_state("lock-over", "msDS-User-Account-Control-Computed",
              "0\nlockoutTime: 132000000000000000");
    put_user("no-control", "1104", "");
    put_user("odd-control", "1104", "userAccountControl: 0x200\n");
    put_user("no-sid", NULL, ENABLED);
    put_user("odd-sid", NULL, ENABLED "objectSid: S-1-5-21-1-2-3-4\n");
    put_entry(users_dn("two"), USER, "two-sids", "1104", ENABLED);
    put_sid("objectSid", "1105");
    end_entry();
    put_entry(users_dn("only"), "objectClass: computer\n", "only-computer", "1104",
              "userAccountControl: 4096\n\n");
    put_entry(users_dn("gmsa"), "objectClass: msDS-GroupManagedServiceAccount\n", "gmsa", "1104",
              "userAccountControl: 4096\n\n");
    put_state("password-expired", "msDS-User-Account-Control-Computed", "8388608");
    CHECK_ALL(open_ldif(), list);
}

/* --- groups by a walk --- */

static void put_groups(void)
{
    put_group("Domain Users", "513", GLOBAL);
    put_group("Domain Computers", "515", GLOBAL);
    put_group("Domain Controllers", "516", GLOBAL);
    /* who is in Inner is in Middle and Outer; half of it is said by the groups, half by members */
    put_group("Inner", "2001",
              GLOBAL "member: CN=nested,CN=Users," BASE
                     "\nmember: cn=Spelled,  cn=users, dc=CORP,dc=example\n"
                     "memberOf: CN=Middle,CN=Users," BASE "\n");
    put_group("Middle", "2002", GLOBAL);
    put_group("Outer", "2003", DOMAIN_LOCAL "member: CN=Middle,CN=Users," BASE "\n");
    put_group("Loop A", "2011",
              GLOBAL "member: CN=Loop C,CN=Users," BASE "\nmemberOf: CN=Loop B,CN=Users," BASE
                     "\n");
    put_group("Loop B", "2012", GLOBAL "memberOf: CN=Loop C,CN=Users," BASE "\n");
    put_group("Loop C", "2013", GLOBAL "memberOf: CN=Loop A,CN=Users," BASE "\n");
    put_group("Self", "2014", GLOBAL "memberOf: CN=Self,CN=Users," BASE "\n");
    put_group("Refused", "2021", GLOBAL);
    put_group("Mail", "2031", DISTRIBUTION "memberOf: CN=Outer,CN=Users," BASE "\n");
    put_group("Old Primary", "2041", GLOBAL "memberOf: CN=Outer,CN=Users," BASE "\n");
    put_group("No Type", "2051", "memberOf: CN=Refused,CN=Users," BASE "\n");
    put_entry(users_dn("names"), "objectClass: groupOfNames\n", NULL, NULL,
              "memberOf: CN=Outer,CN=Users," BASE "\n\n");
    put_group("Moved", "2061", GLOBAL);
    put_entry("CN=Users,CN=Builtin," BASE, GROUP, "Users", "S-1-5-32-545",
              "groupType: -2147483643\n\n");
}

static void put_member(const char *name, const char *group, const char *more)
{
    put_user(name, "1104",
             apr_psprintf(pool,
                          ENABLED "primaryGroupID: 513\nmemberOf: CN=%s,CN=Users," BASE "\n%s",
                          group, more));
}

static void groups_are_walked_to_the_end(void **state)
{
    static const struct expectation list[] = {
        {"plain", APR_SUCCESS, "1104 513"},
        {"no-primary", APR_SUCCESS, "1104"},
        {"nested", APR_SUCCESS, "1104 513 2001 2002 2003"}, /* by member alone */
        {"Spelled", APR_SUCCESS, "1104 513 2001 2002 2003"},
        {"said", APR_SUCCESS, "1104 513 2001 2002 2003"}, /* by memberOf alone */
        {"looped", APR_SUCCESS, "1104 513 2011 2012 2013"},
        {"selfish", APR_SUCCESS, "1104 513 2014"},
        {"denied", APR_SUCCESS, "1104 513 2001 2002 2003 2021"},
        {"mailed", APR_SUCCESS, "1104 513"}, /* nothing through a distribution group */
        {"primary", APR_SUCCESS, "1104 2041 2003"},
        {"typeless", APR_SUCCESS, "1104 513 2051 2021"},
        {"named", APR_SUCCESS, "1104 513"}, /* groupOfNames has no SID */
        {"builtin", APR_SUCCESS, "1104 513 S-1-5-32-545"},
        {"oddly-spelled", APR_SUCCESS, "1104 513 2001 2002 2003"},
        {"WS01$", APR_SUCCESS, "1201 515"},
        {"DC1$", APR_SUCCESS, "1000 516 S-1-5-9"},
        {"historic", APR_SUCCESS, "1104 513 S-1-5-21-9-9-9-1104 S-1-5-21-9-9-8-1104"},
        {"Guest", APR_SUCCESS, "501 513 -S-1-5-11"},
    };

    (void)state;
    start_ldif();
    put_groups();
    put_user("plain", "1104", ENABLED "primaryGroupID: 513\n");
    put_user("no-primary", "1104", ENABLED);
    put_user("nested", "1104", ENABLED "primaryGroupID: 513\n");
    put_user("Spelled", "1104", ENABLED "primaryGroupID: 513\n");
    put_member("said", "Inner", "");
    put_member("looped", "Loop B", "");
    put_member("selfish", "Self", "");
    put_member("denied", "Refused", "memberOf: CN=Inner,CN=Users," BASE "\n");
    put_member("mailed", "Mail", "");
    put_user("primary", "1104", ENABLED "primaryGroupID: 2041\n");
    put_member("typeless", "No Type", "");
    put_member("named", "names", "");
    put_user("builtin", "1104",
             ENABLED "primaryGroupID: 513\nmemberOf: CN=Users,CN=Builtin," BASE "\n");
    put_user("oddly-spelled", "1104",
             ENABLED "primaryGroupID: 513\nmemberOf: cn=INNER , CN=users,DC=corp,DC=example\n"
                     "memberOf: CN=Inner,CN=Users," BASE "\nmemberOf: CN=\\49nner,CN=Users," BASE
                     "\n");
    put_entry("CN=WS01,CN=Computers," BASE, COMPUTER, "WS01$", "1201",
              "userAccountControl: 4096\nprimaryGroupID: 515\n\n");
    put_entry("CN=DC1,OU=Domain Controllers," BASE, COMPUTER, "DC1$", "1000",
              "userAccountControl: 532480\nprimaryGroupID: 516\n\n");
    put_entry(users_dn("historic"), USER, "historic", "1104", ENABLED "primaryGroupID: 513\n");
    put_sids("sIDHistory", "S-1-5-21-9-9-9-1104 S-1-5-21-9-9-8-1104");
    end_entry();
    put_user("Guest", "501", ENABLED "primaryGroupID: 513\n");
    CHECK_ALL(open_ldif(), list);
}

static void groups_bring_their_sid_history(void **state)
{
    static const struct expectation list[] = {
        {"alice", APR_SUCCESS, "1104 2001 S-1-5-21-9-9-9-2001"},
    };

    (void)state;
    start_ldif();
    put_user("alice", "1104", ENABLED "memberOf: CN=Moved,CN=Users," BASE "\n");
    put_entry(users_dn("Moved"), GROUP, "Moved", "2001", GLOBAL);
    put_sid("sIDHistory", "S-1-5-21-9-9-9-2001");
    end_entry();
    CHECK_ALL(open_ldif(), list);
}

/* Read-only domain controllers: no S-1-5-9, but the group of them, where the source has it. */
static void read_only_domain_controllers(void **state)
{
    static const struct expectation with[] = {{"RODC1$", APR_SUCCESS, "1001 521 498"}};
    static const struct expectation without[] = {{"RODC1$", APR_SUCCESS, "1001 521"}};
    int has_group;

    (void)state;
    for (has_group = 0; has_group < 2; has_group++) {
        start_ldif();
        put_group("Read-only Domain Controllers", "521", GLOBAL);
        if (has_group)
            put_group("Enterprise Read-only Domain Controllers", "498", GLOBAL);
        put_entry("CN=RODC1,OU=Domain Controllers," BASE, COMPUTER, "RODC1$", "1001",
                  "userAccountControl: 83890176\nprimaryGroupID: 521\n\n");
        if (has_group)
            CHECK_ALL(open_ldif(), with);
        else
            CHECK_ALL(open_ldif(), without);
    }
}

static void a_partial_answer_is_an_error(void **state)
{
    static const struct expectation list[] = {
        {"unknown-group", -1,
         "the group CN=Gone,CN=Users," BASE ", of which CN=unknown-group,CN=Users," BASE
         " is a member, is not in"},
        {"unknown-above", -1, "the group CN=Far,DC=elsewhere,DC=example, of which"},
        {"unknown-primary", -1, "has no entry with the objectSid " DOMAIN "-9999"},
        {"twice-primary", -1, "has several entries with the objectSid " DOMAIN "-2001"},
        {"odd-primary", -1, "the primaryGroupID of CN=odd-primary"},
        {"sidless", -1, "the group CN=Without,CN=Users," BASE " has no readable objectSid"},
        {"two-sids", -1, "the group CN=Two,CN=Users," BASE " has no readable objectSid"},
        {"odd-type", -1, "the groupType of CN=Odd Type"},
        {"odd-history", -1, "a value of sIDHistory of CN=odd-history"},
        {"empty-member-of", -1, "memberOf"},
    };

    (void)state;
    start_ldif();
    put_user("unknown-group", "1104", ENABLED "memberOf: CN=Gone,CN=Users," BASE "\n");
    put_user("unknown-above", "1104", ENABLED "memberOf: CN=Near,CN=Users," BASE "\n");
    put_group("Near", "2000", GLOBAL "memberOf: CN=Far,DC=elsewhere,DC=example\n");
    put_user("unknown-primary", "1104", ENABLED "primaryGroupID: 9999\n");
    put_user("twice-primary", "1104", ENABLED "primaryGroupID: 2001\n");
    put_group("Primary 1", "2001", GLOBAL);
    put_group("Primary 2", "2001", GLOBAL);
    put_user("odd-primary", "1104", ENABLED "primaryGroupID: 4294967296\n");
    put_user("sidless", "1104", ENABLED "memberOf: CN=Without,CN=Users," BASE "\n");
    put_group("Without", NULL, GLOBAL);
    put_user("two-sids", "1104", ENABLED "memberOf: CN=Two,CN=Users," BASE "\n");
    put_entry(users_dn("Two"), GROUP, "Two", "2002", GLOBAL);
    put_sid("objectSid", "2003");
    end_entry();
    put_user("odd-type", "1104", ENABLED "memberOf: CN=Odd Type,CN=Users," BASE "\n");
    put_group("Odd Type", "2004", "groupType: global\n");
    put_user("odd-history", "1104", ENABLED "sIDHistory: S-1-5-21-9-9-9-1104\n");
    put_user("empty-member-of", "1104", ENABLED "memberOf:\n");
    CHECK_ALL(open_ldif(), list);
}

/* count groups in a chain, each a member of the next, said by memberOf or by member. */
static struct cep_directory *open_chain(int count, int by_member)
{
    int i;

    start_ldif();
    put_user("alice", "1104", by_member ? ENABLED : ENABLED "memberOf: CN=0,CN=Users," BASE "\n");
    for (i = 0; i < count; i++) {
        const char *rid = apr_itoa(pool, 10000 + i);

        if (by_member)
            put_group(apr_itoa(pool, i), rid,
                      i ? apr_psprintf(pool, "member: CN=%d,CN=Users," BASE "\n", i - 1)
                        : "member: CN=alice,CN=Users," BASE "\n");
        else
            put_group(apr_itoa(pool, i), rid,
                      i < count - 1
                          ? apr_psprintf(pool, "memberOf: CN=%d,CN=Users," BASE "\n", i + 1)
                          : "");
    }
    return open_ldif();
}

static void the_walk_is_bounded(void **state)
{
    static const struct expectation beyond = {"alice", -1, "is in more than 8000 groups"};
    struct cep_caller *caller;
    const char *error = NULL;
    int by_member;

    (void)state;
    for (by_member = 0; by_member < 2; by_member++) {
        struct cep_directory *directory = open_chain(CEP_CALLER_MAX_GROUPS, by_member);

        assert_int_equal(
            cep_caller_find(&caller, directory, &config, "alice", 30 * SECOND, pool, &error),
            APR_SUCCESS);
        assert_int_equal(caller->token.count, CEP_CALLER_MAX_GROUPS + 5);
        check(open_chain(CEP_CALLER_MAX_GROUPS + 1, by_member), &beyond);
    }
}

static void time_is_bounded(void **state)
{
    struct cep_directory *directory;
    struct cep_caller *caller;
    const char *error = NULL;

    (void)state;
    start_ldif();
    put_user("alice", "1104", ENABLED);
    directory = open_ldif();
    assert_int_equal(cep_caller_find(&caller, directory, &config, "alice", 0, pool, &error),
                     APR_TIMEUP);
    assert_non_null(strstr(error, "in time"));
}

/* --- tokenGroups --- */

static void put_token_groups(const char *name, const char *more, const char *sids)
{
    put_entry(users_dn(name), USER, name, "1104", ENABLED);
    fprintf(ldif, "%s", more);
    put_sids("tokenGroups", sids);
    end_entry();
}

static void token_groups_decide_where_there_are_any(void **state)
{
    static const struct expectation list[] = {
        {"alice", APR_SUCCESS, "1104 513 2001 2002"},
        {"bob", APR_SUCCESS, "1104 513 2001"}, /* the primary group goes without saying */
        {"carol", -1, "a value of tokenGroups of CN=carol"},
        {"dave", APR_SUCCESS, "1104 513"}, /* walked */
    };

    (void)state;
    start_ldif();
    /* memberOf names a group that is not there: nobody asks */
    put_token_groups("alice", "primaryGroupID: 513\nmemberOf: CN=Gone,CN=Users," BASE "\n",
                     "513 2001 2002");
    put_token_groups("bob", "primaryGroupID: 513\n", "2001");
    put_token_groups("carol", "tokenGroups: S-1-5-21-1-2-3-4\n", "2001");
    put_user("dave", "1104", ENABLED "primaryGroupID: 513\n");
    put_group("Domain Users", "513", GLOBAL);
    CHECK_ALL(open_ldif(), list);
}

/* An AD (its root DSE says so) without tokenGroups has not told all. */
static void active_directory_must_tell_token_groups(void **state)
{
    static const struct expectation list[] = {
        {"alice", APR_SUCCESS, "1104 2001"},
        {"bob", -1, "does not tell the tokenGroups of CN=bob,CN=Users," BASE},
    };
    struct cep_directory *directory;

    (void)state;
    start_ldif();
    fprintf(ldif, "dn:\nobjectClass: top\ndefaultNamingContext: " BASE
                  "\nconfigurationNamingContext: CN=Configuration," BASE
                  "\nsupportedCapabilities: 1.2.840.113556.1.4.800\n\n");
    put_token_groups("alice", "", "2001");
    put_user("bob", "1104", ENABLED "memberOf: CN=Group,CN=Users," BASE "\n");
    put_group("Group", "2001", GLOBAL);
    directory = open_ldif();
    if (!cep_directory_identity(directory)->active_directory)
        fail_msg("the root DSE of the file is not read");
    CHECK_ALL(directory, list);
}

static void tokens_are_bounded(void **state)
{
    struct cep_caller *caller;
    const char *error = NULL;
    int beyond;

    (void)state;
    for (beyond = 0; beyond < 2; beyond++) {
        struct cep_directory *directory;
        apr_status_t status;
        int i;

        start_ldif();
        put_entry(users_dn("alice"), USER, "alice", "1104", ENABLED);
        /* the account itself and four well-known SIDs come on top */
        for (i = 0; i < CEP_TOKEN_MAX_SIDS - 5 + beyond; i++)
            put_sid("tokenGroups", apr_itoa(pool, 10000 + i));
        end_entry();
        directory = open_ldif();
        status = cep_caller_find(&caller, directory, &config, "alice", SECOND, pool, &error);
        if (beyond) {
            assert_int_equal(status, APR_ENOSPC);
            assert_non_null(strstr(error, "has more than 8192 SIDs"));
        } else {
            assert_int_equal(status, APR_SUCCESS);
            assert_int_equal(caller->token.count, CEP_TOKEN_MAX_SIDS);
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_find_one_account_or_nobody),
        TEST(the_caller_is_told_as_the_directory_spells_it),
        TEST(accounts_that_are_not_in_use_are_nobody),
        TEST(groups_are_walked_to_the_end),
        TEST(groups_bring_their_sid_history),
        TEST(read_only_domain_controllers),
        TEST(a_partial_answer_is_an_error),
        TEST(the_walk_is_bounded),
        TEST(time_is_bounded),
        TEST(token_groups_decide_where_there_are_any),
        TEST(active_directory_must_tell_token_groups),
        TEST(tokens_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
