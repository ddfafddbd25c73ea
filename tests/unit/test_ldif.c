/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "../../mod_cep/directory/ldif.h"
#include "../../mod_cep/directory/source.h"
#include "pool.h"

static apr_status_t free_text(void *text)
{
    free(text);
    return APR_SUCCESS;
}

/* Parse a copy on the heap, so that a sanitizer sees every octet read beyond it. */
static apr_status_t parse(apr_array_header_t **entries, const char *text, size_t length,
                          const char **error)
{
    char *copy = malloc(length + 1);
    apr_status_t status;

    memcpy(copy, text, length);
    *error = NULL;
    status = cep_ldif_parse(entries, "f.ldif", copy, length, pool, error);
    apr_pool_cleanup_register(pool, copy, free_text, apr_pool_cleanup_null);
    return status;
}

static const struct cep_entry *one(const char *text)
{
    apr_array_header_t *entries;
    const char *error;

    if (parse(&entries, text, strlen(text), &error) != APR_SUCCESS)
        fail_msg("%s", error);
    assert_int_equal(entries->nelts, 1);
    return APR_ARRAY_IDX(entries, 0, struct cep_ldif_entry).entry;
}

static void test_accepted(void **state)
{
    /* Each holds the entry DC=a with "value" in the attribute x. */
    static const char *const texts[] = {
        "dn: DC=a\nx: value\n",
        "dn: DC=a\nx: value",
        "dn:DC=a\nx:value\n",
        "dn:   DC=a\nx:   value\n",
        "dn: DC=a  \nx: value \t \n",
        "dn: DC=a\r\nx: value\r\n",
        "dn: DC=a\r\nx: value\r",
        "version: 1\ndn: DC=a\nx: value\n",
        "version: 1\n\n\n\ndn: DC=a\nx: value\n\n\n",
        "\n\n# note\n\ndn: DC=a\nx: value\n",
        "\xef\xbb\xbf\x64n: DC=a\nx: value\n", /* a byte order mark, "dn:" */
        "# note\n folded\n  twice\ndn: DC=a\nx: value\n",
        "dn: DC=a\n# note\nx: value\n#",
        "dn: DC=a\nx: va\n lue\n",
        "dn: DC=a\nx: va\r\n lu\r\n e\r\n",
        "dn: DC\n =a\nx:\n  value\n",
        "dn: DC=a\nx: val\n \n ue\n",
        "dn:: REM9YQ==\nx:: dmFsdWU=\n",
        "dn::REM9YQ==\nx::   dmFsdWU=  \n",
        "dn: DC=a\nx:: dmF\n sdWU=\n",
        "DN: DC=a\nX: value\n",
        "dn: DC=a\nx;binary: value\n",
        "dn: DC=a\nx;range=0-*: value\n",
        "dn: DC=a\nx: value\n  \n",
        "   \ndn: DC=a\nx: value\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct cep_entry *entry = one(texts[i]);
        const char *text = cep_entry_text(entry, "x");

        if (strcmp(entry->dn, "DC=a") != 0 || !text || strcmp(text, "value") != 0 ||
            entry->attributes->nelts != 1)
            fail_msg("text %d: dn \"%s\", x \"%s\"", (int)i, entry->dn, text ? text : "(none)");
    }
}

static void test_values(void **state)
{
    const struct cep_entry *entry = one("dn: DC=a\n"
                                        "x: 1\ny: other\nX;lang-de: 2\nx:: AAEC\nx:\nx:: \n"
                                        "z: a: b\nz:  :c\nz: # no note\n"
                                        "1.2.840.113556.1.4.8: 512\nno-class-9: 1\n");
    const struct cep_attribute *x = cep_entry_attribute(entry, "x");

    (void)state;
    assert_int_equal(cep_attribute_count(x), 5);
    assert_string_equal(cep_attribute_value(x, 1)->data, "2");
    assert_int_equal(cep_attribute_value(x, 2)->len, 3);
    assert_memory_equal(cep_attribute_value(x, 2)->data, "\0\1\2", 4);
    assert_int_equal(cep_attribute_value(x, 3)->len, 0);
    assert_int_equal(cep_attribute_value(x, 4)->len, 0);
    assert_string_equal(cep_attribute_value(cep_entry_attribute(entry, "z"), 0)->data, "a: b");
    assert_string_equal(cep_attribute_value(cep_entry_attribute(entry, "z"), 1)->data, ":c");
    assert_string_equal(cep_attribute_value(cep_entry_attribute(entry, "z"), 2)->data, "# no note");
    assert_string_equal(cep_entry_text(entry, "1.2.840.113556.1.4.8"), "512");
}

