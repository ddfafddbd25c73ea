/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Foreign text: UTF-8, what XML can carry, case, numbers. */
#include "parts.h"

#include <string.h>

#include <apr_strings.h>

int cep_text_is_xml(const void *data, apr_size_t length)
{
    const unsigned char *at = data;

    while (length > 0) {
        apr_uint32_t c = 0;
        apr_size_t octets = cep_utf8_read(at, length, &c);

        if (octets == 0 || c == 0xfffe || c == 0xffff)
            return 0;
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
            return 0;
        at += octets;
        length -= octets;
    }
    return 1;
}

const char *cep_text_printable(apr_pool_t *pool, const void *data, apr_size_t length,
                               apr_size_t limit)
{
    const unsigned char *at = data;
    apr_size_t left = length, used = 0;
    char *text = apr_palloc(pool, (length < limit ? length : limit) + 4);

    while (left > 0) {
        apr_uint32_t c = 0;
        apr_size_t octets = cep_utf8_read(at, left, &c);
        int odd = octets == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff;
        apr_size_t put = odd ? 1 : octets;

        if (octets == 0)
            octets = 1;
        if (used + put > limit) {
            memcpy(text + used, "...", 3);
            used += 3;
            break;
        }
        if (odd)
            text[used] = '?';
        else
            memcpy(text + used, at, octets);
        used += put;
        at += octets;
        left -= octets;
    }
    text[used] = '\0';
    return text;
}

/* Lower case of the letters that names of templates are written in. No locale may change it. */
static apr_uint32_t fold(apr_uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7))
        return c + 0x20;
    if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c + (c & 1);
    if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2)
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40f)
        return c + 0x50;
    if (c >= 0x410 && c <= 0x42f)
        return c + 0x20;
    return c;
}

const char *cep_text_fold(apr_pool_t *pool, const char *text)
{
    apr_size_t length = strlen(text), i = 0;
    unsigned char *folded = apr_pmemdup(pool, text, length + 1);
    char *result;

    while (i < length) {
        apr_uint32_t c = 0;
        apr_size_t octets = cep_utf8_read(folded + i, length - i, &c);

        /* every letter that fold() knows keeps its number of octets */
        if (octets == 1) {
            folded[i] = (unsigned char)fold(c);
        } else if (octets == 2) {
            c = fold(c);
            folded[i] = (unsigned char)(0xc0 | c >> 6);
            folded[i + 1] = (unsigned char)(0x80 | (c & 0x3f));
        }
        i += octets ? octets : 1;
    }
    result = (char *)folded;
    return result;
}

static int is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct cep_value cep_text_trim(struct cep_value value)
{
    while (value.len > 0 && is_blank(value.data[0])) {
        value.data++;
        value.len--;
    }
    while (value.len > 0 && is_blank(value.data[value.len - 1]))
        value.len--;
    return value;
}

int cep_text_number(struct cep_value value, apr_int64_t *number)
{
    struct cep_value digits = cep_text_trim(value);
    apr_int64_t n = 0;
    int negative = digits.len > 0 && digits.data[0] == '-';
    apr_size_t i;

    if (negative) {
        digits.data++;
        digits.len--;
    }
    if (digits.len == 0 || digits.len > 18)
        return 0;
    for (i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return 0;
        n = n * 10 + (digits.data[i] - '0');
    }
    *number = negative ? -n : n;
    return 1;
}
