/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* CAs: which certificate, which URIs, and which CAs cannot be offered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "policy_helper.h"
#include "pool.h"

#define DAY  86400
#define YEAR (365 * (apr_int64_t)DAY)

/* 2026-06-01: all tests live then. */
#define NOW 1780272000

static EVP_PKEY *key;

/* A self-signed certificate; from and until are seconds relative to NOW. */
static struct cep_value certificate(long serial, apr_int64_t from, apr_int64_t until)
{
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);
    unsigned char *der = NULL;
    struct cep_value value = {NULL, 0};
    int length;

    assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)"Test CA", -1, -1, 0));
    X509_set_issuer_name(x509, name);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(NOW + from)));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(NOW + until)));
    X509_set_pubkey(x509, key);
    assert_true(X509_sign(x509, key, NULL) > 0);
    length = i2d_X509(x509, &der);
    assert_true(length > 0);
    value.data = apr_pmemdup(pool, der, (apr_size_t)length);
    value.len = (apr_size_t)length;
    OPENSSL_free(der);
    X509_free(x509);
    return value;
}

static struct cep_policy *load(const struct given *given, const struct cep_value *certificates,
                               int count, const apr_array_header_t *configured)
{
    struct cep_policy *policy = cep_policy_make(pool, apr_time_from_sec(NOW), configured);
    struct cep_entry *entry = make_entry(pool, "CN=CA", ca_defaults, given);
    int i;

    for (i = 0; i < count; i++)
        cep_entry_add(entry, pool, "cACertificate", certificates[i].data, certificates[i].len);
    cep_policy_add_service(policy, entry);
    cep_policy_finish(policy);
    return policy;
}

/* Which of the certificates is taken: its place in certificates, or -1. */
static int chosen(const struct cep_policy *policy, const struct cep_value *certificates, int count)
{
    int i;

    if (policy->services->nelts == 0)
        return -1;
    for (i = 0; i < count; i++) {
        const struct cep_value *taken = &service_at(policy, 0)->certificate;

        if (taken->len == certificates[i].len &&
            memcmp(taken->data, certificates[i].data, taken->len) == 0)
            return i;
    }
    return -2;
}

static void test_certificate_choice(void **state)
{
    static const unsigned char zero[] = {0}, junk[] = "junk";
    struct cep_value c[] = {
        certificate(1, -10 * YEAR, -1),        /* 0: expired */
        certificate(2, -5 * YEAR, 5 * YEAR),   /* 1: older */
        certificate(3, -1 * YEAR, 500 * YEAR), /* 2: newer, for five hundred years */
        certificate(4, DAY, 10 * YEAR),        /* 3: not valid yet */
        {zero, 1},                             /* 4: a placeholder */
        {junk, 4},                             /* 5: no certificate */
        certificate(5, 0, 0),                  /* 6: valid this very second */
    };
    static const struct {
        int list[7], count, expected;
        const char *finding; /* or NULL */
    } rows[] = {
        {{1}, 1, 1, NULL},          {{1, 2}, 2, 2, NULL},       {{2, 1}, 2, 2, NULL},
        {{3, 1, 0, 2}, 4, 2, NULL}, {{4, 1}, 2, 1, NULL},       {{5, 1}, 2, 1, "CEP0351"},
        {{6}, 1, 6, NULL},          {{6, 2}, 2, 6, NULL},       {{0}, 1, -1, "CEP0348"},
        {{3}, 1, -1, "CEP0348"},    {{0, 3}, 2, -1, "CEP0348"}, {{4}, 1, -1, "CEP0347"},
        {{5, 4}, 2, -1, "CEP0347"}, {{0}, 0, -1, "CEP0347"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cep_value list[7];
        const struct cep_policy *policy;
        int j;

        for (j = 0; j < rows[i].count; j++)
            list[j] = c[rows[i].list[j]];
        policy = load(NULL, list, rows[i].count, NULL);
        assert_int_equal(chosen(policy, c, 7), rows[i].expected);
        assert_int_equal(rows[i].finding == NULL, !finding_of(policy, "CEP0351") &&
                                                      !finding_of(policy, "CEP0348") &&
                                                      !finding_of(policy, "CEP0347"));
        if (rows[i].finding)
            assert_non_null(finding_of(policy, rows[i].finding));
    }
}

/* The same certificates in another order give the same choice, whatever they have in common. */
static void test_certificate_ties(void **state)
{
    struct cep_value c[] = {
        certificate(1, -YEAR, YEAR), certificate(2, -YEAR, 2 * YEAR),
        certificate(3, -YEAR, 2 * YEAR), certificate(400000, -YEAR, 2 * YEAR), /* longer */
    };
    struct cep_value turned[] = {c[3], c[2], c[1], c[0]};
    int first = chosen(load(NULL, c, 4, NULL), c, 4);

    (void)state;
    assert_int_not_equal(first, 0); /* of equal beginnings the later end */
    assert_true(first > 0);
    assert_int_equal(chosen(load(NULL, turned, 4, NULL), c, 4), first);
}

static void test_octets_behind_certificate(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR), longer, shorter;
    unsigned char *copy = apr_pcalloc(pool, good.len + 1);

    (void)state;
    memcpy(copy, good.data, good.len);
    longer.data = copy;
    longer.len = good.len + 1;
    shorter.data = copy;
    shorter.len = good.len - 1;
    assert_int_equal(load(NULL, &good, 1, NULL)->services->nelts, 1);
    assert_int_equal(load(NULL, &longer, 1, NULL)->services->nelts, 0);
    assert_int_equal(load(NULL, &shorter, 1, NULL)->services->nelts, 0);
}

