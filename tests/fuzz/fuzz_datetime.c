/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The reader of lastUpdate on any text. A second opinion, written apart, says for each text
 * whether it is a time, and by the C library's calendar which one; both must agree.
 */
#include <time.h>

#include "cep_xcep.h"
#include "fuzz.h"

static void agree(int held, const char *what, const char *text)
{
    if (!held)
        fprintf(stderr, "%s\n", text);
    promise(held, what);
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 1 when text begins with the pattern, in which 0 stands for any digit. */
static int begins_with(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++) {
        if (*pattern == '0' ? !is_digit(*text) : *text != *pattern)
            return 0;
    }
    return 1;
}

static int two(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* Minutes east of UTC, or 100000 when text is no zone. */
static int zone_of(const char *text)
{
    int minutes;

    if (!*text || !strcmp(text, "Z"))
        return 0;
    if ((!begins_with(text, "+00:00") && !begins_with(text, "-00:00")) || text[6])
        return 100000;
    minutes = two(text + 1) * 60 + two(text + 4);
    if (two(text + 4) > 59 || minutes > 840)
        return 100000;
    return *text == '-' ? -minutes : minutes;
}

/* The microseconds behind the point; *text is moved to the zone, or to NULL when it is none. */
static int fraction_of(const char **text)
{
    char digits[7] = "000000";
    int i;

    if (**text != '.')
        return 0;
    if (!is_digit(*++*text)) {
        *text = NULL;
        return 0;
    }
    for (i = 0; is_digit(**text); i++, (*text)++) {
        if (i < 6)
            digits[i] = **text;
    }
    return (int)strtol(digits, NULL, 10);
}

/* 1 and the time, by timegm(): it turns a day that does not exist into another one. */
static int second_opinion(apr_time_t *result, const char *text)
{
    struct tm tm = {0}, back;
    const char *rest = text + 19;
    int year, microseconds, zone;
    time_t seconds;

    if (!begins_with(text, "0000-00-00T00:00:00"))
        return 0;
    microseconds = fraction_of(&rest);
    zone = rest ? zone_of(rest) : 100000;
    year = two(text) * 100 + two(text + 2);
    tm.tm_year = year - 1900;
    tm.tm_mon = two(text + 5) - 1;
    tm.tm_mday = two(text + 8);
    tm.tm_hour = two(text + 11);
    tm.tm_min = two(text + 14);
    tm.tm_sec = two(text + 17);
    back = tm;
    seconds = timegm(&back);
    if (zone == 100000 || year == 0 || tm.tm_year != back.tm_year || tm.tm_mon != back.tm_mon ||
        tm.tm_mday != back.tm_mday || tm.tm_hour != back.tm_hour || tm.tm_min != back.tm_min ||
        tm.tm_sec != back.tm_sec)
        return 0;
    *result = ((apr_time_t)seconds - zone * 60) * APR_USEC_PER_SEC + microseconds;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_time_t ours = 0, theirs = 0;
    char *text;
    int found;

    if (size > CEP_XCEP_MAX_TEXT)
        return 0;
    text = input_text(data, size);
    found = cep_datetime_parse(&ours, text);
    agree(found == second_opinion(&theirs, text), "both say whether it is a time", text);
    agree(!found || ours == theirs, "both say the same time", text);
    free(text);
    return 0;
}
