/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "cep_octets.h"

apr_size_t cep_utf8_read(const unsigned char *text, apr_size_t length, apr_uint32_t *character)
{
    static const apr_uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    apr_size_t size, i;
    apr_uint32_t value;

    if (!length)
        return 0;
    if (text[0] < 0x80) {
        *character = text[0];
        return 1;
    }
    size = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4 || size > length)
        return 0;
    value = text[0] & (0xffu >> (size + 1));
    for (i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3fu);
    }
    if (value < smallest[size] || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
        return 0;
    *character = value;
    return size;
}

int cep_has_control_character(const void *octets, apr_size_t length)
{
    const unsigned char *octet = octets, *end = octet + length;

    for (; octet < end; octet++) {
        if (*octet < 0x20 || *octet == 0x7f)
            return 1;
    }
    return 0;
}

static int base64_digit(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int cep_base64_decode(unsigned char *octets, apr_size_t *count, unsigned *rest, const char *text,
                      apr_size_t length)
{
    apr_size_t digits = length, used = 0, i;
    unsigned bits = 0;
    int held = 0;

    if (length % 4)
        return 0;
    while (digits && length - digits < 2 && text[digits - 1] == '=')
        digits--;
    for (i = 0; i < digits; i++) {
        int digit = base64_digit((unsigned char)text[i]);

        if (digit < 0)
            return 0;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            octets[used++] = (unsigned char)(bits >> held);
        }
    }
    *count = used;
    *rest = bits & ((1u << held) - 1);
    return 1;
}

int cep_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
