/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../mod_cep/policy/parts.h"

struct row {
    const char *octets;
    apr_size_t length;
    apr_uint64_t seconds; /* 0: refused */
};

#define PERIOD(literal) literal, sizeof(literal) - 1

/* The first eight are in templates that Windows writes. */
static const struct row rows[] = {
    {PERIOD("\x00\x40\x39\x87\x2e\xe1\xfe\xff"), 31536000},  /* 1 year */
    {PERIOD("\x00\x80\x72\x0e\x5d\xc2\xfd\xff"), 63072000},  /* 2 years */
    {PERIOD("\x00\x40\x1e\xa4\xe8\x65\xfa\xff"), 157680000}, /* 5 years */
    {PERIOD("\x00\x80\xa6\x0a\xff\xde\xff\xff"), 3628800},   /* 6 weeks */
    {PERIOD("\x00\xc0\x1b\xd7\x7f\xfa\xff\xff"), 604800},    /* 1 week */
    {PERIOD("\x00\x80\x37\xae\xff\xf4\xff\xff"), 1209600},   /* 2 weeks */
    {PERIOD("\x00\x80\x2c\xab\x6d\xfe\xff\xff"), 172800},    /* 2 days */
    {PERIOD("\x00\x40\x96\xd5\x36\xff\xff\xff"), 86400},     /* 1 day */
    {PERIOD("\x80\x69\x67\xff\xff\xff\xff\xff"), 1},         /* exactly one second */
    {PERIOD("\x81\x69\x67\xff\xff\xff\xff\xff"), 0},         /* 100 ns less */
    {PERIOD("\x01\x00\x00\x00\x00\x00\x00\x80"), 922337203685},
    {PERIOD("\x00\x00\x00\x00\x00\x00\x00\x80"), 0}, /* INT64_MIN: for ever */
    {PERIOD("\xff\xff\xff\xff\xff\xff\xff\xff"), 0}, /* -1: 100 ns */
    {PERIOD("\x00\x00\x00\x00\x00\x00\x00\x00"), 0},
    {PERIOD("\x00\xc0\xc6\x78\xd1\x1e\x01\x00"), 0}, /* a year, not negated */
    {PERIOD("\xff\xff\xff\xff\xff\xff\xff\x7f"), 0},
    {PERIOD("\x40\x39\x87\x2e\xe1\xfe\xff"), 0},         /* 7 octets */
    {PERIOD("\x00\x40\x39\x87\x2e\xe1\xfe\xff\xff"), 0}, /* 9 octets */
    {PERIOD(""), 0},
};

static void test_periods(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cep_value value = {(const unsigned char *)rows[i].octets, rows[i].length};
        apr_uint64_t seconds = 0;
        const char *why = cep_period_read(&value, &seconds);

        if (rows[i].seconds == 0) {
            assert_non_null(why);
            assert_int_equal(seconds, 0);
        } else {
            assert_null(why);
            assert_true(seconds == rows[i].seconds);
        }
    }
}

/* Each reason is told for what it is. */
static void test_reasons(void **state)
{
    static const struct {
        const char *octets, *reason;
    } reasons[] = {
        {"\x00\xc0\xc6\x78\xd1\x1e\x01\x00", "is not stored as a negative number"},
        {"\x00\x00\x00\x00\x00\x00\x00\x80", "means for ever"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff", "is shorter than a second"},
        {"\x00\x00\x00\x00\x00\x00\x00\x00", "is zero"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct cep_value value = {(const unsigned char *)reasons[i].octets, 8};
        apr_uint64_t seconds = 0;

        assert_string_equal(cep_period_read(&value, &seconds), reasons[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
