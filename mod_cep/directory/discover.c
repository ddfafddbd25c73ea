/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "discover.h"

#include <math.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "bounded.h"
#include "servers.h"

/* How long what was found is believed at least and at most, whatever the DNS says. */
#define SHORTEST_LIFE apr_time_from_sec(30)
#define LONGEST_LIFE  apr_time_from_sec(3600)

#define LARGEST_ANSWER 65535

struct record {
    unsigned priority, weight, port;
    char host[256];
};

/* What the thread that asks the DNS works on: nothing in it is in a pool. */
struct question {
    char name[512];
    int error; /* of the resolver: h_errno; 0: none */
    apr_uint32_t ttl;
    int count;
    struct record records[CEP_DISCOVER_MAX_RECORDS];
    unsigned char answer[LARGEST_ANSWER];
};

/* --- in the thread --- */

/* A host name and nothing else: it becomes part of a URL, and of log lines. */
static int is_host(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-._")];
}

/* Take one record in; what is no usable SRV record is passed over. Target "." means no service. */
static void take_record(struct question *question, const ns_msg *message, const ns_rr *rr)
{
    struct record *record = &question->records[question->count];
    const unsigned char *data = ns_rr_rdata(*rr);

    if (ns_rr_type(*rr) != ns_t_srv || ns_rr_rdlen(*rr) < 7)
        return;
    record->priority = ns_get16(data);
    record->weight = ns_get16(data + 2);
    record->port = ns_get16(data + 4);
    if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + 6, record->host,
                           sizeof(record->host)) < 0 ||
        !is_host(record->host) || !record->port)
        return;
    if (record->host[strlen(record->host) - 1] == '.')
        record->host[strlen(record->host) - 1] = 0;
    if (!*record->host)
        return;
    if (!question->count || ns_rr_ttl(*rr) < question->ttl)
        question->ttl = ns_rr_ttl(*rr);
    question->count++;
}

static void read_answer(struct question *question, int length)
{
    ns_msg message;
    ns_rr rr;
    int i;

    if (length > (int)sizeof(question->answer) ||
        ns_initparse(question->answer, length, &message) != 0) {
        question->error = NO_RECOVERY;
        return;
    }
    for (i = 0; i < ns_msg_count(message, ns_s_an) && question->count < CEP_DISCOVER_MAX_RECORDS;
         i++) {
        if (ns_parserr(&message, ns_s_an, i, &rr) != 0) {
            question->error = NO_RECOVERY;
            return;
        }
        take_record(question, &message, &rr);
    }
    if (!question->count)
        question->error = NO_DATA;
}

static void ask(void *data)
{
    struct question *question = data;
    struct __res_state state;
    int length;

    memset(&state, 0, sizeof(state));
    if (res_ninit(&state) != 0) {
        question->error = NETDB_INTERNAL;
        return;
    }
    length = res_nquery(&state, question->name, ns_c_in, ns_t_srv, question->answer,
                        sizeof(question->answer));
    if (length < 0)
        question->error = state.res_h_errno ? state.res_h_errno : TRY_AGAIN;
    else
        read_answer(question, length);
    res_nclose(&state);
}

/* --- the order --- */

struct candidate {
    const struct record *record;
    double rank;
};

/* The same every time for a host and a process, and evenly spread over processes: FNV-1a, mixed. */
static double draw(apr_uint64_t seed, const char *host)
{
    apr_uint64_t hash = 14695981039346656037ULL ^ seed;

    for (; *host; host++)
        hash = (hash ^ (unsigned char)(*host | 0x20)) * 1099511628211ULL;
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    hash ^= hash >> 33;
    return ((double)(hash >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */
}

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->record->priority != y->record->priority)
        return x->record->priority < y->record->priority ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return strcasecmp(x->record->host, y->record->host);
}

static int has(const apr_array_header_t *urls, const char *url)
{
    int i;

    for (i = 0; i < urls->nelts; i++) {
        if (strcasecmp(APR_ARRAY_IDX(urls, i, const char *), url) == 0)
            return 1;
    }
    return 0;
}

/*
 * Priorities in order; among equals, first with a chance in proportion to the weight, and so on
 * (RFC 2782). Drawn once per host and process, not each time, so that a refresh stays with its
 * server: ranks of -ln(u) / weight give that very distribution. Weight 0: "a very small chance".
 */
