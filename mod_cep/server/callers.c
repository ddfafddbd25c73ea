/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Finding callers in request threads: by what is kept about them, else by asking the directory,
 * each thing once and by not too many threads at a time.
 */

#include "connections.h"
#include "lookups.h"

#include "ap_mpm.h"

#include <apr_atomic.h>
#include <apr_strings.h>

/*
 * Threads of one process that may be busy with one directory, those that wait included; never more
 * than half of them. A file keeps nobody waiting, so it turns nobody away.
 */
#define MOST_WAITING 16

struct cep_callers {
    const struct cep_source *source;
    const struct cep_tokens *tokens; /* NULL: an LDIF file is asked each time, which is cheap */
    struct cep_lookups *lookups;
    struct cep_connections *connections;
    apr_uint32_t waiting; /* atomic: threads that ask, or wait to ask */
    apr_uint32_t most_waiting;
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
    int is_file = cep_connections_file(source) != NULL;

    callers->source = source;
    callers->tokens = is_file ? NULL : tokens;
    callers->most_waiting = is_file ? APR_UINT32_MAX : most_waiting();
    callers->lookups = cep_lookups_make(pchild);
    callers->connections = cep_connections_make(pchild, source);
    return callers->lookups && callers->connections ? callers : NULL;
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

/* What is kept under key; *rv only when it is fresh, and no question is left. */
static enum cep_token_age recall(struct cep_caller_record *record, apr_status_t *rv,
                                 struct cep_caller **caller, const struct cep_callers *callers,
                                 const char *key, apr_pool_t *pool, const char **error)
{
    enum cep_token_age age = CEP_TOKEN_ABSENT;

    if (callers->tokens)
        age = cep_tokens_get(callers->tokens, callers->source->name, key, record, pool);
    if (age != CEP_TOKEN_FRESH)
        return age;
    *caller = record->caller;
    *error = record->reason;
    *rv = record->caller ? APR_SUCCESS : APR_NOTFOUND;
    return age;
}

/* The first of those who ask for key at once; the answer is kept before the others go on. */
static apr_status_t ask_first(struct cep_caller **caller, struct cep_callers *callers,
                              const struct cep_question *question, const char *key,
                              apr_pool_t *pool, const char **error)
{
    struct cep_caller_record record;
    apr_status_t rv;

    /* It may have come between our look into the cache and now. */
    if (recall(&record, &rv, caller, callers, key, pool, error) == CEP_TOKEN_FRESH)
        return rv;
    cep_log(&callers->source->log, CEP_LOG_DEBUG, 0, "directory %s is asked who %s is",
            callers->source->name, key);
    rv = find_bounded(caller, callers, question, pool, error);
    if (callers->tokens && (rv == APR_SUCCESS || rv == APR_NOTFOUND)) {
        struct cep_caller_record found = {rv == APR_SUCCESS ? *caller : NULL, *error,
                                          apr_time_now()};

        cep_tokens_put(callers->tokens, callers->source->name, key, &found, pool);
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
                             const struct cep_question *question, const char *key, apr_pool_t *pool,
                             const char **error)
{
    int first;
    struct cep_lookup *lookup = cep_lookup_join(callers->lookups, key, &first);
    apr_status_t rv;

    if (!lookup) {
        *error = "out of memory";
        return APR_ENOMEM;
    }
    if (!first)
        return ask_along(caller, callers, lookup, pool, error);
    rv = ask_first(caller, callers, question, key, pool, error);
    cep_lookup_end(callers->lookups, lookup, rv, rv == APR_SUCCESS ? *caller : NULL, *error);
    return rv;
}

/* ask_once(), unless what is kept under key answers. */
static apr_status_t find_kept(struct cep_caller **caller, enum cep_token_age *kept,
                              struct cep_callers *callers, const struct cep_question *question,
                              const char *key, apr_pool_t *pool, const char **error)
{
    struct cep_caller_record record;
    apr_status_t rv = APR_EGENERAL;
    enum cep_token_age age = recall(&record, &rv, caller, callers, key, pool, error);

    if (age == CEP_TOKEN_FRESH) {
        *kept = age;
        return rv;
    }
    rv = ask_once(caller, callers, question, key, pool, error);
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
    const struct cep_question question = {.user = user};
    struct cep_name name;

    *kept = CEP_TOKEN_ABSENT;
    /* What is no name is nobody, also when the directory cannot be asked. */
    *error = cep_name_parse(&name, user, pool);
    if (*error)
        return APR_NOTFOUND;
    return find_kept(caller, kept, callers, &question, user, pool, error);
}

apr_status_t cep_callers_find_certificate(struct cep_caller **caller, enum cep_token_age *kept,
                                          struct cep_callers *callers,
                                          const struct cep_certificate *certificate,
                                          unsigned mappings, apr_pool_t *pool, const char **error)
{
    const struct cep_question question = {.certificate = certificate, .mappings = mappings};
    const char *fingerprint = cep_certificate_fingerprint(certificate, pool);

    *kept = CEP_TOKEN_ABSENT;
    /* What is kept may outlive the certificate. */
    if (!cep_certificate_is_valid(certificate, apr_time_now())) {
        *error = "the certificate is not valid now";
        return APR_NOTFOUND;
    }
    if (!fingerprint)
        return find_bounded(caller, callers, &question, pool, error);
    /* No name has a line end, so this is nobody's. */
    return find_kept(caller, kept, callers, &question,
                     apr_psprintf(pool, "certificate\n%u\n%s", mappings, fingerprint), pool, error);
}
