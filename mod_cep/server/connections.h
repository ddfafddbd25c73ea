/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Connections to one directory, for finding callers: connections.c, asked by callers.c. */
#ifndef CEP_CONNECTIONS_H
#define CEP_CONNECTIONS_H

#include "cep_server.h"

/* Who is sought: a name, or (user NULL) the owner of a certificate. */
struct cep_question {
    const char *user;
    const struct cep_certificate *certificate;
    unsigned mappings;
};

struct cep_connections;

struct cep_connections *cep_connections_make(apr_pool_t *pchild, const struct cep_source *source);

/* The file that is asked in place of servers, or NULL. */
const char *cep_connections_file(const struct cep_source *source);

/* Ask the directory over a connection that is kept for the next caller. As cep_caller_find(). */
apr_status_t cep_connections_ask(struct cep_caller **caller, struct cep_connections *connections,
                                 const struct cep_question *question, apr_pool_t *pool,
                                 const char **error);

#endif
