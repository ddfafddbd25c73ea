/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Who refreshes. mod_watchdog runs one thread per directory in each child; when a run is due, the
 * child that gets the store's lock does it, rather the one that did the last. When that has died,
 * the kernel has taken its lock away, and the next one goes on at once. (One of mod_watchdog's
 * singletons would rest for 10 seconds first, and anew when it is ended meanwhile, as prefork does
 * with children that it has too many of.) The lock keeps the two generations of a graceful restart
 * apart, too; the old one leaves the work to the new one, whose configuration counts. What the next
 * run has to know is in the store's record (cache/state.c).
 */

#include "cep_server.h"

#include "ap_mpm.h"
#include "http_core.h"
#include "mod_watchdog.h"
#include "scoreboard.h"

#include <apr_atomic.h>
#include <apr_shm.h>
#include <apr_strings.h>

#include <string.h>

/* How often the watchdog asks whether a run is due. */
#define TICK (2 * AP_WD_TM_SLICE)

/* How long the others leave a run that is due to the process that did the last. */
#define COURTESY apr_time_from_msec(600)

/* When the snapshot has gone, the next run is not waited for; but no more often than this. */
#define HURRY_INTERVAL apr_time_from_sec(10)

/* How long a process leaves the work to others after a run, if they want to. */
#define REST apr_time_from_sec(1)

/* Memory of one run that is kept for the next. */
#define KEEP_MEMORY (1024 * 1024)

/* How long a child that ends waits for a run to end. */
#define STOP_WAIT apr_time_from_sec(2)

static APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) * get_watchdog;
static APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) * register_callback;

/* What of one directory the log has been told; each change is told once. */
enum told {
    TOLD_NOTHING,
    TOLD_GOOD,    /* it is refreshed */
    TOLD_FAILING, /* it cannot be, and what was read before is served */
    TOLD_SILENT   /* it cannot be, and callers get faults */
};

/*
 * What all children of a generation share: whoever takes the refresh over goes on where the one
 * before was. Hostile octets in here can make a log line come or stay away, readers look at the
 * file and runs at the directory too often; no more.
 */
struct shared {
    apr_uint32_t published;         /* counts: cep_store.h */
    volatile apr_uint32_t told;     /* enum told */
    apr_uint32_t findings;          /* 1: those of the policy in force are in the log */
    apr_uint32_t unrecorded;        /* 1: it is in the log that the state cannot be kept */
    volatile apr_uint64_t next_run; /* cep_monotonic(), which is one clock for all; 0: at once */
    volatile apr_uint64_t hurried;  /* when a request last asked for a run at once; 0: never */
};

/* The refresh of one directory, in the process that runs it. */
struct cep_drive {
    const struct cep_source *source;
    struct cep_refresh_plan plan;
    struct shared *shared;
    struct cep_refresh_result last;
    apr_time_t not_before; /* cep_monotonic(): somebody is at work, or this process just was */
    int mine;              /* the last run that this process knows of was its own */
    apr_uint32_t running;  /* atomic: a run is under way */
    apr_uint32_t stopping; /* atomic: the child ends, start nothing and say nothing */
};

/* ---- what the log is told ---- */

static void tell_findings(const struct cep_source *source, apr_pool_t *pool)
{
    struct cep_reader *reader = cep_reader_make(pool, source->store, NULL);
    const struct cep_snapshot *snapshot;
    apr_time_t confirmed;

    snapshot = reader ? cep_reader_acquire(reader, pool, &confirmed) : NULL;
    if (snapshot)
        cep_refresh_tell(snapshot, source->name, &source->log);
}

static void after_success(struct cep_drive *drive, apr_pool_t *pool)
{
    const struct cep_source *source = drive->source;
    const struct cep_refresh_result *result = &drive->last;
    struct shared *shared = drive->shared;

    cep_log(&source->log,
            result->changed || apr_atomic_read32(&shared->told) != TOLD_GOOD ? CEP_LOG_NOTICE
                                                                             : CEP_LOG_DEBUG,
            0, "CEP0500: directory %s: %s policy from %s: %d templates, %d CAs, %d findings (%s)",
            source->name, result->changed ? "new" : "unchanged", result->source, result->templates,
            result->cas, result->findings, result->reason);
    apr_atomic_set32(&shared->told, TOLD_GOOD);
    if (result->changed || !shared->findings)
        tell_findings(source, pool);
    shared->findings = 1;
}

static void after_failure(struct cep_drive *drive, const char *error)
{
    const struct cep_source *source = drive->source;
    const struct cep_refresh_result *result = &drive->last;
    apr_uint32_t told = apr_atomic_read32(&drive->shared->told);

    cep_log(&source->log,
            told == TOLD_FAILING || told == TOLD_SILENT ? CEP_LOG_DEBUG : CEP_LOG_ERROR, 0,
            "CEP0501: directory %s cannot be refreshed: %s. %s. Next attempt in %" APR_TIME_T_FMT
            " ms",
            source->name, error,
            result->serving ? "What was read before stays in force for CEPMaxStale"
                            : "Callers get a fault until it can",
            result->next / 1000);
    if (told == TOLD_FAILING && !result->serving)
        cep_log(&source->log, CEP_LOG_ERROR, 0,
                "CEP0505: directory %s: its policy has become older than CEPMaxStale; callers get "
                "a fault until it can be refreshed (CEP0501 says why it cannot)",
                source->name);
    apr_atomic_set32(&drive->shared->told, result->serving ? TOLD_FAILING : TOLD_SILENT);
}

