/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A file of LDIF records. It is read and never mapped: who shortened it in place would end the
 * process. (RFC 2849 ends a record with an empty line, so that is where it can be cut.)
 */
#include "ldif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cep_directory.h"
#include "dn.h"
#include "source.h"

/* Octets read at a time; a longer record makes the window grow. */
#define WINDOW (128 * 1024)

/* The part of the file that is in memory. */
struct window {
    char *data; /* size + 1 octets */
    apr_size_t used, size;
    apr_size_t begin;   /* of the next piece */
    apr_size_t scanned; /* no piece ends before this */
    apr_size_t offset;  /* of data[0] in the file */
    int at_end;         /* of the file */
};

/* The first pass over a file. */
struct pass {
    struct cep_ldif *ldif;
    void (*take)(void *baton, int number, const struct cep_entry *entry);
    void *baton;
    apr_pool_t *pool;    /* of what stays */
    apr_pool_t *scratch; /* of one piece */
    apr_size_t piece_at; /* in the file */
};

static apr_status_t close_fd(void *data)
{
    struct cep_ldif *ldif = data;

    if (ldif->fd >= 0)
        close(ldif->fd);
    ldif->fd = -1;
    return APR_SUCCESS;
}

static apr_time_t time_of(const struct stat *info)
{
    return apr_time_from_sec(info->st_mtim.tv_sec) + info->st_mtim.tv_nsec / 1000;
}

static int is_unchanged(const struct cep_ldif *ldif)
{
    struct stat info;

    return fstat(ldif->fd, &info) == 0 && time_of(&info) == ldif->changed &&
           (apr_size_t)info.st_size == ldif->size;
}

/* Keep where the record stands. */
static const char *take_record(void *baton, const struct cep_ldif_entry *found)
{
    struct pass *pass = baton;
    struct cep_ldif *ldif = pass->ldif;
    const char *canonical = cep_dn_normalize(found->entry->dn, pass->scratch);
    struct cep_ldif_record *record;

    if (!canonical)
        return "has a malformed DN; write it as RFC 4514 says";
    record = apr_hash_get(ldif->by_dn, canonical, APR_HASH_KEY_STRING);
    if (record)
        return apr_psprintf(pass->pool, "names the same entry as line %u; remove one of the two",
                            record->line);
    if (ldif->records->nelts >= CEP_DIRECTORY_MAX_ENTRIES)
        return apr_psprintf(pass->pool, "is one entry more than the %d allowed; export fewer",
                            CEP_DIRECTORY_MAX_ENTRIES);
    record = apr_palloc(pass->pool, sizeof(*record));
    record->dn = apr_pstrdup(pass->pool, canonical);
    record->at = pass->piece_at + found->at;
    record->length = found->length;
    record->line = found->line;
    apr_hash_set(ldif->by_dn, record->dn, APR_HASH_KEY_STRING, record);
    APR_ARRAY_PUSH(ldif->records, struct cep_ldif_record *) = record;
    pass->take(pass->baton, ldif->records->nelts - 1, found->entry);
    return NULL;
}

/* Where the next piece ends, or 0 when that is not in the window. */
static apr_size_t find_end(struct window *window)
{
    const char *end = window->data + window->used, *p = window->data + window->scanned;

    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        if (end - p < 3 && !window->at_end)
            break; /* what follows has not been read */
        window->scanned = (apr_size_t)(++p - window->data);
        if (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')))
            return window->scanned;
    }
    window->scanned = p ? (apr_size_t)(p - window->data) : window->used;
    return window->at_end ? window->used : 0;
}

/* Make room at the end of the window: what has been parsed goes. */
static int make_room(struct window *window)
{
    apr_size_t size;
    char *data;

    memmove(window->data, window->data + window->begin, window->used - window->begin);
    window->offset += window->begin;
    window->used -= window->begin;
    window->scanned -= window->begin;
    window->begin = 0;
    if (window->used <= window->size / 2)
        return 1;
    size = window->size * 2; /* no file is so large that this could overflow */
    data = realloc(window->data, size + 1);
    if (!data)
        return 0;
    window->data = data;
    window->size = size;
    return 1;
}

