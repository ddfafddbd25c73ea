/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: sockets on which every wait ends at a deadline (cep_monotonic()). */
#ifndef CEP_NET_H
#define CEP_NET_H

#include <sys/types.h>

#include "source.h"

/*
 * Connect to url (ldap, ldaps or ldapi), trying the host's addresses in order. *fd: close-on-exec,
 * non-blocking, with TCP keepalive. *local is 1 when the peer is on this machine (loopback or a
 * UNIX socket). Name resolution ends at the deadline, too.
 */
apr_status_t cep_net_connect(int *fd, int *local, const struct cep_url *url, apr_time_t deadline,
                             apr_pool_t *pool, const char **error);

/* As recv() and send() on a blocking socket; -1 with errno ETIMEDOUT at the deadline. */
ssize_t cep_net_receive(int fd, void *data, size_t length, apr_time_t deadline);
ssize_t cep_net_send(int fd, const void *data, size_t length, apr_time_t deadline);

#endif
