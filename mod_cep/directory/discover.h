/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: the servers of a domain, as the DNS has them (RFC 2782). */
#ifndef CEP_DISCOVER_H
#define CEP_DISCOVER_H

#include "source.h"

/* Servers taken from one answer of the DNS, and servers of one domain that one opening tries. */
#define CEP_DISCOVER_MAX_RECORDS 64
#define CEP_DISCOVER_MAX_TRIED   8

/*
 * Add the URLs of the servers of url's domain to servers (const char *), in the order in which they
 * are to be tried: those of config->site first, then by priority and weight. What was found is kept
 * for a while in config->servers, and beyond that while the DNS does not answer.
 */
apr_status_t cep_discover(apr_array_header_t *servers, const struct cep_directory_config *config,
                          const struct cep_url *url, apr_time_t deadline, apr_pool_t *pool,
                          const char **error);

#endif
