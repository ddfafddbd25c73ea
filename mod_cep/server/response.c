/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Sending answers and faults. */

#include "cep_server.h"

#include "http_protocol.h"
#include "util_filter.h"

#include <apr_buckets.h>
#include <apr_strings.h>

/*
 * A data bucket that is not the first or the last has at least this many octets: under TLS each
 * becomes a record of its own, and small ones cost more than twice the processor time.
 */
#define LEAST_BUCKET 16384

/* A piece whose length any filter can take as an int, and of whole TLS records. */
#define MOST_BUCKET (16 * 1024 * 1024)

static void put_own(apr_bucket_brigade *bb, const struct cep_value *octets, apr_pool_t *pool)
{
    if (octets->len)
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create((const char *)octets->data, octets->len,
                                                           pool, bb->bucket_alloc));
}

/*
 * Octets that r's pool has pinned. To filters they are immortal, so nobody copies them: core sends
 * the EOR bucket behind all others of the request, and only that one's end destroys the pool and
 * with it the pin, also when a filter has set buckets aside or the MPM goes on writing after the
 * handler's return. HTTP/2 copies what it hands to another thread.
 */
static void put_pinned(apr_bucket_brigade *bb, const unsigned char *data, apr_size_t length)
{
    while (length > 0) {
        apr_size_t n = length < MOST_BUCKET ? length : MOST_BUCKET;

        /* No remainder that is too small for a bucket in the middle. */
        if (length - n > 0 && length - n < LEAST_BUCKET)
            n = length;
        APR_BRIGADE_INSERT_TAIL(
            bb, apr_bucket_immortal_create((const char *)data, n, bb->bucket_alloc));
        data += n;
        length -= n;
    }
}

/* The body, and behind it a few octets: in one bucket with them goes what is small. */
static void put_body(apr_bucket_brigade *bb, const struct cep_value *body,
                     const struct cep_value *closing, apr_pool_t *pool)
{
    apr_size_t small = closing->len ? body->len % LEAST_BUCKET : 0;
    struct cep_value last;
    unsigned char *copy;

    put_pinned(bb, body->data, body->len - small);
    if (!closing->len)
        return;
    copy = apr_palloc(pool, small + closing->len);
    memcpy(copy, body->data + body->len - small, small);
    memcpy(copy + small, closing->data, closing->len);
    last.data = copy;
    last.len = small + closing->len;
    put_own(bb, &last, pool);
}

static int pass(request_rec *r, apr_bucket_brigade *bb)
{
    apr_status_t rv;

    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    rv = ap_pass_brigade(r->output_filters, bb);
    if (rv != APR_SUCCESS && !r->connection->aborted) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r, "CEP0612: the answer could not be sent");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static void set_headers(request_rec *r, apr_uint64_t length)
{
    cep_record_of(r)->made = apr_time_now();
    ap_set_content_type(r, CEP_SOAP_CONTENT_TYPE);
    ap_set_content_length(r, (apr_off_t)length);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
}

int cep_send_finished(request_rec *r, const struct cep_finished *finished)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);

    set_headers(r, finished->octets);
    apr_table_mergen(r->headers_out, "Vary", "Accept-Encoding");
    /* mod_deflate and mod_brotli leave alone what is coded. */
    if (finished->coding == CEP_CODING_GZIP)
        apr_table_setn(r->headers_out, "Content-Encoding", "gzip");
    put_own(bb, &finished->opening, r->pool);
    if (finished->body)
        put_body(bb, &finished->body->octets, &finished->closing, r->pool);
    return pass(r, bb);
}

int cep_send_body(request_rec *r, const struct cep_value *body)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);

    set_headers(r, body->len);
    put_own(bb, body, r->pool);
    return pass(r, bb);
}

/* Always 500, as WCF does: cepces reads a fault from no other status. */
int cep_send_fault(request_rec *r, const struct cep_fault *fault, int retry_after_seconds)
{
    struct cep_value body;

    body.data = (const unsigned char *)cep_xcep_render_fault(fault, r->pool);
    body.len = strlen((const char *)body.data);
    cep_record_of(r)->result = cep_xcep_fault_name(fault->code);
    r->status = HTTP_INTERNAL_SERVER_ERROR;
    if (retry_after_seconds > 0)
        apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, retry_after_seconds));
    return cep_send_body(r, &body);
}
