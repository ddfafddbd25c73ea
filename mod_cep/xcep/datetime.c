/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* xs:dateTime (XML Schema part 2, 3.2.7) as clients send lastUpdate; [MS-XCEP] 3.1.4.1.3.9. */
#include "cep_xcep.h"

struct moment {
    int year, month, day, hour, minute, second;
    int microseconds;
    int offset; /* minutes east of UTC */
};

/* Read exactly count digits; the position is moved behind them. */
static int read_digits(const char **at, int count, int *value)
{
    *value = 0;
    for (; count > 0; count--, (*at)++) {
        if (**at < '0' || **at > '9')
            return 0;
        *value = *value * 10 + (**at - '0');
    }
    return 1;
}

static int read_mark(const char **at, char mark)
{
    if (**at != mark)
        return 0;
    (*at)++;
    return 1;
}

/* At least one digit; those behind the sixth are below our unit. */
static int read_fraction(const char **at, int *microseconds)
{
    int unit = 100000;
    const char *start;

    if (!read_mark(at, '.'))
        return 1;
    for (start = *at; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        *microseconds += (**at - '0') * unit;
    return *at != start;
}

/* None, Z, or up to 14 hours. No zone is UTC: Windows sends 0001-01-01T00:00:00. */
static int read_zone(const char **at, int *offset)
{
    int hours, minutes, sign = 1;

    if (**at == '\0' || read_mark(at, 'Z'))
        return 1;
    if (read_mark(at, '-'))
        sign = -1;
    else if (!read_mark(at, '+'))
        return 0;
    if (!read_digits(at, 2, &hours) || !read_mark(at, ':') || !read_digits(at, 2, &minutes))
        return 0;
    *offset = sign * (hours * 60 + minutes);
    return minutes <= 59 && hours * 60 + minutes <= 14 * 60;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* 24:00:00 and second 60 are refused: nobody sends them, and what they mean is disputed. */
static int is_valid(const struct moment *m)
{
    return m->year >= 1 && m->month >= 1 && m->month <= 12 && m->day >= 1 &&
           m->day <= days_in_month(m->year, m->month) && m->hour <= 23 && m->minute <= 59 &&
           m->second <= 59;
}

/* Days from 1970-01-01, proleptic Gregorian as XML Schema has it; years begin in March here. */
static apr_int64_t days_from_epoch(int year, int month, int day)
{
    apr_int64_t years = month <= 2 ? year - 1 : year;
    int months = (month + 9) % 12;

    return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 -
           719468;
}

int cep_datetime_parse(apr_time_t *result, const char *text)
{
    struct moment m = {0};
    apr_int64_t seconds;

    /* Four digits: a sign or a fifth one is outside of what lastUpdate can mean. */
    if (!read_digits(&text, 4, &m.year) || !read_mark(&text, '-') ||
        !read_digits(&text, 2, &m.month) || !read_mark(&text, '-') ||
        !read_digits(&text, 2, &m.day) || !read_mark(&text, 'T') ||
        !read_digits(&text, 2, &m.hour) || !read_mark(&text, ':') ||
        !read_digits(&text, 2, &m.minute) || !read_mark(&text, ':') ||
        !read_digits(&text, 2, &m.second) || !read_fraction(&text, &m.microseconds) ||
        !read_zone(&text, &m.offset) || *text != '\0' || !is_valid(&m))
        return 0;
    seconds = days_from_epoch(m.year, m.month, m.day) * 86400 + m.hour * 3600 +
              (m.minute - m.offset) * 60 + m.second;
    *result = seconds * APR_USEC_PER_SEC + m.microseconds;
    return 1;
}
