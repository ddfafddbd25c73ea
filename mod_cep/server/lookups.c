/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Look-ups that are under way in this process, so that the same is not asked twice at once. */

#include "lookups.h"

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

struct cep_lookup {
    struct cep_lookup *next;
    apr_pool_t *pool; /* unmanaged: the last of its threads destroys it */
    const char *key;
    int users, done; /* under the mutex */
    apr_status_t status;
    struct cep_value found; /* the caller, packed: every thread makes its own of it */
    const char *error;
};

struct cep_lookups {
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *ended;
    struct cep_lookup *under_way;
};

struct cep_lookups *cep_lookups_make(apr_pool_t *pool)
{
    struct cep_lookups *lookups = apr_pcalloc(pool, sizeof(*lookups));

    if (apr_thread_mutex_create(&lookups->mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&lookups->ended, pool) != APR_SUCCESS)
        return NULL;
    return lookups;
}

static struct cep_lookup *add(struct cep_lookups *lookups, const char *key)
{
    struct cep_lookup *lookup;
    apr_pool_t *pool;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return NULL;
    lookup = apr_pcalloc(pool, sizeof(*lookup));
    lookup->pool = pool;
    lookup->key = apr_pstrdup(pool, key);
    lookup->next = lookups->under_way;
    lookups->under_way = lookup;
    return lookup;
}

struct cep_lookup *cep_lookup_join(struct cep_lookups *lookups, const char *key, int *first)
{
    struct cep_lookup *lookup;

    apr_thread_mutex_lock(lookups->mutex);
    for (lookup = lookups->under_way; lookup; lookup = lookup->next) {
        if (!strcmp(lookup->key, key))
            break;
    }
    *first = !lookup;
    if (!lookup)
        lookup = add(lookups, key);
    if (lookup)
        lookup->users++;
    apr_thread_mutex_unlock(lookups->mutex);
    return lookup;
}

/* The mutex is held. */
static void leave(struct cep_lookup *lookup)
{
    if (--lookup->users == 0)
        apr_pool_destroy(lookup->pool);
}

void cep_lookup_end(struct cep_lookups *lookups, struct cep_lookup *lookup, apr_status_t status,
                    const struct cep_caller *caller, const char *error)
{
    struct cep_caller copy;
    struct cep_caller_record record = {NULL, error ? error : "", 0};

    if (caller) {
        copy = *caller;
        record.caller = &copy;
    }
    /* No other thread uses the pool before the look-up is done. */
    if (status == APR_SUCCESS && !cep_caller_pack(&lookup->found, &record, "", "", lookup->pool))
        status = APR_EGENERAL;
    lookup->error = apr_pstrdup(lookup->pool, record.reason);
    apr_thread_mutex_lock(lookups->mutex);
    for (struct cep_lookup **link = &lookups->under_way; *link; link = &(*link)->next) {
        if (*link == lookup) {
            *link = lookup->next;
            break;
        }
    }
    lookup->status = status;
    lookup->done = 1;
    apr_thread_cond_broadcast(lookups->ended);
    leave(lookup);
    apr_thread_mutex_unlock(lookups->mutex);
}

apr_status_t cep_lookup_await(struct cep_caller **caller, struct cep_lookups *lookups,
                              struct cep_lookup *lookup, apr_interval_time_t limit,
                              apr_pool_t *pool, const char **error)
{
    apr_time_t end = cep_monotonic() + limit, now;
    struct cep_caller_record record;
    apr_status_t rv = APR_TIMEUP;

    apr_thread_mutex_lock(lookups->mutex);
    while (!lookup->done && (now = cep_monotonic()) < end)
        apr_thread_cond_timedwait(lookups->ended, lookups->mutex, end - now);
    *error = "another request that asks for the same caller gets no answer";
    if (lookup->done) {
        rv = lookup->status;
        *error = apr_pstrdup(pool, lookup->error);
    }
    if (rv == APR_SUCCESS &&
        !cep_caller_unpack(&record, lookup->found.data, lookup->found.len, "", "", pool))
        rv = APR_EGENERAL;
    if (rv == APR_SUCCESS)
        *caller = record.caller;
    leave(lookup);
    apr_thread_mutex_unlock(lookups->mutex);
    return rv;
}
