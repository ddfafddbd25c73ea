/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Odd templates: what is left out, what is offered with a correction, and under which code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy_helper.h"
#include "pool.h"

#define OID "msPKI-Cert-Template-OID"

static const struct odd_row rows[] = {
    {"CEP0301", 1, {{"cn", NULL, 0}, END}},
    {"CEP0301", 1, {{"cn", "", 0}, END}},
    {"CEP0301", 1, {{"cn", " \t", 0}, END}},
    {"CEP0302", 1, {{"cn", OCTETS("nul\0")}, END}},
    {"CEP0302", 1, {{"cn", "bell\x07", 0}, END}},
    {"CEP0302", 1, {{"cn", "\xed\xa0\x80", 0}, END}},
    {"CEP0302", 1, {{"cn", "\xef\xbf\xbf", 0}, END}},
    {"CEP0302", 1, {{"cn", "latin1 \xfc", 0}, END}},

    {"CEP0304", 1, {{"cn", "A", 0}, {"cn", "B", 0}, END}},
    {"CEP0304", 1, {{"revision", "1", 0}, {"revision", "2", 0}, END}},
    {"CEP0304", 1, {{"pKIExpirationPeriod", ONE_YEAR}, {"pKIExpirationPeriod", SIX_WEEKS}, END}},
    {"CEP0304", 1, {{OID, "1.2.3", 0}, {OID, "1.2.4", 0}, END}},
    {"CEP0304", 1, {{"nTSecurityDescriptor", "a", 0}, {"nTSecurityDescriptor", "b", 0}, END}},
    {"CEP0304",
     1,
     {{"msPKI-Template-Schema-Version", "3", 0},
      {CNG, "msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`", 0},
      {CNG, "1.2.3", 0},
      END}},

    {"CEP0305", 1, {{"flags", "x", 0}, END}},
    {"CEP0305", 1, {{"flags", "", 0}, END}},
    {"CEP0305", 1, {{"flags", "1.5", 0}, END}},
    {"CEP0305", 1, {{"flags", "0x20", 0}, END}},
    {"CEP0305", 1, {{"flags", "4294967296", 0}, END}},
    {"CEP0305", 1, {{"flags", "-2147483649", 0}, END}},
    {"CEP0305", 1, {{"msPKI-Enrollment-Flag", "99999999999999999999", 0}, END}},
    {"CEP0305", 1, {{"msPKI-Minimal-Key-Size", "-1", 0}, END}},
    {"CEP0305", 1, {{"msPKI-RA-Signature", "-1", 0}, END}},
    {"CEP0305", 1, {{"msPKI-Template-Minor-Revision", "-1", 0}, END}},
    {"CEP0305", 1, {{"msPKI-Template-Schema-Version", "two", 0}, END}},
    {"CEP0305", 1, {{"revision", "x", 0}, END}},
    {"CEP0305", 1, {{"flags", "128", 0}, {"pKIMaxIssuingDepth", "-2", 0}, END}},
    {"CEP0305", 1, {{"pKIDefaultKeySpec", "x", 0}, END}},

    {"CEP0306", 1, {{"msPKI-Template-Schema-Version", "0", 0}, END}},
    {"CEP0306", 1, {{"msPKI-Template-Schema-Version", "5", 0}, END}},
    {"CEP0306", 1, {{"msPKI-Template-Schema-Version", "-1", 0}, END}},
    {"CEP0306", 1, {{"msPKI-Template-Schema-Version", "258", 0}, END}},
    {"CEP0307", 1, {{OID, NULL, 0}, END}},
    {"CEP0308", 1, {{OID, "", 0}, END}},
    {"CEP0308", 1, {{OID, "1.2.x", 0}, END}},
    {"CEP0308", 1, {{"pKIExtendedKeyUsage", "clientAuth", 0}, END}},
    {"CEP0308", 1, {{"msPKI-Certificate-Policy", "x", 0}, END}},
    {"CEP0308", 1, {{"msPKI-Certificate-Application-Policy", "x", 0}, END}},
    {"CEP0308", 1, {{"msPKI-RA-Signature", "1", 0}, {"msPKI-RA-Policies", "x", 0}, END}},
    {"CEP0308", 1, {{"msPKI-RA-Signature", "1", 0}, {CNG, "x", 0}, END}},
    {"CEP0309", 1, {{OID, "1.2.4294967296", 0}, END}},
    {"CEP0309", 1, {{"pKIExtendedKeyUsage", "1.3.6.1.4.1.4294967296.1", 0}, END}},
    {"CEP0309", 1, {{"msPKI-Certificate-Policy", "1.2.18446744073709551616", 0}, END}},

    {"CEP0310", 1, {{"pKIExpirationPeriod", NULL, 0}, END}},
    {"CEP0310", 1, {{"pKIOverlapPeriod", NULL, 0}, END}},
    {"CEP0310", 1, {{"pKIExpirationPeriod", OCTETS("\0\0\0\0\0\0\0\0")}, END}},
    {"CEP0310", 1, {{"pKIExpirationPeriod", OCTETS("\0\0\0\0\0\0\0\x80")}, END}},
    {"CEP0310", 1, {{"pKIOverlapPeriod", "seven h", 0}, END}},
    {"CEP0311", 1, {{"revision", NULL, 0}, END}},
    {"CEP0311", 1, {{"revision", "0", 0}, END}},
    {"CEP0311", 1, {{"revision", "-1", 0}, END}},
    {"CEP0312", 1, {{"pKIKeyUsage", "oAA=", 0}, END}},
    {"CEP0312", 1, {{"pKIKeyUsage", OCTETS("\xa0\x01")}, END}},
    {"CEP0312", 1, {{"pKIKeyUsage", OCTETS("\xa0\x00\x80")}, END}},

    {"CEP0316", 0, {{"nTSecurityDescriptor", NULL, 0}, END}},
    {"CEP0316", 0, {{"nTSecurityDescriptor", "", 0}, END}},
    {"CEP0317", 0, {{"displayName", "\x01", 0}, END}},
    {"CEP0317", 0, {{"displayName", "", 0}, END}},
    {"CEP0317", 0, {{"displayName", "A", 0}, {"displayName", "B", 0}, END}},
    {"CEP0318", 0, {{"msPKI-Minimal-Key-Size", "0", 0}, END}},
    {"CEP0318", 0, {{"msPKI-Minimal-Key-Size", NULL, 0}, END}},
    {"CEP0319", 0, {{"pKIDefaultKeySpec", "0", 0}, END}},
    {"CEP0319", 0, {{"pKIDefaultKeySpec", "-1", 0}, END}},
    {"CEP0325", 0, {{"pKIOverlapPeriod", ONE_YEAR}, END}},
    {"CEP0327", 0, {{"pKICriticalExtensions", "keyUsage", 0}, END}},
    {"CEP0328", 0, {{"msPKI-Enrollment-Flag", "65536", 0}, END}},
    {"CEP0328",
     0,
     {{"msPKI-Enrollment-Flag", "65536", 0}, {"msPKI-Certificate-Name-Flag", "1", 0}, END}},
    {"CEP0329", 0, {{"pKIKeyUsage", OCTETS("\0\0")}, END}},
    {"CEP0329", 0, {{"pKIKeyUsage", "", 0}, END}},
};

