/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Where a directory's snapshot lives: one file, replaced whole. One writer at a time publishes
 * (temporary file, fsync, rename, fsync of the directory); any number of processes map it
 * read-only. A file that was renamed over lives on while somebody maps it, so nobody waits and
 * nothing is torn; death of a writer at any instruction leaves the old file in force.
 */
#ifndef CEP_STORE_H
#define CEP_STORE_H

#include <apr_file_info.h>
#include <apr_pools.h>
#include <apr_time.h>

#include "cep_log.h"
#include "cep_snapshot.h"

struct cep_store {
    const char *path;         /* the snapshot */
    const char *lock_path;    /* held by the writer */
    const char *entries_path; /* copy of an LDIF source, for looking up callers */
    const char *state_path;   /* how refreshing goes, and the mark: cep_refresh.h */
    /* Counts what is published, in memory that all processes of a generation share; NULL: none.
     * With it readers know of a new snapshot at once, without it within a second. */
    volatile apr_uint32_t *published;
    const char *answers_path; /* directory of finished answers: cep_answer.h */
};

/* The store of directory `name` (letters, digits, '-', '_', '.') in `cache_dir`. */
struct cep_store *cep_store_make(apr_pool_t *pool, const char *cache_dir, const char *name);

/* Become the writer until pool is cleared: APR_SUCCESS, APR_EBUSY, or an error. Never waits. */
apr_status_t cep_store_lock(const struct cep_store *store, apr_pool_t *pool, const char **error);

/* Put a new image in force. On any error the old one stays. The lock must be held. */
apr_status_t cep_store_publish(const struct cep_store *store, const struct cep_value *image,
                               apr_pool_t *pool, const char **error);

/* Say that the published snapshot is still what the directory holds: its age becomes 0. */
apr_status_t cep_store_confirm(const struct cep_store *store, apr_pool_t *pool, const char **error);

/* Replace another file of the store as a whole, as cep_store_publish() does. */
apr_status_t cep_store_write(const char *path, const struct cep_value *content, apr_pool_t *pool,
                             const char **error);

/*
 * Keep a copy of the LDIF file that the snapshot was made from, whole and replaced as a whole:
 * callers are looked up in it, so that a broken replacement of the source disturbs nobody. state:
 * of the file (CEP_STORE_FILE_STATE) before it was read; APR_EBUSY when it is another by now, since
 * the copy would be of something that nobody has parsed. The lock must be held.
 */
#define CEP_STORE_FILE_STATE (APR_FINFO_MTIME | APR_FINFO_CTIME | APR_FINFO_SIZE | APR_FINFO_INODE)
apr_status_t cep_store_keep_entries(const struct cep_store *store, const char *ldif,
                                    const apr_finfo_t *state, apr_pool_t *pool, const char **error);

/* 1 when the copy is of the LDIF file in that state. */
int cep_store_has_entries(const struct cep_store *store, const apr_finfo_t *state,
                          apr_pool_t *pool);

/* ---- reading ---- */

struct cep_reader; /* one process's view of a store; for any number of threads */

/* The reader lives in pool (a process's); what goes wrong with a file is said to log once. */
struct cep_reader *cep_reader_make(apr_pool_t *pool, const struct cep_store *store,
                                   const struct cep_log *log);

/*
 * The snapshot in force, pinned until pool is cleared, and the time when it was last known to
 * equal the directory; NULL when there is none yet. Looks at the file when something has been
 * published and once a second (always while there is none); never waits for a writer. A file that
 * does not verify leaves the mapped one in force.
 */
const struct cep_snapshot *cep_reader_acquire(struct cep_reader *reader, apr_pool_t *pool,
                                              apr_time_t *confirmed);

#endif
