/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to ldap*.c, the only files that know libldap: an open LDAP server and the steps with it.
 */
#ifndef CEP_LDAP_SOURCE_H
#define CEP_LDAP_SOURCE_H

#include <ldap.h>

#include "source.h"

struct ldap_source {
    LDAP *ld;
    int fd;
    apr_time_t deadline; /* of the exchange under way */
    int timed_out;       /* the deadline ended a read or write */
    apr_interval_time_t timeout;
    struct cep_url url;
    int local;          /* the peer is on this machine */
    int tls;            /* TLS is, or will be, in place before the bind */
    apr_time_t renewal; /* when the connection has to be replaced, by cep_monotonic(); 0: never */
    Sockbuf_IO io;
};

/* --- ldap_exchange.c --- */

/* The result code of the last message; LDAP_OTHER when there is none. */
int cep_ldap_result_code(const struct ldap_source *source);

/* Begin an exchange: it ends after the configured time or at deadline. */
void cep_ldap_arm(struct ldap_source *source, apr_time_t deadline);

/* Read the next message of an operation; NULL on error. Never waits past the deadline. */
LDAPMessage *cep_ldap_next_message(struct ldap_source *source, int id);

/* Judge a final message and free it. *cookie, where wanted, gets the paging cookie, in pool. */
apr_status_t cep_ldap_take_result(struct ldap_source *source, const char *step,
                                  LDAPMessage *message, struct berval *cookie, apr_pool_t *pool,
                                  const char **error);

/* The single answer to the operation id; rc is what starting it returned. */
apr_status_t cep_ldap_finish(struct ldap_source *source, const char *step, int rc, int id,
                             apr_pool_t *pool, const char **error);

/* Make the sentence for a failed step and the status for it. server_text may be NULL; advice is ""
 * or begins with "; ". */
apr_status_t cep_ldap_fail(const struct ldap_source *source, const char *step, int code,
                           const char *server_text, const char *advice, apr_pool_t *pool,
                           const char **error);

/* The same from what the handle says. */
apr_status_t cep_ldap_fail_handle(const struct ldap_source *source, const char *step,
                                  apr_pool_t *pool, const char **error);

/* The handle's own message: the server's text, or that of the TLS library. NULL without any. */
const char *cep_ldap_diagnostic(const struct ldap_source *source, apr_pool_t *pool);

/* --- ldap_handle.c --- */

/* Give the connected socket to a new handle. */
apr_status_t cep_ldap_make_handle(struct ldap_source *source, apr_pool_t *pool, const char **error);

/* A pool cleanup: data is the source. */
apr_status_t cep_ldap_close_handle(void *data);

/* 1 when libldap refuses the option. */
int cep_ldap_set_number(LDAP *ld, int option, int value);

/* --- ldap_tls.c --- */

/* Have the connection encrypted, after StartTLS where extended_operation says so. */
apr_status_t cep_ldap_start_tls(struct ldap_source *source,
                                const struct cep_directory_config *config, apr_time_t deadline,
                                apr_pool_t *pool, const char **error);

/* --- ldap_bind.c, ldap_gssapi.c --- */

/* Bind as config says. */
apr_status_t cep_ldap_bind(struct ldap_source *source, const struct cep_directory_config *config,
                           apr_time_t deadline, const char *url, apr_pool_t *pool,
                           const char **error);

/* Bind by SASL GSSAPI: sealed without TLS, bound to the channel with it. */
apr_status_t cep_ldap_bind_gssapi(struct ldap_source *source,
                                  const struct cep_directory_config *config, apr_time_t deadline,
                                  const char *url, apr_pool_t *pool, const char **error);

/* --- ldap_search.c --- */

apr_status_t cep_ldap_query(void *opaque, const struct cep_query *query, apr_time_t deadline,
                            apr_array_header_t **entries, apr_pool_t *pool, const char **error);
apr_status_t cep_ldap_each(void *opaque, const struct cep_query *query, apr_time_t deadline,
                           void (*take)(void *baton, const struct cep_entry *entry), void *baton,
                           apr_pool_t *pool, const char **error);

#endif
