/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The library's messages go to httpd's error log. */

#include "cep_server.h"

static void write_to_error_log(void *baton, enum cep_log_level level, apr_status_t rv,
                               const char *message)
{
    static const int levels[] = {APLOG_ERR, APLOG_WARNING, APLOG_NOTICE, APLOG_INFO, APLOG_DEBUG};

    ap_log_error(APLOG_MARK, levels[level], rv, (server_rec *)baton, "%s", message);
}

struct cep_log cep_server_log(server_rec *s)
{
    struct cep_log log = {write_to_error_log, s};

    return log;
}
