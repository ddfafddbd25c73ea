/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cep_entry.h"
#include "pool.h"

static void test_attributes(void **state)
{
    char name[] = "displayName;lang-de", data[] = "one";
    struct cep_entry *entry = cep_entry_make(pool, "CN=a");
    const struct cep_attribute *attribute;

    (void)state;
    assert_null(cep_entry_attribute(entry, "displayName"));
    assert_int_equal(cep_attribute_count(NULL), 0);
    cep_entry_add(entry, pool, name, data, 3);
    memset(name, 'x', sizeof(name) - 1);
    memset(data, 'x', sizeof(data) - 1);
    cep_entry_add(entry, pool, "DISPLAYNAME", "two", 3);
    cep_entry_add(entry, pool, "displayNam", "no", 2);
    cep_entry_add(entry, pool, "displayNames;binary", "no", 2);
    attribute = cep_entry_attribute(entry, "displayname");
    assert_non_null(attribute);
    assert_string_equal(attribute->name, "displayName");
    assert_int_equal(cep_attribute_count(attribute), 2);
    assert_string_equal(cep_attribute_value(attribute, 0)->data, "one");
    assert_string_equal(cep_attribute_value(attribute, 1)->data, "two");
    assert_int_equal(entry->attributes->nelts, 3);
    assert_non_null(cep_entry_attribute(entry, "displayNames"));
    assert_null(cep_entry_attribute(entry, "displayName;lang-de"));
    assert_null(cep_entry_attribute(entry, ""));
}

static void test_binary(void **state)
{
    struct cep_entry *entry = cep_entry_make(pool, "CN=a");
    const struct cep_value *value;

    (void)state;
    cep_entry_add(entry, pool, "a", "x\0y", 3);
    cep_entry_add(entry, pool, "b", NULL, 0);
    value = cep_entry_value(entry, "a");
    assert_int_equal(value->len, 3);
    assert_memory_equal(value->data, "x\0y", 4);
    value = cep_entry_value(entry, "b");
    assert_int_equal(value->len, 0);
    assert_int_equal(value->data[0], 0);
    assert_null(cep_entry_value(entry, "c"));
    assert_null(cep_entry_text(entry, "a"));
    assert_null(cep_entry_text(entry, "b"));
    assert_null(cep_entry_text(entry, "c"));
    cep_entry_add(entry, pool, "d", "text", 4);
    assert_string_equal(cep_entry_text(entry, "D"), "text");
}

static void test_text(void **state)
{
    static const struct {
        const char *octets;
        int length, is_text;
    } cases[] = {
        {"", 0, 1},
        {"abc", 3, 1},
        {"a\0c", 3, 0},
        {"\x7f\t\n", 3, 1},
        {"\x80", 1, 0},     /* a continuation without a beginning */
        {"\xc3\xa4", 2, 1}, /* ae */
        {"\xc3", 1, 0},     /* cut short */
        {"\xc3\x41", 2, 0},
        {"\xc0\x80", 2, 0}, /* overlong */
        {"\xc1\xbf", 2, 0},
        {"\xe0\xa0\x80", 3, 1}, /* U+0800 */
        {"\xe0\x9f\xbf", 3, 0},
        {"\xed\x9f\xbf", 3, 1}, /* U+D7FF */
        {"\xed\xa0\x80", 3, 0}, /* a surrogate */
        {"\xef\xbf\xbf", 3, 1},
        {"\xe2\x82", 2, 0},
        {"\xe2\x82\x41", 3, 0},
        {"\xf0\x90\x80\x80", 4, 1}, /* U+10000 */
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xf4\x8f\xbf\xbf", 4, 1}, /* U+10FFFF */
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xff", 1, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cep_value value = {(const unsigned char *)cases[i].octets,
                                  (apr_size_t)cases[i].length};

        if (cep_value_is_text(&value) != cases[i].is_text)
            fail_msg("case %d", (int)i);
    }
}

static void test_class(void **state)
{
    struct cep_entry *entry = cep_entry_make(pool, "CN=a");

    (void)state;
    assert_false(cep_entry_has_class(entry, "user"));
    cep_entry_add(entry, pool, "objectClass", "top", 3);
    cep_entry_add(entry, pool, "OBJECTCLASS", "User", 4);
    assert_true(cep_entry_has_class(entry, "user"));
    assert_true(cep_entry_has_class(entry, "TOP"));
    assert_false(cep_entry_has_class(entry, "use"));
    assert_false(cep_entry_has_class(entry, "users"));
    assert_false(cep_entry_has_class(entry, ""));
}

static void test_large(void **state)
{
    struct cep_entry *entry = cep_entry_make(pool, "CN=a");
    uint32_t i;

    (void)state;
    for (i = 0; i < 100000; i++)
        cep_entry_add(entry, pool, "member", &i, sizeof(i));
    assert_int_equal(entry->attributes->nelts, 1);
    assert_int_equal(cep_attribute_count(cep_entry_attribute(entry, "member")), 100000);
    i = 99999;
    assert_memory_equal(cep_attribute_value(cep_entry_attribute(entry, "member"), 99999)->data, &i,
                        sizeof(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_binary),
        cmocka_unit_test(test_text),       cmocka_unit_test(test_class),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
