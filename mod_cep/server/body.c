/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading a request's body, bounded, and giving it to whoever reads it after us: authentication
 * comes before httpd's input filters and other modules have had their turn.
 */

#include "cep_server.h"

#include "http_core.h"
#include "http_protocol.h"
#include "util_filter.h"

#include <apr_buckets.h>
#include <apr_strings.h>

#include <openssl/crypto.h>

#define REPLAY_FILTER "CEP_REPLAY"

/* Clients' messages are of one to three thousand octets; with a token, of some hundreds more. */
#define USUAL_BODY 4096

/* The smaller of our limit and what the administrator set for XML bodies as such. */
apr_off_t cep_body_limit(request_rec *r, const struct cep_dir_config *conf)
{
    apr_off_t max = conf->max_body == CEP_UNSET ? CEP_DEFAULT_MAX_BODY : conf->max_body;
    apr_size_t xml_limit = ap_get_limit_xml_body(r);

    return xml_limit > 0 && (apr_off_t)xml_limit < max ? (apr_off_t)xml_limit : max;
}

int cep_body_too_large(request_rec *r, apr_off_t max)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "CEP0611: request body of more than %" APR_OFF_T_FMT
                  " octets refused (CEPMaxRequestBody, LimitXMLRequestBody)",
                  max);
    return HTTP_REQUEST_ENTITY_TOO_LARGE;
}

/* What has been read of a body; it grows with what comes. */
struct body {
    char *data;
    apr_size_t length, size, max;
};

/* Sessions and passwords may be in it. */
static apr_status_t wipe(void *data)
{
    const struct body *body = data;

    OPENSSL_cleanse(body->data, body->length);
    return APR_SUCCESS;
}

/* Room for this many octets more, and for a NUL; at least doubled, so that little is copied. */
static void make_room(struct body *body, apr_size_t more, apr_pool_t *pool)
{
    apr_size_t size = body->size;
    char *data;

    if (more < size - body->length)
        return;
    size = size > body->max / 2 ? body->max + 1 : 2 * size;
    if (more >= size - body->length)
        size = body->length + more + 1;
    data = apr_palloc(pool, size);
    memcpy(data, body->data, body->length);
    wipe(body);
    body->data = data;
    body->size = size;
}

/* Move one brigade's data to the end of the body; OK, DONE at the end, or an HTTP status. */
static int take_brigade(request_rec *r, apr_bucket_brigade *bb, struct body *body)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t n;

        if (APR_BUCKET_IS_EOS(b))
            return DONE;
        if (APR_BUCKET_IS_METADATA(b))
            continue;
        if (apr_bucket_read(b, &data, &n, APR_BLOCK_READ) != APR_SUCCESS)
            return HTTP_BAD_REQUEST;
        if (n > body->max - body->length)
            return cep_body_too_large(r, (apr_off_t)body->max);
        make_room(body, n, r->pool);
        memcpy(body->data + body->length, data, n);
        body->length += n;
    }
    return OK;
}

static struct body *make_body(apr_size_t size, apr_size_t max, apr_pool_t *pool)
{
    struct body *body = apr_palloc(pool, sizeof(*body));

    body->data = apr_palloc(pool, size);
    body->length = 0;
    body->size = size;
    body->max = max;
    apr_pool_cleanup_register(pool, body, wipe, apr_pool_cleanup_null);
    return body;
}

/*
 * ap_get_brigade and not ap_get_client_block: the latter loses the reason of a failure
 * (http_filters.c says so itself), and r->remaining is 0 for chunked bodies.
 */
int cep_body_read(request_rec *r, apr_off_t max, const char **data, apr_size_t *length)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    const char *declared = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t size = USUAL_BODY;
    struct body *body;
    char *end;
    int result = OK;

    /* Refused before a single octet is read, where the client says how much will come. */
    if (declared && (apr_strtoff(&size, declared, &end, 10) != APR_SUCCESS || size > max))
        return cep_body_too_large(r, max);

    /* No more than comes: to touch all that might come costs more than to read the message. */
    body =
        make_body(size < USUAL_BODY ? USUAL_BODY : (apr_size_t)size + 1, (apr_size_t)max, r->pool);
    while (result == OK) {
        apr_status_t rv =
            ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, AP_IOBUFSIZE);

        if (rv != APR_SUCCESS)
            result = ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        else
            result = take_brigade(r, bb, body);
        apr_brigade_cleanup(bb);
    }
    if (result != DONE)
        return result;
    body->data[body->length] = '\0';
    *data = body->data;
    *length = body->length;
    return OK;
}

struct replay {
    const char *data;
    apr_size_t left;
};

/* How much of what is left is asked for. */
static apr_size_t portion(const struct replay *replay, ap_input_mode_t mode, apr_off_t wanted)
{
    const char *end;

    if (mode == AP_MODE_GETLINE) {
        end = replay->left ? memchr(replay->data, '\n', replay->left) : NULL;
        return end ? (apr_size_t)(end - replay->data) + 1 : replay->left;
    }
    if (mode != AP_MODE_EXHAUSTIVE && wanted < (apr_off_t)replay->left)
        return wanted > 0 ? (apr_size_t)wanted : 0;
    return replay->left;
}

/*
 * The end is told as often as somebody asks: httpd itself reads on after a handler, to see that
 * the connection can be used again.
 */
static apr_status_t replay_filter(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                                  apr_read_type_e block, apr_off_t wanted)
{
    struct replay *replay = f->ctx;
    apr_bucket_alloc_t *alloc = f->c->bucket_alloc;
    apr_size_t n;

    (void)block;
    if (mode != AP_MODE_READBYTES && mode != AP_MODE_GETLINE && mode != AP_MODE_SPECULATIVE &&
        mode != AP_MODE_EXHAUSTIVE)
        return APR_ENOTIMPL;
    n = portion(replay, mode, wanted);
    if (n > 0)
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(replay->data, n, f->r->pool, alloc));
    if (n == replay->left)
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    if (mode != AP_MODE_SPECULATIVE) {
        replay->data += n;
        replay->left -= n;
    }
    return APR_SUCCESS;
}

/* In front of http_in, which has type AP_FTYPE_PROTOCOL: a filter of that very type would come to
 * stand behind it and never be asked. */
void cep_body_register(void)
{
    ap_register_input_filter(REPLAY_FILTER, replay_filter, NULL, AP_FTYPE_PROTOCOL - 1);
}

void cep_body_replay(request_rec *r, const char *body, apr_size_t length)
{
    struct replay *replay = apr_palloc(r->pool, sizeof(*replay));

    replay->data = body;
    replay->left = length;
    ap_add_input_filter(REPLAY_FILTER, replay, r, r->connection);
}
