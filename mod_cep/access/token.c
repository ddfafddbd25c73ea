/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The SIDs that stand for a caller: sorted once, then searched for every ACE. */
#include "cep_access.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return cep_sid_compare(a, b);
}

/* As what has been a token before is. */
static int is_in_order(const struct cep_sid *sids, int count)
{
    int i = 1;

    while (i < count && cep_sid_compare(&sids[i - 1], &sids[i]) < 0)
        i++;
    return i >= count;
}

struct cep_token cep_token_make(apr_array_header_t *sids)
{
    struct cep_sid *all = (struct cep_sid *)sids->elts;
    struct cep_token token;
    int i, kept = 0;

    if (!is_in_order(all, sids->nelts))
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

/*
 * The first place from `at` on whose SID is not below sid. Strides double before the bisection:
 * what is sought in order lies near, when there is much of it, and far, when there is little.
 */
static apr_uint32_t seek(const struct cep_sid *sids, apr_uint32_t count, apr_uint32_t at,
                         const struct cep_sid *sid)
{
    apr_uint32_t stride = 1, high;

    while (stride < count - at && cep_sid_compare(&sids[at + stride - 1], sid) < 0) {
        at += stride;
        stride *= 2;
    }
    high = stride < count - at ? at + stride - 1 : count;
    while (at < high) {
        apr_uint32_t middle = at + (high - at) / 2;

        if (cep_sid_compare(&sids[middle], sid) < 0)
            at = middle + 1;
        else
            high = middle;
    }
    return at;
}

void cep_token_hold(apr_uint32_t *held, const struct cep_token *token, const struct cep_sid *sids,
                    apr_uint32_t count)
{
    int token_is_shorter = (apr_uint32_t)token->count <= count;
    const struct cep_sid *few = token_is_shorter ? token->sids : sids;
    const struct cep_sid *many = token_is_shorter ? sids : token->sids;
    apr_uint32_t few_count = token_is_shorter ? (apr_uint32_t)token->count : count;
    apr_uint32_t many_count = token_is_shorter ? count : (apr_uint32_t)token->count;
    apr_uint32_t i, at = 0;

    for (i = 0; i < few_count; i++) {
        at = seek(many, many_count, at, &few[i]);
        if (at == many_count)
            return;
        if (cep_sid_compare(&many[at], &few[i]) == 0) {
            apr_uint32_t number = token_is_shorter ? at : i;

            held[number / 32] |= 1u << (number % 32);
        }
    }
}
