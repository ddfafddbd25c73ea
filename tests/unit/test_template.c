/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What becomes of each attribute of a sound template, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy_helper.h"
#include "pool.h"

static struct cep_policy *load(const struct given *given)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

    add_template(policy, "CN=T", given);
    cep_policy_finish(policy);
    return policy;
}

static struct cep_template *only(const struct given *given)
{
    struct cep_policy *policy = load(given);

    assert_int_equal(policy->templates->nelts, 1);
    return template_at(policy, 0);
}

static void test_plain_values(void **state)
{
    static const struct given nothing[] = {END};
    const struct cep_policy *policy = load(nothing);
    const struct cep_template *t = template_at(policy, 0);

    (void)state;
    assert_int_equal(policy->findings->nelts, 0);
    assert_string_equal(t->dn, "CN=T");
    assert_string_equal(t->cn, "Base");
    assert_string_equal(t->display_name, "Base template");
    assert_string_equal(t->oid, BASE_OID);
    assert_int_equal(t->schema_version, 2);
    assert_true(t->validity_seconds == 31536000);
    assert_true(t->renewal_seconds == 3628800);
    assert_int_equal(t->minimal_key_length, 2048);
    assert_int_equal(t->key_spec, 1);
    assert_int_equal(t->major_revision, 100);
    assert_int_equal(t->minor_revision, 3);
    assert_int_equal(t->private_key_flags, 0x01010000);
    assert_int_equal(t->subject_name_flags, 0x18000000);
    assert_int_equal(t->general_flags, 131680);
    assert_int_equal(t->enrollment_flags, 0); /* 0x20 is not told */
    assert_int_equal(t->ra_signatures, 0);
    assert_int_equal(t->security_descriptor.len, 20);
    assert_string_equal(join_text(pool, t->providers),
                        "Microsoft RSA SChannel Cryptographic Provider");
    assert_string_equal(join_text(pool, t->ekus), "1.3.6.1.5.5.7.3.2");
    assert_string_equal(join_text(pool, t->app_policies), "1.3.6.1.5.5.7.3.2");
    assert_int_equal(t->cert_policies->nelts, 0);
    assert_null(t->permissions);
    assert_null(t->algorithm);
    assert_null(t->hash);
    assert_null(t->symmetric);
    assert_int_equal(t->algorithm_ref, CEP_NO_REF);
    assert_int_equal(t->has_key_usage_property, 0);
    assert_int_equal(t->superseded->nelts, 0);
}

/* What an attribute that may be missing stands for. */
static void test_absent(void **state)
{
    static const struct given given[] = {
        {"displayName", NULL, 0},
        {"flags", NULL, 0},
        {"pKIDefaultCSPs", NULL, 0},
        {"pKIDefaultKeySpec", NULL, 0},
        {"pKICriticalExtensions", NULL, 0},
        {"pKIExtendedKeyUsage", NULL, 0},
        {"pKIKeyUsage", NULL, 0},
        {"pKIMaxIssuingDepth", NULL, 0},
        {"msPKI-Template-Schema-Version", NULL, 0},
        {"msPKI-Template-Minor-Revision", NULL, 0},
        {"msPKI-RA-Signature", NULL, 0},
        {"msPKI-Minimal-Key-Size", NULL, 0},
        {"msPKI-Certificate-Application-Policy", NULL, 0},
        {"msPKI-Enrollment-Flag", NULL, 0},
        {"msPKI-Private-Key-Flag", NULL, 0},
        {"msPKI-Certificate-Name-Flag", NULL, 0},
        END,
    };
    const struct cep_policy *policy = load(given);
    const struct cep_template *t = template_at(policy, 0);

    (void)state;
    assert_int_equal(policy->findings->nelts, 1); /* the key size */
    assert_non_null(finding_of(policy, "CEP0318"));
    assert_string_equal(t->display_name, "Base");
    assert_int_equal(t->schema_version, 1);
    assert_int_equal(t->minimal_key_length, 2048);
    assert_int_equal(t->key_spec, 0);
    assert_int_equal(t->minor_revision, 0);
    assert_int_equal(t->general_flags | t->subject_name_flags | t->private_key_flags, 0);
    assert_int_equal(t->enrollment_flags, 0);
    assert_int_equal(t->providers->nelts, 0);
    assert_int_equal(t->extensions->nelts, 1); /* the template's name */
}

