/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What is said about each template agrees with what is selected, and names the rule. */

#include "cache_fixture.h"

#include "cep_explain.h"
#include "pool.h"

#define SIDS "S-1-1-0", "S-1-5-11"

static const struct cep_snapshot *snapshot;

static int read_sample(void **state)
{
    int failed = make_pool(state);

    snapshot = failed ? NULL : map_snapshot(publish_sample("corp", pool), pool);
    return !snapshot;
}

static const struct cep_explanation *find(const apr_array_header_t *all, const char *name)
{
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_explanation *one = &APR_ARRAY_IDX(all, i, struct cep_explanation);

        if (!strcmp(one->name, name))
            return one;
    }
    fail_msg("%s is not explained", name);
    return NULL;
}

static void assert_says(const struct cep_explanation *one, const char *part)
{
    if (!strstr(one->text, part))
        fail_msg("%s: \"%s\" lacks \"%s\"", one->name, one->text, part);
}

static int offered, withheld;

/* Offered is what the selection offers to a client that takes all versions. */
static void assert_agrees(const struct cep_token *token, const struct cep_view *view)
{
    const struct cep_request request = {
        .has_filter = 1, .has_client_version = 1, .has_server_version = 1};
    const struct cep_view everything = CEP_VIEW_DEFAULT;
    apr_array_header_t *all = cep_explain(snapshot, token, view, pool);
    struct cep_selection selection;

    cep_snapshot_select(&selection, snapshot, token, &request, view ? view : &everything, pool);
    assert_true(all->nelts >= cep_snapshot_template_count(snapshot));
    for (int i = 0; i < cep_snapshot_template_count(snapshot); i++) {
        const struct cep_explanation *one = &APR_ARRAY_IDX(all, i, struct cep_explanation);

        assert_int_equal(one->offered, !!selection.policies[i]);
        assert_int_equal(one->autoenroll, !!(selection.policies[i] & CEP_PERMITTED));
        assert_true(strlen(one->text) > 0);
        offered += one->offered;
        withheld += !one->offered;
    }
}

static apr_array_header_t *names_of(const char *first, const char *second)
{
    apr_array_header_t *names = apr_array_make(pool, 2, sizeof(struct cep_view_pattern));

    assert_null(cep_view_add(names, first));
    if (second)
        assert_null(cep_view_add(names, second));
    return names;
}

/* Every account and group of the domain, by every kind of instance. */
static void test_agrees_with_selection(void **state)
{
    const struct cep_view views[] = {
        {.max_version = 6},
        {.max_version = 6, .autoenroll_only = 1},
        {.max_version = 6, .key_based_renewal = 1},
        {.max_version = 2},
        {.max_version = 6, .lenient = 1, .templates = names_of("Corp*", "!CorpUser")},
        {.max_version = 6, .templates = names_of("!user", NULL)},
        {.max_version = 6, .key_based_renewal = 1, .templates = names_of("CorpUser", NULL)},
    };

    (void)state;
    for (unsigned rid = 500; rid < 1400; rid++) {
        const char *sids[] = {SIDS, apr_psprintf(pool, SAMPLE_DOMAIN_SID "-%u", rid)};
        struct cep_token token = token_of(pool, sids, 3);

        assert_agrees(&token, NULL);
        for (size_t i = 0; rid % 10 == 3 && i < sizeof(views) / sizeof(views[0]); i++)
            assert_agrees(&token, &views[i]);
    }
    assert_true(offered > 0 && withheld > 0);
}

/* What an instance takes away is told, beside what the directory says. */
static void test_the_view_is_named(void **state)
{
    static const char *const users[] = {SIDS, SAMPLE_DOMAIN_SID "-513"};
    struct cep_token token = token_of(pool, users, 3);
    struct cep_view view = {.max_version = 6, .templates = names_of("!User", NULL)};
    apr_array_header_t *all = cep_explain(snapshot, &token, &view, pool);

    (void)state;
    assert_says(find(all, "User"), "Enroll is granted to ");
    assert_says(find(all, "User"), "CEPTemplates does not show it.");
    assert_null(strstr(find(all, "WebServer")->text, "CEPTemplates"));
    view = (struct cep_view){.max_version = 6, .autoenroll_only = 1};
    all = cep_explain(snapshot, &token, &view, pool);
    assert_says(find(all, "User"), "CEPTemplateRights asks for AutoEnroll, too.");
    view = (struct cep_view){.max_version = 6, .key_based_renewal = 1};
    all = cep_explain(snapshot, &token, &view, pool);
    assert_says(find(all, "User"), "It does not allow key based renewal");
    assert_says(find(all, "CorpKeyRenewal"), "The old key is enough to renew it. Published by ");
    assert_int_equal(find(all, "CorpKeyRenewal")->offered, 1);
}

static void test_unused_names(void **state)
{
    struct cep_view view = {.max_version = 6};
    apr_array_header_t *unused = cep_explain_unused(snapshot, &view, pool);

    (void)state;
    assert_int_equal(unused->nelts, 0);
    view.templates = names_of("Corp*", "!CorpUser");
    assert_int_equal(cep_explain_unused(snapshot, &view, pool)->nelts, 0);
    view.templates = names_of("CorpUsr", "!Nothing*");
    unused = cep_explain_unused(snapshot, &view, pool);
    assert_int_equal(unused->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(unused, 0, const char *), "corpusr");
    assert_string_equal(APR_ARRAY_IDX(unused, 1, const char *), "!nothing*");
}

/* What is left out stands behind the others, once for each finding that leaves it out. */
static void test_left_out_is_explained(void **state)
{
    static const char *const sids[] = {SIDS};
    struct cep_token token = token_of(pool, sids, 2);
    apr_array_header_t *all = cep_explain(snapshot, &token, NULL, pool);
    int left_out = 0;

    (void)state;
    for (int i = 0; i < cep_snapshot_finding_count(snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(snapshot, i);

        if (finding.kind != CEP_OBJECT_TEMPLATE || !finding.left_out)
            continue;
        assert_says(find(all, finding.name), finding.code);
        assert_int_equal(find(all, finding.name)->offered, 0);
        left_out++;
    }
    assert_int_equal(all->nelts, cep_snapshot_template_count(snapshot) + left_out);
}

static void test_the_rule_is_named(void **state)
{
    static const char *const users[] = {SIDS, SAMPLE_DOMAIN_SID "-513"};
    static const char *const nobody[] = {"S-1-5-21-1-2-3-4"};
    struct cep_token token = token_of(pool, users, 3);
    apr_array_header_t *all = cep_explain(snapshot, &token, NULL, pool);

    (void)state;
    assert_says(find(all, "User"), "Enroll is granted to " SAMPLE_DOMAIN_SID "-513.");
    assert_says(find(all, "User"), "Published by ");
    assert_says(find(all, "WebServer"), "Enroll is granted to none of the caller's SIDs.");
    token = token_of(pool, nobody, 1);
    all = cep_explain(snapshot, &token, NULL, pool);
    assert_says(find(all, "User"), "Enroll is granted to none of the caller's SIDs.");
    assert_int_equal(find(all, "User")->offered, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_selection), cmocka_unit_test(test_left_out_is_explained),
        cmocka_unit_test(test_the_rule_is_named),     cmocka_unit_test(test_the_view_is_named),
        cmocka_unit_test(test_unused_names),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, read_sample, drop_pool);
}
