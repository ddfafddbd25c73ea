/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Finding callers in request threads: by what is kept about them, else by asking the directory,
 * each thing once and by not too many threads at a time.
 */

#include "connections.h"
#include "lookups.h"

#include "ap_mpm.h"

#include <apr_atomic.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

/*
 * Threads of one process that may be busy with one directory, those that wait included; never more
 * than half of them. A file keeps nobody waiting for long, so it turns nobody away.
 */
#define MOST_WAITING 16

/* How often the LDIF file is looked at for callers who are known. */
#define LOOK_INTERVAL apr_time_from_sec(1)
#define FILE_STATE    (APR_FINFO_MTIME | APR_FINFO_CTIME | APR_FINFO_SIZE | APR_FINFO_INODE)

struct cep_callers {
    const struct cep_source *source;
    const struct cep_tokens *tokens;
    struct cep_lookups *lookups;
    struct cep_connections *connections;
    apr_uint32_t waiting; /* atomic: threads that ask, or wait to ask */
    apr_uint32_t most_waiting;
    const char *file;          /* that is asked in place of servers, or NULL */
    apr_thread_mutex_t *mutex; /* guards the next two; never held over I/O */
    apr_finfo_t file_state;    /* its valid 0: it could not be looked at */
    apr_time_t looked_at;      /* cep_monotonic(); 0: never */
};

struct inquiry {
    struct cep_question question;
    const char *key;     /* who asks the same has the same */
    const char *kept_as; /* and finds the answer in the token cache under this; NULL: nowhere */
};

static apr_uint32_t most_waiting(void)
{
    int threads;

    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS || threads < 2)
        return 1;
    return threads / 2 < MOST_WAITING ? (apr_uint32_t)(threads / 2) : MOST_WAITING;
}

