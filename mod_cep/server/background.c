/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Who refreshes, and when. mod_watchdog runs one thread per directory in one child of a
 * generation; the store's lock keeps the two generations of a graceful restart apart. The child
 * may die at any instruction: nothing is kept in memory but when to look next.
 */

#include "cep_server.h"

#include "http_core.h"
#include "mod_watchdog.h"
#include "unixd.h"

#include <apr_atomic.h>
#include <apr_file_info.h>
#include <apr_strings.h>

#include <unistd.h>

/* After a failed run: this, then twice as long each time, up to the refresh interval. */
#define FIRST_RETRY apr_time_from_sec(1)

/* How often the watchdog asks whether a run is due. */
#define TICK (2 * AP_WD_TM_SLICE)

/* Memory of one run that is kept for the next. */
#define KEEP_MEMORY (1024 * 1024)

/* How long a child that ends waits for a run to end. */
#define STOP_WAIT apr_time_from_sec(2)

static APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) * get_watchdog;
static APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) * register_callback;

/* The state of one directory's refresh, in the process that runs it. */
struct cep_drive {
    const struct cep_source *source;
    apr_time_t next_run;
    apr_interval_time_t retry; /* 0: the last run went well */
    int told;                  /* the findings of the policy in force are in the log */
    apr_uint32_t running;      /* atomic: a run is under way */
    apr_uint32_t stopping;     /* atomic: the child ends, start nothing and say nothing */
};

static void tell_findings(const struct cep_source *source, apr_pool_t *pool)
{
    struct cep_reader *reader = cep_reader_make(pool, source->store, NULL);
    const struct cep_snapshot *snapshot;
    apr_time_t confirmed;

    snapshot = reader ? cep_reader_acquire(reader, pool, &confirmed) : NULL;
    if (snapshot)
        cep_refresh_tell(snapshot, source->name, &source->log);
}

static void after_success(struct cep_drive *drive, const struct cep_refresh_result *result,
                          apr_pool_t *pool)
{
    const struct cep_source *source = drive->source;

    cep_log(&source->log, result->changed || drive->retry ? CEP_LOG_NOTICE : CEP_LOG_DEBUG, 0,
            "CEP0500: directory %s: %s policy from %s: %d templates, %d CAs, %d findings",
            source->name, result->changed ? "new" : "unchanged", result->source, result->templates,
            result->cas, result->findings);
    if (result->changed || !drive->told)
        tell_findings(source, pool);
    drive->told = 1;
    drive->retry = 0;
    drive->next_run = apr_time_now() + source->refresh_interval;
}

static void after_failure(struct cep_drive *drive, const char *error)
{
    const struct cep_source *source = drive->source;
    apr_interval_time_t most = source->refresh_interval;

    /* Once per change of state; the attempts in between are for who looks closer. */
    cep_log(&source->log, drive->retry ? CEP_LOG_DEBUG : CEP_LOG_ERROR, 0,
            "CEP0501: directory %s cannot be refreshed: %s. What was read before stays in force "
            "for CEPMaxStale",
            source->name, error);
    drive->retry = drive->retry ? drive->retry * 2 : FIRST_RETRY;
    if (drive->retry > most)
        drive->retry = most;
    drive->next_run = apr_time_now() + drive->retry;
}

