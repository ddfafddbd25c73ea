/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "cep_directory.h"
#include "files.h"
#include "heard.h"
#include "pool.h"

static void test_urls(void **state)
{
    static const char *const good[] = {
        "ldap://dc1.corp.example",
        "LDAP://dc1",
        "ldap://dc1.corp.example:3268",
        "ldap://127.0.0.1:1",
        "ldap://dc1:65535",
        "ldap://dc1/",
        "ldap:///DC=corp,DC=example",
        "LDAPS:///dc=corp%2Cdc=example",
        "ldap://[::1]",
        "ldap://[2001:db8::1]:389",
        "ldaps://dc1",
        "ldaps://my_host-1:636/",
        "ldapi://",
        "ldapi:///",
        "ldapi://%2Frun%2Fslapd%2Fldapi",
        "ldapi://%2frun%2fldapi/",
        "ldapi:///run/slapd/ldapi",
        "file:policy.ldif",
        "file:/etc/cep/policy.ldif",
        "file:///etc/cep/policy.ldif",
        "File:x",
    };
    static const struct {
        const char *url, *says;
    } bad[] = {
        {"", "begin"},
        {"dc1.corp.example", "begin"},
        {"http://dc1", "begin"},
        {"cldap://dc1", "begin"},
        {"ldap:", "begin"},
        {"ldap:/dc1", "begin"},
        {"ldap://", "host"},
        {"ldap:///", "host"},
        {"ldap:///CN=Configuration,DC=corp", "domain"},
        {"ldap:///DC=corp,DC=exa%00mple", "domain"},
        {"ldap:///DC=corp,DC=exa%2", "domain"},
        {"ldap:///DC=co rp", "domain"},
        {"ldap:///corp.example", "domain"},
        {"ldap:///DC=corp,DC=example??sub", "filter"},
        {"ldap://:389", "host"},
        {"ldap://dc1/DC=corp", "DN"},
        {"ldap://dc1/??sub", "DN"},
        {"ldap://dc1?x", "DN"},
        {"ldap://dc1 dc2", "one host"},
        {"ldap://dc1,dc2", "one host"},
        {"ldap://user@dc1", "user"},
        {"ldap://dc1%2e", "character"},
        {"ldap://dc\xc3\xa4", "character"},
        {"ldap://dc1:", "port"},
        {"ldap://dc1:0", "port"},
        {"ldap://dc1:65536", "port"},
        {"ldap://dc1:4294967297", "port"},
        {"ldap://dc1:38x", "port"},
        {"ldap://dc1:-1", "port"},
        {"ldap://dc1:389/DC=corp", "DN"},
        {"ldap://[::1", "IPv6"},
        {"ldap://[]", "IPv6"},
        {"ldap://[127]", "IPv6"},
        {"ldap://[fe80::1%eth0]", "IPv6"},
        {"ldap://[::1]x", "IPv6"},
        {"ldap://[::1]:", "port"},
        {"ldapi://relative", "absolute"},
        {"ldapi://%2", "hexadecimal"},
        {"ldapi://%2Frun%00", "hexadecimal"},
        {"ldapi://%2Frun%zz", "hexadecimal"},
        {"ldapi://%2Frun?x", "DN"},
        {"file:", "path"},
        {"file://host/path", "host"},
    };
    char *longest = apr_pcalloc(pool, 300);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (cep_directory_check_url(good[i], pool))
            fail_msg("%s: %s", good[i], cep_directory_check_url(good[i], pool));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = cep_directory_check_url(bad[i].url, pool);

        if (!why || !strstr(why, bad[i].says))
            fail_msg("%s: %s", bad[i].url, why ? why : "accepted");
    }
    memset(longest, 'a', 7 + 256);
    memcpy(longest, "ldap://", 7);
    assert_non_null(cep_directory_check_url(longest, pool));
    longest[7 + 255] = 0;
    assert_null(cep_directory_check_url(longest, pool));
    longest = apr_pstrcat(pool, "ldap:///DC=", longest + 7, NULL);
    longest[11 + 201] = 0;
    assert_non_null(cep_directory_check_url(longest, pool));
    longest[11 + 200] = 0;
    assert_null(cep_directory_check_url(longest, pool));
}

