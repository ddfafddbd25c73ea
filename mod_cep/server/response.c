/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Sending answers and faults. */

#include "cep_server.h"

#include "http_protocol.h"
#include "util_filter.h"

#include <apr_buckets.h>
#include <apr_strings.h>

int cep_send_body(request_rec *r, const struct cep_value *body)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);
    apr_status_t rv;

    cep_record_of(r)->made = apr_time_now();
    ap_set_content_type(r, CEP_SOAP_CONTENT_TYPE);
    ap_set_content_length(r, (apr_off_t)body->len);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");

    APR_BRIGADE_INSERT_TAIL(
        bb, apr_bucket_pool_create((const char *)body->data, body->len, r->pool, alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    rv = ap_pass_brigade(r->output_filters, bb);
    if (rv != APR_SUCCESS && !r->connection->aborted) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r, "CEP0612: the answer could not be sent");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
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
