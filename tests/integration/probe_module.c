/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * For tests only: an authn provider "probe" that notes each question in the file "asked" of the
 * server's directory (one line: name), and a handler "probe" that sends back the body it reads.
 * alice and bob have the password "right", "broken" cannot be told, others are unknown. Where there
 * is a file "tables", all that other modules could take from a request at its end is put there.
 */
#include "ap_provider.h"
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_auth.h"

#include <apr_strings.h>

#include <fcntl.h>
#include <unistd.h>

static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    const char *line = apr_pstrcat(r->pool, user, "\n", NULL);
    int file = open(ap_server_root_relative(r->pool, "asked"), O_WRONLY | O_APPEND | O_CLOEXEC);

    if (file < 0 || write(file, line, strlen(line)) < 0)
        return AUTH_GENERAL_ERROR;
    close(file);
    apr_sleep(apr_time_from_msec(30));
    if (!strcmp(user, "broken"))
        return AUTH_GENERAL_ERROR;
    if (strcmp(user, "alice") && strcmp(user, "bob"))
        return AUTH_USER_NOT_FOUND;
    return strcmp(password, "right") ? AUTH_DENIED : AUTH_GRANTED;
}

static const authn_provider provider = {check_password, NULL};

static int echo(request_rec *r)
{
    apr_bucket_brigade *bb;
    int ended = 0;

    if (!r->handler || strcmp(r->handler, "probe"))
        return DECLINED;
    ap_set_content_type(r, "application/octet-stream");
    bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    while (!ended) {
        if (ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, 100) !=
            APR_SUCCESS)
            return HTTP_BAD_REQUEST;
        for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
             b = APR_BUCKET_NEXT(b)) {
            const char *data;
            apr_size_t length;

            if (APR_BUCKET_IS_EOS(b))
                ended = 1;
            else if (apr_bucket_read(b, &data, &length, APR_BLOCK_READ) == APR_SUCCESS)
                ap_rwrite(data, (int)length, r);
        }
        apr_brigade_cleanup(bb);
    }
    return OK;
}

static int dump_pair(void *file, const char *name, const char *value)
{
    apr_file_printf(file, "%s=%s\n", name, value);
    return 1;
}

static int dump(request_rec *r)
{
    const apr_table_t *tables[] = {r->notes, r->subprocess_env, r->connection->notes,
                                   r->headers_out, r->err_headers_out};
    apr_file_t *file;

    if (apr_file_open(&file, ap_server_root_relative(r->pool, "tables"),
                      APR_FOPEN_WRITE | APR_FOPEN_APPEND, APR_FPROT_OS_DEFAULT,
                      r->pool) != APR_SUCCESS)
        return DECLINED;
    apr_file_printf(file, "%s %s %s %s\n", r->the_request, r->uri, r->args ? r->args : "",
                    r->user ? r->user : "");
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        apr_table_do(dump_pair, file, tables[i], NULL);
    apr_file_close(file);
    return DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, "probe", AUTHN_PROVIDER_VERSION, &provider,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_handler(echo, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(dump, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA probe_module = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL,
                                              register_hooks,          0};