static void test_url_path(void **state)
{
    (void)state;
    assert_string_equal(cep_directory_url_path("file:a/b.ldif"), "a/b.ldif");
    assert_string_equal(cep_directory_url_path("FILE:/a"), "/a");
    assert_string_equal(cep_directory_url_path("file:///a"), "/a");
    assert_string_equal(cep_directory_url_path("file:"), "");
    assert_null(cep_directory_url_path("ldap://file:x"));
    assert_null(cep_directory_url_path("ldapi://"));
    assert_null(cep_directory_url_path(""));
}

/* --- sources --- */

static const char *file_of(const char *text)
{
    const char *path = scratch_file(pool);

    write_file(path, "w", text, strlen(text));
    return path;
}

static struct cep_directory_config config_for(const char *first, const char *second)
{
    struct cep_directory_config config = {.name = "corp", .timeout = apr_time_from_sec(1)};

    config.urls = apr_array_make(pool, 2, sizeof(const char *));
    if (first)
        APR_ARRAY_PUSH(config.urls, const char *) = first;
    if (second)
        APR_ARRAY_PUSH(config.urls, const char *) = second;
    return config;
}

static apr_status_t open_text(struct cep_directory **directory, const char *text,
                              const char **error)
{
    const char *path = file_of(text);
    struct cep_directory_config config = config_for(apr_pstrcat(pool, "file:", path, NULL), NULL);
    apr_status_t status = cep_directory_open(directory, &config, NULL, pool, error);

    return status;
}

static struct cep_directory *must_open(const char *text)
{
    struct cep_directory *directory;
    const char *error;

    if (open_text(&directory, text, &error) != APR_SUCCESS)
        fail_msg("%s", error);
    assert_true(cep_directory_usable(directory));
    return directory;
}

#define CONFIGURATION "dn: CN=Configuration,DC=corp,DC=example\nobjectClass: configuration\n\n"

static void test_order_of_urls(void **state)
{
    struct heard heard = {.least = CEP_LOG_INFO};
    const struct cep_log log = {hear, &heard};
    const char *path = file_of(CONFIGURATION), *error;
    const char *url = apr_pstrcat(pool, "file:", path, NULL);
    struct cep_directory_config config = config_for("file:/nonexistent/a", url);
    struct cep_directory *directory;

    (void)state;
    assert_int_equal(cep_directory_open(&directory, &config, &log, pool, &error), APR_SUCCESS);
    assert_string_equal(cep_directory_identity(directory)->source, url);
    assert_int_equal(heard.count, 1);
    assert_ptr_equal(strstr(heard.last, "CEP0201: CEPDirectory corp: file:/nonexistent/a"),
                     heard.last);
    cep_directory_close(directory);
    assert_false(cep_directory_usable(directory));
    cep_directory_close(directory);

    config = config_for("file:/nonexistent/a", "ldap://dc1/DC=corp");
    assert_int_not_equal(cep_directory_open(&directory, &config, &log, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "file:/nonexistent/a: "));
    assert_non_null(strstr(error, "; ldap://dc1/DC=corp: "));

    config = config_for(NULL, NULL);
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "CEPURL"));
}

/* Each is opened once; what is told at the end is about all of them, in their order. */
static void test_one_after_the_other(void **state)
{
    struct heard heard = {.least = CEP_LOG_INFO};
    const struct cep_log log = {hear, &heard};
    const char *path = file_of(CONFIGURATION), *error;
    const char *url = apr_pstrcat(pool, "file:", path, NULL);
    struct cep_directory_config config = config_for("file:/nonexistent/a", url);
    struct cep_directory *directory;
    struct cep_candidates *candidates;
    apr_pool_t *each;

    (void)state;
    APR_ARRAY_PUSH(config.urls, const char *) = "file:/nonexistent/b";
    APR_ARRAY_PUSH(config.urls, const char *) = url;
    candidates = cep_directory_candidates(&config, &log, pool);
    for (int i = 0; i < 2; i++) {
        apr_pool_create(&each, pool);
        assert_int_equal(cep_directory_open_next(&directory, candidates, each, &error),
                         APR_SUCCESS);
        cep_directory_give_up(directory, candidates, APR_TIMEUP + i,
                              apr_psprintf(each, "%s: trouble %d", url, i));
        assert_false(cep_directory_usable(directory));
        apr_pool_destroy(each);                   /* nothing that is told later may live in it */
        assert_int_equal(heard.count, i ? 3 : 2); /* of the last none: nobody follows */
    }
    assert_int_equal(cep_directory_open_next(&directory, candidates, pool, &error), APR_TIMEUP + 1);
    assert_non_null(strstr(error, "file:/nonexistent/a: "));
    assert_non_null(strstr(error, apr_pstrcat(pool, "; ", url, ": trouble 0; file:", NULL)));
    assert_non_null(strstr(error, apr_pstrcat(pool, "; ", url, ": trouble 1", NULL)));
}

