/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Callers that were found are kept in httpd's socache, for all workers (or all machines). */

#include "cep_server.h"
#include "cep_digest.h"

#include "ap_socache.h"
#include "util_mutex.h"

#include <openssl/evp.h>

#include <apr_global_mutex.h>
#include <apr_strings.h>

#define MUTEX_TYPE   "cep-tokens"
#define CACHE_NAME   "cep-tokens"
#define DEFAULT_NAME "shmcb"

/*
 * shmcb's own default of 512 KB would be full with a few hundred callers. Each has a token of up to
 * 2 KiB and a record of 149 octets per instance: this is enough for some ten thousand. Shared
 * memory is taken as it is written to.
 */
#define SHMCB_ARGUMENTS "cep-tokens(33554432)"

/* Nobody may become somebody soon: an account is enabled, a replica catches up. */
#define NOBODY_TTL apr_time_from_sec(30)

/* How long a caller who is known goes on, in CEPTokenTTL, when the directory does not answer. */
#define GRACE 6

/* Clocks of machines that share a cache may differ by this. */
#define CLOCK_SKEW apr_time_from_sec(300)

/* Largest record that is kept: some 3,000 groups of one domain. shmcb in its default size takes
 * objects of 16 KiB. Who has more is looked up each time. */
#define RECORD_MAX 16384

struct cep_tokens {
    const ap_socache_provider_t *provider; /* NULL: there is no cache */
    ap_socache_instance_t *instance;
    const char *name, *arguments;
    apr_global_mutex_t *mutex; /* NULL where the provider needs none */
    apr_interval_time_t ttl;
    server_rec *server;
};

struct cep_tokens *cep_tokens_make(apr_pool_t *p)
{
    struct cep_tokens *tokens = apr_pcalloc(p, sizeof(*tokens));

    tokens->ttl = CEP_DEFAULT_TOKEN_TTL;
    return tokens;
}

void cep_tokens_set_ttl(struct cep_tokens *tokens, apr_interval_time_t ttl)
{
    tokens->ttl = ttl;
}

/* "provider[:arguments]" or "none". NULL, or what is wrong. */
const char *cep_tokens_configure(struct cep_tokens *tokens, const char *arg, apr_pool_t *p,
                                 apr_pool_t *ptemp)
{
    const char *colon = ap_strchr_c(arg, ':'), *error;

    tokens->name = colon ? apr_pstrmemdup(p, arg, (apr_size_t)(colon - arg)) : arg;
    tokens->arguments = colon ? colon + 1 : NULL;
    if (!colon && !ap_cstr_casecmp(tokens->name, DEFAULT_NAME))
        tokens->arguments = SHMCB_ARGUMENTS;
    tokens->provider = NULL;
    if (!ap_cstr_casecmp(tokens->name, "none"))
        return NULL;
    tokens->provider =
        ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, tokens->name, AP_SOCACHE_PROVIDER_VERSION);
    if (!tokens->provider)
        return apr_psprintf(p,
                            "there is no cache provider \"%s\"; load mod_socache_%s before this "
                            "directive, or say none",
                            tokens->name, tokens->name);
    error = tokens->provider->create(&tokens->instance, tokens->arguments, ptemp, p);
    return error ? apr_psprintf(p, "%s: %s", tokens->name, error) : NULL;
}

int cep_tokens_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0) == APR_SUCCESS
               ? OK
               : HTTP_INTERNAL_SERVER_ERROR;
}

static apr_status_t destroy_cache(void *data)
{
    struct cep_tokens *tokens = data;

    tokens->provider->destroy(tokens->instance, tokens->server);
    return APR_SUCCESS;
}

/* The default provider when nothing was configured, as far as it is loaded. */
static void use_default(struct cep_tokens *tokens, server_rec *s, apr_pool_t *pconf,
                        apr_pool_t *ptemp)
{
    if (tokens->name)
        return;
    if (!ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, DEFAULT_NAME, AP_SOCACHE_PROVIDER_VERSION) ||
        cep_tokens_configure(tokens, DEFAULT_NAME, pconf, ptemp)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "CEP0107: callers are not kept between requests, so that each request asks "
                     "the directory: load mod_socache_shmcb, or say CEPTokenCache");
        tokens->provider = NULL;
    }
}

