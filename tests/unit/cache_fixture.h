/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What the tests of cache/ share: the sample directory read into an image, a token of SIDs. */
#ifndef CACHE_FIXTURE_H
#define CACHE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "cep_refresh.h"
#include "files.h"
#include "heard.h"

#define SAMPLE_DOMAIN_SID "S-1-5-21-2716443681-1129846205-3517726490"

static inline struct cep_directory_config *file_config(apr_pool_t *pool, const char *path)
{
    struct cep_directory_config *config = apr_pcalloc(pool, sizeof(*config));

    config->name = "test";
    config->urls = apr_array_make(pool, 1, sizeof(const char *));
    config->realms = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(config->urls, const char *) = apr_pstrcat(pool, "file:", path, NULL);
    config->timeout = apr_time_from_sec(5);
    return config;
}

/* The plan that a <CEPDirectory> without more words has. */
static inline struct cep_refresh_plan plan_for(const struct cep_directory_config *config)
{
    struct cep_refresh_plan plan = {.directory = config,
                                    .interval = apr_time_from_sec(300),
                                    .full_interval = apr_time_from_sec(6 * 3600),
                                    .max_stale = apr_time_from_sec(24 * 3600)};

    return plan;
}

/* One run on a directory. */
static inline apr_status_t refresh_once(struct cep_refresh_result *result,
                                        const struct cep_directory_config *config,
                                        const struct cep_store *store, apr_pool_t *pool,
                                        const char **error)
{
    struct cep_refresh_plan plan = plan_for(config);

    memset(result, 0, sizeof(*result));
    return cep_refresh_run(result, &plan, store, NULL, pool, error);
}

static inline const char *sample_path(apr_pool_t *pool)
{
    const char *source = getenv("CEP_SRCDIR");

    assert_non_null(source);
    return apr_pstrcat(pool, source, "/conf.d/sample.ldif", NULL);
}

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline apr_status_t remove_dir(void *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return APR_SUCCESS;
}

/* A fresh directory for snapshots, gone with the pool. */
static inline const char *scratch_dir(apr_pool_t *pool)
{
    const char *base = getenv("TMPDIR");
    char *path = apr_pstrcat(pool, base ? base : "/tmp", "/cep-unit-XXXXXX", NULL);

    assert_non_null(mkdtemp(path));
    apr_pool_cleanup_register(pool, path, remove_dir, apr_pool_cleanup_null);
    return path;
}

/* A copy of the sample directory in dir, for tests that change it. */
static inline const char *copy_sample(const char *dir, apr_pool_t *pool)
{
    const char *path = apr_pstrcat(pool, dir, "/policy.ldif", NULL);

    assert_int_equal(
        apr_file_copy(sample_path(pool), path, APR_FPROT_UREAD | APR_FPROT_UWRITE, pool),
        APR_SUCCESS);
    return path;
}

/* A template that cannot be offered: another snapshot, with the templates of the one before. */
static inline void append_broken_template(const char *path)
{
    static const char entry[] =
        "\ndn: CN=Broken,CN=Certificate Templates,CN=Public Key Services,CN=Services,"
        "CN=Configuration,DC=corp,DC=example\nobjectClass: pKICertificateTemplate\n"
        "cn: Broken\n";

    write_file(path, "a", entry, sizeof(entry) - 1);
}

/* A run that must not fail. What it took is given back: of its texts only the reason is left. */
static inline struct cep_refresh_result must_refresh(const struct cep_refresh_plan *plan,
                                                     const struct cep_store *store,
                                                     apr_pool_t *pool)
{
    struct cep_refresh_result result = {.failures = 0};
    const char *error = "";
    apr_pool_t *run;

    assert_int_equal(apr_pool_create(&run, pool), APR_SUCCESS);
    if (cep_refresh_run(&result, plan, store, NULL, run, &error) != APR_SUCCESS)
        fail_msg("%s", error);
    result.reason = apr_pstrdup(pool, result.reason);
    apr_pool_destroy(run);
    return result;
}

/* The sample directory, published under that name in a directory of its own. */
static inline const struct cep_store *publish_sample(const char *name, apr_pool_t *pool)
{
    const struct cep_store *store = cep_store_make(pool, scratch_dir(pool), name);
    struct cep_refresh_plan plan = plan_for(file_config(pool, sample_path(pool)));

    must_refresh(&plan, store, pool);
    return store;
}

/* As a process that starts now sees it; NULL: nothing is published. */
static inline const struct cep_snapshot *map_snapshot(const struct cep_store *store,
                                                      apr_pool_t *pool)
{
    apr_time_t confirmed;

    return cep_reader_acquire(cep_reader_make(pool, store, NULL), pool, &confirmed);
}

static inline struct cep_token token_of(apr_pool_t *pool, const char *const *texts, int count)
{
    apr_array_header_t *sids = apr_array_make(pool, count, sizeof(struct cep_sid));

    for (int i = 0; i < count; i++) {
        struct cep_sid *sid = apr_array_push(sids);

        assert_true(cep_sid_parse(sid, texts[i]));
    }
    return cep_token_make(sids);
}

#endif
