/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The message of a request, for whoever needs it first: AuthType CEP while httpd authenticates, or
 * the handler. The socket gives it once; what was read of it is kept with the request.
 */

#include "cep_server.h"

#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"

#include <apr_strings.h>

/* Kept in r->request_config. */
struct incoming {
    struct cep_media_type media; /* looked at once; its type NULL: not yet, or it was refused */
    const char *body;            /* NULL: not read */
    apr_size_t length;
    struct cep_request *request; /* NULL: fault says why */
    struct cep_fault fault;
};

static struct incoming *incoming_of(request_rec *r)
{
    struct incoming *incoming = ap_get_module_config(r->request_config, &cep_module);

    if (!incoming) {
        incoming = apr_pcalloc(r->pool, sizeof(*incoming));
        ap_set_module_config(r->request_config, &cep_module, incoming);
    }
    return incoming;
}

/* What has been read of a message, or NULL. */
static const struct incoming *read_of(const request_rec *r)
{
    const struct incoming *incoming = ap_get_module_config(r->request_config, &cep_module);

    return incoming && incoming->body ? incoming : NULL;
}

/* What can be said without reading the body. OK, or an HTTP status. */
static int check_headers(request_rec *r)
{
    struct incoming *incoming = incoming_of(r);
    int status;

    if (r->method_number != M_POST)
        return cep_page_method_not_allowed(r);
    if (incoming->media.type)
        return OK;
    status = cep_media_type_check(r, &incoming->media);
    if (status != OK)
        incoming->media.type = NULL;
    return status;
}

/* Nothing in clear: decided before a single octet of the body is read. */
static int check_tls(request_rec *r, const struct cep_dir_config *conf, struct cep_fault *fault)
{
    if (!conf->require_tls || ap_ssl_conn_is_ssl(r->connection))
        return OK;
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                  "CEP0606: request without TLS refused; if TLS ends in front of this server, say "
                  "CEPRequireTLS Off here");
    memset(fault, 0, sizeof(*fault));
    fault->code = CEP_FAULT_SENDER;
    fault->reason = "This service answers over HTTPS only.";
    return DONE;
}

/* An answer answers a client's own request: as an ErrorDocument it would answer nothing. */
int cep_incoming_origin(request_rec *r)
{
    /* A sub-request has no body. It must not take its parent's, nor be let in by what is there. */
    if (r->main) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0620: a sub-request has no message and is refused");
        return HTTP_FORBIDDEN;
    }
    for (const request_rec *prev = r->prev; prev; prev = prev->prev) {
        if (prev->status != HTTP_OK) {
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                          "CEP0630: an instance is no ErrorDocument; refused");
            return HTTP_FORBIDDEN;
        }
    }
    return OK;
}

int cep_incoming_check(request_rec *r, const struct cep_dir_config *conf, struct cep_fault *fault)
{
    int status = cep_incoming_origin(r);

    if (status == OK)
        status = check_headers(r);
    return status == OK ? check_tls(r, conf, fault) : status;
}

/* What another request_rec of the same request has read: httpd redirected it internally. */
static const struct incoming *before_redirect(const request_rec *r)
{
    const struct incoming *found = NULL;

    for (r = r->prev; r && !found; r = r->prev)
        found = read_of(r);
    return found;
}

/* The body, from the socket or from before a redirect; OK, or an HTTP status. */
static int take_body(request_rec *r, const struct cep_dir_config *conf, struct incoming *incoming)
{
    const struct incoming *before = before_redirect(r);
    apr_off_t max = cep_body_limit(r, conf);
    int status = OK;

    if (!before) {
        status = cep_body_read(r, max, &incoming->body, &incoming->length);
    } else if (before->length > (apr_size_t)max) {
        status = cep_body_too_large(r, max);
    } else {
        incoming->body = before->body;
        incoming->length = before->length;
    }
    if (status == OK)
        cep_body_replay(r, incoming->body, incoming->length);
    return status;
}

/*
 * httpd gives the request that it redirects to the filters of the connection's protocol only, so
 * that the one that replays is left behind. Not for an ErrorDocument, which has no body.
 */
void cep_incoming_insert_filter(request_rec *r)
{
    const struct incoming *before = before_redirect(r);

    if (before && r->prev->status == HTTP_OK && !read_of(r))
        cep_body_replay(r, before->body, before->length);
}

/* Parse, and see that Content-Type says the same; incoming->request is NULL if one fails. */
static void understand(request_rec *r, struct incoming *incoming)
{
    struct cep_request *request = NULL;

    cep_record_of(r)->begun = apr_time_now();
    if (cep_xcep_parse(&request, &incoming->fault, incoming->body, incoming->length, r->pool) &&
        cep_media_type_agrees(&incoming->media, request, &incoming->fault)) {
        incoming->request = request;
        return;
    }
    if (request)
        cep_xcep_forget(request);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0610: request refused: %s",
                  ap_escape_logitem(r->pool, incoming->fault.reason));
}

int cep_incoming_read(request_rec *r, const struct cep_dir_config *conf,
                      struct cep_request **request, struct cep_fault *fault)
{
    struct incoming *incoming = incoming_of(r);

    if (!incoming->body) {
        int status = check_headers(r);

        if (status == OK)
            status = take_body(r, conf, incoming);
        if (status != OK)
            return status;
        understand(r, incoming);
    }
    *request = incoming->request;
    *fault = incoming->fault;
    return incoming->request ? OK : DONE;
}

const char *cep_incoming_message_id(request_rec *r)
{
    const struct incoming *incoming = read_of(r);

    if (!incoming)
        return NULL;
    return incoming->request ? incoming->request->message_id : incoming->fault.relates_to;
}
