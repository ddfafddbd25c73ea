/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Private to directory/: credentials that were refused of late. To send them again and again, by
 * each process, at each refresh and for each caller, would lock the account out. All processes of a
 * server share what is remembered.
 */
#ifndef CEP_REFUSED_H
#define CEP_REFUSED_H

#include "source.h"

struct cep_refused;

/* NULL when there is no shared memory: then nothing is remembered, here and below. */
struct cep_refused *cep_refused_make(apr_pool_t *pool);

/* What stands for an account's secret at one server; nobody learns the secret from it. */
apr_uint64_t cep_refused_key(const struct cep_refused *refused, const char *server,
                             const char *account, const void *secret, apr_size_t length);

/* How long it is not to be tried again; 0: it may be tried. */
apr_interval_time_t cep_refused_for(const struct cep_refused *refused, apr_uint64_t key);

/* It has been refused just now. */
void cep_refused_note(struct cep_refused *refused, apr_uint64_t key);

#endif
