/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What is selected from an image by the request's versions and by the view: the table of [MS-XCEP]
 * 3.1.4.1.3.22 (v18), and what key-based renewal leaves. Rights by descriptors: test_snapshot.c.
 */

#include "cache_fixture.h"

#include "../../mod_cep/cache/image.h"
#include "policy_helper.h"
#include "pool.h"

#define NIL      INT32_MIN /* no such element */
#define VERSIONS 16        /* of clients and of CAs: all that four bits hold */
#define RENEWAL  (CEP_ENROLLMENT_KEY_BASED_RENEWAL | CEP_ENROLLMENT_PREVIOUS_APPROVAL)

static void add_service(struct cep_policy *policy, const char *cn, const char *templates,
                        const struct cep_enrollment_uri *uris, int count)
{
    struct cep_enrollment_service *service = apr_pcalloc(pool, sizeof(*service));
    struct cep_value der = {(const unsigned char *)cn, strlen(cn)};
    char *last, *name = apr_strtok(apr_pstrdup(pool, templates), " ", &last);

    service->dn = service->cn = service->display_name = cn;
    service->certificate = der;
    service->certificates = apr_array_make(pool, 2, sizeof(der));
    APR_ARRAY_PUSH(service->certificates, struct cep_value) = der;
    APR_ARRAY_PUSH(service->certificates, struct cep_value) = der;
    service->uris = apr_array_make(pool, count, sizeof(*uris));
    for (int i = 0; i < count; i++)
        APR_ARRAY_PUSH(service->uris, struct cep_enrollment_uri) = uris[i];
    service->templates = apr_array_make(pool, 4, sizeof(const char *));
    for (; name; name = apr_strtok(NULL, " ", &last))
        APR_ARRAY_PUSH(service->templates, const char *) = name;
    APR_ARRAY_PUSH(policy->services, struct cep_enrollment_service *) = service;
}

static struct cep_template *add(struct cep_policy *policy, const char *cn, apr_uint32_t enrollment)
{
    struct cep_template *tmpl;

    add_named_template(policy, cn, apr_psprintf(pool, "1.2.840.%d", policy->templates->nelts));
    tmpl = template_at(policy, policy->templates->nelts - 1);
    tmpl->enrollment_flags = enrollment;
    return tmpl;
}

static const struct cep_snapshot *finish(struct cep_policy *policy)
{
    struct cep_directory_identity identity = {.forest_id = "forest"};
    const struct cep_snapshot *snapshot;
    struct cep_value image;
    const char *error;

    cep_policy_finish(policy);
    assert_int_equal(cep_snapshot_build(&image, policy, &identity, pool), APR_SUCCESS);
    snapshot = cep_snapshot_open(image.data, image.len, pool, &error);
    assert_non_null(snapshot);
    return snapshot;
}

/* Which templates and CAs are selected, by their cn and in order: "A B | CA". */
static const char *selected(const struct cep_snapshot *snapshot, const struct cep_view *view,
                            const struct cep_request *request)
{
    struct cep_token nobody = cep_token_make(apr_array_make(pool, 1, sizeof(struct cep_sid)));
    struct cep_selection s;
    const char *text = "";
    int policies = 0, cas = 0;

    cep_snapshot_select(&s, snapshot, &nobody, request, view, pool);
    assert_int_equal(s.renewal, view->key_based_renewal);
    for (uint32_t i = 0; i < snapshot->header->templates.count; i++) {
        if (!s.policies[i])
            continue;
        assert_int_equal(s.policies[i], CEP_SELECTED | CEP_PERMITTED);
        text = apr_pstrcat(pool, text, image_at(snapshot, snapshot->templates[i].cn), " ", NULL);
        policies++;
    }
    text = apr_pstrcat(pool, text, "|", NULL);
    for (uint32_t i = 0; i < snapshot->header->cas.count; i++) {
        if (!s.cas[i])
            continue;
        assert_int_equal(s.cas[i], CEP_SELECTED | CEP_PERMITTED);
        text = apr_pstrcat(pool, text, " ", image_at(snapshot, snapshot->cas[i].cn), NULL);
        cas++;
    }
    assert_int_equal(policies, s.policy_count);
    assert_int_equal(cas, s.ca_count);
    return text;
}

/* ---- versions ---- */

