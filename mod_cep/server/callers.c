/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Finding callers in request threads: a few connections per process, each used by one thread. */

#include "lookups.h"

#include "ap_mpm.h"

#include <apr_atomic.h>
#include <apr_file_info.h>
#include <apr_reslist.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

/* Connections per process to one directory. An LDIF file is open once. */
#define LDAP_CONNECTIONS 4

/*
 * Threads of one process that may be busy with one directory, those that wait included; never more
 * than half of them. A file is in memory and keeps nobody waiting, so it turns nobody away.
 */
#define MOST_WAITING 16

/* AD closes a connection after 15 minutes without use (MaxConnIdleTime); we go before. */
#define IDLE_LIMIT apr_time_from_sec(5 * 60)

struct cep_callers {
    const struct cep_source *source;
    const struct cep_tokens *tokens; /* NULL: an LDIF file is asked each time, which is cheap */
    struct cep_lookups *lookups;
    apr_uint32_t waiting; /* atomic: threads that ask, or wait to ask */
    apr_uint32_t most_waiting;
    struct cep_directory_config config;
    apr_reslist_t *slots;
    const char *file; /* the store's copy of the LDIF when the source is a file */
};

/*
 * A place for a connection. The reslist hands out places and not connections, because it makes
 * its resources under a lock: opening there, one dead server would hold up every caller.
 */
struct slot {
    apr_pool_t *pool; /* of the open directory; NULL: none is open */
    struct cep_directory *directory;
    apr_time_t used_at;
    apr_finfo_t file; /* the LDIF as it was read */
};

static apr_status_t make_slot(void **resource, void *params, apr_pool_t *pool)
{
    (void)params;
    *resource = apr_pcalloc(pool, sizeof(struct slot));
    return APR_SUCCESS;
}

static void empty_slot(struct slot *slot)
{
    if (slot->pool)
        apr_pool_destroy(slot->pool);
    slot->pool = NULL;
    slot->directory = NULL;
}

static apr_status_t drop_slot(void *resource, void *params, apr_pool_t *pool)
{
    (void)params;
    (void)pool;
    empty_slot(resource);
    return APR_SUCCESS;
}

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
    const char *first = APR_ARRAY_IDX(source->directory.urls, 0, const char *);
    int most = LDAP_CONNECTIONS;

    callers->source = source;
    callers->config = source->directory;
    callers->tokens = tokens;
    callers->most_waiting = most_waiting();
    callers->lookups = cep_lookups_make(pchild);
    if (!callers->lookups)
        return NULL;
    if (cep_directory_url_path(first)) {
        most = 1;
        callers->most_waiting = APR_UINT32_MAX;
        callers->tokens = NULL;
        callers->file = source->store->entries_path;
        callers->config.urls = apr_array_make(pchild, 1, sizeof(const char *));
        APR_ARRAY_PUSH(callers->config.urls, const char *) =
            apr_pstrcat(pchild, "file:", callers->file, NULL);
    }
    if (apr_reslist_create(&callers->slots, 0, most, most, 0, make_slot, drop_slot, NULL, pchild) !=
        APR_SUCCESS)
        return NULL;
    apr_reslist_timeout_set(callers->slots, source->directory.timeout);
    return callers;
}

/* 1 when what the slot holds is not to be used any more. */
static int is_outdated(const struct cep_callers *callers, const struct slot *slot,
                       const apr_finfo_t *file)
{
    if (!cep_directory_usable(slot->directory))
        return 1;
    if (!callers->file)
        return apr_time_now() - slot->used_at > IDLE_LIMIT;
    return file->mtime != slot->file.mtime || file->size != slot->file.size ||
           file->inode != slot->file.inode;
}

