/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* SIDs and tokens: cep_access.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cep_access.h"
#include "pool.h"

#define D     "S-1-5-21-1004336348-1177238915-682003330"
#define M     "-4294967295"
#define M15   M M M M M M M M M M M M M M M
#define ZEROS "0000000000"

static void text_forms_are_read_and_written(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *octets; /* NULL: not compared */
    } cases[] = {
        {"S-1-1-0", 12, "\1\1\0\0\0\0\0\1\0\0\0\0"},
        {"S-1-5-11", 12, "\1\1\0\0\0\0\0\5\x0b\0\0\0"},
        {D "-513", 28,
         "\1\5\0\0\0\0\0\5\x15\0\0\0\xdc\xf4\xdc\x3b\x83\x3d\x2b\x46\x82\x8b\xa6\x28\1\2\0\0"},
        {"S-1-4294967295-1", 12, "\1\1\0\0\xff\xff\xff\xff\1\0\0\0"},
        {"S-1-0x000100000000-1", 12, "\1\1\0\1\0\0\0\0\1\0\0\0"},
        {"S-1-0xFEDCBA987654-4294967295", 12, "\1\1\xfe\xdc\xba\x98\x76\x54\xff\xff\xff\xff"},
        {"S-1-5" M15, 68, NULL},
        {"S-1-0xFFFFFFFFFFFF" M15, 68, NULL}, /* the longest text */
    };
    char buffer[CEP_SID_TEXT_MAX];
    struct cep_sid sid, again;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(cep_sid_parse(&sid, cases[i].text), 1);
        assert_int_equal(sid.length, cases[i].length);
        if (cases[i].octets)
            assert_memory_equal(sid.octets, cases[i].octets, cases[i].length);
        assert_string_equal(cep_sid_format(&sid, buffer), cases[i].text);
        assert_int_equal(cep_sid_read(&again, sid.octets, sid.length), 1);
        assert_memory_equal(&again, &sid, sizeof(sid));
    }
}

static void unusual_text_is_understood(void **state)
{
    struct cep_sid sid, same;

    (void)state;
    assert_int_equal(cep_sid_parse(&sid, "s-1-5-11"), 1);
    assert_int_equal(cep_sid_parse(&same, "S-1-0x000000000005-11"), 1);
    assert_int_equal(cep_sid_compare(&sid, &same), 0);
    assert_int_equal(cep_sid_parse(&same, "S-1-5-0000000011"), 1);
    assert_int_equal(cep_sid_compare(&sid, &same), 0);
}

static void wrong_text_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "S",
        "S-",
        "S-1",
        "S-1-",
        "S-1-5", /* no subauthority */
        "S-1-5-",
        "S-1-5--1",
        "S-1-5-1-",
        "S-2-5-11",
        "S-01-5-11",
        "S-1-5-11 ",
        " S-1-5-11",
        "S-1-5-+1",
        "S-1-5-1a",
        "S-1-4294967296-1",
        "S-1-5-4294967296",
        "S-1-5-99999999999",
        "S-1-5-0" ZEROS, /* eleven digits */
        "S-1-0x5-1",
        "S-1-0x0000000000005-1",
        "S-1-0x00000000000g-1",
        "S-1-5" M15 "-1", /* sixteen */
        "T-1-5-11",
    };
    struct cep_sid sid;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cep_sid_parse(&sid, cases[i]))
            fail_msg("\"%s\" was taken for a SID", cases[i]);
    }
}

static void lengths_are_bounded(void **state)
{
    unsigned char octets[8 + 4 * 16 + 4] = {1};
    struct cep_sid sid;
    size_t count, length;

    (void)state;
    for (count = 0; count <= 16; count++) {
        octets[1] = (unsigned char)count;
        for (length = 0; length <= sizeof(octets); length++) {
            size_t wanted = 8 + 4 * count;
            int fits = count <= CEP_SID_MAX_SUBAUTHORITIES && length >= wanted;

            assert_int_equal(cep_sid_length(octets, length), fits ? wanted : 0);
            assert_int_equal(cep_sid_read(&sid, octets, length), fits && length == wanted);
        }
    }
    octets[0] = 2;
    octets[1] = 1;
    assert_int_equal(cep_sid_length(octets, sizeof(octets)), 0);
    assert_int_equal(cep_sid_length(NULL, 0), 0);
}

static void relative_identifiers(void **state)
{
    struct cep_sid domain, account, result, full;

    (void)state;
    cep_sid_parse(&domain, D);
    cep_sid_parse(&account, D "-1104");
    assert_int_equal(cep_sid_append_rid(&result, &domain, 1104), 1);
    assert_int_equal(cep_sid_compare(&result, &account), 0);
    assert_int_equal(cep_sid_with_rid(&result, &result, 513), 1);
    cep_sid_parse(&account, D "-513");
    assert_int_equal(cep_sid_compare(&result, &account), 0);
    assert_int_equal(cep_sid_with_rid(&result, &account, 4294967295ul), 1);
    assert_int_equal(cep_sid_with_rid(&result, &account, 4294967296ul), 0);
    assert_int_equal(cep_sid_append_rid(&result, &domain, 4294967296ul), 0);
    cep_sid_parse(&full, "S-1-5" M15);
    assert_int_equal(cep_sid_append_rid(&result, &full, 1), 0);
    /* no subauthority to replace */
    assert_int_equal(cep_sid_read(&full, "\1\0\0\0\0\0\0\5", 8), 1);
    assert_int_equal(cep_sid_with_rid(&result, &full, 1), 0);
}

static void tokens_are_sorted_and_searched(void **state)
{
    static const char *const texts[] = {D "-1104", "S-1-5-11", D "-513",
                                        "S-1-1-0", "S-1-5-11", "S-1-5-2",
                                        D "-1104", "S-1-5-15", "S-1-5-21-1-2-3-4-5"};
    static const char *const absent[] = {
        "S-1-5-1", "S-1-5-10", D, D "-1105", "S-1-5-21-1-2-3-4", "S-1-0-0", "S-1-5-21-1-2-3-4-5-6"};
    apr_array_header_t *sids;
    struct cep_token token;
    struct cep_sid sid;
    size_t i;

    (void)state;
    sids = apr_array_make(pool, 1, sizeof(struct cep_sid));
    token = cep_token_make(sids);
    assert_int_equal(token.count, 0);
    assert_int_equal(cep_token_has(&token, "\1\1\0\0\0\0\0\1\0\0\0\0", 12), 0);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cep_sid_parse(&sid, texts[i]);
        APR_ARRAY_PUSH(sids, struct cep_sid) = sid;
    }
    token = cep_token_make(sids);
    assert_int_equal(token.count, 7);
    for (i = 1; i < (size_t)token.count; i++)
        assert_true(cep_sid_compare(&token.sids[i - 1], &token.sids[i]) < 0);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cep_sid_parse(&sid, texts[i]);
        assert_int_equal(cep_token_has(&token, sid.octets, sid.length), 1);
    }
    for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        cep_sid_parse(&sid, absent[i]);
        assert_int_equal(cep_token_has(&token, sid.octets, sid.length), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms_are_read_and_written),
        cmocka_unit_test(unusual_text_is_understood),
        cmocka_unit_test(wrong_text_is_refused),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(relative_identifiers),
        cmocka_unit_test(tokens_are_sorted_and_searched),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
