/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * For tests: the output filter CEPTEST says in the error log which buckets a handler sends, after
 * the filters for content and before those of the protocol.
 */
#include "httpd.h"
#include "http_config.h"
#include "http_log.h"
#include "util_filter.h"

#include <apr_buckets.h>
#include <apr_strings.h>

module AP_MODULE_DECLARE_DATA cep_test_module;
APLOG_USE_MODULE(cep_test);

static apr_status_t tell_buckets(ap_filter_t *f, apr_bucket_brigade *bb)
{
    const char *text = "";

    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (!APR_BUCKET_IS_METADATA(b))
            text =
                apr_psprintf(f->r->pool, "%s %s:%" APR_SIZE_T_FMT, text, b->type->name, b->length);
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, f->r, "buckets:%s.", text);
    return ap_pass_brigade(f->next, bb);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_register_output_filter("CEPTEST", tell_buckets, NULL, AP_FTYPE_CONTENT_SET + 1);
}

module AP_MODULE_DECLARE_DATA cep_test_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
