/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * UTF-8 and nothing else. This stands before the parser because libxml2 would follow a byte order
 * mark or an encoding declaration into any charset that iconv knows, UTF-7 included, and reports
 * octets that cannot be converted through its process-wide error handler.
 */
#include "request.h"

#include <string.h>
#include <strings.h>

#define REASON_ENCODING "The message is not in UTF-8."
#define WHITE           " \t\r\n"

/* 1 when eight octets are all ASCII and none is NUL, which is nearly all of a message. */
static int are_plain(const unsigned char *at)
{
    const apr_uint64_t ones = APR_UINT64_C(0x0101010101010101);
    apr_uint64_t octets;

    memcpy(&octets, at, sizeof(octets));
    /* With no high bit set, only an octet that is 0 borrows one. */
    return ((octets | (octets - ones)) & (ones << 7)) == 0;
}

static int is_utf8(const char *body, apr_size_t length)
{
    const unsigned char *at = (const unsigned char *)body;
    apr_size_t size, left;
    apr_uint32_t character;

    for (left = length; left; left -= size, at += size) {
        size = sizeof(apr_uint64_t);
        if (left >= size && are_plain(at))
            continue;
        size = cep_utf8_read(at, left, &character);
        if (!size || !character)
            return 0;
    }
    return 1;
}

/* 1 when an XML declaration names another encoding. One that cannot be read is the parser's. */
static int declares_other(const char *body, apr_size_t length)
{
    char declaration[256];
    char *at, *end;

    if (length < 6 || memcmp(body, "<?xml", 5) != 0 || !strchr(WHITE, body[5]))
        return 0;
    if (length >= sizeof(declaration))
        length = sizeof(declaration) - 1;
    memcpy(declaration, body, length);
    declaration[length] = '\0';
    end = strstr(declaration, "?>");
    if (!end)
        return length == sizeof(declaration) - 1; /* no declaration is that long */
    *end = '\0';
    at = strstr(declaration, "encoding");
    if (!at)
        return 0;
    at += strlen("encoding");
    at += strspn(at, WHITE);
    if (*at != '=')
        return 0;
    at++;
    at += strspn(at, WHITE);
    return strncasecmp(at, "\"utf-8\"", 7) != 0 && strncasecmp(at, "'utf-8'", 7) != 0;
}

const char *cep_encoding_check(const char *body, apr_size_t length, apr_size_t *skip)
{
    *skip = length >= 3 && !memcmp(body, "\xef\xbb\xbf", 3) ? 3 : 0;
    if (!is_utf8(body + *skip, length - *skip)) /* UTF-16 and UTF-32 have NUL octets */
        return REASON_ENCODING;
    if (declares_other(body + *skip, length - *skip))
        return "The message declares another encoding than UTF-8.";
    return NULL;
}
