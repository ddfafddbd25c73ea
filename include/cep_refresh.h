/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* One run from directory to published snapshot; who runs it and when is the caller's business. */
#ifndef CEP_REFRESH_H
#define CEP_REFRESH_H

#include "cep_directory.h"
#include "cep_store.h"

/* Longest that one whole refresh may take, in timeouts of the directory (CEPTimeout). */
#define CEP_REFRESH_TIMEOUTS 12

struct cep_refresh_result {
    int changed;        /* 1: a new snapshot is in force; 0: the old one equals the directory */
    const char *source; /* the URL that was read */
    int templates, cas, findings;
};

/*
 * Read the directory, build the policy, publish it when it differs from what is in force, confirm
 * it when it does not. All or nothing: on any error the old snapshot stays as it is.
 * APR_EBUSY: another process refreshes now, or an LDIF file changed while it was
 * read: try again soon. *error: a sentence for the log, in pool.
 */
apr_status_t cep_refresh_run(struct cep_refresh_result *result,
                             const struct cep_directory_config *config,
                             const apr_array_header_t *configured_uris,
                             const struct cep_store *store, const struct cep_log *log,
                             apr_pool_t *pool, const char **error);

/* Hand each finding of the snapshot to log: loud as cep_finding_level() says. */
void cep_refresh_tell(const struct cep_snapshot *snapshot, const char *directory,
                      const struct cep_log *log);

#endif
