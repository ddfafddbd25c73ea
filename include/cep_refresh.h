/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * One run from directory to published snapshot; who runs it is the caller's business. A run first
 * asks whether anything has changed, and reads everything only when something has. What it leaves
 * behind, beside the snapshot, is a small file: how refreshing goes, and the mark by which the next
 * run (of any process, also after a restart) knows what was read.
 */
#ifndef CEP_REFRESH_H
#define CEP_REFRESH_H

#include "cep_directory.h"
#include "cep_store.h"

/* Longest that asking one server what has changed may take once it is open, and as long again for
 * reading it, in timeouts of the directory (CEPTimeout). A run tries each server once. */
#define CEP_REFRESH_TIMEOUTS 12

/* What a <CEPDirectory> says about refreshing. Read-only while it is used. */
struct cep_refresh_plan {
    const struct cep_directory_config *directory;
    const apr_array_header_t *configured_uris; /* struct cep_configured_uri; may be NULL */
    apr_interval_time_t interval;              /* CEPRefreshInterval: look for changes */
    apr_interval_time_t full_interval;         /* CEPFullRefresh: read everything all the same */
    apr_interval_time_t max_stale;             /* CEPMaxStale */
};

struct cep_refresh_result {
    int changed;        /* 1: a new snapshot is in force; 0: the old one is still right */
    int full;           /* 1: everything was read; 0: nothing had changed */
    const char *reason; /* why everything was read, or how it is known that nothing changed */
    const char *source; /* the URL that was read */
    int templates, cas, findings;
    apr_uint32_t failures;    /* in a row, this one included */
    int serving;              /* 1: callers are answered; 0: no policy, or one past CEPMaxStale */
    const char *record_error; /* why the outcome could not be recorded, or NULL */
    apr_interval_time_t next; /* run again after this time; set on every return */
};

/*
 * Ask the directory for changes; when there are any, read it, build the policy and publish it when
 * it differs from what is in force; else confirm that. All or nothing: when a server fails on the
 * way the next one is read from its beginning, and after any other error, or with no server left,
 * the old snapshot stays as it is. The outcome is recorded for cep_refresh_state_read(). *result
 * comes in as all zeros, or as this process's last run left it. APR_EBUSY: another process
 * refreshes now, or an LDIF file changed while it was read: nothing is recorded, try again soon.
 * *error: a sentence for the log, in pool.
 */
apr_status_t cep_refresh_run(struct cep_refresh_result *result, const struct cep_refresh_plan *plan,
                             const struct cep_store *store, const struct cep_log *log,
                             apr_pool_t *pool, const char **error);

/* Hand each finding of the snapshot to log: loud as cep_finding_level() says. */
void cep_refresh_tell(const struct cep_snapshot *snapshot, const char *directory,
                      const struct cep_log *log);

/*
 * How refreshing goes, for a status page: any process may read it, at any time, also when nobody
 * refreshes. Times are of the wall clock, 0 when the thing has not happened yet. The age of the
 * policy is not here but in cep_reader_acquire().
 */
struct cep_refresh_state {
    apr_time_t last_attempt;  /* the last run's end, whatever came of it */
    apr_time_t last_success;  /* the last run that went well, be it that nothing had changed */
    apr_time_t last_full;     /* the last run that read everything */
    apr_time_t last_change;   /* the snapshot in force was published */
    apr_time_t next_attempt;  /* planned; may be past when nobody refreshes any more */
    apr_time_t failing_since; /* the first failure of the present row; 0: the last run went well */
    apr_uint32_t failures;    /* in a row */
    const char *error;        /* of the last run: the sentence of the log; NULL: it went well */
    const char *source;       /* the URL that the last successful run used, or NULL */
    const char *reason;       /* result->reason of that run, or NULL */
    apr_uint32_t templates, cas, findings; /* of the last full read */
};

/*
 * The recorded state, in pool. APR_ENOENT when nothing has been recorded yet, another status when
 * the record cannot be used; *state is all zeros then.
 */
apr_status_t cep_refresh_state_read(struct cep_refresh_state *state, const struct cep_store *store,
                                    apr_pool_t *pool);

#endif
