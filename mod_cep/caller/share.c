/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Callers in equal parts, the same on every machine. */
#include "cep_caller.h"

#include <string.h>

/* FNV-1a, and the end of MurmurHash3, so that RIDs in a row fall apart evenly. */
static apr_uint32_t hash(const void *data, size_t length)
{
    const unsigned char *octets = data;
    apr_uint32_t value = 2166136261u;

    for (size_t i = 0; i < length; i++)
        value = (value ^ octets[i]) * 16777619u;
    value = (value ^ value >> 16) * 0x85ebca6bu;
    value = (value ^ value >> 13) * 0xc2b2ae35u;
    return value ^ value >> 16;
}

apr_uint32_t cep_caller_share(const struct cep_caller *caller, apr_uint32_t shares)
{
    if (shares < 2)
        return 0;
    if (caller->sid.length > 0)
        return hash(caller->sid.octets, caller->sid.length) % shares;
    return hash(caller->account, strlen(caller->account)) % shares;
}