static void add_in_order(apr_array_header_t *urls, const struct question *question,
                         const struct cep_url *url, apr_uint64_t seed, apr_pool_t *pool)
{
    struct candidate candidates[CEP_DISCOVER_MAX_RECORDS];
    int i;

    for (i = 0; i < question->count; i++) {
        const struct record *record = &question->records[i];

        candidates[i].record = record;
        candidates[i].rank =
            -log(draw(seed, record->host)) / (record->weight ? record->weight : 0.001);
    }
    qsort(candidates, (size_t)question->count, sizeof(candidates[0]), compare);
    for (i = 0; i < question->count && urls->nelts < CEP_DISCOVER_MAX_RECORDS; i++) {
        const struct record *record = candidates[i].record;
        /* The records are of LDAP's own port: there are none for ldaps://. */
        const char *found =
            url->kind == CEP_URL_LDAPS ? apr_psprintf(pool, "ldaps://%s", record->host)
            : record->port == 389      ? apr_psprintf(pool, "ldap://%s", record->host)
                                  : apr_psprintf(pool, "ldap://%s:%u", record->host, record->port);

        if (!has(urls, found))
            APR_ARRAY_PUSH(urls, const char *) = found;
    }
}

/* --- asking --- */

static const char *resolver_error(int error)
{
    switch (error) {
    case HOST_NOT_FOUND:
    case NO_DATA: return "the DNS has no such records";
    case TRY_AGAIN: return "no DNS server answers";
    default: return "the DNS server's answer cannot be used";
    }
}

/* One question, its answer added to urls. */
static apr_status_t ask_for(apr_array_header_t *urls, const char *name, const struct cep_url *url,
                            apr_uint64_t seed, apr_interval_time_t *life, apr_time_t deadline,
                            apr_pool_t *pool, const char **error)
{
    struct question *question = calloc(1, sizeof(*question));
    apr_status_t status = APR_ENOMEM;

    *error = "out of memory or threads";
    if (!question)
        return status;
    apr_cpystrn(question->name, name, sizeof(question->name));
    status = cep_bounded_run(ask, free, question, deadline);
    if (status == APR_TIMEUP) {
        *error = apr_psprintf(pool,
                              "the SRV records of %s did not come in time; check the DNS servers "
                              "in /etc/resolv.conf",
                              name);
        return status;
    }
    if (status == APR_SUCCESS && question->error) {
        *error = apr_psprintf(pool, "the SRV records of %s: %s; check the name and DNS", name,
                              resolver_error(question->error));
        status = APR_EGENERAL;
    }
    if (status == APR_SUCCESS) {
        add_in_order(urls, question, url, seed, pool);
        if (apr_time_from_sec((apr_time_t)question->ttl) < *life)
            *life = apr_time_from_sec((apr_time_t)question->ttl);
    }
    free(question);
    return status;
}

/* The site's servers, and behind them all of the domain: a site without servers is no fault. */
static apr_status_t ask_dns(apr_array_header_t *urls, const struct cep_directory_config *config,
                            const struct cep_url *url, apr_interval_time_t *life,
                            apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    apr_uint64_t seed = cep_servers_seed(config->servers);
    apr_status_t site = APR_EGENERAL, status;
    const char *name;

    *life = LONGEST_LIFE;
    if (config->site) {
        /* The domain's own records may still come when those of the site do not. */
        apr_time_t half = cep_earlier(deadline, (deadline - cep_monotonic()) / 2);

        name = apr_psprintf(pool, "_ldap._tcp.%s._sites.%s", config->site, url->domain);
        site = ask_for(urls, name, url, seed, life, half, pool, error);
    }
    name = apr_psprintf(pool, "_ldap._tcp.%s", url->domain);
    status = ask_for(urls, name, url, seed, life, deadline, pool, error);
    if (*life < SHORTEST_LIFE)
        *life = SHORTEST_LIFE;
    return site == APR_SUCCESS ? APR_SUCCESS : status;
}

apr_status_t cep_discover(apr_array_header_t *servers, const struct cep_directory_config *config,
                          const struct cep_url *url, apr_time_t deadline, apr_pool_t *pool,
                          const char **error)
{
    const char *key =
        apr_pstrcat(pool, url->kind == CEP_URL_LDAPS ? "ldaps" : "ldap", ":///", url->domain, NULL);
    apr_array_header_t *found = apr_array_make(pool, 4, sizeof(const char *));
    apr_interval_time_t life;
    apr_status_t status;

    if (cep_servers_found(config->servers, key, 0, servers, pool))
        return APR_SUCCESS;
    status = ask_dns(found, config, url, &life, deadline, pool, error);
    if (status != APR_SUCCESS)
        return cep_servers_found(config->servers, key, 1, servers, pool) ? APR_SUCCESS : status;
    cep_servers_keep_found(config->servers, key, found, life);
    apr_array_cat(servers, found);
    return APR_SUCCESS;
}
