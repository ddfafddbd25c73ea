/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: Kerberos tickets for CEPBind gssapi. */
#ifndef CEP_TICKET_H
#define CEP_TICKET_H

#include <gssapi/gssapi.h>

#include "source.h"

/* A ticket for one server, shared by threads; goes with its last holder. */
struct cep_ticket;

/*
 * A ticket for the service ldap/host, by the keys in config->keytab: the one that config->servers
 * keeps for url, or a new one from the KDC. No wait is longer than deadline. To be let go of.
 */
apr_status_t cep_ticket_get(struct cep_ticket **ticket, const struct cep_directory_config *config,
                            const char *url, const char *host, apr_time_t deadline,
                            apr_pool_t *pool, const char **error);

struct cep_ticket *cep_ticket_hold(struct cep_ticket *ticket);
void cep_ticket_let_go(struct cep_ticket *ticket); /* NULL is fine */

/* What GSSAPI takes: it holds the one ticket and no way to another one. */
gss_cred_id_t cep_ticket_credential(const struct cep_ticket *ticket);

/* When what was opened with the ticket has to be opened anew, by cep_monotonic(). */
apr_time_t cep_ticket_renewal(const struct cep_ticket *ticket);

#endif
