/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Object identifiers in dotted decimal. */
#include "parts.h"

/* Longest OID in octets. Windows' own are below 100; OpenSSL reads any length. */
#define OID_MAX_TEXT 512

/*
 * certenroll.dll stops reading the whole list of templates at an arc above 2^32-1 and tells nobody,
 * so such an OID has its own answer.
 */
enum cep_oid_state cep_oid_check(const char *text, apr_size_t length)
{
    apr_uint64_t arc = 0, first = 0;
    apr_size_t i, digits = 0;
    int arcs = 0, wide = 0;

    if (length == 0 || length > OID_MAX_TEXT)
        return CEP_OID_SYNTAX;
    for (i = 0; i <= length; i++) {
        if (i < length && text[i] >= '0' && text[i] <= '9') {
            if (digits == 1 && arc == 0)
                return CEP_OID_SYNTAX; /* 01: not what an encoder would give back */
            if (arc <= APR_UINT32_MAX)
                arc = arc * 10 + (apr_uint64_t)(text[i] - '0');
            digits++;
            continue;
        }
        if (digits == 0 || (i < length && text[i] != '.'))
            return CEP_OID_SYNTAX;
        if ((arcs == 0 && arc > 2) || (arcs == 1 && first < 2 && arc > 39))
            return CEP_OID_SYNTAX; /* X.660: three roots, forty children of the first two */
        if (arcs == 0)
            first = arc;
        if (arc > APR_UINT32_MAX)
            wide = 1;
        arcs++;
        arc = 0;
        digits = 0;
    }
    if (arcs < 2)
        return CEP_OID_SYNTAX;
    return wide ? CEP_OID_ARC : CEP_OID_GOOD;
}
