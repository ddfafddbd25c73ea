/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "cep_directory.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "discover.h"
#include "servers.h"
#include "source.h"

struct cep_directory {
    const struct cep_source_kind *kind;
    void *source;
    apr_pool_t *source_pool; /* its destruction closes the source; NULL when closed */
    int failed;
    struct cep_servers *servers; /* NULL: nothing is remembered */
    int kept;                    /* opened for callers: may rest between queries */
    struct cep_directory_identity identity;
};

/* One URL may take as long as four exchanges: connect, TLS, bind, identity. */
#define EXCHANGES_PER_URL 4

/* A server that does not answer within this is to blame itself. */
#define FAIR_LIMIT apr_time_from_msec(500)

static const char *copy(const char *text, apr_pool_t *pool)
{
    return text ? apr_pstrdup(pool, text) : NULL;
}

/* A file's entries end with the source; its identity stays readable until pool ends. */
static void keep_identity(struct cep_directory_identity *kept,
                          const struct cep_directory_identity *identity, const char *url,
                          apr_pool_t *pool)
{
    kept->configuration_dn = copy(identity->configuration_dn, pool);
    kept->domain_dn = copy(identity->domain_dn, pool);
    kept->dns_domain = copy(identity->dns_domain, pool);
    kept->netbios_domain = copy(identity->netbios_domain, pool);
    kept->forest_id = copy(identity->forest_id, pool);
    kept->active_directory = identity->active_directory;
    kept->source = copy(url, pool);
}

static apr_status_t open_url(struct cep_directory *directory,
                             const struct cep_directory_config *config, const char *url,
                             apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    struct cep_directory_identity identity = {0};
    apr_status_t status;
    apr_pool_t *scratch;

    *error = cep_directory_check_url(url, pool);
    if (*error)
        return APR_EINVAL;
    apr_pool_create(&directory->source_pool, pool);
    apr_pool_create(&scratch, pool);
    directory->kind = cep_directory_url_path(url) ? &cep_source_file : &cep_source_ldap;
    status = directory->kind->open(&directory->source, config, url, deadline,
                                   directory->source_pool, error);
    if (status == APR_SUCCESS)
        status =
            cep_identify(&identity, directory->kind, directory->source, deadline, scratch, error);
    if (status == APR_SUCCESS) {
        keep_identity(&directory->identity, &identity, url, pool);
    } else {
        /* The sentence may live in one of the pools that go now. */
        *error = apr_pstrdup(pool, *error);
        cep_directory_close(directory);
    }
    apr_pool_destroy(scratch);
    return status;
}

/* Who is asked, one after the other. */
struct cep_candidates {
    const struct cep_directory_config *config;
    apr_time_t deadline; /* of all of it; 0: each server has its own */
    const struct cep_log *log;
    apr_pool_t *pool;
    apr_array_header_t *servers; /* of const char *, URLs */
    int next;                    /* of servers */
    apr_status_t status;         /* of the last that was of no use */
    const char *all;             /* what was wrong with each, for the message; NULL: nothing yet */
};

static void note(struct cep_candidates *candidates, const char *sentence)
{
    candidates->all = apr_pstrcat(candidates->pool, candidates->all ? candidates->all : "",
                                  candidates->all ? "; " : "", sentence, NULL);
}

/* A server was of no use, as sentence says, which begins with its URL. */
static void pass_over(struct cep_candidates *candidates, apr_status_t status, const char *sentence)
{
    candidates->status = status;
    note(candidates, sentence);
    if (candidates->next < candidates->servers->nelts)
        cep_log(candidates->log, CEP_LOG_INFO, 0, /* the sentence has the reason */
                "CEP0201: CEPDirectory %s: %s; trying the next server", candidates->config->name,
                sentence);
}