static void test_identity(void **state)
{
    static const struct {
        const char *text, *configuration, *domain, *dns, *netbios, *forest;
        int active_directory;
    } cases[] = {
        {CONFIGURATION, "CN=Configuration,DC=corp,DC=example", "DC=corp,DC=example", "corp.example",
         NULL, "cn=configuration,dc=corp,dc=example", 0},
        {"dn: CN=User, CN=Certificate Templates , CN=public key services,CN=Services,"
         "CN=Configuration, DC=Corp,DC=Example\ncn: User\n",
         "CN=Configuration, DC=Corp,DC=Example", "DC=Corp,DC=Example", "corp.example", NULL,
         "cn=configuration,dc=corp,dc=example", 0},
        {"dn: CN=Configuration,O=Corp\nobjectClass: configuration\n"
         "objectGUID:: AAECAwQFBgcICQoLDA0O/w==\n",
         "CN=Configuration,O=Corp", "O=Corp", "", NULL, "000102030405060708090a0b0c0d0eff", 0},
        {"dn: CN=Configuration,O=Corp\nobjectClass: configuration\nobjectGUID:: AAEC\n",
         "CN=Configuration,O=Corp", "O=Corp", "", NULL, "cn=configuration,o=corp", 0},
        {"dn: CN=Configuration\nobjectClass: configuration\n", "CN=Configuration", "", "", NULL,
         "cn=configuration", 0},
        /* a child domain: the root DSE tells */
        {"dn:\nconfigurationNamingContext: CN=Configuration,DC=corp,DC=example\n"
         "defaultNamingContext: DC=east,DC=corp,DC=example\n"
         "supportedCapabilities: 1.2.840.113556.1.4.1670\n"
         "supportedCapabilities: 1.2.840.113556.1.4.800\n\n"
         "dn: CN=Configuration,DC=other\nobjectClass: configuration\n\n"
         "dn: CN=E,CN=Partitions,CN=Configuration,DC=corp,DC=example\nobjectClass: crossRef\n"
         "nCName: dc=EAST, dc=corp,dc=example\nnETBIOSName: EAST\n\n"
         "dn: CN=C,CN=Partitions,CN=Configuration,DC=corp,DC=example\nobjectClass: crossRef\n"
         "nCName: dc=corp,dc=example\nnETBIOSName: CORP\n",
         "CN=Configuration,DC=corp,DC=example", "DC=east,DC=corp,DC=example", "east.corp.example",
         "EAST", "cn=configuration,dc=corp,dc=example", 1},
        {CONFIGURATION
         "dn: CN=C,CN=Partitions,CN=Configuration,DC=corp,DC=example\nobjectClass: crossRef\n"
         "nCName: DC=corp,DC=example\nnETBIOSName: CORP\n",
         "CN=Configuration,DC=corp,DC=example", "DC=corp,DC=example", "corp.example", "CORP",
         "cn=configuration,dc=corp,dc=example", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cep_directory *directory = must_open(cases[i].text);
        const struct cep_directory_identity *identity = cep_directory_identity(directory);

        assert_string_equal(identity->configuration_dn, cases[i].configuration);
        assert_string_equal(identity->domain_dn, cases[i].domain);
        assert_string_equal(identity->dns_domain, cases[i].dns);
        assert_int_equal(identity->netbios_domain != NULL, cases[i].netbios != NULL);
        if (cases[i].netbios)
            assert_string_equal(identity->netbios_domain, cases[i].netbios);
        assert_string_equal(identity->forest_id, cases[i].forest);
        assert_int_equal(identity->active_directory, cases[i].active_directory);
        cep_directory_close(directory);
        assert_string_equal(identity->configuration_dn, cases[i].configuration);
    }
}

static void test_no_configuration(void **state)
{
    struct cep_directory *directory;
    const char *error;

    (void)state;
    assert_int_not_equal(
        open_text(&directory, "dn: DC=corp\ndc: corp\nobjectClass: domainDNS\n", &error),
        APR_SUCCESS);
    assert_non_null(strstr(error, "configuration"));
    assert_int_not_equal(open_text(&directory, "dn: DC=corp\nbroken\n", &error), APR_SUCCESS);
    assert_non_null(strstr(error, ":2: "));
}

static const char forest[] = CONFIGURATION
    "dn: DC=corp,DC=example\nobjectClass: top\nobjectClass: domainDNS\ndc: corp\n\n"
    "dn: CN=Users,DC=corp,DC=example\nobjectClass: container\ncn: Users\n\n"
    "dn: CN=Alice,CN=Users,DC=corp,DC=example\nobjectClass: top\nobjectClass: user\n"
    "sAMAccountName: alice\nuserPrincipalName: Alice@corp.example\n"
    "objectSid:: AQEAAAAAAAUSAAAA\nmemberOf: CN=Team,CN=Users,DC=corp,DC=example\n"
    "description: Same\n\n"
    "dn: CN=Team,CN=Users,DC=corp,DC=example\nobjectClass: top\nobjectClass: group\n"
    "sAMAccountName: Team\nmember: cn=alice, cn=users, dc=corp, dc=example\n"
    "member: CN=O\\,Hara,CN=Users,DC=corp,DC=example\ndescription: same\n\n"
    "dn: CN=O\\,Hara,CN=Users,DC=corp,DC=example\nobjectClass: user\nsAMAccountName: ohara\n"
    "displayName: *\n";

/* What a query finds: the sAMAccountNames or DNs, joined, in the file's order. */
static const char *find(struct cep_directory *directory, const char *base, enum cep_scope scope,
                        const char *object_class, const char *attribute, const char *value,
                        size_t length)
{
    struct cep_query query = {base, scope, object_class, attribute, {NULL, 0}, NULL};
    apr_array_header_t *entries;
    const char *error, *found = "";
    apr_status_t status;
    int i;

    query.value.data = (const unsigned char *)value;
    query.value.len = length;
    status = cep_directory_query(directory, &query, apr_time_from_sec(5), &entries, pool, &error);
    if (status == APR_NOTFOUND)
        return "no such base";
    assert_int_equal(status, APR_SUCCESS);
    for (i = 0; i < entries->nelts; i++) {
        const struct cep_entry *entry = APR_ARRAY_IDX(entries, i, struct cep_entry *);
        const char *name = cep_entry_text(entry, "sAMAccountName");

        found = apr_pstrcat(pool, found, i ? " " : "", name ? name : entry->dn, NULL);
    }
    return found;
}

static void test_queries(void **state)
{
    static const char users[] = "CN=Users,DC=corp,DC=example";
    static const char sid[] = "\1\1\0\0\0\0\0\5\22\0\0";
    static const struct {
        const char *base;
        enum cep_scope scope;
        const char *object_class, *attribute, *value;
        size_t length;
        const char *found;
    } cases[] = {
        {users, CEP_SCOPE_BASE, NULL, NULL, NULL, 0, "CN=Users,DC=corp,DC=example"},
        {"cn=users , dc=CORP,dc=example", CEP_SCOPE_BASE, "container", NULL, NULL, 0,
         "CN=Users,DC=corp,DC=example"},
        {users, CEP_SCOPE_BASE, "user", NULL, NULL, 0, ""},
        {users, CEP_SCOPE_ONE, NULL, NULL, NULL, 0, "alice Team ohara"},
        {users, CEP_SCOPE_SUBTREE, NULL, NULL, NULL, 0,
         "CN=Users,DC=corp,DC=example alice Team ohara"},
        {users, CEP_SCOPE_SUBTREE, "USER", NULL, NULL, 0, "alice ohara"},
        {"DC=corp,DC=example", CEP_SCOPE_ONE, "user", NULL, NULL, 0, ""},
        {"DC=example", CEP_SCOPE_SUBTREE, "user", NULL, NULL, 0, "alice ohara"},
        {"DC=example", CEP_SCOPE_BASE, NULL, NULL, NULL, 0, "no such base"},
        {"DC=nowhere", CEP_SCOPE_SUBTREE, NULL, NULL, NULL, 0, "no such base"},
        {"", CEP_SCOPE_BASE, NULL, NULL, NULL, 0, "no such base"},
        {"", CEP_SCOPE_SUBTREE, "group", NULL, NULL, 0, "Team"},
        {"malformed", CEP_SCOPE_SUBTREE, NULL, NULL, NULL, 0, "no such base"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "samaccountname", "ALICE", 5, "alice"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, "user", "sAMAccountName", "team", 4, ""},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, "group", "sAMAccountName", "team", 4, "Team"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "sAMAccountName", "alice\0", 6, ""},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "sAMAccountName", "*", 1, ""},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "displayName", "*", 1, "ohara"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "userPrincipalName", "alice@CORP.example",
         18, "alice"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "description", "SAME", 4, "alice Team"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, "group", "member",
         "CN=Alice,CN=Users,DC=corp,DC=example", 36, "Team"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, "group", "member",
         "CN=o\\2chara,CN=Users,DC=corp,DC=example", 39, "Team"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "memberOf",
         "cn=TEAM,cn=users,dc=corp,dc=example", 35, "alice"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "objectSid", sid, 12, "alice"},
        {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, NULL, "objectSid", sid, 11, ""},
        {"CN=Alice,CN=Users,DC=corp,DC=example", CEP_SCOPE_BASE, NULL, "sAMAccountName", "alice", 5,
         "alice"},
        {"CN=Alice,CN=Users,DC=corp,DC=example", CEP_SCOPE_BASE, NULL, "sAMAccountName", "bob", 3,
         ""},
    };
    struct cep_directory *directory = must_open(forest);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = find(directory, cases[i].base, cases[i].scope, cases[i].object_class,
                                 cases[i].attribute, cases[i].value, cases[i].length);

        if (strcmp(found, cases[i].found) != 0)
            fail_msg("case %d: \"%s\"", (int)i, found);
    }
    assert_true(cep_directory_usable(directory));
}

