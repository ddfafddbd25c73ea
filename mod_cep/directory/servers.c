/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What a process remembers about the servers of one directory, for its refresh and its callers'
 * look-ups alike: which failed of late, and the Kerberos ticket for each.
 */
#include "servers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

/* Servers remembered; of more the one that was used longest ago is forgotten. */
#define MOST_SERVERS 64

/* Domains remembered: a <CEPDirectory> has few. */
#define MOST_DOMAINS 8

/* How long a server that failed is passed over by callers, who have no time to spend on it. */
#define PASSED_OVER apr_time_from_sec(CEP_SERVER_PASSED_OVER)

/* How long one caller may take to find out for all; his result ends it. */
#define ONE_TRIES apr_time_from_sec(60)

/* How long it is tried after the others: this, then twice as long with each failure. */
#define FIRST_DOUBT   apr_time_from_sec(5)
#define LONGEST_DOUBT apr_time_from_sec(10 * 60)

struct server {
    char url[320]; /* "": a free place */
    apr_time_t used;
    apr_time_t passed_over_until, doubtful_until;
    apr_interval_time_t doubt;
    char why[200];
    struct cep_ticket *ticket;
};

/* What the DNS said, as URLs with a blank behind each; not in a pool, it is replaced. */
struct found {
    char *key, *urls;
    apr_time_t until;
};

struct cep_servers {
    pthread_mutex_t mutex;
    apr_uint64_t seed;
    struct cep_refused *refused;
    struct found found[MOST_DOMAINS];
    struct server list[MOST_SERVERS];
};

static apr_status_t free_servers(void *data)
{
    struct cep_servers *servers = data;
    int i;

    for (i = 0; i < MOST_SERVERS; i++)
        cep_ticket_let_go(servers->list[i].ticket);
    for (i = 0; i < MOST_DOMAINS; i++) {
        free(servers->found[i].key);
        free(servers->found[i].urls);
    }
    pthread_mutex_destroy(&servers->mutex);
    return APR_SUCCESS;
}

struct cep_servers *cep_servers_make(apr_pool_t *pool)
{
    struct cep_servers *servers = apr_pcalloc(pool, sizeof(*servers));

    pthread_mutex_init(&servers->mutex, NULL);
    apr_generate_random_bytes((unsigned char *)&servers->seed, sizeof(servers->seed));
    servers->refused = cep_refused_make(pool);
    apr_pool_cleanup_register(pool, servers, free_servers, apr_pool_cleanup_null);
    return servers;
}

/* The place of url; with make, one that is taken for it. Under the lock. */
static struct server *find(struct cep_servers *servers, const char *url, int make)
{
    struct server *oldest = servers->list;
    int i;

    if (strlen(url) >= sizeof(oldest->url))
        return NULL;
    for (i = 0; i < MOST_SERVERS; i++) {
        struct server *server = &servers->list[i];

        if (strcmp(server->url, url) == 0) {
            server->used = cep_monotonic();
            return server;
        }
        if (server->used < oldest->used)
            oldest = server;
    }
    if (!make)
        return NULL;
    cep_ticket_let_go(oldest->ticket);
    memset(oldest, 0, sizeof(*oldest));
    apr_cpystrn(oldest->url, url, sizeof(oldest->url));
    oldest->used = cep_monotonic();
    return oldest;
}

int cep_servers_is_doubtful(struct cep_servers *servers, const char *url)
{
    const struct server *server;
    int doubtful;

    if (!servers)
        return 0;
    pthread_mutex_lock(&servers->mutex);
    server = find(servers, url, 0);
    doubtful = server && server->doubtful_until > cep_monotonic();
    pthread_mutex_unlock(&servers->mutex);
    return doubtful;
}

int cep_servers_may_try(struct cep_servers *servers, const char *url, const char **why,
                        apr_pool_t *pool)
{
    apr_time_t now = cep_monotonic();
    struct server *server;
    int may = 1;

    if (!servers)
        return 1;
    pthread_mutex_lock(&servers->mutex);
    server = find(servers, url, 0);
    if (server && server->passed_over_until > now) {
        may = 0;
        *why = apr_psprintf(pool, "not tried again for %d s after: %s", CEP_SERVER_PASSED_OVER,
                            server->why);
    } else if (server && server->doubt) {
        server->passed_over_until = now + ONE_TRIES; /* one finds out for all */
    }
    pthread_mutex_unlock(&servers->mutex);
    return may;
}

