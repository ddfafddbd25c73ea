/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The reader's side of a store: one mapping per process, swapped when the file changes. */

#include "cep_store.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "cep_directory.h"
#include "guard.h"

/* How often the file is looked at while a mapping is in force. */
#define LOOK_INTERVAL APR_TIME_C(1000000)

/* One mapped file. The reader holds one reference, every request that uses it another. */
struct mapping {
    apr_uint32_t references;
    apr_pool_t *pool; /* unmanaged, so that any thread may destroy it */
    void *base;
    apr_size_t length;
    struct stat file;
    const struct cep_snapshot *snapshot;
};

struct cep_reader {
    const struct cep_store *store;
    const struct cep_log *log;
    apr_thread_mutex_t *mutex; /* guards the next five; never held over I/O */
    struct mapping *current;
    apr_time_t looked_at;   /* cep_monotonic(); 0: never */
    apr_uint32_t published; /* the store's counter before that look */
    int bad;                /* the file found there cannot be used, and that was said */
    apr_time_t confirmed;   /* mtime of the file that current maps */

    apr_thread_mutex_t *look_mutex; /* held by the thread that looks at the file */
    struct stat bad_file;           /* which; look_mutex guards it */
    apr_time_t examined_at;         /* a file was opened; cep_monotonic() */
};

static void release(struct mapping *mapping)
{
    if (apr_atomic_dec32(&mapping->references) == 0) {
        munmap(mapping->base, mapping->length);
        apr_pool_destroy(mapping->pool);
    }
}

static apr_status_t release_pin(void *data)
{
    release(data);
    return APR_SUCCESS;
}

static apr_status_t close_reader(void *data)
{
    struct cep_reader *reader = data;

    if (reader->current)
        release(reader->current);
    reader->current = NULL;
    return APR_SUCCESS;
}

struct cep_reader *cep_reader_make(apr_pool_t *pool, const struct cep_store *store,
                                   const struct cep_log *log)
{
    struct cep_reader *reader = apr_pcalloc(pool, sizeof(*reader));

    reader->store = store;
    reader->log = log;
    if (apr_thread_mutex_create(&reader->mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_mutex_create(&reader->look_mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS)
        return NULL;
    apr_pool_cleanup_register(pool, reader, close_reader, apr_pool_cleanup_null);
    return reader;
}

/* A file that is mapped keeps its inode, so no other can have the number; a confirm only changes
 * the times. */
static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size;
}

static int same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Map and verify the open file; NULL and *error when it is not fit to be used. */
static struct mapping *map_file(int fd, const struct stat *info, const char **error)
{
    struct mapping *mapping;
    apr_pool_t *pool;
    void *base;

    if (info->st_size <= 0 || (apr_uint64_t)info->st_size > CEP_SNAPSHOT_MAX) {
        *error = "its size is not that of a snapshot";
        return NULL;
    }
    base = mmap(NULL, (size_t)info->st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        *error = "it cannot be mapped into memory";
        return NULL;
    }
    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        munmap(base, (size_t)info->st_size);
        *error = "there is no memory for it";
        return NULL;
    }
    mapping = apr_pcalloc(pool, sizeof(*mapping));
    mapping->pool = pool;
    mapping->base = base;
    mapping->length = (apr_size_t)info->st_size;
    mapping->file = *info;
    apr_atomic_set32(&mapping->references, 1);
    mapping->snapshot = cep_snapshot_open(base, mapping->length, pool, error);
    if (!mapping->snapshot) {
        release(mapping);
        return NULL;
    }
    return mapping;
}

static int is_known_bad(const struct cep_reader *reader, const struct stat *info)
{
    return reader->bad && same_file(info, &reader->bad_file) &&
           same_time(&info->st_mtim, &reader->bad_file.st_mtim) &&
           same_time(&info->st_ctim, &reader->bad_file.st_ctim);
}

/*
 * Look at the published file and map it when it is another than the mapped one. Returns what is to
 * be in force: the old mapping, a new one, or NULL. *info: the file as found, st_ino 0 when there
 * is none; *error: why the file found is not what is in force.
 */
