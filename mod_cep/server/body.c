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

/* Move one brigade's data to the end of the buffer; OK, DONE at the end of the body, or a status.
 */
static int take_brigade(request_rec *r, apr_bucket_brigade *bb, char *buffer, apr_size_t *length,
                        apr_off_t max)
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
        if (n > (apr_size_t)max - *length)
            return cep_body_too_large(r, max);
        memcpy(buffer + *length, data, n);
        *length += n;
    }
    return OK;
}

/* Sessions and passwords may be in it. */
static apr_status_t wipe(void *data)
{
    struct cep_value *memory = data;

    OPENSSL_cleanse((void *)(apr_uintptr_t)memory->data, memory->len);
    return APR_SUCCESS;
}

static char *make_buffer(apr_pool_t *pool, apr_size_t size)
{
    struct cep_value *memory = apr_palloc(pool, sizeof(*memory));
    char *buffer = apr_palloc(pool, size);

    memory->data = (const unsigned char *)buffer;
    memory->len = size;
    apr_pool_cleanup_register(pool, memory, wipe, apr_pool_cleanup_null);
    return buffer;
}

/*
 * ap_get_brigade and not ap_get_client_block: the latter loses the reason of a failure
 * (http_filters.c says so itself), and r->remaining is 0 for chunked bodies.
 */
int cep_body_read(request_rec *r, apr_off_t max, const char **body, apr_size_t *length)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    const char *declared = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t size;
    char *buffer, *end;
    int result = OK;

    /* Refused before a single octet is read, where the client says how much will come. */
    if (declared && (apr_strtoff(&size, declared, &end, 10) != APR_SUCCESS || size > max))
        return cep_body_too_large(r, max);

    buffer = make_buffer(r->pool, (apr_size_t)max + 1);
    *length = 0;
    while (result == OK) {
        apr_status_t rv =
            ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, AP_IOBUFSIZE);

        if (rv != APR_SUCCESS)
            result = ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        else
            result = take_brigade(r, bb, buffer, length, max);
        apr_brigade_cleanup(bb);
    }
    if (result != DONE)
        return result;
    buffer[*length] = '\0';
    *body = buffer;
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
