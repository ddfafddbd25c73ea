/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The writer's side of a store: lock, publish, confirm. */

#include "cep_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_file_io.h>
#include <apr_strings.h>

struct cep_store *cep_store_make(apr_pool_t *pool, const char *cache_dir, const char *name)
{
    struct cep_store *store = apr_pcalloc(pool, sizeof(*store));

    store->path = apr_pstrcat(pool, cache_dir, "/", name, ".snapshot", NULL);
    store->lock_path = apr_pstrcat(pool, cache_dir, "/", name, ".lock", NULL);
    store->entries_path = apr_pstrcat(pool, cache_dir, "/", name, ".ldif", NULL);
    store->state_path = apr_pstrcat(pool, cache_dir, "/", name, ".state", NULL);
    store->answers_path = apr_pstrcat(pool, cache_dir, "/", name, ".answers", NULL);
    return store;
}

static const char *describe(apr_pool_t *pool, const char *what, const char *path, apr_status_t rv)
{
    char text[120];

    return apr_psprintf(pool, "cannot %s %s: %s", what, path, apr_strerror(rv, text, sizeof(text)));
}

/*
 * fcntl locks die with their process, so a killed writer leaves none behind; they do not keep two
 * threads of one process apart, but one process runs one watchdog per directory.
 */
apr_status_t cep_store_lock(const struct cep_store *store, apr_pool_t *pool, const char **error)
{
    apr_file_t *file;
    apr_status_t rv =
        apr_file_open(&file, store->lock_path, APR_FOPEN_CREATE | APR_FOPEN_WRITE | APR_FOPEN_READ,
                      APR_FPROT_UREAD | APR_FPROT_UWRITE, pool);

    if (rv != APR_SUCCESS) {
        *error = describe(pool, "open the lock file", store->lock_path, rv);
        return rv;
    }
    rv = apr_file_lock(file, APR_FLOCK_EXCLUSIVE | APR_FLOCK_NONBLOCK);
    if (APR_STATUS_IS_EAGAIN(rv) || APR_STATUS_IS_EACCES(rv)) {
        apr_file_close(file);
        *error = "another process refreshes this directory now";
        return APR_EBUSY;
    }
    if (rv != APR_SUCCESS)
        *error = describe(pool, "lock", store->lock_path, rv);
    return rv;
}

static apr_status_t sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    apr_status_t rv = APR_SUCCESS;

    if (fd < 0)
        return APR_FROM_OS_ERROR(errno);
    if (fsync(fd) != 0)
        rv = APR_FROM_OS_ERROR(errno);
    close(fd);
    return rv;
}

/* Make the rename itself survive a power cut. */
static apr_status_t sync_directory(const char *path, apr_pool_t *pool)
{
    char *directory = apr_pstrdup(pool, path);
    char *slash = strrchr(directory, '/');

    if (!slash)
        return APR_EBADPATH;
    *slash = '\0';
    return sync_path(directory, O_RDONLY | O_DIRECTORY);
}

static apr_status_t write_file(const char *path, const struct cep_value *content, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_status_t rv, close_rv;

    /* What a writer that died left under this name goes away; the lock says it is nobody's. */
    apr_file_remove(path, pool);
    rv = apr_file_open(&file, path, APR_FOPEN_CREATE | APR_FOPEN_EXCL | APR_FOPEN_WRITE,
                       APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_GREAD, pool);
    if (rv != APR_SUCCESS)
        return rv;
    rv = apr_file_write_full(file, content->data, content->len, NULL);
    if (rv == APR_SUCCESS)
        rv = apr_file_sync(file);
    close_rv = apr_file_close(file);
    return rv != APR_SUCCESS ? rv : close_rv;
}

apr_status_t cep_store_write(const char *path, const struct cep_value *content, apr_pool_t *pool,
                             const char **error)
{
    const char *temporary = apr_pstrcat(pool, path, ".new", NULL);
    apr_status_t rv = write_file(temporary, content, pool);

    if (rv != APR_SUCCESS) {
        *error = describe(pool, "write", temporary, rv);
        goto done;
    }
    rv = apr_file_rename(temporary, path, pool);
    if (rv != APR_SUCCESS) {
        *error = describe(pool, "put a new file in place of", path, rv);
        goto done;
    }
    rv = sync_directory(path, pool);
    if (rv != APR_SUCCESS)
        *error = describe(pool, "sync the directory of", path, rv);
done:
    if (rv != APR_SUCCESS)
        apr_file_remove(temporary, pool);
    return rv;
}

apr_status_t cep_store_publish(const struct cep_store *store, const struct cep_value *image,
                               apr_pool_t *pool, const char **error)
{
    apr_status_t rv = cep_store_write(store->path, image, pool, error);

    /* Also after an error: it may have come after the rename, and a look costs nothing. */
    if (store->published)
        apr_atomic_inc32(store->published);
    return rv;
}

/* 1 when the file is still in that state. */
static int is_in_state(const char *path, const apr_finfo_t *state, apr_pool_t *pool)
{
    apr_finfo_t now;

    return apr_stat(&now, path, CEP_STORE_FILE_STATE, pool) == APR_SUCCESS &&
           now.mtime == state->mtime && now.ctime == state->ctime && now.size == state->size &&
           now.inode == state->inode;
}

int cep_store_has_entries(const struct cep_store *store, const apr_finfo_t *state, apr_pool_t *pool)
{
    apr_finfo_t copy;

    return apr_stat(&copy, store->entries_path, APR_FINFO_MTIME | APR_FINFO_SIZE, pool) ==
               APR_SUCCESS &&
           copy.mtime == state->mtime && copy.size == state->size;
}

apr_status_t cep_store_keep_entries(const struct cep_store *store, const char *ldif,
                                    const apr_finfo_t *state, apr_pool_t *pool, const char **error)
{
    const char *temporary = apr_pstrcat(pool, store->entries_path, ".new", NULL);
    apr_status_t rv;

    apr_file_remove(temporary, pool);
    rv = apr_file_copy(ldif, temporary, APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_GREAD, pool);
    if (rv == APR_SUCCESS)
        rv = sync_path(temporary, O_RDONLY);
    if (rv == APR_SUCCESS)
        rv = apr_file_mtime_set(temporary, state->mtime, pool);
    if (rv == APR_SUCCESS && !is_in_state(ldif, state, pool)) {
        *error = "the LDIF file was replaced while it was read";
        apr_file_remove(temporary, pool);
        return APR_EBUSY;
    }
    if (rv == APR_SUCCESS)
        rv = apr_file_rename(temporary, store->entries_path, pool);
    if (rv != APR_SUCCESS) {
        *error = describe(pool, "keep a copy of the LDIF file as", store->entries_path, rv);
        apr_file_remove(temporary, pool);
    }
    return rv;
}

/* The file's mtime is when its content was last known to be true; readers take the age from it. */
apr_status_t cep_store_confirm(const struct cep_store *store, apr_pool_t *pool, const char **error)
{
    apr_status_t rv = apr_file_mtime_set(store->path, apr_time_now(), pool);

    if (rv != APR_SUCCESS)
        *error = describe(pool, "set the time of", store->path, rv);
    return rv;
}