static void test_several(void **state)
{
    static const char text[] = "version: 1\n\n"
                               "dn: CN=child,DC=a\ncn: child\n \t \ndn: DC=a\n"
                               "\n\n# a note of its own\n\n"
                               "dn:\nconfigurationNamingContext: CN=c\n";
    apr_array_header_t *entries;
    const char *error;

    (void)state;
    assert_int_equal(parse(&entries, text, sizeof(text) - 1, &error), APR_SUCCESS);
    assert_int_equal(entries->nelts, 3);
    assert_string_equal(APR_ARRAY_IDX(entries, 0, struct cep_ldif_entry).dn, "cn=child,dc=a");
    assert_int_equal(APR_ARRAY_IDX(entries, 0, struct cep_ldif_entry).line, 3);
    assert_string_equal(APR_ARRAY_IDX(entries, 1, struct cep_ldif_entry).dn, "dc=a");
    assert_int_equal(APR_ARRAY_IDX(entries, 1, struct cep_ldif_entry).line, 6);
    assert_int_equal(APR_ARRAY_IDX(entries, 1, struct cep_ldif_entry).entry->attributes->nelts, 0);
    assert_string_equal(APR_ARRAY_IDX(entries, 2, struct cep_ldif_entry).dn, "");
    assert_int_equal(parse(&entries, "", 0, &error), APR_SUCCESS);
    assert_int_equal(entries->nelts, 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *place, *says;
    } cases[] = {
        {"version: 2\n\ndn: DC=a\n", "f.ldif:1: ", "version"},
        {"dn: DC=a\n\nversion: 1\n", "f.ldif:3: ", "after the first entry"},
        {"cn: a\n", "f.ldif:1: ", "dn:"},
        {"dn: DC=a\n\nsearch: 2\nresult: 0 Success\n", "f.ldif:3: ", "-LLL"},
        {"dn: DC=a\nchangetype: add\ncn: a\n", "f.ldif:2: ", "change record"},
        {"dn: DC=a\ncontrol: 1.2.3 true\nchangetype: delete\n", "f.ldif:2: ", "change record"},
        {"dn: DC=a\nx:< file:///etc/passwd\n", "f.ldif:2: ", "URL"},
        {"dn: DC=a\nno colon\n", "f.ldif:2: ", "attribute: value"},
        {"dn: DC=a\n-\n", "f.ldif:2: ", "attribute: value"},
        {"dn: DC=a\nx y: 1\n", "f.ldif:2: ", "attribute name"},
        {"dn: DC=a\n: 1\n", "f.ldif:2: ", "attribute name"},
        {"dn: DC=a\nx;: 1\n", "f.ldif:2: ", "attribute name"},
        {"dn: DC=a\nx;;y: 1\n", "f.ldif:2: ", "attribute name"},
        {"dn: DC=a\nx_y: 1\n", "f.ldif:2: ", "attribute name"},
        {"dn: DC=a\nmember;range=0-1499: CN=b\n", "f.ldif:2: ", "part of the values"},
        {"dn: DC=a\nmember;Range=1500-*: CN=b\n", "f.ldif:2: ", "part of the values"},
        {"dn: DC=a\nmember;x;range=0-*0: CN=b\n", "f.ldif:2: ", "part of the values"},
        {"dn: DC=a\nx:: a\n", "f.ldif:2: ", "base64"},
        {"dn: DC=a\nx:: ab=c\n", "f.ldif:2: ", "base64"},
        {"dn: DC=a\nx:: a===\n", "f.ldif:2: ", "base64"},
        {"dn: DC=a\nx:: ====\n", "f.ldif:2: ", "base64"},
        {"dn: DC=a\nx:: ab!d\n", "f.ldif:2: ", "base64"},
        {"dn: DC=a\nx:: YQ==YQ==\n", "f.ldif:2: ", "base64"},
        {"dn: nonsense\n", "f.ldif:1: ", "RFC 4514"},
        {"dn:: /w==\n", "f.ldif:1: ", "UTF-8"},
        {"dn:: QwA=\n", "f.ldif:1: ", "UTF-8"},
        {"dn: DC=a\nx: 1\ndn: DC=b\n", "f.ldif:3: ", "second \"dn:\""},
        {"dn: DC=a\n\n\ndn: dc = A\n", "f.ldif:4: ", "line 1"},
        {"dn: DC=a\nx: 1\n\n x: 2\n", "f.ldif:4: ", "begins with a blank"},
        {" dn: DC=a\n", "f.ldif:1: ", "begins with a blank"},
        {"# note\n folded\ndn: DC=a\nx: 1\n fold\n fold\nbad\n", "f.ldif:7: ", "attribute"},
    };
    apr_array_header_t *entries;
    const char *error;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(&entries, cases[i].text, strlen(cases[i].text), &error) == APR_SUCCESS)
            fail_msg("accepted: %s", cases[i].text);
        if (strncmp(error, cases[i].place, strlen(cases[i].place)) != 0 ||
            !strstr(error, cases[i].says))
            fail_msg("\"%s\" for: %s", error, cases[i].text);
    }
}

