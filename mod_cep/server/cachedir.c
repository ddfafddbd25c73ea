/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* CEPCacheDir: whoever can write there can say who enrolls for what. */

#include "check.h"

#include "unixd.h"

#include <apr_file_info.h>
#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE (S_IRWXU | S_IRGRP | S_IXGRP)

const char *cep_cache_dir(const struct cep_server_config *conf, apr_pool_t *p)
{
    return conf->cache_dir ? conf->cache_dir : ap_runtime_dir_relative(p, "cep");
}

/*
 * Open it. The last part of the path must be no link: root gives the directory away, and somebody
 * who can write beside it could make him give another one. -1, and *wrong NULL when it is absent.
 */
static int open_dir(const char *path, const char **wrong, apr_pool_t *ptemp)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;

    *wrong = NULL;
    if (fd >= 0 || errno == ENOENT)
        return fd;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        *wrong = "is a symbolic link; name the directory itself";
    else if (errno == ENOTDIR)
        *wrong = "is no directory";
    else
        *wrong = apr_psprintf(ptemp, "cannot be opened: %s", strerror(errno));
    return -1;
}

static const char *check_owner(const struct stat *info)
{
    if (info->st_mode & (S_IWGRP | S_IWOTH))
        return "may be written by its group or by others, who could then say who enrolls; take "
               "that permission away";
    if (geteuid() == 0 && info->st_uid != 0 && info->st_uid != ap_unixd_config.user_id)
        return "belongs neither to root nor to httpd's user";
    return NULL;
}

const char *cep_cache_dir_check(const char *path, apr_pool_t *ptemp)
{
    const char *wrong;
    struct stat info;
    int fd = open_dir(path, &wrong, ptemp);

    if (fd < 0) /* somebody who may not look at it can still check the rest */
        return errno == EACCES ? NULL : wrong;
    wrong = fstat(fd, &info) == 0 ? check_owner(&info) : strerror(errno);
    close(fd);
    return wrong;
}

/* The owner of the open directory is right, or root makes him so. */
static const char *give(int fd, apr_pool_t *ptemp)
{
    const char *wrong;
    struct stat info;

    if (fstat(fd, &info) != 0)
        return apr_psprintf(ptemp, "cannot be examined: %s", strerror(errno));
    wrong = check_owner(&info);
    if (!wrong && geteuid() == 0 && info.st_uid == 0 &&
        fchown(fd, ap_unixd_config.user_id, ap_unixd_config.group_id) != 0)
        wrong = "cannot be given to httpd's user";
    if (!wrong && geteuid() != 0 && info.st_uid != geteuid())
        wrong = "does not belong to the user that httpd runs as";
    return wrong;
}

const char *cep_cache_dir_prepare(const char *path, apr_pool_t *ptemp)
{
    const char *wrong;
    int fd;

    /* Only itself: directories made above it would be closed to httpd's user. */
    if (mkdir(path, MODE) != 0 && errno != EEXIST)
        return apr_psprintf(ptemp, "cannot be made: %s%s", strerror(errno),
                            errno == ENOENT ? "; make the directory above it first" : "");
    fd = open_dir(path, &wrong, ptemp);
    if (fd < 0)
        return wrong ? wrong : "has gone again";
    wrong = give(fd, ptemp);
    close(fd);
    return wrong;
}
