/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From descriptors to lists of steps. A list keeps the order of the DACL where order matters, and
 * nothing that is without effect for every token:
 * - ACEs that say nothing about the right (cep_ace_effect());
 * - a SID's second ACE: whoever holds the SID is decided at its first;
 * - denials behind the last grant: there the answer is no anyhow.
 * What is left of one kind in a row may stand in any order, so it stands in that of the SIDs. Then
 * equal meaning is an equal list, and lists that are equal are stored once.
 */
#include "cep_access.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "effect.h"

/* A SID of some descriptor. */
struct known {
    struct cep_sid sid;
    apr_uint32_t number; /* order of arrival; after cep_compiler_finish(): place in the table */
    apr_uint32_t draft;  /* the last draft that it was put in */
    int used;            /* it stands in a list */
};

/* A step while its list is made. */
struct draft {
    struct known *known;
    int denies;
};

struct cep_compiler {
    apr_pool_t *pool;
    apr_hash_t *numbers;       /* octets of a SID -> struct known */
    apr_array_header_t *known; /* struct known *, in order of arrival */
    apr_hash_t *lists;         /* octets of a list's steps -> struct cep_access_list */
    apr_array_header_t *steps; /* apr_uint32_t */
    apr_array_header_t *draft; /* struct draft */
    apr_uint32_t drafts;
    int full;
};

struct cep_compiler *cep_compiler_make(apr_pool_t *pool)
{
    struct cep_compiler *compiler = apr_pcalloc(pool, sizeof(*compiler));

    compiler->pool = pool;
    compiler->numbers = apr_hash_make(pool);
    compiler->known = apr_array_make(pool, 64, sizeof(struct known *));
    compiler->lists = apr_hash_make(pool);
    compiler->steps = apr_array_make(pool, 256, sizeof(apr_uint32_t));
    compiler->draft = apr_array_make(pool, 64, sizeof(struct draft));
    return compiler;
}

static struct known *know(struct cep_compiler *compiler, const struct cep_ace *ace)
{
    struct known *known = apr_hash_get(compiler->numbers, ace->sid, (apr_ssize_t)ace->sid_length);

    if (known)
        return known;
    known = apr_pcalloc(compiler->pool, sizeof(*known));
    memcpy(known->sid.octets, ace->sid, ace->sid_length);
    known->sid.length = (unsigned char)ace->sid_length;
    known->number = (apr_uint32_t)compiler->known->nelts;
    APR_ARRAY_PUSH(compiler->known, struct known *) = known;
    apr_hash_set(compiler->numbers, known->sid.octets, known->sid.length, known);
    return known;
}

/* Each SID once, with its first effect, in the order of the DACL. 0: the descriptor is damaged. */
static int draft_aces(struct cep_compiler *compiler, struct cep_ace_walk *walk,
                      enum cep_right right)
{
    struct cep_ace ace;
    const char *problem;
    int more;

    compiler->draft->nelts = 0;
    compiler->drafts++;
    while ((more = cep_dacl_next(walk, &ace, &problem)) > 0) {
        enum cep_effect effect = cep_ace_effect(&ace, right);
        struct known *known;

        if (effect == CEP_EFFECT_NONE)
            continue;
        known = know(compiler, &ace);
        if (known->draft != compiler->drafts) {
            struct draft draft = {known, effect == CEP_EFFECT_DENY};

            known->draft = compiler->drafts;
            APR_ARRAY_PUSH(compiler->draft, struct draft) = draft;
        }
    }
    return more == 0;
}

static int compare_drafts(const void *a, const void *b)
{
    const struct draft *one = a, *other = b;

    return cep_sid_compare(&one->known->sid, &other->known->sid);
}

/* Drop the denials at the end, and sort what stands in a row. */
static void normalize(apr_array_header_t *array)
{
    struct draft *draft = (struct draft *)array->elts;
    int i, end;

    while (array->nelts > 0 && draft[array->nelts - 1].denies)
        array->nelts--;
    for (i = 0; i < array->nelts; i = end) {
        for (end = i + 1; end < array->nelts && draft[end].denies == draft[i].denies; end++)
            ;
        qsort(draft + i, (size_t)(end - i), sizeof(*draft), compare_drafts);
    }
}

