/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of wrong passwords in memory that all children share. Memory and lock belong to the
 * parent process and not to a configuration: after a graceful restart old and new children go on
 * counting in one place, and who was locked stays locked.
 */

#include "guesses.h"

#include "http_core.h"
#include "util_mutex.h"

#include <apr_shm.h>
#include <apr_strings.h>

#define MUTEX_TYPE "cep-guesses"

/* What lies in the parent's pool. A changed layout must get a new number. */
#define KEPT_AS "mod_cep guesses 2"

/* How long one attempt waits for others at the same account. */
#define PATIENCE    apr_time_from_sec(10)
#define FIRST_SLEEP apr_time_from_msec(2)
#define LONG_SLEEP  apr_time_from_msec(50)

struct cep_guesses {
    apr_global_mutex_t *mutex;
    struct cep_guess_table *table;
};

int cep_guesses_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0) == APR_SUCCESS
               ? OK
               : HTTP_INTERNAL_SERVER_ERROR;
}

/* Memory without a name: nobody else can open it, and it ends with the last process. */
static apr_status_t make(struct cep_guesses **made, server_rec *s, apr_pool_t *process)
{
    struct cep_guesses *guesses = apr_pcalloc(process, sizeof(*guesses));
    apr_size_t size = cep_guesses_size(CEP_GUESSES_CAPACITY);
    apr_shm_t *memory;
    apr_status_t rv = apr_shm_create(&memory, size, NULL, process);

    if (rv != APR_SUCCESS)
        return rv;
    guesses->table = apr_shm_baseaddr_get(memory);
    memset(guesses->table, 0, size);
    if (!cep_guesses_init(guesses->table, CEP_GUESSES_CAPACITY))
        return APR_EGENERAL;
    rv = ap_global_mutex_create(&guesses->mutex, NULL, MUTEX_TYPE, NULL, s, process, 0);
    if (rv != APR_SUCCESS)
        return rv;
    *made = guesses;
    return apr_pool_userdata_set(guesses, KEPT_AS, NULL, process);
}

int cep_guesses_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);
    void *kept = NULL;
    apr_status_t rv;

    (void)pconf;
    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    rv = apr_pool_userdata_get(&kept, KEPT_AS, s->process->pool);
    conf->guesses = kept;
    if (rv == APR_SUCCESS && !kept)
        rv = make(&conf->guesses, s, s->process->pool);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, rv, s,
                     "CEP0111: there is no shared memory or no lock to count wrong passwords with");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

void cep_guesses_child_init(apr_pool_t *pchild, server_rec *s)
{
    struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);
    struct cep_guesses *guesses = conf->guesses;
    apr_status_t rv = apr_global_mutex_child_init(
        &guesses->mutex, apr_global_mutex_lockfile(guesses->mutex), pchild);

    if (rv == APR_SUCCESS)
        return;
    ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                 "CEP0112: this process cannot count wrong passwords, so that it refuses all that "
                 "would have to be counted");
    conf->guesses = NULL;
}

struct cep_guesses *cep_guesses_of(request_rec *r)
{
    struct cep_guesses *guesses = cep_server_conf()->guesses;

    if (!guesses)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0627: wrong passwords cannot be counted, so that nobody is let in; see "
                      "CEP0112");
    return guesses;
}

/* Nothing is done without the lock. */
static int lock(request_rec *r, struct cep_guesses *guesses)
{
    apr_status_t rv = apr_global_mutex_lock(guesses->mutex);

    if (rv == APR_SUCCESS)
        return 1;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                  "CEP0628: the count of wrong passwords cannot be locked; see the directive Mutex "
                  "for " MUTEX_TYPE);
    return 0;
}

static void unlock(struct cep_guesses *guesses)
{
    apr_global_mutex_unlock(guesses->mutex);
}

int cep_guesses_attempt(struct cep_guess_attempt *attempt, const struct cep_guesses *guesses,
                        request_rec *r, const struct cep_dir_config *conf, const char *account)
{
    int set = conf->auth_failures != CEP_UNSET;

    attempt->limit = set ? (apr_uint32_t)conf->auth_failures : CEP_DEFAULT_AUTH_FAILURES;
    attempt->window = set ? conf->auth_window : CEP_DEFAULT_AUTH_WINDOW;
    return cep_guesses_account(&attempt->account, guesses->table, conf->policy ? conf->policy : "",
                               account) &&
           cep_guesses_address(&attempt->address, guesses->table, r->useragent_ip, attempt->limit,
                               attempt->window);
}

/*
 * Others at the same account, who might be wrong, are waited for: a client that asks several times
 * at once with the right password must not be refused, and the limit must hold.
 */
enum cep_guess_verdict cep_guesses_admit(request_rec *r, struct cep_guesses *guesses,
                                         struct cep_guess_attempt *attempt)
{
    apr_time_t deadline = cep_monotonic() + PATIENCE;
    apr_interval_time_t sleep = FIRST_SLEEP;
    enum cep_guess_verdict verdict;
    int tell;

    for (;;) {
        if (!lock(r, guesses))
            return CEP_GUESS_BUSY;
        verdict = cep_guesses_begin(guesses->table, attempt, cep_monotonic());
        tell = verdict == CEP_GUESS_FULL && cep_guesses_tell_full(guesses->table, cep_monotonic());
        unlock(guesses);
        if (verdict != CEP_GUESS_BUSY || cep_monotonic() >= deadline)
            break;
        apr_sleep(sleep);
        sleep = sleep * 2 < LONG_SLEEP ? sleep * 2 : LONG_SLEEP;
    }
    if (tell)
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "CEP0626: wrong passwords are counted for %d accounts and addresses, and "
                      "there is no room for more: others are refused until some are free again",
                      CEP_GUESSES_CAPACITY);
    return verdict;
}

unsigned cep_guesses_settle(request_rec *r, struct cep_guesses *guesses,
                            const struct cep_guess_attempt *attempt, enum cep_guess_outcome outcome,
                            apr_interval_time_t took)
{
    unsigned locks;

    /* Then the attempt stays under way, which counts as a wrong one. */
    if (!lock(r, guesses))
        return 0;
    locks = cep_guesses_end(guesses->table, attempt, outcome, cep_monotonic());
    if (outcome == CEP_GUESS_WRONG)
        cep_guesses_learn_pace(guesses->table, took);
    unlock(guesses);
    return locks;
}

/* Hold a refusal back until those that a provider makes would come. */
void cep_guesses_keep_pace(request_rec *r, struct cep_guesses *guesses, apr_time_t begun)
{
    apr_interval_time_t left;

    if (!lock(r, guesses))
        return;
    left = cep_guesses_pace(guesses->table);
    unlock(guesses);
    left -= cep_monotonic() - begun;
    if (left > 0)
        apr_sleep(left);
}
