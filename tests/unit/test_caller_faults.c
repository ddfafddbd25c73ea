/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Callers in a directory that answers as servers do and files do not: it compares loosely, hides
 * what may not be read, fails half-way. The directory here is a script; it takes the place of
 * cep_directory_query() and cep_directory_identity().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_strings.h>

#include "cep_caller.h"
#include "pool.h"

#define BASE  "DC=corp,DC=example"
#define ALICE "CN=alice," BASE

/* What one query is expected to be, and its answer. */
struct step {
    const char *base;
    enum cep_scope scope;
    const char *attribute; /* NULL: none */
    apr_status_t status;
    const char *names[3]; /* entries: their sAMAccountName */
};

static const struct step *script;
static int steps_done, steps_count;
static int is_active_directory;
static const char *with_attribute, *without_attribute; /* of every entry */

struct cep_directory {
    struct cep_directory_identity identity;
};

static void add_text(struct cep_entry *entry, const char *name, const char *value)
{
    if (!without_attribute || strcmp(name, without_attribute) != 0)
        cep_entry_add(entry, pool, name, value, strlen(value));
}

static void add_sid(struct cep_entry *entry, const char *name, const char *text)
{
    struct cep_sid sid;

    cep_sid_parse(&sid, text);
    if (!without_attribute || strcmp(name, without_attribute) != 0)
        cep_entry_add(entry, pool, name, sid.octets, sid.length);
}

static struct cep_entry *make_entry(const char *name)
{
    struct cep_entry *entry = cep_entry_make(pool, apr_pstrcat(pool, "CN=", name, "," BASE, NULL));

    add_text(entry, "objectClass", "user");
    add_text(entry, "sAMAccountName", name);
    add_text(entry, "userAccountControl", "512");
    add_sid(entry, "objectSid", "S-1-5-21-1-2-3-1104");
    add_sid(entry, "tokenGroups", "S-1-5-21-1-2-3-513");
    if (with_attribute)
        add_text(entry, with_attribute, "CN=Group," BASE);
    return entry;
}

static int asks_for(const struct cep_query *query, const char *name)
{
    int i;

    for (i = 0; query->attributes[i]; i++) {
        if (strcmp(query->attributes[i], name) == 0)
            return 1;
    }
    return 0;
}

apr_status_t cep_directory_query(struct cep_directory *directory, const struct cep_query *query,
                                 apr_interval_time_t limit, apr_array_header_t **entries,
                                 apr_pool_t *entry_pool, const char **error)
{
    const struct step *step = &script[steps_done];
    int i;

    (void)directory;
    (void)entry_pool;
    assert_true(steps_done < steps_count);
    steps_done++;
    assert_true(limit > 0 && limit <= apr_time_from_sec(5));
    assert_string_equal(query->base, step->base);
    assert_int_equal(query->scope, step->scope);
    if (step->attribute)
        assert_string_equal(query->attribute, step->attribute);
    else
        assert_null(query->attribute);
    if (query->scope != CEP_SCOPE_BASE)
        assert_false(asks_for(query, "tokenGroups"));
    if (is_active_directory)
        assert_false(asks_for(query, "memberOf"));
    *entries = apr_array_make(pool, 3, sizeof(struct cep_entry *));
    for (i = 0; i < 3 && step->names[i]; i++)
        APR_ARRAY_PUSH(*entries, struct cep_entry *) = make_entry(step->names[i]);
    if (step->status != APR_SUCCESS)
        *error = "the server said no";
    return step->status;
}

const struct cep_directory_identity *cep_directory_identity(const struct cep_directory *directory)
{
    return &directory->identity;
}

static apr_status_t find(const char *user, const struct step *steps, int count,
                         struct cep_caller **caller, const char **error)
{
    static struct cep_directory directory;
    static struct cep_directory_config config;
    apr_status_t status;

    directory.identity.domain_dn = BASE;
    directory.identity.dns_domain = "corp.example";
    directory.identity.source = "ldap://dc1";
    directory.identity.active_directory = is_active_directory;
    script = steps;
    steps_count = count;
    steps_done = 0;
    status = cep_caller_find(caller, &directory, &config, user, apr_time_from_sec(5), pool, error);
    assert_int_equal(steps_done, count);
    assert_int_equal(*error == NULL, status == APR_SUCCESS);
    assert_int_equal(*caller == NULL, status != APR_SUCCESS);
    return status;
}

#define SEARCH(attribute, status, ...)                                                             \
    {                                                                                              \
        BASE, CEP_SCOPE_SUBTREE, attribute, status,                                                \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define READ(dn, status, ...)                                                                      \
    {                                                                                              \
        dn, CEP_SCOPE_BASE, NULL, status,                                                          \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define COUNT(steps) ((int)(sizeof(steps) / sizeof((steps)[0])))

/* AD finds "alice" for "\xc3\xa1lice", too, and X.520 matching finds it for "alice ". */
static void loose_matches_do_not_count(void **state)
{
    static const struct step loose[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice", "alic\xc3\xa9"),
    };
    static const struct step among[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "\xc3\xa1lice", "Alice", "alic\xc3\xa9"),
        READ("CN=Alice," BASE, APR_SUCCESS, "Alice"),
    };
    struct cep_caller *caller;
    const char *error;

    (void)state;
    assert_int_equal(find("\xc3\xa1lice", loose, COUNT(loose), &caller, &error), APR_NOTFOUND);
    assert_int_equal(find("alice", among, COUNT(among), &caller, &error), APR_SUCCESS);
    assert_string_equal(caller->account, "Alice");
    assert_int_equal(caller->token.count, 6);
}

static void failures_are_passed_on(void **state)
{
    static const struct step at_once[] = {SEARCH("userPrincipalName", APR_TIMEUP, NULL)};
    static const struct step second[] = {
        SEARCH("userPrincipalName", APR_SUCCESS, NULL),
        SEARCH("sAMAccountName", APR_EGENERAL, NULL),
    };
    static const struct step third[] = {
        SEARCH("userPrincipalName", APR_SUCCESS, NULL),
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_TIMEUP, "alice"),
    };
    struct cep_caller *caller;
    const char *error;

    (void)state;
    assert_int_equal(find("alice@corp.example", at_once, 1, &caller, &error), APR_TIMEUP);
    assert_string_equal(error, "the server said no");
    assert_int_equal(find("alice@corp.example", second, 2, &caller, &error), APR_EGENERAL);
    assert_int_equal(find("alice@corp.example", third, 3, &caller, &error), APR_TIMEUP);
    assert_string_equal(error, "the server said no");
}

