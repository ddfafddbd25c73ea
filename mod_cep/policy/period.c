/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* pKIExpirationPeriod and pKIOverlapPeriod: [MS-CRTD] 2.11, 2.15; FILETIME in [MS-DTYP] 2.3.3. */
#include "parts.h"

/* A FILETIME counts 100 ns. */
#define UNITS_PER_SECOND 10000000u

/*
 * 8 octets, little-endian, the negated number of units. Read unsigned and negated modulo 2^64, so
 * that no signed arithmetic can overflow: INT64_MIN, which stays itself, is refused.
 */
const char *cep_period_read(const struct cep_value *value, apr_uint64_t *seconds)
{
    apr_uint64_t units = 0;
    int i;

    if (value->len != 8)
        return "is not 8 octets long";
    for (i = 7; i >= 0; i--)
        units = units << 8 | value->data[i];
    if (units == 0)
        return "is zero";
    if (units >> 63 == 0)
        return "is not stored as a negative number";
    units = 0 - units;
    if (units >> 63 != 0)
        return "means for ever";
    if (units < UNITS_PER_SECOND)
        return "is shorter than a second";
    *seconds = units / UNITS_PER_SECOND;
    return NULL;
}