struct cep_callers *cep_callers_make(apr_pool_t *pchild, const struct cep_source *source,
                                     const struct cep_tokens *tokens)
{
    struct cep_callers *callers = apr_pcalloc(pchild, sizeof(*callers));

    callers->source = source;
    callers->tokens = tokens;
    callers->file = cep_connections_file(source);
    callers->most_waiting = callers->file ? APR_UINT32_MAX : most_waiting();
    callers->lookups = cep_lookups_make(pchild);
    callers->connections = cep_connections_make(pchild, source);
    if (apr_thread_mutex_create(&callers->mutex, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS)
        return NULL;
    return callers->lookups && callers->connections ? callers : NULL;
}

/* As one thread sees it at most once a second; the others go by what it saw before. */
static apr_finfo_t file_state(struct cep_callers *callers, apr_pool_t *pool)
{
    const apr_time_t now = cep_monotonic();
    apr_finfo_t state;
    int due;

    apr_thread_mutex_lock(callers->mutex);
    due = !callers->looked_at || now - callers->looked_at >= LOOK_INTERVAL;
    if (due)
        callers->looked_at = now;
    state = callers->file_state;
    apr_thread_mutex_unlock(callers->mutex);
    if (!due)
        return state;
    memset(&state, 0, sizeof(state));
    if (apr_stat(&state, callers->file, FILE_STATE, pool) != APR_SUCCESS)
        state.valid = 0;
    apr_thread_mutex_lock(callers->mutex);
    callers->file_state = state;
    apr_thread_mutex_unlock(callers->mutex);
    return state;
}

/*
 * What an LDIF file says counts as long as it is that file, so its state is part of the name; the
 * ctime, which nobody can set, keeps a state from coming back. It is taken before the file is
 * asked: an answer may be younger than its name, but never older.
 */
static const char *kept_as(struct cep_callers *callers, const char *key, apr_pool_t *pool)
{
    apr_finfo_t state;

    if (!callers->file || !callers->tokens)
        return key;
    state = file_state(callers, pool);
    if ((state.valid & FILE_STATE) != FILE_STATE)
        return NULL;
    /* No name has a line end, so this is nobody's. */
    return apr_psprintf(pool,
                        "file\n%" APR_TIME_T_FMT " %" APR_TIME_T_FMT " %" APR_OFF_T_FMT
                        " %" APR_UINT64_T_FMT "\n%s",
                        state.mtime, state.ctime, state.size, (apr_uint64_t)state.inode, key);
}

/* While not too many threads do so: a dead directory must not take all workers with it. */
static apr_status_t find_bounded(struct cep_caller **caller, struct cep_callers *callers,
                                 const struct cep_question *question, apr_pool_t *pool,
                                 const char **error)
{
    apr_status_t rv = APR_EBUSY;

    if (apr_atomic_inc32(&callers->waiting) < callers->most_waiting)
        rv = cep_connections_ask(caller, callers->connections, question, pool, error);
    else
        *error = "too many requests wait for the directory";
    apr_atomic_dec32(&callers->waiting);
    return rv;
}

/* What is kept; *rv only when it is fresh, and no question is left. */
static enum cep_token_age recall(struct cep_caller_record *record, apr_status_t *rv,
                                 struct cep_caller **caller, const struct cep_callers *callers,
                                 const char *kept_as, apr_pool_t *pool, const char **error)
{
    enum cep_token_age age = CEP_TOKEN_ABSENT;

    if (callers->tokens && kept_as)
        age = cep_tokens_get(callers->tokens, callers->source->name, kept_as, record, pool);
    if (age != CEP_TOKEN_FRESH)
        return age;
    *caller = record->caller;
    *error = record->reason;
    *rv = record->caller ? APR_SUCCESS : APR_NOTFOUND;
    return age;
}

/* The first of those who ask the same at once; the answer is kept before the others go on. */
static apr_status_t ask_first(struct cep_caller **caller, struct cep_callers *callers,
                              const struct inquiry *inquiry, apr_pool_t *pool, const char **error)
{
    struct cep_caller_record record;
    apr_status_t rv;

    /* It may have come between our look into the cache and now. */
    if (recall(&record, &rv, caller, callers, inquiry->kept_as, pool, error) == CEP_TOKEN_FRESH)
        return rv;
    cep_log(&callers->source->log, CEP_LOG_DEBUG, 0, "directory %s is asked who %s is",
            callers->source->name, inquiry->key);
    rv = find_bounded(caller, callers, &inquiry->question, pool, error);
    if (callers->tokens && inquiry->kept_as && (rv == APR_SUCCESS || rv == APR_NOTFOUND)) {
        struct cep_caller_record found = {rv == APR_SUCCESS ? *caller : NULL, *error,
                                          apr_time_now()};

        cep_tokens_put(callers->tokens, callers->source->name, inquiry->kept_as, &found, pool);
    }
    return rv;
}

/* One of the others, who are threads that wait for the directory, too. */
static apr_status_t ask_along(struct cep_caller **caller, struct cep_callers *callers,
                              struct cep_lookup *lookup, apr_pool_t *pool, const char **error)
{
    int may_wait = apr_atomic_inc32(&callers->waiting) < callers->most_waiting;
    apr_status_t rv =
        cep_lookup_await(caller, callers->lookups, lookup,
                         may_wait ? callers->source->directory.timeout : 0, pool, error);

    apr_atomic_dec32(&callers->waiting);
    return rv;
}

static apr_status_t ask_once(struct cep_caller **caller, struct cep_callers *callers,
                             const struct inquiry *inquiry, apr_pool_t *pool, const char **error)
{
    int first;
    struct cep_lookup *lookup = cep_lookup_join(callers->lookups, inquiry->key, &first);
    apr_status_t rv;

    if (!lookup) {
        *error = "out of memory";
        return APR_ENOMEM;
    }
    if (!first)
        return ask_along(caller, callers, lookup, pool, error);
    rv = ask_first(caller, callers, inquiry, pool, error);
    cep_lookup_end(callers->lookups, lookup, rv, rv == APR_SUCCESS ? *caller : NULL, *error);
    return rv;
}

/* ask_once(), unless what is kept answers. */
static apr_status_t find_kept(struct cep_caller **caller, enum cep_token_age *kept,
                              struct cep_callers *callers, struct inquiry *inquiry,
                              apr_pool_t *pool, const char **error)
{
    struct cep_caller_record record;
    apr_status_t rv = APR_EGENERAL;
    enum cep_token_age age;

    inquiry->kept_as = kept_as(callers, inquiry->key, pool);
    age = recall(&record, &rv, caller, callers, inquiry->kept_as, pool, error);
    if (age == CEP_TOKEN_FRESH) {
        *kept = age;
        return rv;
    }
    rv = ask_once(caller, callers, inquiry, pool, error);
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND || age != CEP_TOKEN_OLD)
        return rv;
    /* Known callers go on for a while when the directory does not answer. */
    *kept = age;
    *caller = record.caller;
    return APR_SUCCESS;
}

apr_status_t cep_callers_find(struct cep_caller **caller, enum cep_token_age *kept,
                              struct cep_callers *callers, const char *user, apr_pool_t *pool,
                              const char **error)
{
    struct inquiry inquiry = {.question.user = user, .key = user};
    struct cep_name name;

    *kept = CEP_TOKEN_ABSENT;
    /* What is no name is nobody, also when the directory cannot be asked. */
    *error = cep_name_parse(&name, user, pool);
    if (*error)
        return APR_NOTFOUND;
    return find_kept(caller, kept, callers, &inquiry, pool, error);
}

apr_status_t cep_callers_find_certificate(struct cep_caller **caller, enum cep_token_age *kept,
                                          struct cep_callers *callers,
                                          const struct cep_certificate *certificate,
                                          unsigned mappings, apr_pool_t *pool, const char **error)
{
    struct inquiry inquiry = {.question = {.certificate = certificate, .mappings = mappings}};
    const char *fingerprint = cep_certificate_fingerprint(certificate, pool);

    *kept = CEP_TOKEN_ABSENT;
    /* What is kept may outlive the certificate. */
    if (!cep_certificate_is_valid(certificate, apr_time_now())) {
        *error = "the certificate is not valid now";
        return APR_NOTFOUND;
    }
    if (!fingerprint)
        return find_bounded(caller, callers, &inquiry.question, pool, error);
    /* No name has a line end, so this is nobody's. */
    inquiry.key = apr_psprintf(pool, "certificate\n%u\n%s", mappings, fingerprint);
    return find_kept(caller, kept, callers, &inquiry, pool, error);
}
