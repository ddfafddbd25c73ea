/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The directory in which processes share finished bodies. A file is named by the snapshot and the
 * class, made under another name and renamed, and taken away by whoever makes the next one when
 * the limits are passed. Whoever has it mapped keeps it; whoever needs it again makes it again, so
 * no lock is needed and the death of a process costs nothing.
 */
#include "config.h"

#include "answer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_escape.h>
#include <apr_strings.h>
#include <apr_time.h>

#define TEMPORARY "new-"

/* Processes may use the snapshot before the one in force for a moment; writers take less. */
#define GRACE_SECONDS 60

/* Octets of a digest that stand in a name; the file holds the whole key. */
#define NAME_OCTETS 16

static const char *prefix_of(const struct cep_snapshot *snapshot, apr_pool_t *pool)
{
    return apr_pstrcat(pool, apr_pescape_hex(pool, cep_snapshot_digest(snapshot), NAME_OCTETS, 0),
                       "-", NULL);
}

static const char *path_of(const struct cep_body_dir *dir, const struct cep_answer *answer,
                           enum cep_coding coding, apr_pool_t *pool)
{
    return apr_pstrcat(pool, dir->path, "/", prefix_of(answer->snapshot, pool),
                       apr_pescape_hex(pool, answer->answer_class.key, NAME_OCTETS, 0),
                       coding == CEP_CODING_GZIP ? ".deflate" : ".xml", NULL);
}

/* 1 when the file was there and good. Its time is when a process last wanted it. */
static int map_named(struct cep_body_map *map, const struct cep_body_dir *dir, const char *path,
                     const struct cep_answer *answer, enum cep_coding coding)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    const char *error;

    if (fd < 0)
        return 0;
    error = cep_body_map(map, fd, &answer->answer_class, coding);
    if (error)
        cep_log(dir->log, CEP_LOG_WARNING, 0,
                "CEP0660: finished answer %s cannot be used: %s; it is made anew", path, error);
    else
        futimens(fd, NULL);
    close(fd);
    return !error;
}

static apr_status_t fill(struct cep_body_map *map, int fd, const struct cep_answer *answer,
                         enum cep_coding coding)
{
    apr_status_t rv = cep_body_write(fd, answer, coding);

    if (rv == APR_SUCCESS && cep_body_map(map, fd, &answer->answer_class, coding))
        rv = APR_EGENERAL;
    return rv;
}

static int open_temporary(char *path, const char *dir)
{
    int fd = mkostemp(path, O_CLOEXEC);
    size_t length = strlen(path);

    if (fd >= 0 || errno != ENOENT || (mkdir(dir, S_IRWXU) != 0 && errno != EEXIST))
        return fd;
    memset(path + length - 6, 'X', 6);
    return mkostemp(path, O_CLOEXEC);
}

static apr_status_t make_named(struct cep_body_map *map, const struct cep_body_dir *dir,
                               const char *path, const struct cep_answer *answer,
                               enum cep_coding coding, apr_pool_t *pool)
{
    char *temporary = apr_pstrcat(pool, dir->path, "/" TEMPORARY "XXXXXX", NULL);
    int fd = open_temporary(temporary, dir->path);
    apr_status_t rv;

    if (fd < 0)
        return APR_FROM_OS_ERROR(errno);
    rv = fill(map, fd, answer, coding);
    if (rv == APR_SUCCESS && rename(temporary, path) != 0) {
        rv = APR_FROM_OS_ERROR(errno);
        cep_body_unmap(map);
    }
    if (rv != APR_SUCCESS)
        unlink(temporary);
    close(fd);
    return rv;
}

static int open_unnamed(void)
{
#ifdef HAVE_MEMFD_CREATE
    int fd = memfd_create("cep-answer", MFD_CLOEXEC);

    /* It has all permissions at first. */
    if (fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
#else
    FILE *file = tmpfile();
    int fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 0) : -1;

    if (file)
        fclose(file);
    return fd;
#endif
}

static apr_status_t make_unnamed(struct cep_body_map *map, const struct cep_answer *answer,
                                 enum cep_coding coding)
{
    int fd = open_unnamed();
    apr_status_t rv;

    if (fd < 0)
        return APR_FROM_OS_ERROR(errno);
    rv = fill(map, fd, answer, coding);
    close(fd);
    return rv;
}

struct found_file {
    const char *path;
    struct timespec used;
    apr_uint64_t octets;
};

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct found_file *)a)->used,
                          *y = &((const struct found_file *)b)->used;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? 1 : -1;
    return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

/* The files of this snapshot; what is left of others, and of writers that died, goes. */
static apr_array_header_t *look_around(const char *path, const char *prefix, apr_pool_t *pool)
{
    apr_array_header_t *files = apr_array_make(pool, 64, sizeof(struct found_file));
    apr_time_t now = apr_time_sec(apr_time_now());
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        struct found_file file = {.path = apr_pstrcat(pool, path, "/", entry->d_name, NULL)};
        struct stat info;

        if (*entry->d_name == '.' || lstat(file.path, &info) != 0)
            continue;
        file.used = info.st_mtim;
        file.octets = (apr_uint64_t)info.st_size;
        if (!strncmp(entry->d_name, prefix, strlen(prefix)))
            APR_ARRAY_PUSH(files, struct found_file) = file;
        else if (info.st_mtim.tv_sec < now - GRACE_SECONDS)
            unlink(file.path);
    }
    if (dir)
        closedir(dir);
    return files;
}

static void sweep(const struct cep_body_dir *dir, const struct cep_answer *answer, apr_pool_t *pool)
{
    apr_array_header_t *files = look_around(dir->path, prefix_of(answer->snapshot, pool), pool);
    apr_uint64_t octets = 0;

    qsort(files->elts, (size_t)files->nelts, sizeof(struct found_file), by_use);
    for (int i = 0; i < files->nelts; i++) {
        const struct found_file *file = &APR_ARRAY_IDX(files, i, struct found_file);

        octets += file->octets;
        if (i >= dir->limits.count || octets > dir->limits.octets)
            unlink(file->path);
    }
}

apr_status_t cep_body_obtain(struct cep_body_map *map, enum cep_body_origin *origin,
                             const struct cep_body_dir *dir, const struct cep_answer *answer,
                             enum cep_coding coding, const char **error, apr_pool_t *pool)
{
    const char *path = path_of(dir, answer, coding, pool);
    char text[120];
    apr_status_t rv;

    *error = NULL;
    *origin = CEP_BODY_MAPPED;
    if (map_named(map, dir, path, answer, coding))
        return APR_SUCCESS;
    *origin = CEP_BODY_MADE;
    rv = make_named(map, dir, path, answer, coding, pool);
    if (rv == APR_SUCCESS) {
        sweep(dir, answer, pool);
        return rv;
    }
    *error = apr_pstrdup(pool, apr_strerror(rv, text, sizeof(text)));
    return make_unnamed(map, answer, coding);
}