static const struct {
    int has_filter, client, server; /* as the request has them */
    unsigned spec[3], lenient[3];   /* client's limit x 100 + CA's, for maxima of 2, 6 and 15 */
} table[] = {
    {0, NIL, NIL, {202, 306, 315}, {202, 606, 1515}},
    {1, NIL, NIL, {202, 303, 303}, {202, 606, 1515}},
    {1, 0, NIL, {202, 603, 1503}, {202, 606, 1515}},
    {1, NIL, 0, {202, 306, 315}, {202, 606, 1515}},
    {1, 0, 0, {202, 606, 1515}, {202, 606, 1515}},
    {1, 1, 2, {102, 102, 102}, {102, 102, 102}},
    {1, 2, 1, {201, 201, 201}, {201, 201, 201}},
    {1, 3, 3, {202, 303, 303}, {202, 303, 303}},
    {1, 4, 5, {202, 405, 405}, {202, 405, 405}},
    {1, 6, 6, {202, 606, 606}, {202, 606, 606}},
    {1, 7, 6, {202, 606, 706}, {202, 606, 706}},
    {1, 6, 7, {202, 606, 607}, {202, 606, 607}},
    {1, 15, 15, {202, 606, 1515}, {202, 606, 1515}},
    {1, 16, 16, {202, 606, 1515}, {202, 606, 1515}},
    {1, 256, 257, {202, 606, 1515}, {202, 606, 1515}},
    {1, INT32_MAX, 1, {201, 601, 1501}, {201, 601, 1501}},
    {1, 1, INT32_MAX, {102, 106, 115}, {102, 106, 115}},
    {1, -1, -1, {202, 303, 303}, {202, 606, 1515}},
    {1, -1, 5, {202, 305, 305}, {202, 605, 1505}},
    {1, INT32_MIN + 1, 0, {202, 306, 315}, {202, 606, 1515}},
};
static const apr_uint32_t maxima[] = {2, 6, 15};

static const struct cep_snapshot *all_versions(void)
{
    const struct cep_enrollment_uri uri = {CEP_AUTH_CERTIFICATE, "https://ca/", 1, 0, 0};
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    const char *names = "";

    for (unsigned i = 0; i < VERSIONS * VERSIONS; i++) {
        const char *cn = apr_psprintf(pool, "V%02u%02u", i / VERSIONS, i % VERSIONS);

        /* all other bits too: they must not matter */
        add(policy, cn, RENEWAL)->private_key_flags =
            0xf0f0ffffu | i / VERSIONS << 24 | i % VERSIONS << 16;
        names = apr_pstrcat(pool, names, cn, " ", NULL);
    }
    add_service(policy, "CA", names, &uri, 1);
    return finish(policy);
}

static const char *below(unsigned limits)
{
    const char *text = "";

    for (unsigned client = 0; client <= limits / 100; client++) {
        for (unsigned server = 0; server <= limits % 100; server++)
            text = apr_psprintf(pool, "%sV%02u%02u ", text, client, server);
    }
    return apr_pstrcat(pool, text, "| CA", NULL);
}

static void versions(void **state)
{
    const struct cep_snapshot *snapshot = all_versions();

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct cep_request request = {.has_filter = table[i].has_filter};

        request.has_client_version = table[i].client != NIL;
        request.has_server_version = table[i].server != NIL;
        /* where it is nil nobody may look at the number */
        request.client_version = table[i].client != NIL ? table[i].client : 5;
        request.server_version = table[i].server != NIL ? table[i].server : 5;
        for (size_t m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
            struct cep_view view = {.key_based_renewal = 1, .max_version = maxima[m]};

            assert_string_equal(selected(snapshot, &view, &request), below(table[i].spec[m]));
            view.lenient = 1;
            assert_string_equal(selected(snapshot, &view, &request), below(table[i].lenient[m]));
        }
    }
}

/* Numbers without a filter say nothing, whatever stands in the request. */
static void no_filter_no_versions(void **state)
{
    const struct cep_snapshot *snapshot = all_versions();
    struct cep_request request = {.has_client_version = 1, .has_server_version = 1};
    struct cep_view view = CEP_VIEW_DEFAULT;

    (void)state;
    view.key_based_renewal = 1;
    request.client_version = request.server_version = 1;
    assert_string_equal(selected(snapshot, &view, &request), below(306));
}