/* The URLs with domains replaced by their servers, those that failed of late behind the others. */
static apr_array_header_t *list_servers(struct cep_candidates *candidates)
{
    const struct cep_directory_config *config = candidates->config;
    apr_pool_t *pool = candidates->pool;
    apr_array_header_t *all = apr_array_make(pool, 4, sizeof(const char *));
    apr_array_header_t *doubtful = apr_array_make(pool, 4, sizeof(const char *));
    apr_array_header_t *servers = apr_array_make(pool, 4, sizeof(const char *));
    int i;

    for (i = 0; i < config->urls->nelts; i++) {
        const char *url = APR_ARRAY_IDX(config->urls, i, const char *), *why;
        apr_time_t deadline = cep_earlier(
            candidates->deadline ? candidates->deadline : APR_INT64_MAX, config->timeout);
        struct cep_url parsed;

        if (cep_url_parse(&parsed, url, pool) || !parsed.domain)
            APR_ARRAY_PUSH(all, const char *) = url;
        else if (cep_discover(all, config, &parsed, deadline, pool, &why) != APR_SUCCESS)
            note(candidates, apr_pstrcat(pool, url, ": ", why, NULL));
    }
    for (i = 0; i < all->nelts; i++) {
        const char *url = APR_ARRAY_IDX(all, i, const char *);

        APR_ARRAY_PUSH(cep_servers_is_doubtful(config->servers, url) ? doubtful : servers,
                       const char *) = url;
    }
    apr_array_cat(servers, doubtful);
    if (servers->nelts > config->urls->nelts + CEP_DISCOVER_MAX_TRIED)
        servers->nelts = config->urls->nelts + CEP_DISCOVER_MAX_TRIED;
    return servers;
}

/* Try one server, of which others - 1 more follow. */
static apr_status_t try_server(const struct cep_candidates *candidates,
                               struct cep_directory *directory, const char *url, int others,
                               apr_pool_t *pool, const char **why)
{
    const struct cep_directory_config *config = candidates->config;
    apr_time_t deadline = cep_monotonic() + EXCHANGES_PER_URL * config->timeout;
    apr_status_t status;

    if (candidates->deadline) {
        if (!cep_servers_may_try(config->servers, url, why, pool))
            return APR_EAGAIN;
        /* One that is silent leaves the others their share. */
        deadline = cep_monotonic();
        deadline += (candidates->deadline - deadline) / others;
    }
    status = open_url(directory, config, url, deadline, pool, why);
    if (status == APR_SUCCESS) {
        cep_servers_worked(config->servers, url);
        directory->servers = config->servers;
        directory->kept = candidates->deadline != 0;
        cep_log(candidates->log, CEP_LOG_DEBUG, 0, "CEPDirectory %s: opened %s", config->name, url);
    } else if (!cep_directory_url_path(url)) {
        cep_servers_failed(config->servers, url, *why);
    }
    return status;
}

static struct cep_candidates *make_candidates(const struct cep_directory_config *config,
                                              apr_time_t deadline, const struct cep_log *log,
                                              apr_pool_t *pool)
{
    struct cep_candidates *candidates = apr_pcalloc(pool, sizeof(*candidates));

    candidates->config = config;
    candidates->deadline = deadline;
    candidates->log = log;
    candidates->pool = pool;
    candidates->status = APR_EINVAL;
    candidates->servers = list_servers(candidates);
    return candidates;
}

struct cep_candidates *cep_directory_candidates(const struct cep_directory_config *config,
                                                const struct cep_log *log, apr_pool_t *pool)
{
    return make_candidates(config, 0, log, pool);
}

apr_status_t cep_directory_open_next(struct cep_directory **directory,
                                     struct cep_candidates *candidates, apr_pool_t *pool,
                                     const char **error)
{
    struct cep_directory *opened = apr_pcalloc(pool, sizeof(*opened));

    while (candidates->next < candidates->servers->nelts) {
        const char *url = APR_ARRAY_IDX(candidates->servers, candidates->next, const char *), *why;
        int others = candidates->servers->nelts - candidates->next++;
        apr_status_t status = try_server(candidates, opened, url, others, pool, &why);

        if (status == APR_SUCCESS) {
            *directory = opened;
            return APR_SUCCESS;
        }
        pass_over(candidates, status, apr_pstrcat(pool, url, ": ", why, NULL));
    }
    *error = candidates->all ? candidates->all : "no URL is configured; set CEPURL";
    return candidates->status;
}

void cep_directory_give_up(struct cep_directory *directory, struct cep_candidates *candidates,
                           apr_status_t status, const char *why)
{
    /* By now it had all the time that it can get, whatever was left for its last answer. */
    if (status == APR_TIMEUP)
        cep_servers_failed(directory->servers, directory->identity.source, why);
    cep_directory_close(directory);
    pass_over(candidates, status, why);
}

apr_status_t cep_directory_open(struct cep_directory **directory,
                                const struct cep_directory_config *config,
                                const struct cep_log *log, apr_pool_t *pool, const char **error)
{
    return cep_directory_open_next(directory, make_candidates(config, 0, log, pool), pool, error);
}