static void test_nul(void **state)
{
    static const char text[] = "dn: DC=a\nx: 1\ny: a\0b\n";
    static const char utf16[] = "\xff\xfe"
                                "d\0n\0:\0";
    apr_array_header_t *entries;
    const char *error;

    (void)state;
    assert_int_not_equal(parse(&entries, text, sizeof(text) - 1, &error), APR_SUCCESS);
    assert_ptr_equal(strstr(error, "f.ldif:3: "), error);
    assert_non_null(strstr(error, "NUL"));
    assert_int_not_equal(parse(&entries, utf16, sizeof(utf16) - 1, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "UTF-16"));
}

/* Cut a valid text at every octet, and change every octet: no crash, no reading beyond it. */
static void test_noise(void **state)
{
    static const char text[] = "version: 1\n# note\n folded\n\ndn:: REM9YQ==\nx;binary:: AAEC\n"
                               " AwQF\ny: a\r\n b\n\ndn: CN=b\\,c,DC=a\ncn: b,c\n";
    static const char changes[] = {'\n', '\r', ' ', ':', ';', '<', '\\', '=', '#', (char)0xff};
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof(text); i++) {
        apr_array_header_t *entries;
        const char *error;

        parse(&entries, text, i, &error);
        for (j = 0; j < sizeof(changes); j++) {
            char changed[sizeof(text)];

            memcpy(changed, text, sizeof(text));
            changed[i] = changes[j];
            if (parse(&entries, changed, sizeof(text) - 1, &error) != APR_SUCCESS)
                assert_non_null(error);
        }
    }
}

static char *scratch_file(void)
{
    char *path = apr_pstrdup(pool, "/tmp/cep-test-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    return path;
}

static void test_files(void **state)
{
    char *path = scratch_file(), *data;
    apr_array_header_t *entries;
    const char *error;
    apr_size_t length;

    (void)state;
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(cep_read_file(path, 1000, &data, &length, pool, &error), APR_SUCCESS);
    assert_int_equal(length, 1000);
    assert_int_equal(data[1000], 0);
    assert_int_equal(truncate(path, 1001), 0);
    assert_int_not_equal(cep_read_file(path, 1000, &data, &length, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "larger than 1000"));
    /* A sparse file above the limit is refused before it is read. */
    assert_int_equal(truncate(path, (off_t)256 * 1024 * 1024 + 1), 0);
    assert_int_not_equal(cep_ldif_read(&entries, path, pool, &error), APR_SUCCESS);
    assert_ptr_equal(strstr(error, path), error);
    unlink(path);
    assert_int_not_equal(cep_ldif_read(&entries, path, pool, &error), APR_SUCCESS);
    assert_ptr_equal(strstr(error, path), error);
    assert_int_not_equal(cep_ldif_read(&entries, "/", pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "regular file"));
    assert_int_not_equal(cep_ldif_read(&entries, "/dev/zero", pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_values),
        cmocka_unit_test(test_several),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul),      cmocka_unit_test(test_noise),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
