/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Reading a request's body, bounded. */

#include "cep_server.h"

#include "http_core.h"
#include "http_protocol.h"
#include "util_filter.h"

#include <apr_buckets.h>
#include <apr_strings.h>

/* The smaller of our limit and what the administrator set for XML bodies as such. */
static apr_off_t effective_limit(request_rec *r, apr_off_t max)
{
    apr_size_t xml_limit = ap_get_limit_xml_body(r);

    return xml_limit > 0 && (apr_off_t)xml_limit < max ? (apr_off_t)xml_limit : max;
}

static int too_large(request_rec *r, apr_off_t max)
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
            return too_large(r, max);
        memcpy(buffer + *length, data, n);
        *length += n;
    }
    return OK;
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

    max = effective_limit(r, max);
    /* Refused before a single octet is read, where the client says how much will come. */
    if (declared && (apr_strtoff(&size, declared, &end, 10) != APR_SUCCESS || size > max))
        return too_large(r, max);

    buffer = apr_palloc(r->pool, (apr_size_t)max + 1);
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