apr_status_t cep_directory_open_within(struct cep_directory **directory,
                                       const struct cep_directory_config *config,
                                       apr_interval_time_t limit, const struct cep_log *log,
                                       apr_pool_t *pool, const char **error)
{
    apr_time_t deadline = cep_monotonic() + (limit > 0 ? limit : 0);

    return cep_directory_open_next(directory, make_candidates(config, deadline, log, pool), pool,
                                   error);
}

void cep_directory_close(struct cep_directory *directory)
{
    apr_pool_t *pool = directory->source_pool;

    directory->source_pool = NULL;
    directory->source = NULL;
    if (pool)
        apr_pool_destroy(pool);
}

const struct cep_directory_identity *cep_directory_identity(const struct cep_directory *directory)
{
    return &directory->identity;
}

/*
 * AD answers a search for a constructed attribute beyond base scope with an error, other servers
 * answer it: refused everywhere, so that tests with another server find it ([MS-ADTS]
 * 3.1.1.4.5.19).
 */
static int asks_token_groups_too_widely(const struct cep_query *query)
{
    int i;

    if (query->scope == CEP_SCOPE_BASE || !query->attributes)
        return 0;
    for (i = 0; query->attributes[i]; i++) {
        if (strncasecmp(query->attributes[i], "tokenGroups", 11) == 0)
            return 1;
    }
    return 0;
}

/*
 * Whether the server is to blame. A caller's connection is kept and may have been closed meanwhile:
 * then who opens it anew finds out. A short limit may be our own impatience.
 */
static void after_failure(struct cep_directory *directory, apr_status_t status,
                          apr_interval_time_t limit, const char *why)
{
    directory->failed = 1;
    if (status == APR_TIMEUP ? limit >= FAIR_LIMIT : !directory->kept)
        cep_servers_failed(directory->servers, directory->identity.source, why);
}

/* Why query cannot be asked, or NULL. */
static const char *refusal(const struct cep_directory *directory, const struct cep_query *query)
{
    /* Not cep_directory_usable(): what expires within a run still serves to its end. */
    if (!directory->source_pool || directory->failed)
        return "the source is closed or has expired; open it anew";
    if (asks_token_groups_too_widely(query))
        return "tokenGroups can be read of one entry only (base scope)";
    return NULL;
}

static apr_status_t finish(struct cep_directory *directory, apr_status_t status,
                           apr_interval_time_t limit, const char *why, apr_pool_t *pool,
                           const char **error)
{
    if (status == APR_SUCCESS)
        return APR_SUCCESS;
    if (status != APR_NOTFOUND)
        after_failure(directory, status, limit, why);
    *error = apr_psprintf(pool, "%s: %s", directory->identity.source, why);
    return status;
}

apr_status_t cep_directory_query(struct cep_directory *directory, const struct cep_query *query,
                                 apr_interval_time_t limit, apr_array_header_t **entries,
                                 apr_pool_t *pool, const char **error)
{
    const char *why = refusal(directory, query);
    apr_status_t status = APR_EINVAL;

    if (!why)
        status = directory->kind->query(directory->source, query, cep_earlier(APR_INT64_MAX, limit),
                                        entries, pool, &why);
    return finish(directory, status, limit, why, pool, error);
}

apr_status_t cep_directory_each(struct cep_directory *directory, const struct cep_query *query,
                                apr_interval_time_t limit,
                                void (*take)(void *baton, const struct cep_entry *entry),
                                void *baton, apr_pool_t *pool, const char **error)
{
    const char *why = refusal(directory, query);
    apr_status_t status = APR_EINVAL;

    if (!why)
        status = directory->kind->each(directory->source, query, cep_earlier(APR_INT64_MAX, limit),
                                       take, baton, pool, &why);
    return finish(directory, status, limit, why, pool, error);
}

int cep_directory_usable(const struct cep_directory *directory)
{
    return directory->source_pool && !directory->failed &&
           directory->kind->is_current(directory->source);
}

enum cep_match cep_attribute_match(const char *name)
{
    static const struct {
        const char *name;
        enum cep_match match;
    } special[] = {{"member", CEP_MATCH_DN},
                   {"memberOf", CEP_MATCH_DN},
                   {"nCName", CEP_MATCH_DN},
                   {"objectSid", CEP_MATCH_OCTETS},
                   {"objectGUID", CEP_MATCH_OCTETS}};
    size_t i;

    for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (strcasecmp(special[i].name, name) == 0)
            return special[i].match;
    }
    return CEP_MATCH_TEXT;
}
