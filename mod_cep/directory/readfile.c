/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

static apr_status_t fail(int status, const char *path, const char *what, apr_pool_t *pool,
                         const char **error)
{
    char text[128];

    *error = apr_psprintf(pool, "%s: %s (%s); check the path and its permissions", path, what,
                          apr_strerror(status, text, sizeof(text)));
    return status;
}

static apr_status_t read_all(int fd, const char *path, char *data, apr_size_t max, apr_size_t *len,
                             apr_pool_t *pool, const char **error)
{
    apr_size_t used = 0;

    while (used < max) {
        ssize_t got = read(fd, data + used, max - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(errno, path, "cannot be read", pool, error);
        if (got == 0)
            break;
        used += (apr_size_t)got;
    }
    *len = used;
    return APR_SUCCESS;
}

apr_status_t cep_open_file(int *fd, struct stat *info, const char *path, apr_size_t max,
                           apr_pool_t *pool, const char **error)
{
    apr_status_t status = APR_EGENERAL;

    /* Without O_NONBLOCK opening a FIFO would wait for a writer. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return fail(errno, path, "cannot be opened", pool, error);
    if (fstat(*fd, info) != 0)
        status = fail(errno, path, "cannot be examined", pool, error);
    else if (!S_ISREG(info->st_mode))
        *error = apr_psprintf(pool, "%s: is no regular file; name a file", path);
    else if (info->st_size < 0 || (apr_uint64_t)info->st_size > max)
        *error = apr_psprintf(pool, "%s: is larger than %" APR_SIZE_T_FMT " octets", path, max);
    else
        return APR_SUCCESS;
    close(*fd);
    *fd = -1;
    return status;
}

apr_status_t cep_read_file(const char *path, apr_size_t max, char **data, apr_size_t *len,
                           apr_pool_t *pool, const char **error)
{
    apr_status_t status;
    struct stat info;
    apr_size_t room;
    int fd;

    status = cep_open_file(&fd, &info, path, max, pool, error);
    if (status != APR_SUCCESS)
        return status;
    /* One octet more shows a file that grows while it is read. */
    room = (apr_size_t)info.st_size + 1;
    *data = apr_palloc(pool, room + 1);
    status = read_all(fd, path, *data, room, len, pool, error);
    close(fd);
    if (status != APR_SUCCESS)
        return status;
    (*data)[*len] = 0;
    if (*len < room)
        return APR_SUCCESS;
    explicit_bzero(*data, room);
    *error = apr_psprintf(pool, "%s: grew while it was read; replace it by renaming", path);
    return APR_EGENERAL;
}
