/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Which coding a client wants: RFC 9110, 12.5.3. */

#include "cep_server.h"

#include <apr_lib.h>

/* A weight in thousandths, RFC 9110, 12.4.2; what cannot be read is 0: not acceptable. */
#define WEIGHT_FULL 1000

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* "1", "0.5", "1.000", up to end. */
static int read_weight(const char *text, const char *end)
{
    int weight, unit = 100;

    if (text == end || (*text != '0' && *text != '1'))
        return 0;
    weight = (*text++ - '0') * WEIGHT_FULL;
    if (text < end && *text == '.')
        text++;
    for (; text < end && apr_isdigit(*text) && unit > 0; text++, unit /= 10)
        weight += (*text - '0') * unit;
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    return text == end && weight <= WEIGHT_FULL ? weight : 0;
}

/* What stands behind a coding's name: nothing, or ";q=weight". */
static int read_parameter(const char *text, const char *end)
{
    text = skip_blanks(text);
    if (text >= end)
        return WEIGHT_FULL;
    if (*text != ';')
        return 0;
    text = skip_blanks(text + 1);
    if (end - text < 2 || ap_cstr_casecmpn(text, "q=", 2))
        return 0;
    return read_weight(text + 2, end);
}

static int is_coding(const char *name, size_t length, const char *coding)
{
    return length == strlen(coding) && !ap_cstr_casecmpn(name, coding, length);
}

enum cep_coding cep_negotiate_coding(request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, "Accept-Encoding");
    int gzip = CEP_UNSET, identity = CEP_UNSET, any = CEP_UNSET;

    /* What turns mod_deflate off, turns this off: SetEnvIf, BrowserMatch. */
    if (!text || apr_table_get(r->subprocess_env, "no-gzip"))
        return CEP_CODING_IDENTITY;
    while (*text) {
        const char *name = skip_blanks(text), *end = name + strcspn(name, ",");
        size_t length = strcspn(name, ",; \t");
        int weight = read_parameter(name + length, end);

        if (is_coding(name, length, "gzip") || is_coding(name, length, "x-gzip"))
            gzip = weight > gzip ? weight : gzip;
        else if (is_coding(name, length, "identity"))
            identity = weight;
        else if (is_coding(name, length, "*"))
            any = weight;
        text = *end ? end + 1 : end;
    }
    if (gzip == CEP_UNSET)
        gzip = any;
    return gzip > 0 && gzip >= identity ? CEP_CODING_GZIP : CEP_CODING_IDENTITY;
}