void cep_servers_worked(struct cep_servers *servers, const char *url)
{
    struct server *server;

    if (!servers)
        return;
    pthread_mutex_lock(&servers->mutex);
    server = find(servers, url, 0);
    if (server)
        server->passed_over_until = server->doubtful_until = server->doubt = 0;
    pthread_mutex_unlock(&servers->mutex);
}

void cep_servers_failed(struct cep_servers *servers, const char *url, const char *why)
{
    apr_time_t now = cep_monotonic();
    struct server *server;

    if (!servers)
        return;
    pthread_mutex_lock(&servers->mutex);
    server = find(servers, url, 1);
    if (server) {
        /* Several who waited for the same trouble are one failure. */
        if (server->doubtful_until <= now || !server->doubt)
            server->doubt = server->doubt ? server->doubt * 2 : FIRST_DOUBT;
        if (server->doubt > LONGEST_DOUBT)
            server->doubt = LONGEST_DOUBT;
        server->doubtful_until = now + server->doubt;
        server->passed_over_until = now + PASSED_OVER;
        apr_cpystrn(server->why, why, sizeof(server->why));
    }
    pthread_mutex_unlock(&servers->mutex);
}

struct cep_ticket *cep_servers_ticket(struct cep_servers *servers, const char *url)
{
    struct cep_ticket *ticket = NULL;
    const struct server *server;

    if (!servers)
        return NULL;
    pthread_mutex_lock(&servers->mutex);
    server = find(servers, url, 0);
    if (server && server->ticket)
        ticket = cep_ticket_hold(server->ticket);
    pthread_mutex_unlock(&servers->mutex);
    return ticket;
}

void cep_servers_keep_ticket(struct cep_servers *servers, const char *url,
                             struct cep_ticket *ticket)
{
    struct cep_ticket *before = NULL;
    struct server *server;

    if (!servers)
        return;
    pthread_mutex_lock(&servers->mutex);
    server = find(servers, url, ticket != NULL);
    if (server) {
        before = server->ticket;
        server->ticket = ticket ? cep_ticket_hold(ticket) : NULL;
    }
    pthread_mutex_unlock(&servers->mutex);
    cep_ticket_let_go(before);
}

apr_uint64_t cep_servers_seed(const struct cep_servers *servers)
{
    return servers ? servers->seed : 0;
}

struct cep_refused *cep_servers_refused(const struct cep_servers *servers)
{
    return servers ? servers->refused : NULL;
}

/* The place of key, or (make) a free one. Under the lock. */
static struct found *find_domain(struct cep_servers *servers, const char *key, int make)
{
    int i;

    for (i = 0; i < MOST_DOMAINS; i++) {
        struct found *found = &servers->found[i];

        if (found->key ? strcmp(found->key, key) == 0 : make)
            return found;
    }
    return NULL;
}

int cep_servers_found(struct cep_servers *servers, const char *key, int outdated,
                      apr_array_header_t *list, apr_pool_t *pool)
{
    const struct found *found;
    char *urls = NULL, *url, *last;

    if (!servers)
        return 0;
    pthread_mutex_lock(&servers->mutex);
    found = find_domain(servers, key, 0);
    if (found && (outdated || found->until > cep_monotonic()))
        urls = apr_pstrdup(pool, found->urls);
    pthread_mutex_unlock(&servers->mutex);
    if (!urls)
        return 0;
    for (url = apr_strtok(urls, " ", &last); url; url = apr_strtok(NULL, " ", &last))
        APR_ARRAY_PUSH(list, const char *) = url;
    return 1;
}

void cep_servers_keep_found(struct cep_servers *servers, const char *key,
                            const apr_array_header_t *list, apr_interval_time_t life)
{
    struct found *found;
    size_t length = 0;
    char *urls, *end;
    int i;

    for (i = 0; i < list->nelts; i++)
        length += strlen(APR_ARRAY_IDX(list, i, const char *)) + 1;
    urls = servers ? malloc(length + 1) : NULL;
    if (!urls)
        return;
    for (end = urls, i = 0; i < list->nelts; i++, *end++ = ' ')
        end = apr_cpystrn(end, APR_ARRAY_IDX(list, i, const char *), length + 1);
    *end = 0;
    pthread_mutex_lock(&servers->mutex);
    found = find_domain(servers, key, 1);
    if (found && !found->key)
        found->key = strdup(key);
    if (found && found->key) {
        free(found->urls);
        found->urls = urls;
        found->until = cep_monotonic() + life;
        urls = NULL;
    }
    pthread_mutex_unlock(&servers->mutex);
    free(urls);
}
