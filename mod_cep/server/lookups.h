/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Of several threads that ask for the same caller at once, one asks the directory and the others
 * get its answer.
 */
#ifndef CEP_LOOKUPS_H
#define CEP_LOOKUPS_H

#include "cep_server.h"

struct cep_lookups;
struct cep_lookup;
struct cep_lookups *cep_lookups_make(apr_pool_t *pool);
/* *first 1: this thread is to ask, and to end the look-up; 0: another one is at it. NULL: memory.
 */
struct cep_lookup *cep_lookup_join(struct cep_lookups *lookups, const char *key, int *first);
/* What was found; caller, or NULL and error. Both are copied. */
void cep_lookup_end(struct cep_lookups *lookups, struct cep_lookup *lookup, apr_status_t status,
                    const struct cep_caller *caller, const char *error);
/* Wait for it, for as long as limit: APR_TIMEUP. The caller and *error are in pool. */
apr_status_t cep_lookup_await(struct cep_caller **caller, struct cep_lookups *lookups,
                              struct cep_lookup *lookup, apr_interval_time_t limit,
                              apr_pool_t *pool, const char **error);

#endif
