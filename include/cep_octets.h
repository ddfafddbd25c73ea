/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What octets from outside say: characters of UTF-8, hexadecimal digits, base64. For all rooms; no
 * allocation. */
#ifndef CEP_OCTETS_H
#define CEP_OCTETS_H

#include <apr.h>

/*
 * Octets of the UTF-8 character at text, and its code point; 0 when there is none within length:
 * overlong forms, surrogates and code points above U+10FFFF are no characters (RFC 3629 section 3).
 */
apr_size_t cep_utf8_read(const unsigned char *text, apr_size_t length, apr_uint32_t *character);

/* What a hexadecimal digit of either case stands for, or -1. */
int cep_hex_digit(char c);

/* 1 when one of the octets is below 0x20, or DEL. */
int cep_has_control_character(const void *octets, apr_size_t length);

/*
 * 1 when text is base64 with its padding and nothing else (RFC 4648 section 4; empty is base64,
 * too). octets has room for length / 4 * 3, and may be text itself. *rest: the bits of the last
 * digit that stand for nothing, which a reader may insist to be 0 (section 3.5).
 */
int cep_base64_decode(unsigned char *octets, apr_size_t *count, unsigned *rest, const char *text,
                      apr_size_t length);

#endif
