/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The OID table: rows, names, numbers; and that nothing depends on the order of entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy_helper.h"
#include "pool.h"

static const struct cep_oid_row *find_row(const struct cep_policy *policy, const char *value,
                                          enum cep_oid_group group)
{
    int i;

    for (i = 0; i < policy->oid_table->nelts; i++) {
        if (strcmp(row_at(policy, i)->value, value) == 0 && row_at(policy, i)->group == group)
            return row_at(policy, i);
    }
    return NULL;
}

static void test_rows(void **state)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    static const struct {
        enum cep_oid_group group;
        const char *value, *name;
    } expected[] = {
        {CEP_OID_EXTENSION, "1.3.6.1.4.1.311.21.10", "Application Policies"},
        {CEP_OID_EXTENSION, "1.3.6.1.4.1.311.21.7", "Certificate Template Information"},
        {CEP_OID_EXTENSION, "2.5.29.15", "Key Usage"},
        {CEP_OID_EXTENSION, "2.5.29.37", "Enhanced Key Usage"},
        {CEP_OID_EKU, "1.3.6.1.5.5.7.3.2", "Client Authentication"},
        {CEP_OID_TEMPLATE, "1.2.3.1", "One"},
        {CEP_OID_TEMPLATE, "1.2.3.2", "Two"},
    };
    int i;

    (void)state;
    add_named_template(policy, "Two", "1.2.3.2");
    add_named_template(policy, "One", "1.2.3.1");
    cep_policy_finish(policy);
    assert_int_equal(policy->oid_table->nelts, sizeof(expected) / sizeof(expected[0]));
    for (i = 0; i < policy->oid_table->nelts; i++) {
        assert_int_equal(row_at(policy, i)->group, expected[i].group);
        assert_string_equal(row_at(policy, i)->value, expected[i].value);
        assert_string_equal(row_at(policy, i)->name, expected[i].name);
        assert_int_equal(row_at(policy, i)->localized->nelts, 0);
    }
    assert_int_equal(template_at(policy, 0)->policy_ref, 5);
    assert_string_equal(join_numbers(pool, template_at(policy, 0)->oid_refs), "0|1|2|3|4|5");
    assert_string_equal(join_numbers(pool, template_at(policy, 1)->oid_refs), "0|1|2|3|4|6");
}

/* One OID, two names: two rows. The name carries what the key is for. */
static void test_shared_curve(void **state)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    static const struct given sign[] = {
        {"cn", "Sign", 0},
        {"msPKI-Template-Schema-Version", "3", 0},
        {"msPKI-Cert-Template-OID", "1.2.3.1", 0},
        {CNG, "msPKI-Asymmetric-Algorithm`PZPWSTR`ECDSA_P256`msPKI-Hash-Algorithm`PZPWSTR`SHA256`",
         0},
        END};
    static const struct given agree[] = {
        {"cn", "Agree", 0},
        {"msPKI-Template-Schema-Version", "3", 0},
        {"msPKI-Cert-Template-OID", "1.2.3.2", 0},
        {CNG, "msPKI-Asymmetric-Algorithm`PZPWSTR`ECDH_P256`msPKI-Hash-Algorithm`PZPWSTR`SHA256`",
         0},
        END};
    const struct cep_template *a, *b;

    (void)state;
    add_template(policy, "CN=1", sign);
    add_template(policy, "CN=2", agree);
    cep_policy_finish(policy);
    a = template_at(policy, 0);
    b = template_at(policy, 1);
    assert_int_not_equal(a->algorithm_ref, b->algorithm_ref);
    assert_string_equal(row_at(policy, a->algorithm_ref)->value, "1.2.840.10045.3.1.7");
    assert_string_equal(row_at(policy, b->algorithm_ref)->value, "1.2.840.10045.3.1.7");
    assert_string_equal(row_at(policy, a->algorithm_ref)->name, "ECDH_P256");
    assert_string_equal(row_at(policy, b->algorithm_ref)->name, "ECDSA_P256");
    assert_int_equal(row_at(policy, a->algorithm_ref)->group, CEP_OID_PUBLIC_KEY);
    assert_int_equal(a->hash_ref, b->hash_ref);
    assert_string_equal(row_at(policy, a->hash_ref)->name, "sha256");
}