/* The draft as steps, behind those of the other lists. */
static struct cep_access_list append(struct cep_compiler *compiler)
{
    struct cep_access_list list = {(apr_uint32_t)compiler->steps->nelts,
                                   (apr_uint32_t)compiler->draft->nelts};
    apr_uint32_t i;

    for (i = 0; i < list.count; i++) {
        struct draft *draft = &APR_ARRAY_IDX(compiler->draft, i, struct draft);

        APR_ARRAY_PUSH(compiler->steps, apr_uint32_t) =
            draft->known->number << 1 | (draft->denies ? CEP_STEP_DENIES : 0);
        draft->known->used = 1;
    }
    return list;
}

/* The list just appended, or an equal one that was there before it. */
static struct cep_access_list share(struct cep_compiler *compiler, struct cep_access_list list)
{
    const apr_uint32_t *steps = (const apr_uint32_t *)(void *)compiler->steps->elts + list.first;
    apr_size_t octets = list.count * sizeof(*steps);
    struct cep_access_list *known = apr_hash_get(compiler->lists, steps, (apr_ssize_t)octets);

    if (known) {
        compiler->steps->nelts = (int)list.first;
        return *known;
    }
    /* a copy: the array moves as it grows */
    apr_hash_set(compiler->lists, apr_pmemdup(compiler->pool, steps, octets), (apr_ssize_t)octets,
                 apr_pmemdup(compiler->pool, &list, sizeof(list)));
    return list;
}

struct cep_access_list cep_compiler_add(struct cep_compiler *compiler, const void *sd,
                                        size_t length, enum cep_right right)
{
    static const struct cep_access_list nothing = {0, 0};
    struct cep_ace_walk walk;

    if (cep_dacl_begin(&walk, sd, length) || !draft_aces(compiler, &walk, right))
        return nothing;
    normalize(compiler->draft);
    if ((apr_uint32_t)compiler->draft->nelts > CEP_STEPS_MAX - (apr_uint32_t)compiler->steps->nelts)
        compiler->full = 1;
    if (compiler->full || compiler->draft->nelts == 0)
        return nothing;
    return share(compiler, append(compiler));
}

static int compare_known(const void *a, const void *b)
{
    const struct known *const *one = a, *const *other = b;

    return cep_sid_compare(&(*one)->sid, &(*other)->sid);
}

/* The SIDs that stand in a list, sorted and numbered in that order. */
static struct cep_sid *make_table(struct cep_compiler *compiler, apr_uint32_t *count)
{
    size_t all = (size_t)compiler->known->nelts, used = 0, i;
    struct known **sorted = apr_palloc(compiler->pool, (all + 1) * sizeof(*sorted));
    struct cep_sid *sids;

    for (i = 0; i < all; i++) {
        struct known *known = APR_ARRAY_IDX(compiler->known, i, struct known *);

        if (known->used)
            sorted[used++] = known;
    }
    qsort(sorted, used, sizeof(*sorted), compare_known);
    sids = apr_palloc(compiler->pool, (used + 1) * sizeof(*sids));
    for (i = 0; i < used; i++) {
        sorted[i]->number = (apr_uint32_t)i;
        sids[i] = sorted[i]->sid;
    }
    *count = (apr_uint32_t)used;
    return sids;
}

int cep_compiler_finish(struct cep_compiled *compiled, struct cep_compiler *compiler)
{
    apr_uint32_t *steps = (apr_uint32_t *)(void *)compiler->steps->elts;
    apr_uint32_t i;

    if (compiler->full)
        return 0;
    compiled->sids = make_table(compiler, &compiled->sid_count);
    compiled->steps = steps;
    compiled->step_count = (apr_uint32_t)compiler->steps->nelts;
    for (i = 0; i < compiled->step_count; i++) {
        const struct known *known =
            APR_ARRAY_IDX(compiler->known, CEP_STEP_SID(steps[i]), const struct known *);

        steps[i] = known->number << 1 | (steps[i] & CEP_STEP_DENIES);
    }
    return 1;
}
