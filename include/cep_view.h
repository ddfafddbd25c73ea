/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What an instance shows of its directory's policy, whoever asks. The caller's rights and filter
 * come on top: cep_snapshot.h.
 */
#ifndef CEP_VIEW_H
#define CEP_VIEW_H

#include <apr_pools.h>
#include <apr_tables.h>

/* Highest client and CA version that an answer names; 0 in a request means this. */
#define CEP_MAX_VERSION_DEFAULT 6
#define CEP_MAX_VERSION_LIMIT   15 /* four bits: [MS-CRTD] 2.27 */

/* Longest pattern in octets: no template has a longer name. */
#define CEP_VIEW_MAX_PATTERN 1024

struct cep_view_pattern {
    const char *pattern; /* case folded away; *, ? and [...] as a shell has them */
    int excludes;
};

struct cep_view {
    /*
     * struct cep_view_pattern, of templates' cn; NULL: all templates. The address says which list
     * it is to a snapshot, so the list must neither change nor go while the snapshot is used.
     */
    const apr_array_header_t *templates;
    int autoenroll_only;   /* only what the caller may enroll for automatically */
    int key_based_renewal; /* what may be renewed by the old key, to anybody who authenticated */
    int lenient;           /* versions that a client does not say do not limit */
    apr_uint32_t max_version;
};

/* A view that shows everything. */
#define CEP_VIEW_DEFAULT                                                                           \
    {                                                                                              \
        .max_version = CEP_MAX_VERSION_DEFAULT                                                     \
    }

/*
 * Append a pattern, an exclusion when it begins with '!', to a list in its pool. NULL, or what is
 * wrong: a part of a sentence that begins with the pattern.
 */
const char *cep_view_add(apr_array_header_t *templates, const char *text);

/* 1 when the names show a template of that cn. Exclusions win; without inclusions all others show.
 */
int cep_view_shows(const struct cep_view *view, const char *cn, apr_pool_t *scratch);

/*
 * A policyID that is the same on every node and after every restart: a name-based UUID (RFC 9562,
 * version 8) in braces, of the forest's identity and of what decides which templates may be seen.
 * Not of key_based_renewal: such an instance has the policyID of the one whose certificates it
 * renews. NULL when the digest fails.
 */
const char *cep_view_policy_id(const struct cep_view *view, const char *forest_id,
                               apr_pool_t *pool);

#endif