/* An entry with one fault between two sound ones: the neighbours are never lost. */
static void test_one_fault(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
        const struct cep_finding *finding;

        add_named_template(policy, "A", "1.2.3.1");
        add_template(policy, "CN=Odd", rows[i].given);
        add_named_template(policy, "Z", "1.2.3.2");
        cep_policy_finish(policy);
        assert_true(only_finding_is(policy, rows[i].finding));
        finding = finding_of(policy, rows[i].finding);
        assert_int_equal(finding->kind, CEP_OBJECT_TEMPLATE);
        assert_int_equal(finding->left_out, rows[i].left_out);
        assert_int_equal(policy->templates->nelts, rows[i].left_out ? 2 : 3);
        assert_true(strlen(finding->name) > 0);
    }
}

/* Everything wrong is told at once, and what is told can be printed. */
static void test_many_faults(void **state)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    static const char *const codes[] = {"CEP0301", "CEP0307", "CEP0310",
                                        "CEP0311", "CEP0316", "CEP0318"};
    size_t i;

    (void)state;
    cep_policy_add_template(policy, cep_entry_make(pool, "CN=bell\x07,DC=x"));
    cep_policy_finish(policy);
    assert_int_equal(policy->templates->nelts, 0);
    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_non_null(finding_of(policy, codes[i]));
        assert_string_equal(finding_of(policy, codes[i])->name, "CN=bell?,DC=x");
    }
}