static void test_token_groups(void **state)
{
    static const char *const attributes[] = {"cn", "TokenGroups", NULL};
    struct cep_directory *directory = must_open(forest);
    struct cep_query query = {
        "DC=corp,DC=example", CEP_SCOPE_BASE, NULL, NULL, {NULL, 0}, attributes};
    apr_array_header_t *entries;
    const char *error;

    (void)state;
    assert_int_equal(
        cep_directory_query(directory, &query, APR_USEC_PER_SEC, &entries, pool, &error),
        APR_SUCCESS);
    query.scope = CEP_SCOPE_SUBTREE;
    assert_int_not_equal(
        cep_directory_query(directory, &query, APR_USEC_PER_SEC, &entries, pool, &error),
        APR_SUCCESS);
    assert_non_null(strstr(error, "base scope"));
    assert_false(cep_directory_usable(directory));
    query.scope = CEP_SCOPE_BASE;
    assert_int_not_equal(
        cep_directory_query(directory, &query, APR_USEC_PER_SEC, &entries, pool, &error),
        APR_SUCCESS);
    assert_non_null(strstr(error, "closed"));
}

/* Look-ups of callers happen while a request waits: they must not read the whole file. */
static void test_many_entries(void **state)
{
    enum { COUNT = 20000, LOOKUPS = 20000 };
    const size_t room = 120;
    char *text = apr_palloc(pool, sizeof(CONFIGURATION) + COUNT * room), *out = text;
    struct cep_directory *directory;
    apr_time_t before;
    int i;

    (void)state;
    out += snprintf(out, sizeof(CONFIGURATION), "%s", CONFIGURATION);
    for (i = 0; i < COUNT; i++)
        out += snprintf(out, room,
                        "dn: CN=u%d,DC=corp,DC=example\nobjectClass: user\n"
                        "sAMAccountName: user%d\n\n",
                        i, i);
    directory = must_open(text);
    before = apr_time_now();
    for (i = 0; i < LOOKUPS; i++) {
        struct cep_query query = {"DC=corp,DC=example", CEP_SCOPE_SUBTREE, "user",
                                  "sAMAccountName",     {NULL, 0},         NULL};
        apr_array_header_t *entries;
        const char *error;
        apr_pool_t *round;

        apr_pool_create(&round, pool);
        query.value.data = (const unsigned char *)apr_psprintf(round, "USER%d", i);
        query.value.len = strlen((const char *)query.value.data);
        assert_int_equal(
            cep_directory_query(directory, &query, APR_USEC_PER_SEC, &entries, round, &error),
            APR_SUCCESS);
        assert_int_equal(entries->nelts, 1);
        apr_pool_destroy(round);
    }
    /* Reading all entries each time would take minutes; this takes some hundredths of a second. */
    assert_true(apr_time_now() - before < apr_time_from_sec(10));
    cep_directory_close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),          cmocka_unit_test(test_url_path),
        cmocka_unit_test(test_order_of_urls), cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_identity),      cmocka_unit_test(test_no_configuration),
        cmocka_unit_test(test_queries),       cmocka_unit_test(test_token_groups),
        cmocka_unit_test(test_many_entries),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