apr_status_t cep_tokens_start(struct cep_tokens *tokens, server_rec *s, apr_pool_t *pconf,
                              apr_pool_t *ptemp)
{
    /* What shmcb divides its memory by to know how many records there may be. */
    static const struct ap_socache_hints hints = {CEP_TOKEN_ID_LENGTH, 1024, apr_time_from_sec(60)};
    apr_status_t rv;

    tokens->server = s;
    if (tokens->ttl == 0)
        tokens->provider = NULL;
    else
        use_default(tokens, s, pconf, ptemp);
    if (!tokens->provider)
        return APR_SUCCESS;
    rv = tokens->provider->init(tokens->instance, CACHE_NAME, &hints, s, pconf);
    if (rv == APR_SUCCESS && (tokens->provider->flags & AP_SOCACHE_FLAG_NOTMPSAFE))
        rv = ap_global_mutex_create(&tokens->mutex, NULL, MUTEX_TYPE, NULL, s, pconf, 0);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, rv, s,
                     "CEP0108: the token cache %s cannot be started", tokens->name);
        return rv;
    }
    apr_pool_cleanup_register(pconf, tokens, destroy_cache, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

void cep_tokens_child_init(struct cep_tokens *tokens, apr_pool_t *pchild)
{
    const char *lock;

    if (!tokens->provider || !tokens->mutex)
        return;
    lock = apr_global_mutex_lockfile(tokens->mutex);
    if (apr_global_mutex_child_init(&tokens->mutex, lock, pchild) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, tokens->server,
                     "CEP0109: this process cannot use the token cache: its lock is out of reach");
        tokens->provider = NULL;
    }
}

/* The cache knows a name by a digest: names may be longer than a provider takes. */
static int make_id(unsigned char id[EVP_MAX_MD_SIZE], const char *directory, const char *user,
                   apr_pool_t *pool)
{
    const char *text = apr_pstrcat(pool, "caller 1\n", directory, "\n", user, NULL);

    return EVP_Digest(text, strlen(text), id, NULL, cep_sha256(), NULL) == 1;
}

static int lock(const struct cep_tokens *tokens)
{
    return !tokens->mutex || apr_global_mutex_lock(tokens->mutex) == APR_SUCCESS;
}

static void unlock(const struct cep_tokens *tokens)
{
    if (tokens->mutex)
        apr_global_mutex_unlock(tokens->mutex);
}

int cep_tokens_fetch(const struct cep_tokens *tokens, const unsigned char id[CEP_TOKEN_ID_LENGTH],
                     unsigned char *octets, unsigned *length, apr_pool_t *pool)
{
    apr_status_t rv;

    if (!tokens->provider || !lock(tokens))
        return 0;
    rv = tokens->provider->retrieve(tokens->instance, tokens->server, id, CEP_TOKEN_ID_LENGTH,
                                    octets, length, pool);
    unlock(tokens);
    return rv == APR_SUCCESS;
}

void cep_tokens_keep(const struct cep_tokens *tokens, const unsigned char id[CEP_TOKEN_ID_LENGTH],
                     const struct cep_value *octets, apr_time_t until, apr_pool_t *pool)
{
    apr_status_t rv;

    if (!tokens->provider || !lock(tokens))
        return;
    rv = tokens->provider->store(tokens->instance, tokens->server, id, CEP_TOKEN_ID_LENGTH, until,
                                 apr_pmemdup(pool, octets->data, octets->len),
                                 (unsigned int)octets->len, pool);
    unlock(tokens);
    if (rv != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_DEBUG, rv, tokens->server,
                     "a record of %" APR_SIZE_T_FMT " octets was not kept in the token cache",
                     octets->len);
}

enum cep_token_age cep_tokens_get(const struct cep_tokens *tokens, const char *directory,
                                  const char *user, struct cep_caller_record *record,
                                  apr_pool_t *pool)
{
    unsigned char id[EVP_MAX_MD_SIZE], *data;
    unsigned int length = RECORD_MAX;
    apr_interval_time_t age, ttl;

    if (!tokens->provider || !make_id(id, directory, user, pool))
        return CEP_TOKEN_ABSENT;
    data = apr_palloc(pool, RECORD_MAX);
    if (!cep_tokens_fetch(tokens, id, data, &length, pool))
        return CEP_TOKEN_ABSENT;
    if (!cep_caller_unpack(record, data, length, directory, user, pool)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, tokens->server,
                     "CEP0240: the token cache %s holds something else under the name of a caller; "
                     "it is not used",
                     tokens->name);
        return CEP_TOKEN_ABSENT;
    }
    age = apr_time_now() - record->found_at;
    ttl = record->caller || tokens->ttl < NOBODY_TTL ? tokens->ttl : NOBODY_TTL;
    if (age < -CLOCK_SKEW || age >= ttl * (record->caller ? GRACE : 1))
        return CEP_TOKEN_ABSENT;
    return age < ttl ? CEP_TOKEN_FRESH : CEP_TOKEN_OLD;
}

void cep_tokens_put(const struct cep_tokens *tokens, const char *directory, const char *user,
                    const struct cep_caller_record *record, apr_pool_t *pool)
{
    apr_interval_time_t keep = record->caller ? tokens->ttl * GRACE : NOBODY_TTL;
    unsigned char id[EVP_MAX_MD_SIZE];
    struct cep_value octets;

    if (!tokens->provider || !make_id(id, directory, user, pool) ||
        !cep_caller_pack(&octets, record, directory, user, pool) || octets.len > RECORD_MAX)
        return;
    cep_tokens_keep(tokens, id, &octets, apr_time_now() + keep, pool);
}