static void test_forest_names(void **state)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    static const struct given tmpl[] = {
        {"pKIExtendedKeyUsage", "1.2.3.4.5", 0},
        {"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.2", 0},
        {"pKIExtendedKeyUsage", "1.2.3.4.99", 0},
        {"msPKI-Certificate-Policy", "1.2.3.4.6", 0},
        {"msPKI-Certificate-Policy", "1.2.3.4.5", 0},
        END,
    };
    static const struct given purpose[] = {
        {"msPKI-OIDLocalizedName", "1031,Eigener Zweck", 0},
        {"msPKI-OIDLocalizedName", "1036, Propre usage", 0},
        END,
    };
    static const struct given issuance[] = {
        {"flags", "2", 0},
        {"displayName", "Our policy", 0},
        {"msPKI-Cert-Template-OID", "1.2.3.4.6", 0},
        END,
    };
    static const struct given of_template[] = {
        {"flags", "1", 0},
        {"displayName", "Old name", 0},
        {"msPKI-Cert-Template-OID", BASE_OID, 0},
        {"msPKI-OIDLocalizedName", "1031,Vorlage", 0},
        END,
    };
    static const struct given own_name[] = {
        {"displayName", "Our clients", 0},
        {"msPKI-Cert-Template-OID", "1.3.6.1.5.5.7.3.2", 0},
        END,
    };
    static const struct given unused[] = {
        {"msPKI-Cert-Template-OID", "1.2.3.4.7", 0},
        END,
    };
    const struct cep_oid_row *row;

    (void)state;
    add_template(policy, "CN=T", tmpl);
    add_oid(policy, "CN=1", purpose);
    add_oid(policy, "CN=2", issuance);
    add_oid(policy, "CN=3", of_template);
    add_oid(policy, "CN=4", own_name);
    add_oid(policy, "CN=5", unused);
    cep_policy_finish(policy);
    assert_int_equal(policy->findings->nelts, 0);

    row = find_row(policy, "1.2.3.4.5", CEP_OID_EKU);
    assert_string_equal(row->name, "Own purpose");
    assert_int_equal(row->localized->nelts, 2);
    assert_int_equal(APR_ARRAY_IDX(row->localized, 0, struct cep_localized_name).lcid, 1031);
    assert_string_equal(APR_ARRAY_IDX(row->localized, 1, struct cep_localized_name).name,
                        "Propre usage");
    /* the same OID as a policy has the same object, for there is no better one */
    assert_string_equal(find_row(policy, "1.2.3.4.5", CEP_OID_POLICY)->name, "Own purpose");
    assert_string_equal(find_row(policy, "1.2.3.4.6", CEP_OID_POLICY)->name, "Our policy");
    assert_string_equal(find_row(policy, "1.3.6.1.5.5.7.3.2", CEP_OID_EKU)->name, "Our clients");
    assert_string_equal(find_row(policy, "1.2.3.4.99", CEP_OID_EKU)->name, "1.2.3.4.99");
    row = find_row(policy, BASE_OID, CEP_OID_TEMPLATE);
    assert_string_equal(row->name, "Base template"); /* the template's own name */
    assert_string_equal(APR_ARRAY_IDX(row->localized, 0, struct cep_localized_name).name,
                        "Vorlage");
    assert_null(find_row(policy, "1.2.3.4.7", CEP_OID_EKU));
}

/* Of the RA lists only what an answer can refer to. */
static void test_ra_rows(void **state)
{
    static const char *const signatures[] = {"0", "1"};
    int i;

    (void)state;
    for (i = 0; i <= 1; i++) {
        const struct given given[] = {{"msPKI-RA-Signature", signatures[i], 0},
                                      {"msPKI-RA-Policies", "1.2.3.4", 0},
                                      {CNG, "1.3.6.1.4.1.311.20.2.1", 0},
                                      END};
        struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

        add_template(policy, "CN=T", given);
        cep_policy_finish(policy);
        assert_int_equal(find_row(policy, "1.2.3.4", CEP_OID_POLICY) != NULL, i);
        assert_int_equal(find_row(policy, "1.3.6.1.4.1.311.20.2.1", CEP_OID_EKU) != NULL, i);
        assert_int_equal(template_at(policy, 0)->ra_eku_refs->nelts, i);
        assert_int_equal(template_at(policy, 0)->ra_policy_refs->nelts, i);
    }
}