/* A list of thousands of bad values does not become thousands of findings. */
static void test_flood(void **state)
{
    static const struct given none[] = {{"pKIDefaultCSPs", NULL, 0}, END};
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
    struct cep_entry *entry = make_entry(pool, "CN=T", template_defaults, none);
    int i;

    (void)state;
    for (i = 0; i < 4000; i++) {
        const char *value = apr_psprintf(pool, "%d,", i);

        cep_entry_add(entry, pool, "pKIDefaultCSPs", value, strlen(value));
    }
    cep_policy_add_template(policy, entry);
    cep_policy_finish(policy);
    assert_int_equal(policy->templates->nelts, 1);
    assert_true(policy->findings->nelts <= 32);
}

static void test_odd_names_pass(void **state)
{
    static const char *const names[] = {
        "<&>\"'",
        "a,b+c=d\\e;f",
        "line\nend",
        "\xc3\x9c\xc3\xb6\xc3\xa4\xc3\x9f/&|().",
        "Vorlage \xf0\x9f\x94\x92 \xd7\x90\xd7\x91",
        " leading blank",
        "%s%n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

        add_named_template(policy, names[i], "1.2.3");
        cep_policy_finish(policy);
        assert_int_equal(policy->templates->nelts, 1);
        assert_int_equal(policy->findings->nelts, 0);
        assert_string_equal(template_at(policy, 0)->cn, names[i]);
        assert_string_equal(template_at(policy, 0)->display_name, names[i]);
    }
}

static void add_case(struct cep_policy *policy, const char *dn, const char *cn, const char *oid)
{
    const struct given given[] = {{"cn", cn, 0}, {OID, oid, 0}, END};

    add_template(policy, dn, given);
}

static void test_same_cn(void **state)
{
    int turned;

    (void)state;
    for (turned = 0; turned <= 1; turned++) {
        struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

        add_case(policy, "CN=2", turned ? "User" : "USER", turned ? "1.2.3.2" : "1.2.3.1");
        add_case(policy, "CN=2", turned ? "USER" : "User", turned ? "1.2.3.1" : "1.2.3.2");
        cep_policy_finish(policy);
        assert_int_equal(policy->templates->nelts, 1);
        assert_string_equal(template_at(policy, 0)->cn, "USER");
        assert_string_equal(template_at(policy, 0)->oid, "1.2.3.1");
        assert_string_equal(finding_of(policy, "CEP0314")->name, "User");
        assert_int_equal(finding_of(policy, "CEP0314")->left_out, 1);
    }
}

static void test_same_oid(void **state)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

    (void)state;
    add_named_template(policy, "Beta", "1.2.3");
    add_named_template(policy, "alpha", "1.2.3");
    add_named_template(policy, "Gamma", "1.2.4");
    cep_policy_finish(policy);
    assert_int_equal(policy->templates->nelts, 2);
    assert_string_equal(template_at(policy, 0)->cn, "alpha");
    assert_string_equal(template_at(policy, 1)->cn, "Gamma");
    assert_string_equal(finding_of(policy, "CEP0315")->name, "Beta");
}

/* Levels: what is left out is a warning, a tidied value is information. */
static void test_levels(void **state)
{
    static const struct {
        const char *code;
        enum cep_log_level level;
    } levels[] = {
        {"CEP0301", CEP_LOG_WARNING}, {"CEP0315", CEP_LOG_WARNING}, {"CEP0316", CEP_LOG_WARNING},
        {"CEP0318", CEP_LOG_INFO},    {"CEP0324", CEP_LOG_INFO},    {"CEP0325", CEP_LOG_WARNING},
        {"CEP0346", CEP_LOG_INFO},    {"CEP0349", CEP_LOG_WARNING}, {"CEP0358", CEP_LOG_INFO},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        struct cep_finding finding = {CEP_OBJECT_TEMPLATE, levels[i].code, "x", "y", 0};

        assert_int_equal(cep_finding_level(&finding), levels[i].level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fault), cmocka_unit_test(test_many_faults),
        cmocka_unit_test(test_flood),     cmocka_unit_test(test_odd_names_pass),
        cmocka_unit_test(test_same_cn),   cmocka_unit_test(test_same_oid),
        cmocka_unit_test(test_levels),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
