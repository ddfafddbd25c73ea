/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Foreign text, numbers, OIDs and the tables of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "../../mod_cep/policy/parts.h"
#include "pool.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static void test_xml(void **state)
{
    static const struct {
        const char *text;
        apr_size_t length;
        int good;
    } rows[] = {
        {TEXT(""), 1},
        {TEXT("plain <&>\"'"), 1},
        {TEXT("tab\tline\ncr\r"), 1},
        {TEXT("\x1f"), 0},
        {TEXT("\x0b"), 0},
        {TEXT("nul\0"), 0},
        {TEXT("\x7f\xc2\x80"), 1}, /* XML 1.0 lets DEL and C1 pass */
        {TEXT("\xc3\x9c"), 1},
        {TEXT("\xc3"), 0},
        {TEXT("\xc3("), 0},
        {TEXT("\xc0\x80"), 0},     /* overlong */
        {TEXT("\xc1\xbf"), 0},     /* overlong */
        {TEXT("\xe0\x9f\xbf"), 0}, /* overlong */
        {TEXT("\xe0\xa0\x80"), 1},
        {TEXT("\xed\x9f\xbf"), 1},
        {TEXT("\xed\xa0\x80"), 0}, /* surrogate */
        {TEXT("\xed\xbf\xbf"), 0}, /* surrogate */
        {TEXT("\xee\x80\x80"), 1},
        {TEXT("\xef\xbf\xbd"), 1},
        {TEXT("\xef\xbf\xbe"), 0}, /* U+FFFE */
        {TEXT("\xef\xbf\xbf"), 0}, /* U+FFFF */
        {TEXT("\xf0\x8f\xbf\xbf"), 0},
        {TEXT("\xf0\x90\x80\x80"), 1},
        {TEXT("\xf0\x9f\x94\x92"), 1},
        {TEXT("\xf4\x8f\xbf\xbd"), 1},
        {TEXT("\xf4\x90\x80\x80"), 0}, /* beyond Unicode */
        {TEXT("\xf8\x88\x80\x80\x80"), 0},
        {TEXT("\x80"), 0},
        {TEXT("\xff"), 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(cep_text_is_xml(rows[i].text, rows[i].length), rows[i].good);
}

static void test_printable(void **state)
{
    (void)state;
    assert_string_equal(cep_text_printable(pool, TEXT("a\nb\0c\xff"), 80), "a?b?c?");
    assert_string_equal(cep_text_printable(pool, TEXT("\xc3\x9c\xc2\x85"), 80), "\xc3\x9c?");
    assert_string_equal(cep_text_printable(pool, TEXT("abcd"), 4), "abcd");
    assert_string_equal(cep_text_printable(pool, TEXT("abcde"), 4), "abcd...");
    assert_string_equal(cep_text_printable(pool, TEXT("abc\xc3\x9c"), 4), "abc...");
    assert_string_equal(cep_text_printable(pool, TEXT(""), 4), "");
}

static void test_fold(void **state)
{
    static const struct {
        const char *a, *b;
        int same;
    } rows[] = {
        {"WebServer", "wEBsERVER", 1},
        {"\xc3\x9c\xc3\x84", "\xc3\xbc\xc3\xa4", 1}, /* Ue Ae */
        {"\xc3\x97", "\xc3\xb7", 0},                 /* times, divided by */
        {"\xc3\x9f", "ss", 0},                       /* sharp s stays itself */
        {"\xc4\x80\xc5\xbd", "\xc4\x81\xc5\xbe", 1}, /* A macron, Z caron */
        {"\xce\xa9", "\xcf\x89", 1},                 /* Omega */
        {"\xd0\x81\xd0\xaf", "\xd1\x91\xd1\x8f", 1}, /* Io, Ya */
        {"\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92", 1}, /* beyond the BMP */
        {"a\xff", "A\xff", 1},                       /* no UTF-8: octets stay */
        {"[", "{", 0},
        {"@", "`", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(strcmp(cep_text_fold(pool, rows[i].a), cep_text_fold(pool, rows[i].b)) ==
                             0,
                         rows[i].same);
}

static void test_number(void **state)
{
    static const struct {
        const char *text;
        int good;
        apr_int64_t number;
    } rows[] = {
        {"0", 1, 0},
        {"-1509949440", 1, -1509949440},
        {"4294967296", 1, 4294967296},
        {" 12 \r\n", 1, 12},
        {"007", 1, 7},
        {"999999999999999999", 1, 999999999999999999},
        {"9999999999999999999", 0, 0},
        {"", 0, 0},
        {"-", 0, 0},
        {"--1", 0, 0},
        {"+1", 0, 0},
        {"1 2", 0, 0},
        {"0x10", 0, 0},
        {"1.0", 0, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cep_value value = {(const unsigned char *)rows[i].text, strlen(rows[i].text)};
        apr_int64_t number = 0;

        assert_int_equal(cep_text_number(value, &number), rows[i].good);
        assert_true(number == rows[i].number);
    }
}

static void test_oids(void **state)
{
    static const struct {
        const char *text;
        enum cep_oid_state expected;
    } rows[] = {
        {"1.2", CEP_OID_GOOD},
        {"0.0", CEP_OID_GOOD},
        {"0.39", CEP_OID_GOOD},
        {"2.5.29.37.0", CEP_OID_GOOD},
        {"2.999.1", CEP_OID_GOOD},
        {"1.2.4294967295", CEP_OID_GOOD},
        {"1.2.4294967296", CEP_OID_ARC},
        {"1.2.18446744073709551616.1", CEP_OID_ARC},
        {"2.4294967296", CEP_OID_ARC},
        {"1", CEP_OID_SYNTAX},
        {"", CEP_OID_SYNTAX},
        {".", CEP_OID_SYNTAX},
        {"1.", CEP_OID_SYNTAX},
        {".1.2", CEP_OID_SYNTAX},
        {"1..2", CEP_OID_SYNTAX},
        {"1.2 ", CEP_OID_SYNTAX},
        {"1.-2", CEP_OID_SYNTAX},
        {"1.40", CEP_OID_SYNTAX},
        {"0.4294967296", CEP_OID_SYNTAX},
        {"3.1", CEP_OID_SYNTAX},
        {"1.02", CEP_OID_SYNTAX},
        {"01.2", CEP_OID_SYNTAX},
        {"clientAuth", CEP_OID_SYNTAX},
    };
    char longest[514] = "1.2";
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(cep_oid_check(rows[i].text, strlen(rows[i].text)), rows[i].expected);
    for (i = 3; i + 1 < sizeof(longest) - 1; i += 2)
        memcpy(longest + i, ".1", 2);
    longest[511] = '1';
    longest[512] = '1';
    assert_int_equal(cep_oid_check(longest, 512), CEP_OID_GOOD);
    assert_int_equal(cep_oid_check(longest, 513), CEP_OID_SYNTAX);
}

static void test_uris(void **state)
{
    static const struct {
        const char *uri;
        int good;
    } rows[] = {
        {"https://ca.example/Test%20CA_CES_Kerberos/service.svc/CES", 1},
        {"HTTPS://ca.example", 1},
        {"https://ca.example:8443/x?y=z#f", 1},
        {"https://[2001:db8::1]:443/", 1},
        {"https://h\xc3\xb6st/\xc3\xbc", 1},
        {"https://h:65535", 1},
        {"https://h:65536", 0},
        {"https://h:", 0},
        {"https://h:4x", 0},
        {"https://h:123456/", 0},
        {"http://ca.example/", 0},
        {"ftp://ca.example/", 0},
        {"", 0},
        {"https://", 0},
        {"https:///path", 0},
        {"https://?x", 0},
        {"https://:443/", 0},
        {"https://[]/", 0},
        {"https://[::1/", 0},
        {"https://[::1]x/", 0},
        {"https://[h]/", 0},
        {"https://user@h/", 0},
        {"https://h/a b", 0},
        {"https://h/%2", 0},
        {"https://h/%zz", 0},
        {"https://h/<x>", 0},
        {"https://h/[x]", 0},
        {"https://h/#a#b", 0},
        {"https://h/\x01", 0},
        {"https://h/\xff", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(cep_uri_check(rows[i].uri) == NULL, rows[i].good);
}

static void test_algorithms(void **state)
{
    static const struct {
        enum cep_algorithm_use use;
        const char *name;
        apr_uint32_t bits;
        const char *oid; /* NULL: unknown; "": known, and has none */
    } rows[] = {
        {CEP_ALGORITHM_ASYMMETRIC, "RSA", 0, "1.2.840.113549.1.1.1"},
        {CEP_ALGORITHM_ASYMMETRIC, "rsa", 0, "1.2.840.113549.1.1.1"},
        {CEP_ALGORITHM_ASYMMETRIC, "DSA", 0, "1.2.840.10040.4.1"},
        {CEP_ALGORITHM_ASYMMETRIC, "DS", 0, "1.2.840.10040.4.1"},
        {CEP_ALGORITHM_ASYMMETRIC, "DH", 0, "1.2.840.10046.2.1"},
        {CEP_ALGORITHM_ASYMMETRIC, "ECDSA_P256", 0, "1.2.840.10045.3.1.7"},
        {CEP_ALGORITHM_ASYMMETRIC, "ECDH_P384", 0, "1.3.132.0.34"},
        {CEP_ALGORITHM_ASYMMETRIC, "ECDH_P521", 0, "1.3.132.0.35"},
        {CEP_ALGORITHM_ASYMMETRIC, "ML-DSA:44", 0, "2.16.840.1.101.3.4.3.17"},
        {CEP_ALGORITHM_ASYMMETRIC, "ML-DSA:65", 0, "2.16.840.1.101.3.4.3.18"},
        {CEP_ALGORITHM_ASYMMETRIC, "ML-DSA:87", 0, "2.16.840.1.101.3.4.3.19"},
        {CEP_ALGORITHM_ASYMMETRIC, "ML-KEM:768", 0, NULL},
        {CEP_ALGORITHM_ASYMMETRIC, "SHA256", 0, NULL},
        {CEP_ALGORITHM_HASH, "SHA1", 0, "1.3.14.3.2.26"},
        {CEP_ALGORITHM_HASH, "SHA512", 0, "2.16.840.1.101.3.4.2.3"},
        {CEP_ALGORITHM_HASH, "NoHash", 0, ""},
        {CEP_ALGORITHM_HASH, "SHA9", 0, NULL},
        {CEP_ALGORITHM_SYMMETRIC, "3DES", 168, "1.2.840.113549.3.7"},
        {CEP_ALGORITHM_SYMMETRIC, "AES", 128, "2.16.840.1.101.3.4.1.2"},
        {CEP_ALGORITHM_SYMMETRIC, "AES", 192, "2.16.840.1.101.3.4.1.22"},
        {CEP_ALGORITHM_SYMMETRIC, "AES", 256, "2.16.840.1.101.3.4.1.42"},
        {CEP_ALGORITHM_SYMMETRIC, "AES", 64, NULL},
        {CEP_ALGORITHM_SYMMETRIC, "RC2", 128, "1.2.840.113549.3.2"},
        {CEP_ALGORITHM_SYMMETRIC, "DES", 56, "1.3.14.3.2.7"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cep_algorithm *found =
            cep_algorithm_find(rows[i].use, rows[i].name, rows[i].bits);

        if (!rows[i].oid) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        if (*rows[i].oid == '\0')
            assert_null(found->oid);
        else
            assert_string_equal(found->oid, rows[i].oid);
    }
}

static void test_oid_names(void **state)
{
    static const struct {
        const char *value;
        enum cep_oid_group group;
        const char *name;
    } rows[] = {
        {"1.3.6.1.5.5.7.3.2", CEP_OID_EKU, "Client Authentication"},
        {"1.3.6.1.4.1.311.20.2.2", CEP_OID_EKU, "Smart Card Logon"},
        {"1.3.6.1.4.1.311.20.2", CEP_OID_EXTENSION, "Certificate Template Name"},
        {"2.5.29.37", CEP_OID_EXTENSION, "Enhanced Key Usage"},
        {"2.16.840.1.101.3.4.2.1", CEP_OID_HASH, "sha256"},
        {"1.2.840.113549.3.7", CEP_OID_ENCRYPTION, "3des"},
        {"2.5.29.32.0", CEP_OID_POLICY, "All issuance policies"},
        /* in no table of ours: OpenSSL's long name */
        {"1.3.6.1.5.5.7.3.17", CEP_OID_EKU, "ipsec Internet Key Exchange"},
        /* nobody knows it */
        {"1.2.3.4.5.6.7", CEP_OID_EKU, "1.2.3.4.5.6.7"},
        {"1.2.3.4.5.6.7", CEP_OID_TEMPLATE, "1.2.3.4.5.6.7"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(cep_oid_name(rows[i].value, rows[i].group), rows[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml),        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_fold),       cmocka_unit_test(test_number),
        cmocka_unit_test(test_oids),       cmocka_unit_test(test_uris),
        cmocka_unit_test(test_algorithms), cmocka_unit_test(test_oid_names),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
