/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: what is remembered about servers. servers may be NULL: nothing is. */
#ifndef CEP_SERVERS_H
#define CEP_SERVERS_H

#include "refused.h"
#include "source.h"
#include "ticket.h"

/* 1 when the server failed of late and others are to be tried before it. */
int cep_servers_is_doubtful(struct cep_servers *servers, const char *url);

/*
 * 0 when the server has just failed and is to be passed over; *why says what was wrong, in pool. 1
 * for one caller each time that it is to be tried again.
 */
int cep_servers_may_try(struct cep_servers *servers, const char *url, const char **why,
                        apr_pool_t *pool);

/* What came of it. */
void cep_servers_worked(struct cep_servers *servers, const char *url);
void cep_servers_failed(struct cep_servers *servers, const char *url, const char *why);

/* Drawn when servers was made, and so one for all processes of a server. */
apr_uint64_t cep_servers_seed(const struct cep_servers *servers);

/*
 * Add the URLs that the DNS gave for key to list, copied into pool. 0 when none are kept, or,
 * unless outdated ones will do, when their time is over.
 */
int cep_servers_found(struct cep_servers *servers, const char *key, int outdated,
                      apr_array_header_t *list, apr_pool_t *pool);
void cep_servers_keep_found(struct cep_servers *servers, const char *key,
                            const apr_array_header_t *list, apr_interval_time_t life);

/* Credentials that were refused; NULL: nothing is remembered. */
struct cep_refused *cep_servers_refused(const struct cep_servers *servers);

/* The ticket kept for the server, held for the caller; NULL when there is none. */
struct cep_ticket *cep_servers_ticket(struct cep_servers *servers, const char *url);

/* Keep ticket instead of what is kept now; NULL: keep none. */
void cep_servers_keep_ticket(struct cep_servers *servers, const char *url,
                             struct cep_ticket *ticket);

#endif
