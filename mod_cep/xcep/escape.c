/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Text of any origin made safe for XML: XML 1.0 section 2.2 (Char), 2.4 and 2.11. */
#include "request.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static int is_xml_character(apr_uint32_t c)
{
    return c == 0x9 || c == 0xa || c == 0xd || (c >= 0x20 && c <= 0xd7ff) ||
           (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

/* What stands for the character at text, *size octets long; NULL: itself. */
static const char *substitute(const unsigned char *text, apr_size_t length, int attribute,
                              apr_size_t *size)
{
    apr_uint32_t character = 0;

    *size = cep_utf8_read(text, length, &character);
    if (!*size) {
        *size = 1;
        return REPLACEMENT;
    }
    switch (character) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\r': return "&#13;"; /* a bare one would be read back as LF */
    case '\t': return attribute ? "&#9;" : NULL;
    case '\n': return attribute ? "&#10;" : NULL;
    default: return is_xml_character(character) ? NULL : REPLACEMENT;
    }
}

/* Stands for itself everywhere. */
static int is_ordinary(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"';
}

/* With result NULL only the length is computed. */
static apr_size_t escape(char *result, const char *text, apr_size_t length, int attribute)
{
    const unsigned char *at = (const unsigned char *)text;
    apr_size_t written = 0, size, part;
    const char *by;

    for (; length; length -= size, at += size) {
        by = NULL;
        for (size = 0; size < length && is_ordinary(at[size]); size++)
            ;
        if (!size)
            by = substitute(at, length, attribute, &size);
        part = by ? strlen(by) : size;
        if (result)
            memcpy(result + written, by ? by : (const char *)at, part);
        written += part;
    }
    return written;
}

static int is_all_ordinary(const char *text)
{
    while (is_ordinary((unsigned char)*text))
        text++;
    return !*text;
}

static const char *escape_in_pool(const char *text, int attribute, apr_pool_t *pool)
{
    apr_size_t length, size;
    char *result;

    if (is_all_ordinary(text))
        return text;
    length = strlen(text);
    size = escape(NULL, text, length, attribute);
    result = apr_palloc(pool, size + 1);
    escape(result, text, length, attribute);
    result[size] = '\0';
    return result;
}

const char *cep_xcep_escape(const char *text, apr_pool_t *pool)
{
    return escape_in_pool(text, 0, pool);
}

const char *cep_escape_attribute(const char *text, apr_pool_t *pool)
{
    return escape_in_pool(text, 1, pool);
}
