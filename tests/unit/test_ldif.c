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

#include <apr_strings.h>

#include "../../mod_cep/directory/ldif.h"
#include "../../mod_cep/directory/source.h"
#include "files.h"
#include "pool.h"

struct read_entry {
    const struct cep_entry *entry;
    const char *dn;
    unsigned line;
};

static void count(void *baton, int number, const struct cep_entry *entry)
{
    int *entries = baton;

    assert_int_equal(number, (*entries)++);
    assert_non_null(entry->dn);
}

/* All entries of a file, read again one by one, the last one first. */
static apr_status_t read_all(apr_array_header_t **entries, const char *path, const char **error)
{
    struct cep_ldif *ldif;
    int seen = 0;
    apr_status_t status = cep_ldif_open(&ldif, path, count, &seen, pool, error);

    *entries = apr_array_make(pool, 1, sizeof(struct read_entry));
    if (status != APR_SUCCESS)
        return status;
    assert_int_equal(seen, ldif->records->nelts);
    for (int i = seen; i > 0; i--)
        apr_array_push(*entries);
    for (int i = seen - 1; i >= 0; i--) {
        const struct cep_ldif_record *record =
            APR_ARRAY_IDX(ldif->records, i, struct cep_ldif_record *);
        struct read_entry *entry = &APR_ARRAY_IDX(*entries, i, struct read_entry);

        entry->dn = record->dn;
        entry->line = record->line;
        if (cep_ldif_read(&entry->entry, ldif, record, pool, error) != APR_SUCCESS)
            fail_msg("%s", *error);
    }
    return APR_SUCCESS;
}

static const char *ignore(void *baton, const struct cep_ldif_entry *entry)
{
    (void)baton;
    (void)entry;
    return NULL;
}

/* Parse a copy on the heap, so that a sanitizer sees every octet read beyond it. */
static void parse_in_place(const char *text, size_t length)
{
    const char *error = NULL;
    struct cep_ldif_parser parser = {
        .name = "f.ldif", .error = &error, .pool = pool, .line = 1, .take = ignore};
    char *copy = malloc(length + 1);

    memcpy(copy, text, length);
    if (cep_ldif_parse(&parser, copy, length, pool) != APR_SUCCESS)
        assert_non_null(error);
    free(copy);
}

static apr_status_t parse(apr_array_header_t **entries, const char *text, size_t length,
                          const char **error)
{
    const char *path = scratch_file(pool);
    apr_status_t status;

    write_file(path, "w", text, length);
    *error = NULL;
    status = read_all(entries, path, error);
    unlink(path);
    if (*error && strncmp(*error, path, strlen(path)) == 0)
        *error = apr_pstrcat(pool, "f.ldif", *error + strlen(path), NULL);
    parse_in_place(text, length);
    return status;
}