static void after_record(struct cep_drive *drive)
{
    const char *error = drive->last.record_error;

    if (error && !drive->shared->unrecorded)
        cep_log(&drive->source->log, CEP_LOG_WARNING, 0,
                "CEP0504: directory %s: the state of its refresh cannot be kept: %s. Until it can, "
                "everything is read at each refresh, and the status page shows what was before",
                drive->source->name, error);
    drive->shared->unrecorded = error != NULL;
}

/* ---- running ---- */

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
    apr_pool_t *pool = make_run_pool();
    const char *error = "out of memory";
    apr_status_t rv = APR_ENOMEM;
    apr_time_t next;

    if (pool)
        rv = cep_refresh_run(&drive->last, &drive->plan, drive->source->store, &drive->source->log,
                             pool, &error);
    /* Libraries may have been taken down under the run: what it says counts for nothing then. */
    if (!apr_atomic_read32(&drive->stopping)) {
        if (rv == APR_SUCCESS)
            after_success(drive, pool);
        else if (rv != APR_EBUSY)
            after_failure(drive, error);
        after_record(drive);
        drive->mine = rv != APR_EBUSY;
        next = cep_monotonic() + drive->last.next;
        drive->not_before = drive->last.next < REST ? next : cep_monotonic() + REST;
        if (drive->mine)
            apr_atomic_set64(&drive->shared->next_run, (apr_uint64_t)next);
    }
    if (pool)
        apr_pool_destroy(pool);
}

/*
 * Somebody found no snapshot. While runs go well this means that it was taken away or damaged since
 * the last one: whoever had it mapped goes on, but processes that begin have nothing.
 */
void cep_background_hurry(const struct cep_source *source)
{
    struct shared *shared = source->drive->shared;
    apr_uint64_t last = apr_atomic_read64(&shared->hurried);
    apr_uint64_t now = (apr_uint64_t)cep_monotonic();

    if (apr_atomic_read32(&shared->told) != TOLD_GOOD ||
        (last && last <= now && now - last < HURRY_INTERVAL))
        return;
    if (apr_atomic_cas64(&shared->hurried, now, last) == last)
        apr_atomic_set64(&shared->next_run, now); /* not 0: one child first, as for other runs */
}

/* 1 when a graceful restart has put other processes in place of this one. */
static int is_retired(void)
{
    int mine = 0;

    return ap_mpm_query(AP_MPMQ_GENERATION, &mine) == APR_SUCCESS && ap_scoreboard_image &&
           ap_scoreboard_image->global->running_generation != mine;
}

static int is_due(const struct cep_drive *drive)
{
    apr_time_t now = cep_monotonic();
    apr_time_t next = (apr_time_t)apr_atomic_read64(&drive->shared->next_run);

    if (next > now + drive->plan.interval) /* no run sets this */
        next = now;
    if (next > 0 && !drive->mine)
        next += COURTESY;
    return now >= next && now >= drive->not_before && !is_retired();
}

static apr_status_t on_tick(int state, void *data, apr_pool_t *scratch)
{
    struct cep_drive *drive = data;

    (void)scratch;
    if (state == AP_WATCHDOG_STATE_STOPPING || !is_due(drive))
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

/* Anonymous: it has no name, no mode, and goes with the generation. Old children keep theirs. */
static struct shared *share(int count, apr_pool_t *pconf, apr_status_t *rv)
{
    apr_size_t size = sizeof(struct shared) * (apr_size_t)count;
    apr_shm_t *shm;

    *rv = apr_shm_create(&shm, size, NULL, pconf);
    return *rv == APR_SUCCESS ? memset(apr_shm_baseaddr_get(shm), 0, size) : NULL;
}

static apr_status_t start_watchdog(struct cep_source *source, struct shared *shared,
                                   apr_pool_t *pconf)
{
    struct cep_drive *drive = apr_pcalloc(pconf, sizeof(*drive));
    ap_watchdog_t *watchdog;
    apr_status_t rv;

    drive->source = source;
    drive->shared = shared;
    drive->plan.directory = &source->directory;
    drive->plan.configured_uris = source->configured_uris;
    drive->plan.interval = source->refresh_interval;
    drive->plan.full_interval = source->full_refresh;
    drive->plan.max_stale = source->max_stale;
    source->drive = drive;
    /* One per directory: a dead one must not slow the others. */
    rv = get_watchdog(&watchdog, apr_pstrcat(pconf, "_cep_", source->name, "_", NULL), 0, 0, pconf);
    if (rv == APR_SUCCESS)
        rv = register_callback(watchdog, TICK, drive, on_tick);
    return rv;
}

int cep_background_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *s)
{
    struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);
    const char *cache_dir = cep_cache_dir(conf, pconf), *wrong;
    struct shared *shared;
    apr_status_t rv;

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
    wrong = cep_cache_dir_prepare(cache_dir, ptemp);
    if (wrong) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s, "CEP0104: CEPCacheDir %s %s",
                     cache_dir, wrong);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    shared = share(conf->sources->nelts, pconf, &rv);
    if (!shared) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, rv, s,
                     "CEP0506: there is no shared memory for the state of directories");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (int i = 0; i < conf->sources->nelts; i++) {
        struct cep_source *source = APR_ARRAY_IDX(conf->sources, i, struct cep_source *);

        source->log = cep_server_log(s);
        source->store = cep_store_make(pconf, cache_dir, source->name);
        source->store->published = &shared[i].published;
        source->directory.servers = cep_servers_make(pconf);
        rv = start_watchdog(source, &shared[i], pconf);
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
        source->answers = cep_answers_make(pchild, source->store->answers_path, NULL, &source->log);
        if (!source->reader || !source->callers || !source->answers)
            ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                         "CEP0106: this process cannot serve directory %s: out of memory or locks",
                         source->name);
    }
}
