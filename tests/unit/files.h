/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Files that a test makes, changes and reads. */
#ifndef CEP_TEST_FILES_H
#define CEP_TEST_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "cep_entry.h"

static inline apr_status_t remove_file(void *path)
{
    unlink(path);
    return APR_SUCCESS;
}

/* An empty file of one's own, gone with the pool. */
static inline const char *scratch_file(apr_pool_t *pool)
{
    const char *directory;
    char *path;
    int fd;

    assert_int_equal(apr_temp_dir_get(&directory, pool), APR_SUCCESS);
    path = apr_pstrcat(pool, directory, "/cep-test-XXXXXX", NULL);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    apr_pool_cleanup_register(pool, path, remove_file, apr_pool_cleanup_null);
    return path;
}

/* mode as for fopen(): "w" for the whole content, "a" for what comes behind it. */
static inline void write_file(const char *path, const char *mode, const void *data, size_t length)
{
    FILE *file = fopen(path, mode);

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* The whole content, and a NUL behind it. */
static inline struct cep_value read_file(const char *path, apr_pool_t *pool)
{
    struct cep_value value;
    unsigned char *data;
    apr_file_t *file;
    apr_finfo_t info;

    if (apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, pool) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS)
        fail_msg("%s cannot be read", path);
    value.len = (apr_size_t)info.size;
    value.data = data = apr_palloc(pool, value.len + 1);
    assert_int_equal(apr_file_read_full(file, data, value.len, NULL), APR_SUCCESS);
    data[value.len] = '\0';
    apr_file_close(file);
    return value;
}

/* The directory of reference data; without it, or without that in it, the test is skipped. */
static inline const char *shared_directory(const char *with, apr_pool_t *pool)
{
    const char *directory = getenv("CEP_SHARED");
    apr_finfo_t info;

    if (!directory || !*directory ||
        apr_stat(&info, apr_pstrcat(pool, directory, "/", with, NULL), APR_FINFO_TYPE, pool) !=
            APR_SUCCESS) {
        print_message("skipped: CEP_SHARED names no directory with %s\n", with);
        skip();
    }
    return directory;
}

#endif