static apr_status_t read_more(struct window *window, const struct cep_ldif *ldif, apr_pool_t *pool,
                              const char **error)
{
    ssize_t got;
    char text[120];

    if (!make_room(window)) {
        *error = "no memory for a long entry";
        return APR_ENOMEM;
    }
    do
        got = read(ldif->fd, window->data + window->used, window->size - window->used);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        *error = apr_psprintf(pool, "%s: cannot be read (%s)", ldif->path,
                              apr_strerror(errno, text, sizeof(text)));
        return APR_EGENERAL;
    }
    window->at_end = got == 0;
    window->used += (apr_size_t)got;
    if (window->offset + window->used <= ldif->size)
        return APR_SUCCESS;
    *error = apr_psprintf(pool, "%s: grew while it was read; replace it by renaming", ldif->path);
    return APR_EGENERAL;
}

static apr_status_t parse_all(struct pass *pass, struct window *window, const char **error)
{
    struct cep_ldif_parser parser = {.name = pass->ldif->path, .error = error, .line = 1};
    apr_status_t status = APR_SUCCESS;
    apr_size_t end;

    parser.pool = pass->pool;
    parser.take = take_record;
    parser.baton = pass;
    while (status == APR_SUCCESS && (!window->at_end || window->begin < window->used)) {
        end = find_end(window);
        if (!end) {
            status = read_more(window, pass->ldif, pass->pool, error);
            continue;
        }
        pass->piece_at = window->offset + window->begin;
        status = cep_ldif_parse(&parser, window->data + window->begin, end - window->begin,
                                pass->scratch);
        apr_pool_clear(pass->scratch);
        window->begin = end;
    }
    return status;
}

static apr_status_t open_file(struct cep_ldif *ldif, apr_pool_t *pool, const char **error)
{
    struct stat info;
    apr_status_t status =
        cep_open_file(&ldif->fd, &info, ldif->path, CEP_LDIF_MAX_FILE, pool, error);

    if (status != APR_SUCCESS)
        return status;
    apr_pool_cleanup_register(pool, ldif, close_fd, apr_pool_cleanup_null);
    ldif->changed = time_of(&info);
    ldif->size = (apr_size_t)info.st_size;
    return APR_SUCCESS;
}

apr_status_t cep_ldif_open(struct cep_ldif **result, const char *path,
                           void (*take)(void *baton, int number, const struct cep_entry *entry),
                           void *baton, apr_pool_t *pool, const char **error)
{
    struct cep_ldif *ldif = apr_pcalloc(pool, sizeof(*ldif));
    struct pass pass = {.ldif = ldif, .take = take, .baton = baton, .pool = pool};
    struct window window = {.size = WINDOW};
    apr_status_t status;

    ldif->path = apr_pstrdup(pool, path);
    ldif->fd = -1;
    ldif->records = apr_array_make(pool, 64, sizeof(struct cep_ldif_record *));
    ldif->by_dn = apr_hash_make(pool);
    status = open_file(ldif, pool, error);
    if (status != APR_SUCCESS)
        return status;
    apr_pool_create(&pass.scratch, pool);
    window.data = malloc(window.size + 1);
    *error = "out of memory";
    status = window.data ? parse_all(&pass, &window, error) : APR_ENOMEM;
    free(window.data);
    apr_pool_destroy(pass.scratch);
    *result = ldif;
    return status;
}

static const char *keep_entry(void *baton, const struct cep_ldif_entry *found)
{
    *(const struct cep_entry **)baton = found->entry;
    return NULL;
}

static int read_at(int fd, char *data, apr_size_t length, apr_size_t at)
{
    apr_size_t used = 0;

    while (used < length) {
        ssize_t got = pread(fd, data + used, length - used, (off_t)(at + used));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        used += (apr_size_t)got;
    }
    return 1;
}

apr_status_t cep_ldif_read(const struct cep_entry **entry, const struct cep_ldif *ldif,
                           const struct cep_ldif_record *record, apr_pool_t *pool,
                           const char **error)
{
    struct cep_ldif_parser parser = {.name = ldif->path, .error = error, .line = record->line};
    char *text = apr_palloc(pool, record->length + 1);

    parser.pool = pool;
    parser.take = keep_entry;
    parser.baton = (void *)entry;
    *entry = NULL;
    if (is_unchanged(ldif) && read_at(ldif->fd, text, record->length, record->at) &&
        cep_ldif_parse(&parser, text, record->length, pool) == APR_SUCCESS && *entry)
        return APR_SUCCESS;
    *error =
        apr_psprintf(pool, "%s: changed while it was read; replace it by renaming", ldif->path);
    return APR_EBUSY;
}
