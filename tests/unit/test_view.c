/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What a view shows by names, what is no pattern, and which views have one policyID. */

#include "cache_fixture.h"

#include "cep_view.h"
#include "pool.h"

/* Patterns with blanks between them. */
static struct cep_view view_of(const char *texts)
{
    struct cep_view view = CEP_VIEW_DEFAULT;
    apr_array_header_t *templates = apr_array_make(pool, 1, sizeof(struct cep_view_pattern));
    char *last, *text = apr_strtok(apr_pstrdup(pool, texts), " ", &last);

    for (; text; text = apr_strtok(NULL, " ", &last))
        assert_null(cep_view_add(templates, text));
    view.templates = templates;
    return view;
}

static void names(void **state)
{
    static const struct {
        const char *patterns, *cn;
        int shown;
    } cases[] = {
        {"", "User", 1},
        {"User", "User", 1},
        {"user", "USER", 1},
        {"USER", "user", 1},
        {"User", "UserX", 0},
        {"User", "XUser", 0},
        {"Machine User", "User", 1},
        {"Corp*", "CorpUser", 1},
        {"Corp*", "Corp", 1},
        {"Corp*", "XCorpUser", 0},
        {"*", "anything at all", 1},
        {"*", "with/slash", 1},
        {"*", ".hidden", 1},
        {"*corp*user*", "MyCorpBigUser2", 1},
        {"?ser", "User", 1},
        {"?ser", "ser", 0},
        {"[T-V]ser", "User", 1},
        {"[T-V]ser", "Xser", 0},
        {"[!T-V]ser", "Xser", 1},
        {"[!T-V]ser", "User", 0},
        {"\\*", "*", 1},
        {"\\*", "User", 0},
        {"!User", "User", 0},
        {"!User", "Machine", 1},
        {"!user", "USER", 0},
        {"Corp* !CorpUser", "CorpUser", 0},
        {"!CorpUser Corp*", "CorpUser", 0},
        {"!CorpUser Corp*", "CorpDevice", 1},
        {"!CorpUser Corp*", "User", 0},
        {"CorpUser !Corp*", "CorpUser", 0},
        {"!A* !B*", "Bx", 0},
        {"!A* !B*", "Cx", 1},
        {"B\xc3\x9cRO", "B\xc3\xbcro", 1},
        {"b\xc3\xbc*", "B\xc3\x9cRO", 1},
        {"\xd0\x9f*", "\xd0\xbf\xd0\xb8", 1},
        {"a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cep_view view = view_of(cases[i].patterns);

        if (cep_view_shows(&view, cases[i].cn, pool) != cases[i].shown)
            fail_msg("%s: %s", cases[i].patterns, cases[i].cn);
    }
}

static void no_list_shows_all(void **state)
{
    struct cep_view view = CEP_VIEW_DEFAULT;

    (void)state;
    assert_true(cep_view_shows(&view, "User", pool));
}

static void what_is_no_pattern(void **state)
{
    apr_array_header_t *list = apr_array_make(pool, 1, sizeof(struct cep_view_pattern));
    char *longest = apr_pcalloc(pool, CEP_VIEW_MAX_PATTERN + 3);

    (void)state;
    assert_string_equal(cep_view_add(list, ""), "names nothing");
    assert_string_equal(cep_view_add(list, "!"), "names nothing");
    assert_string_equal(cep_view_add(list, "a\tb"), "holds control characters");
    assert_string_equal(cep_view_add(list, "a\x7f"), "holds control characters");
    assert_string_equal(cep_view_add(list, "b\xfcro"), "is not written in UTF-8");
    memset(longest, 'a', CEP_VIEW_MAX_PATTERN);
    assert_null(cep_view_add(list, longest));
    longest[CEP_VIEW_MAX_PATTERN] = 'a';
    assert_non_null(strstr(cep_view_add(list, longest), "is longer than"));
    longest[0] = '!'; /* which is not part of the name */
    longest[1] = 'b';
    assert_null(cep_view_add(list, longest));
    assert_null(cep_view_add(list, "User"));
    assert_null(cep_view_add(list, "USER"));
    assert_string_equal(cep_view_add(list, "!user"), "is both included and excluded");
    assert_null(cep_view_add(list, "!machine"));
    assert_string_equal(cep_view_add(list, "Machine"), "is both included and excluded");
    assert_int_equal(list->nelts, 5);
}

static const char *id_of(const char *patterns, int autoenroll_only)
{
    struct cep_view view = view_of(patterns);

    view.autoenroll_only = autoenroll_only;
    return cep_view_policy_id(&view, "forest", pool);
}

static void policy_ids(void **state)
{
    struct cep_view view = CEP_VIEW_DEFAULT;
    const char *all = cep_view_policy_id(&view, "forest", pool);
    /* all different */
    const char *ids[] = {all,
                         cep_view_policy_id(&view, "another", pool),
                         id_of("User", 0),
                         id_of("!User", 0),
                         id_of("User !Corp*", 0),
                         id_of("User Corp*", 0),
                         id_of("", 1),
                         id_of("User", 1),
                         id_of("Use r", 0),
                         id_of("=User", 0)};
    const size_t count = sizeof(ids) / sizeof(ids[0]);

    (void)state;
    /* the digest of "mod_cep policyID 1\nforest", computed elsewhere */
    assert_string_equal(all, "{5B959D9E-BE38-81A5-A906-A96851B38ED9}");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    assert_string_equal(id_of("", 0), all);
    assert_string_equal(id_of("*", 0), all);
    assert_string_equal(id_of("* Corp* User", 0), all);
    assert_string_equal(id_of("!Corp* * User", 0), id_of("!CORP*", 0));
    assert_string_equal(id_of("user CORP* corp*", 0), id_of("Corp* User", 0));
    view.key_based_renewal = view.lenient = 1;
    view.max_version = 3;
    assert_string_equal(cep_view_policy_id(&view, "forest", pool), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(no_list_shows_all),
        cmocka_unit_test(what_is_no_pattern),
        cmocka_unit_test(policy_ids),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