/* See that the slot holds an open directory, opening one where needed. */
static apr_status_t fill_slot(const struct cep_callers *callers, struct slot *slot,
                              apr_time_t deadline, const char **error, apr_pool_t *pool)
{
    apr_finfo_t file = {.mtime = 0};
    const char *open_error;
    apr_status_t rv;

    if (callers->file)
        apr_stat(&file, callers->file, APR_FINFO_MTIME | APR_FINFO_SIZE | APR_FINFO_INODE, pool);
    if (slot->directory && is_outdated(callers, slot, &file))
        empty_slot(slot);
    if (slot->directory)
        return APR_SUCCESS;

    /* Outlives requests and must not touch a pool that other threads allocate from. */
    rv = apr_pool_create_unmanaged_ex(&slot->pool, NULL, NULL);
    if (rv != APR_SUCCESS) {
        *error = "out of memory";
        return rv;
    }
    slot->file = file;
    rv = cep_directory_open_within(&slot->directory, &callers->config, deadline - cep_monotonic(),
                                   &callers->source->log, slot->pool, &open_error);
    if (rv != APR_SUCCESS) {
        *error = apr_pstrdup(pool, open_error);
        slot->directory = NULL;
        empty_slot(slot);
    }
    return rv;
}

/* Who is sought: a name, or (user NULL) the owner of a certificate. */
struct question {
    const char *user;
    const struct cep_certificate *certificate;
    unsigned mappings;
};

static apr_status_t ask(struct cep_caller **caller, const struct cep_callers *callers,
                        struct cep_directory *directory, const struct question *question,
                        apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    const struct cep_directory_config *config = &callers->config;
    apr_interval_time_t left = deadline - cep_monotonic();

    if (left <= 0) {
        *error = "opening the directory took all of CEPTimeout";
        return APR_TIMEUP;
    }
    if (question->user)
        return cep_caller_find(caller, directory, config, question->user, left, pool, error);
    return cep_caller_find_certificate(caller, directory, config, question->certificate,
                                       question->mappings, left, pool, error);
}

/* Ask the directory over a connection that is kept for the next caller. */
static apr_status_t find(struct cep_caller **caller, struct cep_callers *callers,
                         const struct question *question, apr_pool_t *pool, const char **error)
{
    const apr_time_t deadline = cep_monotonic() + callers->config.timeout; /* of all of it */
    struct slot *slot;
    void *resource;
    apr_status_t rv = apr_reslist_acquire(callers->slots, &resource);

    if (rv != APR_SUCCESS) {
        *error = "all connections to the directory are busy";
        return rv;
    }
    slot = resource;
    /* A kept connection may have died since it was used; a fresh one is tried once then. Not after
     * a time-out: the caller has waited for as long as CEPTimeout allows. */
    for (int attempt = 0; attempt < 2; attempt++) {
        int was_open = slot->directory != NULL;

        rv = fill_slot(callers, slot, deadline, error, pool);
        if (rv != APR_SUCCESS)
            break;
        rv = ask(caller, callers, slot->directory, question, deadline, pool, error);
        if (rv == APR_SUCCESS || rv == APR_NOTFOUND)
            break;
        empty_slot(slot);
        if (!was_open || rv == APR_TIMEUP)
            break;
    }
    slot->used_at = apr_time_now();
    apr_reslist_release(callers->slots, slot);
    return rv;
}

/* find(), while not too many threads do so: a dead directory must not take all workers with it. */
static apr_status_t find_bounded(struct cep_caller **caller, struct cep_callers *callers,
                                 const struct question *question, apr_pool_t *pool,
                                 const char **error)
{
    apr_status_t rv = APR_EBUSY;

    if (apr_atomic_inc32(&callers->waiting) < callers->most_waiting)
        rv = find(caller, callers, question, pool, error);
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
                              const struct question *question, const char *key, apr_pool_t *pool,
                              const char **error)
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
    apr_status_t rv = cep_lookup_await(caller, callers->lookups, lookup,
                                       may_wait ? callers->config.timeout : 0, pool, error);

    apr_atomic_dec32(&callers->waiting);
    return rv;
}

static apr_status_t ask_once(struct cep_caller **caller, struct cep_callers *callers,
                             const struct question *question, const char *key, apr_pool_t *pool,
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
                              struct cep_callers *callers, const struct question *question,
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
    const struct question question = {.user = user};
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
    const struct question question = {.certificate = certificate, .mappings = mappings};
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
