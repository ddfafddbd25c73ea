/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What apachectl configtest tells, and who knows it: check.c and warnings.c ask. */
#ifndef CEP_CHECK_H
#define CEP_CHECK_H

#include "cep_server.h"

/* warnings.c: what is no fault and yet will not do; to configtest's terminal */
void cep_warnings_to_terminal(server_rec *s, apr_pool_t *pool);

/* Parts of the same; to the log, or with APLOG_STARTUP in level to the terminal. */
void cep_view_warnings(server_rec *s, int level, apr_pool_t *pool);
void cep_status_warnings(server_rec *s, int level, apr_pool_t *pool);

/* server_certificate.c: why clients will not take the certificate in a PEM file, or NULL */
const char *cep_server_certificate_problem(const char *path);

/* renewal.c: NULL, or what can never work about a directive of the configuration: a sentence */
const char *cep_renewal_check(const ap_directive_t *node, apr_pool_t *pool);

/* cachedir.c: what is wrong with the directory as it is, or NULL; an absent one is to be made */
const char *cep_cache_dir_check(const char *path, apr_pool_t *ptemp);

/* username.c: 1 when there is a provider where none is named */
int cep_username_has_default(void);

#endif