static struct mapping *look(struct cep_reader *reader, struct stat *info, const char **error)
{
    const char *path = reader->store->path;
    struct mapping *old = reader->current, *mapping;
    int fd;

    *error = NULL;
    if (lstat(path, info) == 0) {
        if (old && same_file(info, &old->file))
            return old;
        /* To examine it again would cost as much as the first time, and tell the same. */
        if (is_known_bad(reader, info) &&
            (old || cep_monotonic() - reader->examined_at < LOOK_INTERVAL)) {
            *error = "it has not changed";
            return old;
        }
    }
    reader->examined_at = cep_monotonic();
    fd = cep_guard_open(path, info, error);
    if (fd < 0)
        return old;
    mapping = map_file(fd, info, error);
    close(fd);
    return mapping ? mapping : old;
}

/* Say it once per unusable file, not at every look. */
static void say_bad(const struct cep_reader *reader, const struct stat *info, const char *error,
                    int have_mapping)
{
    if (error && !is_known_bad(reader, info))
        cep_log(reader->log, CEP_LOG_ERROR, 0, "CEP0503: snapshot %s cannot be used: %s; %s",
                reader->store->path, error,
                have_mapping ? "the one before it stays in force"
                             : "there is no policy to serve until it is replaced");
}

static apr_uint32_t count_published(const struct cep_reader *reader)
{
    volatile apr_uint32_t *published = reader->store->published;

    return published ? apr_atomic_read32(published) : 0;
}

/* Look at the file once; look_mutex is held, mutex is not. */
static void update(struct cep_reader *reader)
{
    struct mapping *old = reader->current, *mapping;
    apr_uint32_t published = count_published(reader);
    struct stat info;
    const char *error;

    mapping = look(reader, &info, &error);
    say_bad(reader, &info, error, mapping != NULL);

    apr_thread_mutex_lock(reader->mutex);
    reader->looked_at = cep_monotonic();
    reader->published = published;
    reader->bad = error != NULL;
    reader->bad_file = info;
    /* A file that is not the one in force says nothing about the age of what is. */
    if (!error && mapping && info.st_ino != 0)
        reader->confirmed = apr_time_from_sec(info.st_mtim.tv_sec) + info.st_mtim.tv_nsec / 1000;
    reader->current = mapping;
    apr_thread_mutex_unlock(reader->mutex);

    if (mapping != old && old)
        release(old);
}

/*
 * 1 when the file should be looked at. *must: nothing is mapped, so there is nothing to go on with
 * while another thread looks.
 */
static int is_due(struct cep_reader *reader, int *must)
{
    int due;

    apr_thread_mutex_lock(reader->mutex);
    *must = !reader->current;
    due = *must || count_published(reader) != reader->published ||
          cep_monotonic() - reader->looked_at >= LOOK_INTERVAL;
    apr_thread_mutex_unlock(reader->mutex);
    return due;
}

static void look_if_due(struct cep_reader *reader)
{
    int must;

    if (!is_due(reader, &must))
        return;
    if (must)
        apr_thread_mutex_lock(reader->look_mutex);
    else if (apr_thread_mutex_trylock(reader->look_mutex) != APR_SUCCESS)
        return;
    /* Another thread may just have done it. */
    if (is_due(reader, &must))
        update(reader);
    apr_thread_mutex_unlock(reader->look_mutex);
}

const struct cep_snapshot *cep_reader_acquire(struct cep_reader *reader, apr_pool_t *pool,
                                              apr_time_t *confirmed)
{
    struct mapping *mapping;

    look_if_due(reader);
    apr_thread_mutex_lock(reader->mutex);
    mapping = reader->current;
    if (mapping)
        apr_atomic_inc32(&mapping->references);
    *confirmed = reader->confirmed;
    apr_thread_mutex_unlock(reader->mutex);
    if (!mapping)
        return NULL;
    apr_pool_cleanup_register(pool, mapping, release_pin, apr_pool_cleanup_null);
    return mapping->snapshot;
}
