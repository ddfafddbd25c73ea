/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Extensions in DER. The octets are those that Windows writes, or what DER prescribes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy_helper.h"
#include "pool.h"

#define TEMPLATE_NAME        "1.3.6.1.4.1.311.20.2"
#define TEMPLATE_INFORMATION "1.3.6.1.4.1.311.21.7"
#define EKU                  "2.5.29.37"
#define KEY_USAGE            "2.5.29.15"
#define BASIC_CONSTRAINTS    "2.5.29.19"
#define APPLICATION_POLICIES "1.3.6.1.4.1.311.21.10"
#define CERTIFICATE_POLICIES "2.5.29.32"
#define OCSP_NO_CHECK        "1.3.6.1.5.5.7.48.1.5"

struct row {
    const char *oid;
    const char *hex; /* NULL: the extension is not there */
    struct given given[5];
};

static const struct row rows[] = {
    {KEY_USAGE, "030205a0", {{"pKIKeyUsage", OCTETS("\xa0\x00")}, END}},
    {KEY_USAGE, "03020520", {{"pKIKeyUsage", OCTETS("\x20\x00")}, END}},
    {KEY_USAGE, "03020780", {{"pKIKeyUsage", OCTETS("\x80\x00")}, END}},
    {KEY_USAGE, "03020186", {{"pKIKeyUsage", OCTETS("\x86\x00")}, END}},
    {KEY_USAGE, "030205e0", {{"pKIKeyUsage", OCTETS("\xe0")}, END}},
    {KEY_USAGE, "030203c8", {{"pKIKeyUsage", OCTETS("\xc8")}, END}},
    {KEY_USAGE, "03020388", {{"pKIKeyUsage", OCTETS("\x88")}, END}},
    {KEY_USAGE, "03020001", {{"pKIKeyUsage", OCTETS("\x01")}, END}},
    {KEY_USAGE, "0303070880", {{"pKIKeyUsage", OCTETS("\x08\x80")}, END}},
    {KEY_USAGE, "0303070080", {{"pKIKeyUsage", OCTETS("\x00\x80")}, END}},
    {KEY_USAGE, "030205a0", {{"pKIKeyUsage", OCTETS("\xa0\x00\x00\x00")}, END}},
    {KEY_USAGE, NULL, {{"pKIKeyUsage", OCTETS("\x00\x00")}, END}},
    {KEY_USAGE, NULL, {{"pKIKeyUsage", NULL, 0}, END}},

    {EKU, "300a06082b06010505070302", {{"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.2", 0}, END}},
    {EKU,
     "302906082b0601050507030206082b06010505070301060a2b060104018237140202"
     "06072b060105020305",
     {{"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.2", 0},
      {"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.1", 0},
      {"pKIExtendedKeyUsage", "1.3.6.1.4.1.311.20.2.2", 0},
      {"pKIExtendedKeyUsage", "1.3.6.1.5.2.3.5", 0},
      END}},
    {EKU, NULL, {{"pKIExtendedKeyUsage", NULL, 0}, END}},

    {APPLICATION_POLICIES,
     "300c300a06082b06010505070302",
     {{"msPKI-Certificate-Application-Policy", "1.3.6.1.5.5.7.3.2", 0}, END}},
    {APPLICATION_POLICIES, NULL, {{"msPKI-Certificate-Application-Policy", NULL, 0}, END}},
    {APPLICATION_POLICIES, NULL, {{"msPKI-Template-Schema-Version", "1", 0}, END}},
    {CERTIFICATE_POLICIES,
     "3026302406222b060104018237150884cbab6c8293cc7085a98f3286d1fc2382f18066815b018311",
     {{"msPKI-Certificate-Policy",
       "1.3.6.1.4.1.311.21.8.9623020.4515440.11159474.13925923.6045798.219.1.401", 0},
      END}},
    {CERTIFICATE_POLICIES, NULL, {END}},

    {TEMPLATE_NAME,
     "1e06004500460053",
     {{"cn", "EFS", 0}, {"msPKI-Template-Schema-Version", "1", 0}, END}},
    {TEMPLATE_NAME,
     "1e12005700650062005300650072007600650072",
     {{"cn", "WebServer", 0}, {"msPKI-Template-Schema-Version", "1", 0}, END}},
    {TEMPLATE_NAME,
     "1e0600dcd83ddd12",
     {{"cn", "\xc3\x9c\xf0\x9f\x94\x92", 0}, {"msPKI-Template-Schema-Version", "1", 0}, END}},
    {TEMPLATE_NAME, NULL, {END}},

    {TEMPLATE_INFORMATION,
     "302906212b060104018237150886d7f03683ebc83d81fd993f85a1f816879f93478155011e020165020100",
     {{"msPKI-Cert-Template-OID",
       "1.3.6.1.4.1.311.21.8.14022710.8053821.4148415.11041814.15190471.213.1.30", 0},
      {"revision", "101", 0},
      {"msPKI-Template-Minor-Revision", "0", 0},
      END}},
    {TEMPLATE_INFORMATION,
     "302f06272b060104018237150884cbab6c8293cc7085a98f3286d1fc2382f18066815b8198bd0985"
     "86871e020164020108",
     {{"msPKI-Cert-Template-OID",
       "1.3.6.1.4.1.311.21.8.9623020.4515440.11159474.13925923.6045798.219.2498185.10584990", 0},
      {"msPKI-Template-Minor-Revision", "8", 0},
      END}},
    {TEMPLATE_INFORMATION,
     "301206022a03020500ffffffff02050080000000",
     {{"msPKI-Cert-Template-OID", "1.2.3", 0},
      {"revision", "4294967295", 0},
      {"msPKI-Template-Minor-Revision", "2147483648", 0},
      END}},
    {TEMPLATE_INFORMATION, NULL, {{"msPKI-Template-Schema-Version", "1", 0}, END}},

    {BASIC_CONSTRAINTS, "30030101ff", {{"flags", "128", 0}, {"pKIMaxIssuingDepth", "-1", 0}, END}},
    {BASIC_CONSTRAINTS,
     "30030101ff",
     {{"flags", "128", 0}, {"pKIMaxIssuingDepth", "4294967295", 0}, END}},
    {BASIC_CONSTRAINTS, "30030101ff", {{"flags", "128", 0}, {"pKIMaxIssuingDepth", NULL, 0}, END}},
    {BASIC_CONSTRAINTS,
     "30060101ff020100",
     {{"flags", "128", 0}, {"pKIMaxIssuingDepth", "0", 0}, END}},
    {BASIC_CONSTRAINTS,
     "30060101ff020103",
     {{"flags", "2048", 0}, {"pKIMaxIssuingDepth", "3", 0}, END}},
    {BASIC_CONSTRAINTS, "3000", {{"msPKI-Enrollment-Flag", "32768", 0}, END}},
    {BASIC_CONSTRAINTS, NULL, {{"pKIMaxIssuingDepth", "5", 0}, END}},

    {OCSP_NO_CHECK, "0500", {{"msPKI-Enrollment-Flag", "4096", 0}, END}},
    {OCSP_NO_CHECK,
     NULL,
     {{"msPKI-Enrollment-Flag", "4096", 0}, {"msPKI-Template-Schema-Version", "1", 0}, END}},
};

