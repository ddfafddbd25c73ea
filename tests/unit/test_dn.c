/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../mod_cep/directory/dn.h"
#include "cep_directory.h"
#include "pool.h"

static const struct {
    const char *a, *b;
    int equal;
} pairs[] = {
    {"", "", 1},
    {"  ", "", 1},
    {"CN=a", "", 0},
    {"CN=Alice,DC=corp,DC=example", "cn=ALICE,dc=Corp,dc=EXAMPLE", 1},
    {"CN=a,DC=b", "CN=a , DC=b", 1},
    {"CN=a,DC=b", "  CN = a  ,  DC =  b  ", 1},
    {"CN=a b", "CN=a  b", 0},
    {"CN=a b,DC=c", "CN=ab,DC=c", 0},
    {"CN=a\\,b", "CN=a\\2cb", 1},
    {"CN=a\\,b", "CN=a\\2Cb", 1},
    {"CN=a\\,b", "CN=a,b", 0},
    {"CN=a\\+b", "CN=a\\2bb", 1},
    {"CN=a\\\\", "CN=a\\5c", 1},
    {"CN=\\41lice", "CN=alice", 1},
    {"CN=Lu\\C4\\8Di\\C4\\87", "CN=Lu\xc4\x8di\xc4\x87", 1},
    {"CN=\xc3\x84", "CN=\xc3\xa4", 0}, /* only ASCII letters are folded */
    {"CN=\\ a\\ ", "CN=\\20a\\20", 1},
    {"CN=\\ a", "CN=a", 0},
    {"CN=a\\ ", "CN=a", 0},
    {"CN=a\\  ,DC=b", "CN=a\\20,DC=b", 1},
    {"CN=a \\ ", "CN=a\\20\\20", 1},
    {"CN=\\ ", "CN= \\20 ", 1},
    {"CN=\\ \\ +OU=\\ ,DC=a", "CN=\\20\\20+OU=\\20,DC=a", 1},
    {"CN=\\#1", "CN=#1", 1},
    {"CN=x=y", "CN=x\\=y", 1},
    {"CN=x\\00y", "CN=x\\00y", 1},
    {"CN=x\\00y", "CN=x\\00z", 0},
    {"CN=x\\00y", "CN=x", 0},
    {"CN=,DC=a", "cn= ,DC=a", 1},
    {"CN=a+OU=b,DC=c", "cn=A + ou=B,dc=c", 1},
    {"CN=a+OU=b", "CN=a,OU=b", 0},
    {"1.2.3.4=#04024869,DC=c", "1.2.3.4=#04024869,dc=C", 1},
    {"CN=\"a\"", "CN=\\\"a\\\"", 1},
    /* malformed: equal to nothing, not even to itself */
    {"a", "a", 0},
    {"CN", "CN", 0},
    {"=a", "=a", 0},
    {"CN=a,", "CN=a,", 0},
    {"CN=a,,DC=b", "CN=a,,DC=b", 0},
    {",CN=a", ",CN=a", 0},
    {"CN=a+", "CN=a+", 0},
    {"CN=a\\", "CN=a\\", 0},
    {"CN=a\\4", "CN=a\\4", 0},
    {"CN=a\\4x", "CN=a\\4x", 0},
    {"CN=a\\x", "CN=a\\x", 0},
    {"C N=a", "C N=a", 0},
    {"C\xc3N=a", "C\xc3N=a", 0},
    {"CN=\"a,b\"", "CN=\"a,b\"", 0},
};

static void test_equal(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *a = cep_dn_normalize(pairs[i].a, pool), *b = cep_dn_normalize(pairs[i].b, pool);

        if (cep_dn_equal(pairs[i].a, pairs[i].b) != pairs[i].equal ||
            cep_dn_equal(pairs[i].b, pairs[i].a) != pairs[i].equal)
            fail_msg("\"%s\" and \"%s\"", pairs[i].a, pairs[i].b);
        /* The canonical spelling says the same. */
        if ((a && b && strcmp(a, b) == 0) != pairs[i].equal)
            fail_msg("canonical \"%s\" and \"%s\"", a, b);
        /* A canonical DN is a DN, and its own canonical form. */
        if (a && (!cep_dn_equal(a, pairs[i].a) || strcmp(cep_dn_normalize(a, pool), a) != 0))
            fail_msg("canonical \"%s\" of \"%s\"", a, pairs[i].a);
    }
}

