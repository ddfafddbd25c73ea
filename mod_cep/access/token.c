/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The SIDs that stand for a caller: sorted once, then searched for every ACE. */
#include "cep_access.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return cep_sid_compare(a, b);
}

struct cep_token cep_token_make(apr_array_header_t *sids)
{
    struct cep_sid *all = (struct cep_sid *)sids->elts;
    struct cep_token token;
    int i, kept = 0;

    if (sids->nelts > 1)
        qsort(all, (size_t)sids->nelts, sizeof(*all), compare);
    for (i = 0; i < sids->nelts; i++) {
        if (kept && cep_sid_compare(&all[kept - 1], &all[i]) == 0)
            continue;
        if (kept != i)
            all[kept] = all[i];
        kept++;
    }
    sids->nelts = kept;
    token.sids = all;
    token.count = kept;
    return token;
}

int cep_token_has(const struct cep_token *token, const void *sid, size_t length)
{
    int low = 0, high = token->count;

    while (low < high) {
        int middle = low + (high - low) / 2;
        const struct cep_sid *other = &token->sids[middle];
        int order;

        if (length != other->length)
            order = length < other->length ? -1 : 1;
        else
            order = memcmp(sid, other->octets, length);
        if (order == 0)
            return 1;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}
