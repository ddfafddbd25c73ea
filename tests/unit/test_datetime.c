/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cep_xcep.h"

#define SECONDS(n) ((apr_time_t)(n)*APR_USEC_PER_SEC)

static void reads_times(void **state)
{
    static const struct {
        const char *text;
        apr_time_t expected;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00", 0},
        {"1970-01-01T00:00:01Z", SECONDS(1)},
        {"1969-12-31T23:59:59Z", -SECONDS(1)},
        {"1969-12-31T23:59:59.5Z", -500000},
        {"0001-01-01T00:00:00", -SECONDS(62135596800)},
        {"0001-01-01T00:00:00+14:00", -SECONDS(62135596800 + 14 * 3600)},
        {"9999-12-31T23:59:59Z", SECONDS(253402300799)},
        {"9999-12-31T23:59:59.999999-14:00", SECONDS(253402300799 + 14 * 3600) + 999999},
        {"2009-03-15T09:38:46", SECONDS(1237109926)},
        {"2026-01-15T10:00:00Z", SECONDS(1768471200)},
        {"2026-01-15T10:00:00+01:00", SECONDS(1768467600)},
        {"2026-01-15T10:00:00-05:30", SECONDS(1768491000)},
        {"2026-01-15T10:00:00+00:00", SECONDS(1768471200)},
        {"2026-01-15T10:00:00-00:00", SECONDS(1768471200)},
        {"2026-01-15T10:00:00.5Z", SECONDS(1768471200) + 500000},
        {"2026-01-15T10:00:00.000001Z", SECONDS(1768471200) + 1},
        {"2026-01-15T10:00:00.0000019Z", SECONDS(1768471200) + 1},
        {"2026-01-15T10:00:00.1234567", SECONDS(1768471200) + 123456},
        {"2026-01-15T10:00:00.9999999999999999999999999999", SECONDS(1768471200) + 999999},
        {"2000-02-29T12:00:00Z", SECONDS(951825600)},
        {"2024-02-29T00:00:00Z", SECONDS(1709164800)},
        {"1900-03-01T00:00:00Z", -SECONDS(2203891200)},
        {"2038-01-19T03:14:08Z", SECONDS(2147483648)},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_time_t result = 4711;

        if (!cep_datetime_parse(&result, cases[i].text) || result != cases[i].expected)
            fail_msg("%s gives %lld", cases[i].text, (long long)result);
    }
}

static void refuses_what_is_no_time(void **state)
{
    static const char *const cases[] = {
        "",
        "now",
        "2026-01-15",
        "2026-01-15T",
        "2026-01-15T10",
        "2026-01-15T10:00",
        "2026-01-15T10:00Z",
        "2026-01-15T10:00:0",
        "2026-01-15T10:00:00.",
        "2026-01-15T10:00:00.Z",
        "2026-01-15T10:00:00,5Z",
        "2026-01-15t10:00:00Z",
        "2026-01-15 10:00:00Z",
        "2026-01-15T10:00:00z",
        "2026-01-15T10:00:00 Z",
        "2026-01-15T10:00:00ZZ",
        "2026-01-15T10:00:00Z ",
        " 2026-01-15T10:00:00Z",
        "2026-01-15T10:00:00+1:00",
        "2026-01-15T10:00:00+0100",
        "2026-01-15T10:00:00+14:01",
        "2026-01-15T10:00:00+15:00",
        "2026-01-15T10:00:00+01:60",
        "2026-01-15T10:00:00+01:00Z",
        "2026-01-15T10:00:00+",
        "2026-1-15T10:00:00Z",
        "2026-00-15T10:00:00Z",
        "2026-13-15T10:00:00Z",
        "2026-01-00T10:00:00Z",
        "2026-01-32T10:00:00Z",
        "2026-04-31T10:00:00Z",
        "2026-02-31T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2026-01-15T24:00:00Z",
        "2026-01-15T25:00:00Z",
        "2026-01-15T10:60:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "+2026-01-15T10:00:00Z",
        "12026-01-15T10:00:00Z",
        "02026-01-15T10:00:00Z",
        "20090-03-15-T09:38:46", /* as [MS-XCEP] 4.1.2.1 prints it */
        "26-01-15T10:00:00Z",
        "2026/01/15T10:00:00Z",
        "2026-01-15T1O:00:00Z",
        "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6-01-15T10:00:00Z",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_time_t result;

        if (cep_datetime_parse(&result, cases[i]))
            fail_msg("'%s' is taken for %lld", cases[i], (long long)result);
    }
}

/* Every day of four centuries, by counting. */
static void counts_days_as_the_calendar_does(void **state)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    apr_time_t expected = -SECONDS(11676096000); /* 1600-01-01 */
    int year, month, day;

    (void)state;
    for (year = 1600; year < 2000; year++) {
        int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        for (month = 1; month <= 12; month++) {
            for (day = 1; day <= days[month - 1] + (leap && month == 2); day++) {
                char text[40];
                apr_time_t result = 0;

                snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", year, month, day);
                assert_true(cep_datetime_parse(&result, text));
                if (result != expected)
                    fail_msg("%s gives %lld", text, (long long)result);
                expected += SECONDS(86400);
            }
        }
    }
    assert_true(expected == SECONDS(946684800));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(counts_days_as_the_calendar_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