static const struct cep_template *only_template(const struct given *given)
{
    struct cep_policy *policy = cep_policy_make(pool, 0, NULL);

    add_template(policy, "CN=T", given);
    cep_policy_finish(policy);
    assert_int_equal(policy->templates->nelts, 1);
    return template_at(policy, 0);
}

static const struct cep_extension *find(const struct cep_template *tmpl, const char *oid)
{
    int i;

    for (i = 0; i < tmpl->extensions->nelts; i++) {
        const struct cep_extension *extension =
            &APR_ARRAY_IDX(tmpl->extensions, i, struct cep_extension);

        if (strcmp(extension->oid, oid) == 0)
            return extension;
    }
    return NULL;
}

static void test_der(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cep_extension *found = find(only_template(rows[i].given), rows[i].oid);

        if (!rows[i].hex) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        assert_string_equal(hex_of(pool, found->value), rows[i].hex);
        assert_int_equal(found->value.data[found->value.len], 0);
    }
}

static void test_order_and_critical(void **state)
{
    static const struct given given[] = {
        {"flags", "128", 0},
        {"msPKI-Enrollment-Flag", "4096", 0},
        {"msPKI-Certificate-Policy", "2.5.29.32.0", 0},
        {"pKICriticalExtensions", "2.5.29.15", 0},
        {"pKICriticalExtensions", " 2.5.29.19 ", 0},
        {"pKICriticalExtensions", "2.5.29.17", 0}, /* on DC templates; not ours to emit */
        END,
    };
    static const struct {
        const char *oid;
        int critical;
    } expected[] = {
        {TEMPLATE_INFORMATION, 0},
        {EKU, 0},
        {KEY_USAGE, 1},
        {APPLICATION_POLICIES, 0},
        {BASIC_CONSTRAINTS, 1},
        {CERTIFICATE_POLICIES, 0},
        {OCSP_NO_CHECK, 0},
    };
    const struct cep_template *tmpl = only_template(given);
    int i;

    (void)state;
    assert_int_equal(tmpl->extensions->nelts, sizeof(expected) / sizeof(expected[0]));
    for (i = 0; i < tmpl->extensions->nelts; i++) {
        const struct cep_extension *extension =
            &APR_ARRAY_IDX(tmpl->extensions, i, struct cep_extension);

        assert_string_equal(extension->oid, expected[i].oid);
        assert_int_equal(extension->critical, expected[i].critical);
    }
}

/* 1,024 characters are the limit of a cn; the BMPString then has 2,048 octets. */
static void test_longest_name(void **state)
{
    char cn[CEP_POLICY_MAX_NAME + 1];
    const struct given given[] = {{"cn", cn, 0}, {"msPKI-Template-Schema-Version", "1", 0}, END};
    const struct cep_extension *found;

    (void)state;
    memset(cn, 'x', CEP_POLICY_MAX_NAME);
    cn[CEP_POLICY_MAX_NAME] = '\0';
    found = find(only_template(given), TEMPLATE_NAME);
    assert_non_null(found);
    assert_int_equal(found->value.len, 4 + 2 * CEP_POLICY_MAX_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_der),
        cmocka_unit_test(test_order_and_critical),
        cmocka_unit_test(test_longest_name),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
