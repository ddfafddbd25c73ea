/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Connections to one directory: a few per process, each used by one thread at a time. */

#include "connections.h"

#include <apr_file_info.h>
#include <apr_reslist.h>
#include <apr_strings.h>

/* Connections per process to one directory. An LDIF file is open once. */
#define LDAP_CONNECTIONS 4

/* AD closes a connection after 15 minutes without use (MaxConnIdleTime); we go before. */
#define IDLE_LIMIT apr_time_from_sec(5 * 60)

struct cep_connections {
    const struct cep_source *source;
    struct cep_directory_config config; /* the source's; of a file, with the URL of the copy */
    const char *file;                   /* the store's copy of the LDIF when the source is a file */
    apr_reslist_t *slots;
};

/*
 * A place for a connection. The reslist hands out places and not connections, because it makes
 * its resources under a lock: opening there, one dead server would hold up every caller.
 */
struct slot {
    apr_pool_t *pool; /* of the open directory; NULL: none is open */
    struct cep_directory *directory;
    apr_time_t used_at; /* cep_monotonic() */
    apr_finfo_t file;   /* the LDIF as it was read */
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

const char *cep_connections_file(const struct cep_source *source)
{
    const char *first = APR_ARRAY_IDX(source->directory.urls, 0, const char *);

    return cep_directory_url_path(first) ? source->store->entries_path : NULL;
}

struct cep_connections *cep_connections_make(apr_pool_t *pchild, const struct cep_source *source)
{
    struct cep_connections *connections = apr_pcalloc(pchild, sizeof(*connections));
    int most = LDAP_CONNECTIONS;

    connections->source = source;
    connections->config = source->directory;
    connections->file = cep_connections_file(source);
    if (connections->file) {
        most = 1;
        connections->config.urls = apr_array_make(pchild, 1, sizeof(const char *));
        APR_ARRAY_PUSH(connections->config.urls, const char *) =
            apr_pstrcat(pchild, "file:", connections->file, NULL);
    }
    if (apr_reslist_create(&connections->slots, 0, most, most, 0, make_slot, drop_slot, NULL,
                           pchild) != APR_SUCCESS)
        return NULL;
    apr_reslist_timeout_set(connections->slots, source->directory.timeout);
    return connections;
}

/* 1 when what the slot holds is not to be used any more. */
static int is_outdated(const struct cep_connections *connections, const struct slot *slot,
                       const apr_finfo_t *file)
{
    if (!cep_directory_usable(slot->directory))
        return 1;
    if (!connections->file)
        return cep_monotonic() - slot->used_at > IDLE_LIMIT;
    return file->mtime != slot->file.mtime || file->ctime != slot->file.ctime ||
           file->size != slot->file.size || file->inode != slot->file.inode;
}

/* See that the slot holds an open directory, opening one where needed. */
static apr_status_t fill_slot(const struct cep_connections *connections, struct slot *slot,
                              apr_time_t deadline, const char **error, apr_pool_t *pool)
{
    apr_finfo_t file = {.mtime = 0};
    const char *open_error;
    apr_status_t rv;

    if (connections->file)
        apr_stat(&file, connections->file,
                 APR_FINFO_MTIME | APR_FINFO_CTIME | APR_FINFO_SIZE | APR_FINFO_INODE, pool);
    if (slot->directory && is_outdated(connections, slot, &file))
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
    rv = cep_directory_open_within(&slot->directory, &connections->config,
                                   deadline - cep_monotonic(), &connections->source->log,
                                   slot->pool, &open_error);
    if (rv != APR_SUCCESS) {
        *error = apr_pstrdup(pool, open_error);
        slot->directory = NULL;
        empty_slot(slot);
    }
    return rv;
}

static apr_status_t ask(struct cep_caller **caller, const struct cep_connections *connections,
                        struct cep_directory *directory, const struct cep_question *question,
                        apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    const struct cep_directory_config *config = &connections->config;
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

apr_status_t cep_connections_ask(struct cep_caller **caller, struct cep_connections *connections,
                                 const struct cep_question *question, apr_pool_t *pool,
                                 const char **error)
{
    const apr_time_t deadline = cep_monotonic() + connections->config.timeout; /* of all of it */
    struct slot *slot;
    void *resource;
    apr_status_t rv = apr_reslist_acquire(connections->slots, &resource);

    if (rv != APR_SUCCESS) {
        *error = "all connections to the directory are busy";
        return rv;
    }
    slot = resource;
    /* A kept connection may have died since it was used; a fresh one is tried once then. Not after
     * a time-out: the caller has waited for as long as CEPTimeout allows. */
    for (int attempt = 0; attempt < 2; attempt++) {
        int was_open = slot->directory != NULL;

        rv = fill_slot(connections, slot, deadline, error, pool);
        if (rv != APR_SUCCESS)
            break;
        rv = ask(caller, connections, slot->directory, question, deadline, pool, error);
        if (rv == APR_SUCCESS || rv == APR_NOTFOUND)
            break;
        empty_slot(slot);
        if (!was_open || rv == APR_TIMEUP)
            break;
    }
    slot->used_at = cep_monotonic();
    apr_reslist_release(connections->slots, slot);
    return rv;
}