static const char *describe(const struct cep_policy *policy)
{
    const char *text = "";
    int i;

    for (i = 0; policy->services->nelts > 0 && i < service_at(policy, 0)->uris->nelts; i++) {
        const struct cep_enrollment_uri *uri =
            &APR_ARRAY_IDX(service_at(policy, 0)->uris, i, struct cep_enrollment_uri);

        text = apr_psprintf(pool, "%s%u/%d/%d/%d %s;", text, uri->priority, (int)uri->auth,
                            uri->renewal_only, uri->key_based_renewal, uri->uri);
    }
    return text;
}

struct uri_row {
    const char *values[4];
    const char *expected;
    const char *finding; /* or NULL */
};

static void test_uris(void **state)
{
    static const struct uri_row rows[] = {
        {{"1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", NULL},
        {{"1\n2\n0\nhttps://h/a\n0"}, "1/2/0/0 https://h/a;", NULL},
        {{"1\n8\n1\nhttps://h/a\n1"}, "1/8/1/1 https://h/a;", NULL},
        {{"1\r\n2\r\n0\r\nhttps://h/a\r\n0\r\n"}, "1/2/0/0 https://h/a;", NULL},
        {{" 1 \n 2\t\n0 \n  https://h/a  \n"}, "1/2/0/0 https://h/a;", NULL},
        {{"0\n1\n0\nHTTPS://h"}, "0/1/0/0 HTTPS://h;", NULL},
        {{"4294967295\n4\n0\nhttps://h/a"}, "4294967295/4/0/0 https://h/a;", NULL},
        {{"2\n2\n0\nhttps://h/b", "1\n4\n0\nhttps://h/c", "1\n2\n0\nhttps://h/z",
          "1\n2\n0\nhttps://h/a"},
         "1/2/0/0 https://h/a;1/2/0/0 https://h/z;1/4/0/0 https://h/c;2/2/0/0 https://h/b;",
         NULL},
        {{"3\n2\n0\nhttps://h/a", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0354"},
        /* one bad value leaves the others */
        {{"1\n2\n0", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"1\n3\n0\nhttps://h/b", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"x\n2\n0\nhttps://h/b", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"-1\n2\n0\nhttps://h/b", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"4294967296\n2\n0\nhttps://h/b", "1\n2\n0\nhttps://h/a"},
         "1/2/0/0 https://h/a;",
         "CEP0352"},
        {{"1\n2\n2\nhttps://h/b", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"1\n2\n0\nhttps://h/b\n7", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"1\n2\n0\nhttps://h/b\n0\n0", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"1\n2\n0\n\n0", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0352"},
        {{"1\n2\n0\nhttp://h/b", "1\n2\n0\nhttps://h/a"}, "1/2/0/0 https://h/a;", "CEP0353"},
        {{"1\n2\n0\nhttp://h/b"}, "", "CEP0349"},
        {{NULL}, "", "CEP0349"},
    };
    struct cep_value good = certificate(1, -YEAR, YEAR);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct given given[5];
        const struct cep_policy *policy;
        int j;

        for (j = 0; j < 4; j++) {
            given[j].attribute = "msPKI-Enrollment-Servers";
            given[j].value = rows[i].values[j];
            given[j].length = 0;
        }
        given[4].attribute = NULL;
        policy = load(given, &good, 1, NULL);
        assert_string_equal(describe(policy), rows[i].expected);
        if (rows[i].finding)
            assert_non_null(finding_of(policy, rows[i].finding));
        else
            assert_null(finding_of(policy, "CEP0352"));
    }
}

/* At the limit of a value and one octet above. */
static void test_longest_uri(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    static const char begin[] = "1\n2\n0\nhttps://h/";
    int over;

    (void)state;
    for (over = 0; over <= 1; over++) {
        char *value = apr_palloc(pool, CEP_POLICY_MAX_TEXT + 2);
        const struct given given[] = {{"msPKI-Enrollment-Servers", value, 0}, END};

        memset(value, 'a', CEP_POLICY_MAX_TEXT + 1);
        memcpy(value, begin, sizeof(begin) - 1);
        value[CEP_POLICY_MAX_TEXT + over] = '\0';
        assert_int_equal(load(given, &good, 1, NULL)->services->nelts, !over);
    }
}

/* Templates that a CA publishes: one more, and the CA is left out. */
static void test_number_of_templates(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    int over;

    (void)state;
    for (over = 0; over <= 1; over++) {
        int count = CEP_POLICY_MAX_TEMPLATES + over, i;
        struct given *given = apr_pcalloc(pool, sizeof(*given) * ((size_t)count + 1));

        for (i = 0; i < count; i++) {
            given[i].attribute = "certificateTemplates";
            given[i].value = apr_psprintf(pool, "T%d", i);
        }
        assert_int_equal(load(given, &good, 1, NULL)->services->nelts, !over);
    }
}

static void add_configured(apr_array_header_t *list, const char *ca, const char *uri)
{
    struct cep_configured_uri line = {ca, {CEP_AUTH_USERNAME, NULL, 7, 1, 0}};

    line.uri.uri = uri;
    APR_ARRAY_PUSH(list, struct cep_configured_uri) = line;
}

static void test_configured_uris(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    static const struct given without[] = {{"msPKI-Enrollment-Servers", NULL, 0}, END};
    apr_array_header_t *list = apr_array_make(pool, 2, sizeof(struct cep_configured_uri));
    const struct cep_policy *policy;

    (void)state;
    add_configured(list, "TEST ca", "https://gateway/ces");
    policy = load(NULL, &good, 1, list);
    assert_string_equal(describe(policy), "7/4/1/0 https://gateway/ces;");
    policy = load(without, &good, 1, list);
    assert_string_equal(describe(policy), "7/4/1/0 https://gateway/ces;");
    assert_int_equal(policy->findings->nelts, 1); /* "Base" is published and not there */

    add_configured(list, "No such CA", "https://gateway/other");
    add_configured(list, "Test CA", "http://gateway/plain");
    policy = load(NULL, &good, 1, list);
    assert_string_equal(describe(policy), "7/4/1/0 https://gateway/ces;");
    assert_non_null(finding_of(policy, "CEP0359"));
    assert_string_equal(finding_of(policy, "CEP0359")->name, "No such CA");
    assert_non_null(finding_of(policy, "CEP0353"));
}

static void test_odd_cas(void **state)
{
    static const struct odd_row rows[] = {
        {"CEP0341", 1, {{"cn", NULL, 0}, END}},
        {"CEP0341", 1, {{"cn", " ", 0}, END}},
        {"CEP0342", 1, {{"cn", "\x01", 0}, END}},
        {"CEP0342", 1, {{"cn", "\xff", 0}, END}},
        {"CEP0344", 1, {{"cn", "A", 0}, {"cn", "B", 0}, END}},
        {"CEP0345", 1, {{"flags", "ten", 0}, END}},
        {"CEP0346", 1, {{"flags", "1", 0}, END}},
        {"CEP0346", 1, {{"flags", "11", 0}, END}},
        {"CEP0355", 0, {{"nTSecurityDescriptor", NULL, 0}, END}},
        {"CEP0356", 0, {{"displayName", "\x01", 0}, END}},
        {"CEP0357", 0, {{"certificateTemplates", "\x01", 0}, END}},
        {"CEP0358", 0, {{"certificateTemplates", "Gone", 0}, END}},
        {"CEP0360",
         0,
         {{"certificateTemplates", "Gone", 0}, {"certificateTemplates", "gONE", 0}, END}},
    };
    struct cep_value good = certificate(1, -YEAR, YEAR);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cep_policy *policy = load(rows[i].given, &good, 1, NULL);
        const struct cep_finding *finding = finding_of(policy, rows[i].finding);

        assert_non_null(finding);
        assert_int_equal(finding->kind, CEP_OBJECT_CA);
        assert_int_equal(finding->left_out, rows[i].left_out);
        assert_int_equal(policy->services->nelts, !rows[i].left_out);
    }
}

static void test_publication(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    static const struct given first[] = {{"cn", "B CA", 0},
                                         {"certificateTemplates", "wEBSERVER", 0},
                                         {"certificateTemplates", "User", 0},
                                         END};
    static const struct given second[] = {{"cn", "a CA", 0},
                                          {"certificateTemplates", "WebServer", 0},
                                          {"certificateTemplates", "WEBSERVER", 0},
                                          END};
    static const struct given lone_blank[] = {
        {"cn", "C CA", 0}, {"certificateTemplates", " ", 0}, END};
    struct cep_policy *policy = cep_policy_make(pool, apr_time_from_sec(NOW), NULL);

    (void)state;
    add_named_template(policy, "WebServer", "1.2.3.1");
    add_named_template(policy, "User", "1.2.3.2");
    add_named_template(policy, "Unpublished", "1.2.3.3");
    add_ca(policy, "CN=B", first, good);
    add_ca(policy, "CN=C", lone_blank, good);
    add_ca(policy, "CN=A", second, good);
    cep_policy_finish(policy);
    assert_string_equal(service_at(policy, 0)->cn, "a CA");
    assert_string_equal(service_at(policy, 1)->cn, "B CA");
    assert_string_equal(template_at(policy, 0)->cn, "Unpublished");
    assert_string_equal(join_numbers(pool, template_at(policy, 0)->ca_refs), "");
    assert_string_equal(join_numbers(pool, template_at(policy, 1)->ca_refs), "1");
    assert_string_equal(join_numbers(pool, template_at(policy, 2)->ca_refs), "0|1");
    assert_int_equal(policy->findings->nelts, 1); /* WEBSERVER twice */
}

/* A template that was left out is known: the CA's list needs no second finding. */
static void test_unknown_templates(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    static const struct given broken[] = {{"cn", "Broken", 0}, {"revision", NULL, 0}, END};
    static const struct given names[] = {{"certificateTemplates", "broken", 0},
                                         {"certificateTemplates", "Zeta", 0},
                                         {"certificateTemplates", "Alpha", 0},
                                         END};
    struct cep_policy *policy = cep_policy_make(pool, apr_time_from_sec(NOW), NULL);
    const struct cep_finding *finding;

    (void)state;
    add_ca(policy, "CN=A", names, good);
    add_template(policy, "CN=Broken", broken);
    cep_policy_finish(policy);
    finding = finding_of(policy, "CEP0358");
    assert_non_null(finding);
    assert_non_null(strstr(finding->text, "2 templates"));
    assert_non_null(strstr(finding->text, "Alpha,Zeta"));
    assert_int_equal(cep_finding_level(finding), CEP_LOG_INFO);
}

/* One OID, two templates: the one that a CA publishes is offered, though its name comes later. */
static void test_shared_oid(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    static const struct given names[] = {{"certificateTemplates", "Zeta", 0}, END};
    struct cep_policy *policy = cep_policy_make(pool, apr_time_from_sec(NOW), NULL);

    (void)state;
    add_named_template(policy, "Alpha", "1.2.3");
    add_named_template(policy, "Zeta", "1.2.3");
    add_ca(policy, "CN=A", names, good);
    cep_policy_finish(policy);
    assert_int_equal(policy->templates->nelts, 1);
    assert_string_equal(template_at(policy, 0)->cn, "Zeta");
    assert_string_equal(finding_of(policy, "CEP0315")->name, "Alpha");
}

static void test_same_cn(void **state)
{
    struct cep_value good = certificate(1, -YEAR, YEAR);
    static const struct given lower[] = {{"cn", "test ca", 0}, END};
    static const struct given upper[] = {{"cn", "TEST CA", 0}, END};
    int turned;

    (void)state;
    for (turned = 0; turned <= 1; turned++) {
        struct cep_policy *policy = cep_policy_make(pool, apr_time_from_sec(NOW), NULL);

        add_ca(policy, turned ? "CN=2" : "CN=1", turned ? upper : lower, good);
        add_ca(policy, turned ? "CN=1" : "CN=2", turned ? lower : upper, good);
        cep_policy_finish(policy);
        assert_int_equal(policy->services->nelts, 1);
        assert_string_equal(service_at(policy, 0)->cn, "TEST CA");
        assert_non_null(finding_of(policy, "CEP0350"));
        assert_string_equal(finding_of(policy, "CEP0350")->name, "test ca");
    }
}

static int setup(void **state)
{
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return !key || make_pool(state);
}

static int teardown(void **state)
{
    EVP_PKEY_free(key);
    return drop_pool(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_choice),
        cmocka_unit_test(test_certificate_ties),
        cmocka_unit_test(test_octets_behind_certificate),
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_longest_uri),
        cmocka_unit_test(test_number_of_templates),
        cmocka_unit_test(test_configured_uris),
        cmocka_unit_test(test_odd_cas),
        cmocka_unit_test(test_publication),
        cmocka_unit_test(test_unknown_templates),
        cmocka_unit_test(test_shared_oid),
        cmocka_unit_test(test_same_cn),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