static void test_flags(void **state)
{
    static const struct {
        const char *text;
        apr_uint32_t value;
    } rows[] = {
        {"0", 0},
        {"-1", 0xffffffff},
        {"-1509949440", 0xa6000000},
        {"2785017856", 0xa6000000},
        {"-2147483648", 0x80000000},
        {"4294967295", 0xffffffff},
        {" 32 ", 32},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct given given[] = {
            {"flags", rows[i].text, 0},
            {"msPKI-Certificate-Name-Flag", rows[i].text, 0},
            {"msPKI-Private-Key-Flag", rows[i].text, 0},
            {"msPKI-Enrollment-Flag", rows[i].text, 0},
            END,
        };
        const struct cep_template *t = only(given);

        assert_true(t->general_flags == rows[i].value);
        assert_true(t->subject_name_flags == rows[i].value);
        assert_true(t->private_key_flags == rows[i].value);
        assert_true(t->enrollment_flags == (rows[i].value & ~0x20u));
    }
}

struct provider_row {
    const char *expected;
    const char *finding; /* or NULL */
    struct given given[6];
};

static void test_providers(void **state)
{
    static const struct provider_row rows[] = {
        {"A|B|C",
         NULL,
         {{"pKIDefaultCSPs", "3,C", 0},
          {"pKIDefaultCSPs", "1,A", 0},
          {"pKIDefaultCSPs", "2,B", 0},
          END}},
        {"Two|Ten|Plain",
         "CEP0320",
         {{"pKIDefaultCSPs", "Plain", 0},
          {"pKIDefaultCSPs", "10,Ten", 0},
          {"pKIDefaultCSPs", "2,Two", 0},
          {"pKIDefaultCSPs", "3,", 0},
          END}},
        /* as one real directory has it */
        {"Software|Smart Card|Platform",
         NULL,
         {{"pKIDefaultCSPs", "3,Platform, 2,Smart Card, 1,Software", 0}, END}},
        {"Z|A", NULL, {{"pKIDefaultCSPs", "Z", 0}, {"pKIDefaultCSPs", "A", 0}, END}},
        {"Foo, Inc. Provider", NULL, {{"pKIDefaultCSPs", "1,Foo, Inc. Provider", 0}, END}},
        {"7", NULL, {{"pKIDefaultCSPs", "1,7", 0}, END}},
        {"A|B", "CEP0331", {{"pKIDefaultCSPs", "1,B", 0}, {"pKIDefaultCSPs", "1,A", 0}, END}},
        {"A", "CEP0321", {{"pKIDefaultCSPs", "2,A", 0}, {"pKIDefaultCSPs", "1, A ", 0}, END}},
        {"", "CEP0320", {{"pKIDefaultCSPs", " ", 0}, END}},
        {"", "CEP0320", {{"pKIDefaultCSPs", "1,\x01", 0}, END}},
        {"A", "CEP0320", {{"pKIDefaultCSPs", "1,A,2,", 0}, END}},
        {"Minus|A", NULL, {{"pKIDefaultCSPs", "1,A", 0}, {"pKIDefaultCSPs", "-1,Minus", 0}, END}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cep_policy *policy = load(rows[i].given);

        assert_string_equal(join_text(pool, template_at(policy, 0)->providers), rows[i].expected);
        assert_true(only_finding_is(policy, rows[i].finding));
    }
}

static void test_all_properties(void **state)
{
    static const struct given given[] = {
        {"msPKI-Template-Schema-Version", "3", 0},
        {"msPKI-RA-Signature", "2", 0},
        {"msPKI-RA-Policies", "1.2.3.4", 0},
        {"msPKI-RA-Policies", "1.2.3.5", 0},
        {CNG,
         "msPKI-Asymmetric-Algorithm`PZPWSTR`ECDSA_P256`msPKI-Hash-Algorithm`PZPWSTR`SHA256`"
         "msPKI-Key-Security-Descriptor`PZPWSTR`D:P(A;;FA;;;BA)(A;;GR;;;S-1-5-80-1-2)`"
         "msPKI-Key-Usage`DWORD`16777215`msPKI-RA-Application-Policies`PZPWSTR`"
         "1.3.6.1.4.1.311.20.2.1, 1.3.6.1.5.5.7.3.2`msPKI-Symmetric-Algorithm`PZPWSTR`AES`"
         "msPKI-Symmetric-Key-Length`DWORD`256`",
         0},
        END,
    };
    const struct cep_policy *policy = load(given);
    const struct cep_template *t = template_at(policy, 0);

    (void)state;
    assert_int_equal(policy->findings->nelts, 0);
    assert_string_equal(t->algorithm, "ECDSA_P256");
    assert_string_equal(t->algorithm_oid, "1.2.840.10045.3.1.7");
    assert_string_equal(t->hash_oid, "2.16.840.1.101.3.4.2.1");
    assert_string_equal(t->permissions, "D:P(A;;FA;;;BA)(A;;GR;;;S-1-5-80-1-2)");
    assert_int_equal(t->has_key_usage_property, 1);
    assert_int_equal(t->key_usage_property, 16777215);
    assert_string_equal(t->symmetric_oid, "2.16.840.1.101.3.4.1.42");
    assert_int_equal(t->symmetric_length, 256);
    assert_int_equal(t->ra_signatures, 2);
    assert_string_equal(join_text(pool, t->ra_ekus), "1.3.6.1.4.1.311.20.2.1|1.3.6.1.5.5.7.3.2");
    assert_string_equal(join_text(pool, t->ra_policies), "1.2.3.4|1.2.3.5");
}

struct property_row {
    const char *version, *private_key_flags, *ra_signatures;
    const char *value, *second;
    const char *algorithm; /* or NULL */
    const char *ra_ekus;
    const char *finding; /* or NULL */
};

/* The version and the legacy flag decide about properties; the value itself about the syntax. */
static void test_both_syntaxes(void **state)
{
    static const struct property_row rows[] = {
        {"2", "0", "1", "1.2.3", "1.2.4", NULL, "1.2.3|1.2.4", NULL},
        {"3", "0", "1", "1.2.3", "1.2.4", NULL, "1.2.3|1.2.4", NULL},
        {"4", "256", "1", "1.2.3", NULL, NULL, "1.2.3", NULL},
        {"4", "0", "0", NULL, NULL, NULL, "", NULL},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`", NULL, "RSA", "", NULL},
        {"4", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR`RSA", NULL, "RSA", "", NULL},
        {"4", "0", "0", "mspki-asymmetric-algorithm`pzpwstr`rsa`", NULL, "RSA", "", NULL},
        /* real templates that keep to legacy providers hold properties too */
        {"4", "256", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`", NULL, NULL, "", "CEP0324"},
        {"4", "256", "1", "msPKI-RA-Application-Policies`PZPWSTR`1.2.3`", NULL, NULL, "1.2.3",
         "CEP0324"},
        {"2", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`", NULL, NULL, "", "CEP0324"},
        /* without signatures nothing is required, so nothing is read */
        {"2", "0", "0", "1.2.3", NULL, NULL, "", NULL},
        {"2", "0", "0", "junk", NULL, NULL, "", NULL},
        {"3", "0", "0", "msPKI-RA-Application-Policies`PZPWSTR`1.2.3,junk`", NULL, NULL, "", NULL},
        /* odd properties leave the others alone */
        {"3", "0", "0", "foo`PZPWSTR`x`msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`", NULL, "RSA", "",
         "CEP0323"},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`DWORD`1`", NULL, NULL, "", "CEP0323"},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`BLOB`1`", NULL, NULL, "", "CEP0323"},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR``", NULL, NULL, "", "CEP0323"},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR", NULL, NULL, "", "CEP0323"},
        {"3", "0", "0",
         "msPKI-Asymmetric-Algorithm`PZPWSTR`DSA`msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`", NULL,
         "DSA", "", "CEP0323"},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR`RSA`\x01", NULL, NULL, "", "CEP0323"},
        {"3", "0", "0", "msPKI-Key-Usage`DWORD`4294967296`", NULL, NULL, "", "CEP0323"},
        {"3", "0", "0", "msPKI-Asymmetric-Algorithm`PZPWSTR`Kyber`", NULL, "Kyber", "", "CEP0322"},
        {"3", "0", "1", "msPKI-RA-Application-Policies`PZPWSTR`1.2.3,,1.2.3`", NULL, NULL, "1.2.3",
         "CEP0321"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct property_row *row = &rows[i];
        const struct given given[] = {
            {"msPKI-Template-Schema-Version", row->version, 0},
            {"msPKI-Private-Key-Flag", row->private_key_flags, 0},
            {"msPKI-RA-Signature", row->ra_signatures, 0},
            {CNG, row->value, 0},
            {CNG, row->second, 0},
            END,
        };
        const struct cep_policy *policy = load(given);
        const struct cep_template *t;

        assert_int_equal(policy->templates->nelts, 1);
        t = template_at(policy, 0);
        if (row->algorithm)
            assert_string_equal(t->algorithm, row->algorithm);
        else
            assert_null(t->algorithm);
        assert_string_equal(join_text(pool, t->ra_ekus), row->ra_ekus);
        assert_true(only_finding_is(policy, row->finding));
    }
}

static void test_key_archival(void **state)
{
    static const struct {
        const char *value;
        const char *oid;
        apr_uint32_t bits;
        const char *finding;
    } rows[] = {
        {"msPKI-Symmetric-Algorithm`PZPWSTR`3DES`msPKI-Symmetric-Key-Length`DWORD`168`",
         "1.2.840.113549.3.7", 168, NULL},
        {"msPKI-Symmetric-Algorithm`PZPWSTR`AES`msPKI-Symmetric-Key-Length`DWORD`128`",
         "2.16.840.1.101.3.4.1.2", 128, NULL},
        {"msPKI-Symmetric-Algorithm`PZPWSTR`AES`msPKI-Symmetric-Key-Length`DWORD`100`", NULL, 0,
         "CEP0322"},
        {"msPKI-Symmetric-Algorithm`PZPWSTR`3DES`", NULL, 0, "CEP0330"},
        {"msPKI-Symmetric-Key-Length`DWORD`168`", NULL, 0, "CEP0330"},
        {"msPKI-Symmetric-Algorithm`PZPWSTR`3DES`msPKI-Symmetric-Key-Length`DWORD`0`", NULL, 0,
         "CEP0330"},
        {"msPKI-Symmetric-Algorithm`PZPWSTR`3DES`msPKI-Symmetric-Key-Length`DWORD`-1`", NULL, 0,
         "CEP0330"},
        {"msPKI-Symmetric-Algorithm`PZPWSTR`3DES`msPKI-Symmetric-Key-Length`DWORD`x`", NULL, 0,
         "CEP0323"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct given given[] = {
            {"msPKI-Template-Schema-Version", "3", 0}, {CNG, rows[i].value, 0}, END};
        const struct cep_policy *policy = load(given);
        const struct cep_template *t = template_at(policy, 0);

        if (rows[i].oid)
            assert_string_equal(t->symmetric_oid, rows[i].oid);
        else
            assert_null(t->symmetric);
        assert_int_equal(t->symmetric_length, rows[i].bits);
        assert_true(only_finding_is(policy, rows[i].finding));
    }
}

/* ML-DSA has no request hash: NoHash is known and has no OID. */
static void test_post_quantum(void **state)
{
    static const struct given given[] = {
        {"msPKI-Template-Schema-Version", "4", 0},
        {CNG, "msPKI-Asymmetric-Algorithm`PZPWSTR`ML-DSA:65`msPKI-Hash-Algorithm`PZPWSTR`NoHash`",
         0},
        END,
    };
    const struct cep_policy *policy = load(given);
    const struct cep_template *t = template_at(policy, 0);

    (void)state;
    assert_int_equal(policy->findings->nelts, 0);
    assert_string_equal(t->algorithm_oid, "2.16.840.1.101.3.4.3.18");
    assert_string_equal(row_at(policy, t->algorithm_ref)->name, "ML-DSA:65");
    assert_string_equal(t->hash, "NoHash");
    assert_int_equal(t->hash_ref, CEP_NO_REF);
}

static void test_lists(void **state)
{
    static const struct given given[] = {
        {"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.4", 0},
        {"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.2", 0},
        {"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.4", 0},
        {"msPKI-Supersede-Templates", "Old", 0},
        {"msPKI-Supersede-Templates", "OLD", 0},
        {"msPKI-Supersede-Templates", "Older & <odd>", 0},
        {"msPKI-Supersede-Templates", " ", 0},
        {"msPKI-Supersede-Templates", "\x01", 0},
        END,
    };
    const struct cep_policy *policy = load(given);
    const struct cep_template *t = template_at(policy, 0);

    (void)state;
    assert_string_equal(join_text(pool, t->ekus), "1.3.6.1.5.5.7.3.4|1.3.6.1.5.5.7.3.2");
    assert_string_equal(join_text(pool, t->superseded), "Old|Older & <odd>");
    assert_int_equal(policy->findings->nelts, 3);
    assert_non_null(finding_of(policy, "CEP0321"));
    assert_non_null(finding_of(policy, "CEP0326"));
    assert_int_equal(finding_of(policy, "CEP0326")->left_out, 0);
    assert_int_equal(cep_finding_level(finding_of(policy, "CEP0326")), CEP_LOG_INFO);
}

static char *repeat(char c, apr_size_t length)
{
    char *text = apr_palloc(pool, length + 1);

    memset(text, c, length);
    text[length] = '\0';
    return text;
}

/* At the limit and one above. */
static void test_limits(void **state)
{
    int over;

    (void)state;
    for (over = 0; over <= 1; over++) {
        apr_size_t more = (apr_size_t)over;
        const struct given cn[] = {{"cn", repeat('n', CEP_POLICY_MAX_NAME + more), 0}, END};
        const struct given display[] = {{"displayName", repeat('d', CEP_POLICY_MAX_NAME + more), 0},
                                        END};
        const struct given provider[] = {
            {"pKIDefaultCSPs",
             apr_pstrcat(pool, "1,", repeat('p', CEP_POLICY_MAX_NAME + more), NULL), 0},
            END};
        const struct given properties[] = {
            {"msPKI-Template-Schema-Version", "3", 0},
            {CNG,
             apr_pstrcat(pool, "msPKI-Key-Security-Descriptor`PZPWSTR`",
                         repeat('s', CEP_POLICY_MAX_TEXT - 38 + more), NULL),
             0},
            END};
        const struct given descriptor[] = {
            {"nTSecurityDescriptor", repeat('x', CEP_POLICY_MAX_TEXT + more), 0}, END};

        assert_int_equal(load(cn)->templates->nelts, !over);
        assert_int_equal(finding_of(load(cn), "CEP0303") != NULL, over);
        assert_int_equal(finding_of(load(display), "CEP0317") != NULL, over);
        assert_string_equal(only(display)->display_name, over ? "Base" : display[0].value);
        assert_int_equal(only(provider)->providers->nelts, !over);
        assert_int_equal(load(properties)->templates->nelts, !over);
        assert_int_equal(load(descriptor)->templates->nelts, !over);
    }
}

static void test_number_of_values(void **state)
{
    int over;

    (void)state;
    for (over = 0; over <= 1; over++) {
        struct cep_policy *policy = cep_policy_make(pool, 0, NULL);
        static const struct given none[] = {{"pKIExtendedKeyUsage", NULL, 0}, END};
        struct cep_entry *entry = make_entry(pool, "CN=T", template_defaults, none);
        int i;

        for (i = 0; i < CEP_POLICY_MAX_VALUES + over; i++) {
            const char *oid = apr_psprintf(pool, "1.2.3.%d", i);

            cep_entry_add(entry, pool, "pKIExtendedKeyUsage", oid, strlen(oid));
        }
        cep_policy_add_template(policy, entry);
        cep_policy_finish(policy);
        assert_int_equal(policy->templates->nelts, !over);
        assert_int_equal(finding_of(policy, "CEP0303") != NULL, over);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_values),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_providers),
        cmocka_unit_test(test_all_properties),
        cmocka_unit_test(test_both_syntaxes),
        cmocka_unit_test(test_key_archival),
        cmocka_unit_test(test_post_quantum),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_number_of_values),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
