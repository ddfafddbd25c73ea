/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* 1 when the folder of path belongs to user: then he could put any file there. */
static int owns_folder(const char *path, uid_t user)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char folder[PATH_MAX];
    struct stat info;

    if (!length || length >= sizeof(folder))
        return 0;
    memcpy(folder, path, length);
    folder[length] = '\0';
    return stat(folder, &info) == 0 && info.st_uid == user;
}

static const char *problem(const char *path, const struct stat *info)
{
    if (!S_ISREG(info->st_mode))
        return "it is no regular file";
    if (info->st_mode & (S_IWGRP | S_IWOTH))
        return "its group or others may write it; take that permission away";
    if (info->st_uid != 0 && info->st_uid != geteuid() && !owns_folder(path, info->st_uid))
        return "it belongs to another user than httpd's; remove it";
    return NULL;
}

int cep_guard_open(const char *path, struct stat *info, const char **error)
{
    /* Without O_NONBLOCK opening a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    *error = NULL;
    memset(info, 0, sizeof(*info));
    if (fd < 0) {
        if (errno == ELOOP)
            *error = "it is a symbolic link; remove it";
        else if (errno != ENOENT)
            *error = strerror(errno);
        return -1;
    }
    *error = fstat(fd, info) == 0 ? problem(path, info) : strerror(errno);
    if (!*error)
        return fd;
    close(fd);
    return -1;
}