static void test_odd_oid_objects(void **state)
{
    static const struct odd_row rows[] = {
        {"CEP0361", 1, {{"msPKI-Cert-Template-OID", NULL, 0}, END}},
        {"CEP0362", 1, {{"msPKI-Cert-Template-OID", "own", 0}, END}},
        {"CEP0363", 1, {{"msPKI-Cert-Template-OID", "1.2.4294967296", 0}, END}},
        {"CEP0365",
         1,
         {{"msPKI-Cert-Template-OID", "1.2.3", 0}, {"msPKI-Cert-Template-OID", "1.2.4", 0}, END}},
        {"CEP0366", 0, {{"flags", "three", 0}, END}},
        {"CEP0366", 0, {{"flags", "1", 0}, {"flags", "2", 0}, END}},
        {"CEP0367", 0, {{"displayName", "\x01", 0}, END}},
        {"CEP0367", 0, {{"displayName", "A", 0}, {"displayName", "B", 0}, END}},
        {"CEP0368", 0, {{"msPKI-OIDLocalizedName", "Zweck", 0}, END}},
        {"CEP0368", 0, {{"msPKI-OIDLocalizedName", "de,Zweck", 0}, END}},
        {"CEP0368", 0, {{"msPKI-OIDLocalizedName", "0,Zweck", 0}, END}},
        {"CEP0368", 0, {{"msPKI-OIDLocalizedName", "4294967296,Zweck", 0}, END}},
        {"CEP0368", 0, {{"msPKI-OIDLocalizedName", "1031, ", 0}, END}},
        {"CEP0368", 0, {{"msPKI-OIDLocalizedName", "1031,\xff", 0}, END}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

        add_oid(policy, "CN=O", rows[i].given);
        cep_policy_finish(policy);
        assert_true(only_finding_is(policy, rows[i].finding));
        assert_int_equal(finding_of(policy, rows[i].finding)->left_out, rows[i].left_out);
        assert_int_equal(policy->oids->nelts, !rows[i].left_out);
    }
}

/* Of several names in one language the first by octets, whatever the server's order. */
static void test_localized_twice(void **state)
{
    static const struct given given[] = {
        {"msPKI-OIDLocalizedName", "1031,Zweiter", 0},
        {"msPKI-OIDLocalizedName", "1036,Autre", 0},
        {"msPKI-OIDLocalizedName", "1031,Erster", 0},
        END,
    };
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    const apr_array_header_t *names;

    (void)state;
    add_oid(policy, "CN=O", given);
    cep_policy_finish(policy);
    names = APR_ARRAY_IDX(policy->oids, 0, struct cep_enterprise_oid *)->localized;
    assert_int_equal(names->nelts, 2);
    assert_int_equal(APR_ARRAY_IDX(names, 0, struct cep_localized_name).lcid, 1031);
    assert_string_equal(APR_ARRAY_IDX(names, 0, struct cep_localized_name).name, "Erster");
}

/* The container of the OID objects is one itself: it has the forest's OID and nothing else. */
static void test_container(void **state)
{
    static const struct given given[] = {{"flags", NULL, 0}, {"displayName", NULL, 0}, END};
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

    (void)state;
    add_oid(policy, "CN=OID", given);
    cep_policy_finish(policy);
    assert_int_equal(policy->findings->nelts, 0);
}

static void test_same_oid_objects(void **state)
{
    static const struct given unnamed[] = {{"displayName", NULL, 0}, END};
    static const struct given beta[] = {{"displayName", "Beta", 0}, END};
    static const struct given alpha[] = {{"displayName", "Alpha", 0}, END};
    static const struct given other_kind[] = {{"flags", "2", 0}, END};
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

    (void)state;
    add_oid(policy, "CN=1", unnamed);
    add_oid(policy, "CN=2", beta);
    add_oid(policy, "CN=3", alpha);
    add_oid(policy, "CN=4", other_kind);
    cep_policy_finish(policy);
    assert_int_equal(policy->oids->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(policy->oids, 1, struct cep_enterprise_oid *)->display_name,
                        "Alpha");
    assert_int_equal(policy->findings->nelts, 2);
    assert_non_null(finding_of(policy, "CEP0369"));
}

/* A directory with something of everything; begin says which entry comes first. */
static const char *load_from(int begin, int step)
{
    static const struct given odd[] = {{"cn", "Odd", 0}, {"pKIDefaultCSPs", "1,", 0}, END};
    static const struct given broken[] = {{"cn", "Broken", 0}, {"revision", "0", 0}, END};
    static const struct given upper[] = {{"cn", "USER", 0}, END};
    static const struct given lower[] = {
        {"cn", "user", 0}, {"msPKI-Cert-Template-OID", "1.2.3.9", 0}, END};
    static const struct given shared[] = {{"cn", "Zeta", 0}, END};
    static const struct given named[] = {{"msPKI-OIDLocalizedName", "7,x", 0}, END};
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    int i;

    for (i = 0; i < 7; i++) {
        switch ((begin + i * step) % 7) {
        case 0: add_template(policy, "CN=0", odd); break;
        case 1: add_template(policy, "CN=1", broken); break;
        case 2: add_template(policy, "CN=2", upper); break;
        case 3: add_template(policy, "CN=3", lower); break;
        case 4: add_template(policy, "CN=4", shared); break;
        case 5: add_oid(policy, "CN=5", named); break;
        default: add_oid(policy, "CN=6", NULL); break;
        }
    }
    cep_policy_finish(policy);
    return dump_policy(policy, pool);
}

static void test_order_of_entries(void **state)
{
    const char *first = load_from(0, 1);
    int begin, step;

    (void)state;
    for (begin = 0; begin < 7; begin++) {
        for (step = 1; step < 7; step++)
            assert_string_equal(load_from(begin, step), first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_shared_curve),
        cmocka_unit_test(test_forest_names),
        cmocka_unit_test(test_ra_rows),
        cmocka_unit_test(test_odd_oid_objects),
        cmocka_unit_test(test_localized_twice),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_same_oid_objects),
        cmocka_unit_test(test_order_of_entries),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
