/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * SIDs, self-relative security descriptors and the check for the two rights of certificate
 * enrollment. Pure: no I/O, no log, no allocation in the check. Fails closed: what cannot be read
 * grants nothing. [MS-DTYP] 2.4.2, 2.4.4, 2.4.5, 2.4.6; [MS-ADTS] 5.1.3.3.4; [MS-CRTD] 2.5.
 */
#ifndef CEP_ACCESS_H
#define CEP_ACCESS_H

#include <stddef.h>

#include <apr_pools.h>
#include <apr_tables.h>

#define CEP_SID_MAX_SUBAUTHORITIES 15
#define CEP_SID_MAX_LENGTH         (8 + 4 * CEP_SID_MAX_SUBAUTHORITIES)
#define CEP_SID_TEXT_MAX           192 /* with the closing NUL */

/* A SID in its binary form; octets beyond length are 0. */
struct cep_sid {
    unsigned char octets[CEP_SID_MAX_LENGTH];
    unsigned char length;
};

/* Octets of the SID that starts at data, or 0 when none does within length. */
size_t cep_sid_length(const void *data, size_t length);

/* 1 when data is exactly one SID; it is copied to *sid. */
int cep_sid_read(struct cep_sid *sid, const void *data, size_t length);

/* 1 when text is a SID in the form S-1-...; [MS-DTYP] 2.4.2.1. */
int cep_sid_parse(struct cep_sid *sid, const char *text);

/* The S-1-... form in buffer, which is returned. */
const char *cep_sid_format(const struct cep_sid *sid, char buffer[CEP_SID_TEXT_MAX]);

/* The SID with its last subauthority replaced (a domain's group from a member), or 0. */
int cep_sid_with_rid(struct cep_sid *result, const struct cep_sid *sid, unsigned long rid);

/* The SID one subauthority longer (an account from its domain), or 0 when there is no room. */
int cep_sid_append_rid(struct cep_sid *result, const struct cep_sid *domain, unsigned long rid);

int cep_sid_compare(const struct cep_sid *a, const struct cep_sid *b);

/* Most SIDs of one caller. Windows itself stops at 1,015 groups in a logon token. */
#define CEP_TOKEN_MAX_SIDS 8192

/* The SIDs that stand for a caller, sorted, each once. */
struct cep_token {
    const struct cep_sid *sids;
    int count;
};

/* Sort and free of duplicates: sids is an array of struct cep_sid, changed in place. */
struct cep_token cep_token_make(apr_array_header_t *sids);

int cep_token_has(const struct cep_token *token, const void *sid, size_t length);

enum cep_right {
    CEP_RIGHT_ENROLL,    /* 0e10c968-78fb-11d2-90d4-00c04f79dc55 */
    CEP_RIGHT_AUTOENROLL /* a05b8cc2-17bc-4802-a710-e7c15ab866a2 */
};

/*
 * NULL when the descriptor can be evaluated, else why it grants nothing: not self-relative, cut
 * short, no DACL, NULL DACL, an ACE that does not fit, ... A static sentence without a full stop.
 */
const char *cep_sd_check(const void *sd, size_t length);

/*
 * 1 when the descriptor's DACL grants the extended right to the token: first matching ACE decides.
 * 0 for everything that cep_sd_check() objects to. No allocation; O(ACEs x log SIDs). This is the
 * check as the specifications have it; requests use the lists below, which are held against it.
 */
int cep_access_granted(const void *sd, size_t length, enum cep_right right,
                       const struct cep_token *token);

/*
 * ---- compiled lists: what descriptors say about a right, for whoever checks them often ----
 *
 * All SIDs that matter stand in one table. A list is a row of steps; each is the number of a SID
 * there, and what it means to hold it. The first step whose SID is held decides; an empty list, and
 * one that ends, grants nothing. For every token this is what cep_access_granted() says.
 */
#define CEP_STEP_DENIES    1u /* else it grants */
#define CEP_STEP_SID(step) ((step) >> 1)
#define CEP_STEPS_MAX      0x1fffffffu

/* Where a list lies among the steps of all lists. */
struct cep_access_list {
    apr_uint32_t first, count;
};

struct cep_compiled {
    const struct cep_sid *sids; /* sorted; each stands in a step */
    const apr_uint32_t *steps;
    apr_uint32_t sid_count, step_count;
};

struct cep_compiler;

struct cep_compiler *cep_compiler_make(apr_pool_t *pool);

/*
 * Compile what a descriptor says about a right. The list is the shortest that there is: descriptors
 * that decide alike for every token get the same list. The empty one for all that cep_sd_check()
 * objects to.
 */
struct cep_access_list cep_compiler_add(struct cep_compiler *compiler, const void *sd,
                                        size_t length, enum cep_right right);

/*
 * Number the SIDs, once, after the last descriptor. The result depends on what was added, and in
 * which order, alone; it lives as long as the compiler's pool. 0: there were more than
 * CEP_STEPS_MAX steps.
 */
int cep_compiler_finish(struct cep_compiled *compiled, struct cep_compiler *compiler);

/* A set of SIDs of a table: one bit each. */
#define CEP_HELD_WORDS(sid_count) (((apr_size_t)(sid_count) + 31) / 32)

static inline int cep_is_held(const apr_uint32_t *held, apr_uint32_t sid)
{
    return held[sid / 32] >> (sid % 32) & 1;
}

/*
 * Set the bits of the table's SIDs that are the token's; held has CEP_HELD_WORDS(count) words of 0.
 * The table is sorted, each SID once. O(a x log(b / a)) for a and b SIDs, a the fewer.
 */
void cep_token_hold(apr_uint32_t *held, const struct cep_token *token, const struct cep_sid *sids,
                    apr_uint32_t count);

/* The step that decides: the first of the list whose SID is held. NULL: none does. */
static inline const apr_uint32_t *cep_steps_decider(const apr_uint32_t *steps, apr_uint32_t count,
                                                    const apr_uint32_t *held)
{
    for (const apr_uint32_t *step = steps; step < steps + count; step++) {
        if (cep_is_held(held, CEP_STEP_SID(*step)))
            return step;
    }
    return NULL;
}

/* 1 when that one grants. */
static inline int cep_steps_granted(const apr_uint32_t *steps, apr_uint32_t count,
                                    const apr_uint32_t *held)
{
    const apr_uint32_t *step = cep_steps_decider(steps, count, held);

    return step && !(*step & CEP_STEP_DENIES);
}

#endif