/* A pool of its own with its own allocator: what a run needs goes back when it ends. */
static apr_pool_t *make_run_pool(void)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS)
        return NULL;
    apr_allocator_max_free_set(allocator, KEEP_MEMORY);
    if (apr_pool_create_unmanaged_ex(&pool, NULL, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_allocator_owner_set(allocator, pool);
    return pool;
}

/* One run. Called with `running` set. */
static void run(struct cep_drive *drive)
{
    const struct cep_source *source = drive->source;
    struct cep_refresh_result result;
    apr_pool_t *pool = make_run_pool();
    const char *error = "out of memory";
    apr_status_t rv = APR_ENOMEM;

    if (pool)
        rv = cep_refresh_run(&result, &source->directory, source->configured_uris, source->store,
                             &source->log, pool, &error);
    if (apr_atomic_read32(&drive->stopping))
        ; /* libraries may have been taken down under the run: what it says counts for nothing */
    else if (rv == APR_SUCCESS)
        after_success(drive, &result, pool);
    else if (rv == APR_EBUSY)
        drive->next_run = apr_time_now() + FIRST_RETRY;
    else
        after_failure(drive, error);
    if (pool)
        apr_pool_destroy(pool);
}

static apr_status_t on_tick(int state, void *data, apr_pool_t *scratch)
{
    struct cep_drive *drive = data;

    (void)scratch;
    /* STARTING may come before this module's own child_init: everything is made here. */
    if (state == AP_WATCHDOG_STATE_STARTING)
        drive->next_run = 0;
    if (state == AP_WATCHDOG_STATE_STOPPING || apr_time_now() < drive->next_run)
        return APR_SUCCESS;
    apr_atomic_set32(&drive->running, 1);
    if (!apr_atomic_read32(&drive->stopping))
        run(drive);
    apr_atomic_set32(&drive->running, 0);
    return APR_SUCCESS;
}

/*
 * A child destroys its pool and calls exit(), which takes OpenSSL and libldap down while the
 * watchdog's thread may be in them (mod_watchdog's own STOPPING is not reliable there). So the
 * child waits a moment for a run to end; what takes longer is cut off, which the store survives.
 */
static apr_status_t stop_drive(void *data)
{
    struct cep_drive *drive = data;
    apr_time_t end = apr_time_now() + STOP_WAIT;

    apr_atomic_set32(&drive->stopping, 1);
    while (apr_atomic_read32(&drive->running) && apr_time_now() < end)
        apr_sleep(10 * 1000);
    return APR_SUCCESS;
}

/* The directory of snapshots: made when absent, httpd's user's own, closed to others. */
static const char *prepare_cache_dir(const char *path, apr_pool_t *ptemp)
{
    apr_finfo_t info;
    char text[120];
    apr_status_t rv =
        apr_dir_make_recursive(path,
                               APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_UEXECUTE |
                                   APR_FPROT_GREAD | APR_FPROT_GEXECUTE,
                               ptemp);

    if (rv == APR_SUCCESS)
        rv = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_OWNER | APR_FINFO_PROT, ptemp);
    if (rv != APR_SUCCESS)
        return apr_psprintf(ptemp, "cannot be made: %s", apr_strerror(rv, text, sizeof(text)));
    if (info.filetype != APR_DIR)
        return "is no directory";
    if (info.protection & (APR_FPROT_GWRITE | APR_FPROT_WWRITE))
        return "may be written by its group or by others, who could then say who enrolls; take "
               "that permission away";
    if (geteuid() != 0)
        return NULL;
    if (info.user == 0 && chown(path, ap_unixd_config.user_id, ap_unixd_config.group_id) != 0)
        return "cannot be given to httpd's user";
    if (info.user != 0 && info.user != ap_unixd_config.user_id)
        return "belongs neither to root nor to httpd's user";
    return NULL;
}

static apr_status_t start_watchdog(struct cep_source *source, apr_pool_t *pconf)
{
    struct cep_drive *drive = apr_pcalloc(pconf, sizeof(*drive));
    ap_watchdog_t *watchdog;
    apr_status_t rv;

    drive->source = source;
    source->drive = drive;
    /* One per directory: a dead one must not slow the others. */
    rv = get_watchdog(&watchdog, apr_pstrcat(pconf, "_cep_", source->name, "_", NULL), 0, 1, pconf);
    if (rv == APR_SUCCESS)
        rv = register_callback(watchdog, TICK, drive, on_tick);
    return rv;
}

int cep_background_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *s)
{
    struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);
    const char *cache_dir = conf->cache_dir, *wrong;

    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG || conf->sources->nelts == 0)
        return OK;
    get_watchdog = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    register_callback = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    if (!get_watchdog || !register_callback) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                     "CEP0103: mod_cep refreshes its policy by mod_watchdog, which is not loaded; "
                     "add LoadModule watchdog_module");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (cep_tokens_start(conf->tokens, s, pconf, ptemp) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (!cache_dir)
        cache_dir = ap_runtime_dir_relative(pconf, "cep");
    wrong = prepare_cache_dir(cache_dir, ptemp);
    if (wrong) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s, "CEP0104: CEPCacheDir %s %s",
                     cache_dir, wrong);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (int i = 0; i < conf->sources->nelts; i++) {
        struct cep_source *source = APR_ARRAY_IDX(conf->sources, i, struct cep_source *);
        apr_status_t rv;

        source->log = cep_server_log(s);
        source->store = cep_store_make(pconf, cache_dir, source->name);
        source->directory.servers = cep_servers_make(pconf);
        rv = start_watchdog(source, pconf);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, rv, s,
                         "CEP0105: directory %s cannot have a watchdog", source->name);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

void cep_background_child_init(apr_pool_t *pchild, server_rec *s)
{
    struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);

    cep_xcep_init();
    cep_tokens_child_init(conf->tokens, pchild);
    for (int i = 0; i < conf->sources->nelts; i++) {
        struct cep_source *source = APR_ARRAY_IDX(conf->sources, i, struct cep_source *);

        apr_pool_pre_cleanup_register(pchild, source->drive, stop_drive);
        source->reader = cep_reader_make(pchild, source->store, &source->log);
        source->callers = cep_callers_make(pchild, source, conf->tokens);
        if (!source->reader || !source->callers)
            ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                         "CEP0106: this process cannot serve directory %s: out of memory or locks",
                         source->name);
    }
}