/* ---- key-based renewal ---- */

static const char *text_of(const struct cep_snapshot *snapshot, struct image_fragment fragment)
{
    return apr_pstrcat(pool, image_at(snapshot, fragment.head), "*",
                       image_at(snapshot, fragment.tail), NULL);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

static const struct cep_snapshot *renewal_forest(void)
{
    static const struct cep_enrollment_uri none[] = {
        {CEP_AUTH_ANONYMOUS, "https://none/1", 1, 1, 0},
        {CEP_AUTH_KERBEROS, "https://none/2", 1, 0, 0},
        {CEP_AUTH_USERNAME, "https://none/4", 1, 1, 0},
    };
    static const struct cep_enrollment_uri mixed[] = {
        {CEP_AUTH_KERBEROS, "https://mixed/2", 1, 0, 0},
        {CEP_AUTH_USERNAME, "https://mixed/4", 2, 0, 1},
        {CEP_AUTH_CERTIFICATE, "https://mixed/8", 3, 0, 0},
        {CEP_AUTH_CERTIFICATE, "https://mixed/8", 3, 1, 1},
        {CEP_AUTH_CERTIFICATE, "https://mixed/88", 4, 1, 0},
    };
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

    add(policy, "A-both", RENEWAL);
    add(policy, "B-none", RENEWAL);
    add(policy, "C-other", CEP_ENROLLMENT_PREVIOUS_APPROVAL);
    add(policy, "D-bare", CEP_ENROLLMENT_KEY_BASED_RENEWAL);
    add(policy, "E-unpublished", RENEWAL);
    add_service(policy, "Mixed", "A-both C-other D-bare", mixed, 5);
    add_service(policy, "None", "A-both B-none C-other", none, 3);
    return finish(policy);
}

static void renewal(void **state)
{
    const struct cep_snapshot *snapshot = renewal_forest();
    struct cep_request request = {
        .has_filter = 1, .has_client_version = 1, .has_server_version = 1};
    struct cep_view view = CEP_VIEW_DEFAULT;
    apr_array_header_t *names = apr_array_make(pool, 1, sizeof(struct cep_view_pattern));

    (void)state;
    assert_string_equal(selected(snapshot, &view, &request), "|"); /* nobody has any right */
    view.key_based_renewal = 1;
    assert_string_equal(selected(snapshot, &view, &request), "A-both D-bare | Mixed");
    view.autoenroll_only = 1; /* no right is asked for */
    assert_string_equal(selected(snapshot, &view, &request), "A-both D-bare | Mixed");
    assert_null(cep_view_add(names, "!a*"));
    view.templates = names;
    assert_string_equal(selected(snapshot, &view, &request), "D-bare | Mixed");
    request.policy_oids = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(request.policy_oids, const char *) = "1.2.840.0";
    assert_string_equal(selected(snapshot, &view, &request), "|");
}

static void renewal_texts(void **state)
{
    const struct cep_snapshot *snapshot = renewal_forest();
    const char *text = text_of(snapshot, snapshot->cas[0].renewal);

    (void)state;
    assert_string_equal(image_at(snapshot, snapshot->cas[0].cn), "Mixed");
    assert_int_equal(count_of(text, "<cAURI>"), 3);
    assert_int_equal(count_of(text, "<renewalOnly>true</renewalOnly>"), 3);
    assert_int_equal(count_of(text, "<uri>https://mixed/4</uri>"), 1);
    assert_int_equal(count_of(text, "<uri>https://mixed/8</uri>"), 1);
    assert_int_equal(count_of(text, "<uri>https://mixed/88</uri>"), 1);
    text = text_of(snapshot, snapshot->cas[0].ca);
    assert_int_equal(count_of(text, "<cAURI>"), 5);
    assert_int_equal(count_of(text, "<renewalOnly>false</renewalOnly>"), 3);
    assert_string_equal(text_of(snapshot, snapshot->cas[1].renewal), "*");

    text = text_of(snapshot, snapshot->templates[0].renewal);
    assert_int_equal(count_of(text, "<cAReference>0</cAReference>"), 1);
    assert_int_equal(count_of(text, "<cAReference>"), 1);
    assert_int_equal(count_of(text_of(snapshot, snapshot->templates[0].policy), "<cAReference>"),
                     2);
    for (int i = 1; i < 5; i++)
        assert_true((i == 3) == (snapshot->templates[i].renewal.head.count > 0));
}

static void certificates(void **state)
{
    const struct cep_snapshot *snapshot = renewal_forest();
    apr_array_header_t *all = cep_snapshot_ca_certificates(snapshot, pool);
    static const char *const wanted[] = {"Mixed", "Mixed", "None", "None"};

    (void)state;
    assert_int_equal(all->nelts, 4);
    for (int i = 0; i < 4; i++) {
        const struct cep_value *value = &APR_ARRAY_IDX(all, i, const struct cep_value);

        assert_int_equal(value->len, strlen(wanted[i]));
        assert_memory_equal(value->data, wanted[i], value->len);
    }
}

/* ---- what is kept with a snapshot ---- */

/* Two lists of names, in turns: each has what is its own, and the second time the same. */
static void lists_are_kept_apart(void **state)
{
    const struct cep_snapshot *snapshot = renewal_forest();
    struct cep_view views[2] = {CEP_VIEW_DEFAULT, CEP_VIEW_DEFAULT};
    const unsigned char *first[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        apr_array_header_t *names = apr_array_make(pool, 1, sizeof(struct cep_view_pattern));

        assert_null(cep_view_add(names, i ? "[AB]*" : "!A*"));
        views[i].templates = names;
        first[i] = cep_view_shown(snapshot, &views[i]);
    }
    assert_memory_equal(first[0], "\0\1\1\1\1", 5);
    assert_memory_equal(first[1], "\1\1\0\0\0", 5);
    for (int i = 0; i < 6; i++)
        assert_ptr_equal(cep_view_shown(snapshot, &views[i % 2]), first[i % 2]);
    /* another snapshot knows nothing of this one */
    assert_ptr_not_equal(cep_view_shown(renewal_forest(), &views[0]), first[0]);
}

/* ---- OIDs ---- */

/* First, last, between, none: what each selects alone, and any two together. */
static void oids(void **state)
{
    static const char *const told[] = {"1.2.10", "1.2.9", "1.2.100", "1.2.1", "2.5"};
    static const char *const asked[] = {"1.2.1", "1.2.9", "1.2.10", "1.2.100", "2.5",
                                        "1.2",   "1.2.2", "1.2.99", "3.1",     ""};
    const size_t count = sizeof(asked) / sizeof(asked[0]);
    const struct cep_enrollment_uri uri = {CEP_AUTH_CERTIFICATE, "https://ca/", 1, 0, 0};
    const struct cep_view view = {.key_based_renewal = 1, .lenient = 1, .max_version = 6};
    struct cep_request request = {.has_filter = 1};
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    const struct cep_snapshot *snapshot;

    (void)state;
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        add(policy, apr_psprintf(pool, "T%d", (int)i), RENEWAL)->oid = told[i];
    add_service(policy, "CA", "T0 T1 T2 T3 T4", &uri, 1);
    snapshot = finish(policy);
    assert_int_equal(snapshot->header->templates.count, 5);
    request.policy_oids = apr_array_make(pool, 2, sizeof(const char *));
    assert_string_equal(selected(snapshot, &view, &request), "|");
    for (size_t pair = 0; pair < count * count; pair++) {
        const char *one = asked[pair / count], *other = asked[pair % count], *expected = "";

        apr_array_clear(request.policy_oids);
        APR_ARRAY_PUSH(request.policy_oids, const char *) = one;
        APR_ARRAY_PUSH(request.policy_oids, const char *) = other;
        for (uint32_t i = 0; i < snapshot->header->templates.count; i++) {
            const char *oid = image_at(snapshot, snapshot->templates[i].oid);

            if (!strcmp(oid, one) || !strcmp(oid, other))
                expected = apr_pstrcat(pool, expected,
                                       image_at(snapshot, snapshot->templates[i].cn), " ", NULL);
        }
        expected = apr_pstrcat(pool, expected, *expected ? "| CA" : "|", NULL);
        assert_string_equal(selected(snapshot, &view, &request), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),     cmocka_unit_test(no_filter_no_versions),
        cmocka_unit_test(renewal),      cmocka_unit_test(renewal_texts),
        cmocka_unit_test(certificates), cmocka_unit_test(lists_are_kept_apart),
        cmocka_unit_test(oids),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
