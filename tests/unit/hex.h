/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Octets from hexadecimal digits, for tests and the tools of tests. */
#ifndef CEP_TEST_HEX_H
#define CEP_TEST_HEX_H

#include <stddef.h>

/* -1: no digit. Capitals are none: nobody here writes them. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* count octets from twice as many digits; 0: they are not that many. */
static inline int read_hex(unsigned char *octets, size_t count, const char *hex)
{
    size_t i;

    for (i = 0; i < count; i++) {
        int high = hex_digit(hex[2 * i]), low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

        if (low < 0)
            return 0;
        octets[i] = (unsigned char)(high << 4 | low);
    }
    return 1;
}

#endif