/* The domain's absence is the directory's fault, not the caller's. */
static void a_missing_domain_is_an_error(void **state)
{
    static const struct step steps[] = {SEARCH("sAMAccountName", APR_NOTFOUND, NULL)};
    struct cep_caller *caller;
    const char *error;

    (void)state;
    assert_int_equal(find("alice", steps, 1, &caller, &error), APR_EGENERAL);
    assert_string_equal(error, "the server said no");
}

static void an_account_may_vanish(void **state)
{
    static const struct step gone[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_NOTFOUND, NULL),
    };
    static const struct step hidden[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_SUCCESS, NULL),
    };
    struct cep_caller *caller;
    const char *error;

    (void)state;
    assert_int_equal(find("alice", gone, 2, &caller, &error), APR_NOTFOUND);
    assert_string_equal(error, "the account " ALICE " cannot be read any more");
    assert_int_equal(find("alice", hidden, 2, &caller, &error), APR_NOTFOUND);
}

/* What AD may hide from an account without rights, and what follows. */
static void hidden_attributes_are_no_consent(void **state)
{
    static const struct {
        const char *name;
        apr_status_t status;
    } cases[] = {
        {"objectSid", APR_EGENERAL},
        {"userAccountControl", APR_EGENERAL},
        {"tokenGroups", APR_EGENERAL},
        {"objectClass", APR_NOTFOUND},
    };
    static const struct step steps[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_SUCCESS, "alice"),
    };
    struct cep_caller *caller;
    const char *error;
    size_t i;

    (void)state;
    is_active_directory = 1;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        without_attribute = cases[i].name;
        assert_int_equal(find("alice", steps, 2, &caller, &error), cases[i].status);
    }
    without_attribute = NULL;
    is_active_directory = 0;
}

/* Half a walk is none. */
static void a_walk_that_breaks_off_is_an_error(void **state)
{
    static const struct step no_member[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_SUCCESS, "alice"),
        SEARCH("member", APR_TIMEUP, NULL),
    };
    static const struct step no_group[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_SUCCESS, "alice"),
        SEARCH("member", APR_SUCCESS, NULL),
        READ("CN=Group," BASE, APR_EGENERAL, NULL),
    };
    static const struct step hidden_group[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_SUCCESS, "alice"),
        SEARCH("member", APR_SUCCESS, NULL),
        READ("CN=Group," BASE, APR_SUCCESS, NULL),
    };
    struct cep_caller *caller;
    const char *error;

    (void)state;
    without_attribute = "tokenGroups";
    with_attribute = "memberOf";
    assert_int_equal(find("alice", no_member, COUNT(no_member), &caller, &error), APR_TIMEUP);
    assert_int_equal(find("alice", no_group, COUNT(no_group), &caller, &error), APR_EGENERAL);
    assert_string_equal(error, "the server said no");
    assert_int_equal(find("alice", hidden_group, COUNT(hidden_group), &caller, &error),
                     APR_EGENERAL);
    assert_non_null(strstr(error, "the group CN=Group," BASE ", of which " ALICE));
    without_attribute = with_attribute = NULL;
}

/* A group that both sides name is asked about once, and a group in itself ends the walk. */
static void nothing_is_asked_twice(void **state)
{
    static const struct step steps[] = {
        SEARCH("sAMAccountName", APR_SUCCESS, "alice"),
        READ(ALICE, APR_SUCCESS, "alice"),
        SEARCH("member", APR_SUCCESS, "Group", "GROUP"),
        SEARCH("member", APR_SUCCESS, "Group"),
    };
    struct cep_caller *caller;
    const char *error;

    (void)state;
    without_attribute = "tokenGroups";
    with_attribute = "memberOf";
    assert_int_equal(find("alice", steps, COUNT(steps), &caller, &error), APR_SUCCESS);
    assert_int_equal(caller->token.count, 5);
    without_attribute = with_attribute = NULL;
}

/* Nobody is asked about a name that is none, or that is not ours. */
static void no_query_for_nothing(void **state)
{
    static const char *const users[] = {"", "a@b@c", "EVIL\\alice", "ali\nce"};
    struct cep_caller *caller;
    const char *error;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        assert_int_equal(find(users[i], NULL, 0, &caller, &error), APR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loose_matches_do_not_count),
        cmocka_unit_test(failures_are_passed_on),
        cmocka_unit_test(a_missing_domain_is_an_error),
        cmocka_unit_test(an_account_may_vanish),
        cmocka_unit_test(hidden_attributes_are_no_consent),
        cmocka_unit_test(a_walk_that_breaks_off_is_an_error),
        cmocka_unit_test(nothing_is_asked_twice),
        cmocka_unit_test(no_query_for_nothing),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