static const struct cep_entry *one(const char *text)
{
    apr_array_header_t *entries;
    const char *error;

    if (parse(&entries, text, strlen(text), &error) != APR_SUCCESS)
        fail_msg("%s", error);
    assert_int_equal(entries->nelts, 1);
    return APR_ARRAY_IDX(entries, 0, struct read_entry).entry;
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
    assert_string_equal(APR_ARRAY_IDX(entries, 0, struct read_entry).dn, "cn=child,dc=a");
    assert_int_equal(APR_ARRAY_IDX(entries, 0, struct read_entry).line, 3);
    assert_string_equal(APR_ARRAY_IDX(entries, 1, struct read_entry).dn, "dc=a");
    assert_int_equal(APR_ARRAY_IDX(entries, 1, struct read_entry).line, 6);
    assert_int_equal(APR_ARRAY_IDX(entries, 1, struct read_entry).entry->attributes->nelts, 0);
    assert_string_equal(APR_ARRAY_IDX(entries, 2, struct read_entry).dn, "");
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

/* Entries larger than what is read at a time, and ends of pieces at each of its places. */
static void test_windows(void **state)
{
    enum { most = 300 * 1024 };
    char *text = malloc(most + 200);
    apr_array_header_t *entries;
    const char *error;

    (void)state;
    for (int step = 0; step < 2 * 48; step++) {
        int length = (step % 2 ? 256 : 128) * 1024 - 40 + step / 2;
        int used = sprintf(text, "version: 1\n\ndn: DC=a\nx: ");

        memset(text + used, 'v', (size_t)(length - used));
        used = length + sprintf(text + length, "\r\n\r\ndn: DC=b\nx: 2\n\ndn: DC=c\nx: 3");
        assert_int_equal(parse(&entries, text, (size_t)used, &error), APR_SUCCESS);
        assert_int_equal(entries->nelts, 3);
        for (int i = 0; i < 3; i++) {
            const struct read_entry *entry = &APR_ARRAY_IDX(entries, i, struct read_entry);

            assert_int_equal(entry->line, i == 0 ? 3 : 3 * i + 3);
            assert_int_equal(cep_entry_value(entry->entry, "x")->len, i == 0 ? length - 24 : 1);
        }
        apr_pool_clear(pool);
    }
    free(text);
}

/* A file that is changed in place while it is open is not read on. */
static void test_changes(void **state)
{
    static const char text[] = "dn: DC=a\nx: 1\n\ndn: DC=b\nx: 2\n";
    const char *path = scratch_file(pool);
    const struct cep_entry *entry;
    struct cep_ldif_record *record;
    struct cep_ldif *ldif;
    const char *error;
    int seen = 0;

    (void)state;
    write_file(path, "w", text, sizeof(text) - 1);
    assert_int_equal(cep_ldif_open(&ldif, path, count, &seen, pool, &error), APR_SUCCESS);
    record = APR_ARRAY_IDX(ldif->records, 1, struct cep_ldif_record *);
    assert_int_equal(cep_ldif_read(&entry, ldif, record, pool, &error), APR_SUCCESS);
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(cep_ldif_read(&entry, ldif, record, pool, &error), APR_EBUSY);
    assert_non_null(strstr(error, "changed while it was read"));
}

/* As many entries as are read, and one more. */
static void test_number_of_entries(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        const char *path = scratch_file(pool);
        FILE *file = fopen(path, "wb");
        struct cep_ldif *ldif;
        const char *error;
        apr_status_t status;
        int seen = 0;

        for (int i = 0; i < CEP_DIRECTORY_MAX_ENTRIES + over; i++)
            fprintf(file, "dn: DC=%d\nx: 1\n\n", i);
        fclose(file);
        status = cep_ldif_open(&ldif, path, count, &seen, pool, &error);
        assert_int_equal(seen, CEP_DIRECTORY_MAX_ENTRIES);
        assert_int_equal(status == APR_SUCCESS, !over);
        if (over)
            assert_non_null(strstr(error, "one entry more than the 200000 allowed"));
        apr_pool_clear(pool);
    }
}

static void test_files(void **state)
{
    const char *path = scratch_file(pool);
    char *data;
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
    /* A sparse file above the limit is refused before it is read, one at the limit for what it is.
     */
    assert_int_equal(truncate(path, CEP_LDIF_MAX_FILE), 0);
    assert_int_not_equal(read_all(&entries, path, &error), APR_SUCCESS);
    assert_null(strstr(error, "larger than"));
    assert_int_equal(truncate(path, CEP_LDIF_MAX_FILE + 1), 0);
    assert_int_not_equal(read_all(&entries, path, &error), APR_SUCCESS);
    assert_ptr_equal(strstr(error, path), error);
    assert_non_null(strstr(error, "larger than"));
    unlink(path);
    assert_int_not_equal(read_all(&entries, path, &error), APR_SUCCESS);
    assert_ptr_equal(strstr(error, path), error);
    assert_int_not_equal(read_all(&entries, "/", &error), APR_SUCCESS);
    assert_non_null(strstr(error, "regular file"));
    assert_int_not_equal(read_all(&entries, "/dev/zero", &error), APR_SUCCESS);
    assert_non_null(strstr(error, "regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_values),
        cmocka_unit_test(test_several),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul),      cmocka_unit_test(test_noise),
        cmocka_unit_test(test_windows),  cmocka_unit_test(test_changes),
        cmocka_unit_test(test_files),    cmocka_unit_test(test_number_of_entries),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
