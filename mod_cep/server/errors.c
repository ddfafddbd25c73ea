/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * httpd's own errors in an instance: 401 of an authentication module, 403, 413, ... Their HTML is
 * of no use to a SOAP client, so it is replaced by a fault. The status and the headers stay: a 401
 * is what makes Negotiate begin.
 */

#include "cep_server.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"
#include "util_filter.h"

#include <apr_buckets.h>
#include <apr_strings.h>

struct meaning {
    int status;
    enum cep_fault_code code;
    const char *reason; /* NULL: the code's own */
};

/* docs/authentication.md has the same table. What is not in it goes by the class of its status. */
static const struct meaning meanings[] = {
    {HTTP_UNAUTHORIZED, CEP_FAULT_FAILED_AUTHENTICATION, "Authentication is required."},
    {HTTP_FORBIDDEN, CEP_FAULT_FAILED_AUTHENTICATION, "Access is denied."},
    {HTTP_NOT_FOUND, CEP_FAULT_SENDER, "There is no enrollment policy service at this URL."},
    {HTTP_METHOD_NOT_ALLOWED, CEP_FAULT_SENDER, "Requests are sent with POST."},
    {HTTP_PROXY_AUTHENTICATION_REQUIRED, CEP_FAULT_FAILED_AUTHENTICATION,
     "Authentication is required."},
    {HTTP_REQUEST_TIME_OUT, CEP_FAULT_SENDER, "The request did not arrive in time."},
    {HTTP_LENGTH_REQUIRED, CEP_FAULT_SENDER, "The request needs a Content-Length."},
    {HTTP_REQUEST_ENTITY_TOO_LARGE, CEP_FAULT_SENDER, "The request is too large."},
    {HTTP_UNSUPPORTED_MEDIA_TYPE, CEP_FAULT_SENDER,
     "Requests are application/soap+xml in UTF-8, not compressed."},
    {HTTP_EXPECTATION_FAILED, CEP_FAULT_SENDER, "The Expect header cannot be met."},
    {HTTP_MISDIRECTED_REQUEST, CEP_FAULT_SENDER, "The request was sent to the wrong host."},
    {HTTP_UPGRADE_REQUIRED, CEP_FAULT_SENDER, "This service answers over TLS only."},
    {HTTP_TOO_MANY_REQUESTS, CEP_FAULT_SENDER, "Too many requests. Try again later."},
    {HTTP_SERVICE_UNAVAILABLE, CEP_FAULT_RECEIVER,
     "The service is not available now. Try again later."},
    {HTTP_GATEWAY_TIME_OUT, CEP_FAULT_RECEIVER,
     "The service cannot answer in time. Try again later."},
};

static const struct meaning *meaning_of(int status)
{
    static const struct meaning sender = {0, CEP_FAULT_SENDER, "The request cannot be served."};
    static const struct meaning receiver = {0, CEP_FAULT_RECEIVER, NULL};

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].status == status)
            return &meanings[i];
    }
    return ap_is_HTTP_SERVER_ERROR(status) ? &receiver : &sender;
}

/* ErrorDocument with a text. One with a URL has been tried before, or has made this a redirect. */
static int has_own_text(request_rec *r)
{
    const char *text = ap_response_code_string(r, ap_index_of_response(r->status));

    return text && *text == '"';
}

void cep_errors_insert(request_rec *r)
{
    if ((ap_is_HTTP_CLIENT_ERROR(r->status) || ap_is_HTTP_SERVER_ERROR(r->status)) &&
        cep_is_instance(r) && !has_own_text(r))
        ap_add_output_filter(CEP_ERROR_FILTER_NAME, NULL, r, r->connection);
}

/*
 * Where the message carries the password, 401 would ask for something that is not sent: Windows'
 * client gives up (WS_E_SERVER_REQUIRES_BASIC_AUTH). So who authenticated by AuthType CEP and is
 * not let in by Require gets his fault as all others: with 500.
 */
static void avoid_challenge(request_rec *r)
{
    const char *type = ap_auth_type(r);

    if (r->status != HTTP_UNAUTHORIZED || !type || ap_cstr_casecmp(type, CEP_AUTH_TYPE))
        return;
    r->status = HTTP_INTERNAL_SERVER_ERROR;
    r->status_line = NULL;
    apr_table_unset(r->err_headers_out, "WWW-Authenticate");
}

static int has_end(const apr_bucket_brigade *bb)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_EOS(b))
            return 1;
    }
    return 0;
}

static const char *render(request_rec *r)
{
    const struct meaning *meaning = meaning_of(r->status);
    const struct cep_fault fault = {
        .code = meaning->code,
        .reason = meaning->reason,
        .relates_to = cep_incoming_message_id(r),
    };

    return cep_xcep_render_fault(&fault, r->pool);
}

/* Drop the document that httpd writes; at its end say the same as a fault. */
apr_status_t cep_errors_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    int at_end = has_end(bb);
    const char *text;
    apr_size_t length;

    apr_brigade_cleanup(bb);
    if (!at_end)
        return APR_SUCCESS;
    ap_remove_output_filter(f);

    text = render(r); /* by the status that it had */
    avoid_challenge(r);
    length = strlen(text);
    ap_set_content_type(r, CEP_SOAP_CONTENT_TYPE);
    ap_set_content_length(r, (apr_off_t)length);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    APR_BRIGADE_INSERT_TAIL(
        bb, apr_bucket_pool_create(text, length, r->pool, r->connection->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(r->connection->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}