static void test_within(void **state)
{
    static const struct {
        const char *dn, *base;
        int within;
    } cases[] = {
        {"CN=a,DC=b,DC=c", "DC=b,DC=c", 1},
        {"CN=a,DC=b,DC=c", "dc=B , dc=C", 1},
        {"CN=a,DC=b,DC=c", "CN=a,DC=b,DC=c", 1},
        {"CN=a,DC=b,DC=c", "", 1},
        {"", "", 1},
        {"", "DC=c", 0},
        {"DC=c", "DC=b,DC=c", 0},
        {"CN=a,DC=b,DC=c", "DC=b", 0},
        {"CN=a\\,DC=b,DC=c", "DC=b,DC=c", 0},
        {"CN=a\\2cDC=b,DC=c", "DC=c", 1},
        {"CN=aDC=b,DC=c", "DC=b,DC=c", 0},
        {"CN=a+OU=x,DC=c", "OU=x,DC=c", 0},
        {"CN=a\\,DC=c", "DC=c", 0},
        {"malformed", "", 0},
        {"malformed,DC=c", "DC=c", 0},
        {"CN=a\\,DC=c", "", 1},
        {"DC=c", "malformed", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *dn = cep_dn_normalize(cases[i].dn, pool);
        const char *base = cep_dn_normalize(cases[i].base, pool);

        if (cep_dn_is_within(cases[i].dn, cases[i].base) != cases[i].within)
            fail_msg("\"%s\" within \"%s\"", cases[i].dn, cases[i].base);
        if (dn && base && cep_dn_canonical_within(dn, base) != cases[i].within)
            fail_msg("canonical \"%s\" within \"%s\"", dn, base);
    }
}

static void test_parts(void **state)
{
    (void)state;
    assert_string_equal(cep_dn_normalize("CN=A\\,b , DC= C", pool), "cn=a\\2cb,dc=c");
    assert_string_equal(cep_dn_parent("cn=a\\2cb,dc=c"), "dc=c");
    assert_string_equal(cep_dn_parent("dc=c"), "");
    assert_null(cep_dn_parent(""));
    assert_string_equal(cep_dn_without_first("CN=a\\,b, DC=C"), "DC=C");
    assert_string_equal(cep_dn_without_first("DC=C"), "");
    assert_string_equal(cep_dn_without_first(""), "");
    assert_string_equal(cep_dn_without_first("CN"), "");
    assert_string_equal(cep_dn_dns_name("DC=Corp,DC=Example", pool), "corp.example");
    assert_string_equal(cep_dn_dns_name("OU=x,DC=Corp,O=y,DC=Example", pool), "corp.example");
    assert_string_equal(cep_dn_dns_name("O=Corp", pool), "");
    assert_string_equal(cep_dn_dns_name("", pool), "");
    assert_string_equal(cep_dn_dns_name("DC", pool), "");
}

/* Whatever stands in a DN, nothing is read beyond its end: run with a sanitizer. */
static void test_noise(void **state)
{
    static const char alphabet[] = "aC=N,+\\ 4f#\"\xc3\xa4;<";
    unsigned long seed = 1;
    int i, j;

    (void)state;
    for (i = 0; i < 20000; i++) {
        int length = i % 12;
        char *dn = malloc((size_t)length + 1);
        const char *canonical;

        for (j = 0; j < length; j++) {
            seed = (seed * 1103515245 + 12345) & 0x7fffffff;
            dn[j] = alphabet[(seed >> 8) % (sizeof(alphabet) - 1)];
        }
        dn[length] = 0;
        canonical = cep_dn_normalize(dn, pool);
        assert_int_equal(cep_dn_equal(dn, dn), canonical != NULL);
        assert_int_equal(cep_dn_is_within(dn, dn), canonical != NULL);
        if (canonical)
            assert_true(cep_dn_equal(dn, canonical));
        cep_dn_is_within(dn, "DC=c");
        cep_dn_is_within("CN=a,CN=b,CN=c", dn);
        cep_dn_without_first(dn);
        free(dn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
