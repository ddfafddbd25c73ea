/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The request parser on any octets. What it promises is checked here: success means sane fields,
 * failure means a fault with a reason, and the fault is well-formed XML whatever the request held.
 */
#include "fuzz_xcep.h"

/* Bodies longer than the default of CEPMaxRequestBody never reach the parser. */
#define MAX_BODY 65536

static void check_well_formed(const char *text, size_t length, const char *what)
{
    xmlDocPtr tree = read_tree(text, length);

    promise(tree != NULL, what);
    xmlFreeDoc(tree);
}

static void check_text(const char *text, size_t limit, const char *what)
{
    promise(text && strlen(text) <= limit, what);
    promise(!*text || !strchr(" \t\r\n", *text), what);
    promise(!*text || !strchr(" \t\r\n", text[strlen(text) - 1]), what);
}

static void check_request(const struct cep_request *request, apr_pool_t *pool)
{
    static const struct cep_instance instance = {"{id}", "name", 8};
    int i, k;

    if (request->message_id) {
        check_text(request->message_id, CEP_XCEP_MAX_MESSAGE_ID, "MessageID is short and trimmed");
        promise(*request->message_id, "MessageID is not empty");
    }
    if (request->language)
        check_text(request->language, CEP_XCEP_MAX_TEXT, "language is trimmed");
    promise(!request->has_last_update ||
                (request->last_update >= -INT64_C(62135683200) * APR_USEC_PER_SEC &&
                 request->last_update < INT64_C(253402387200) * APR_USEC_PER_SEC),
            "lastUpdate is within years 1 to 9999");
    promise(request->has_filter || (!request->policy_oids && !request->has_client_version &&
                                    !request->has_server_version),
            "no filter has no values");
    for (i = 0; request->policy_oids && i < request->policy_oids->nelts; i++) {
        const char *oid = APR_ARRAY_IDX(request->policy_oids, i, const char *);

        check_text(oid, CEP_XCEP_MAX_TEXT, "an OID is trimmed");
        for (k = 0; k < i; k++)
            promise(strcmp(oid, APR_ARRAY_IDX(request->policy_oids, k, const char *)) != 0,
                    "each OID stands once");
    }
    promise(i <= CEP_XCEP_MAX_OIDS, "OIDs are limited");
    promise(strstr(cep_xcep_render_head(&instance, request->message_id, 0, pool), "<response>") !=
                NULL,
            "the answer begins");
}

static void check_fault(const struct cep_fault *fault, apr_pool_t *pool)
{
    const char *text;

    if (fault->relates_to)
        check_text(fault->relates_to, CEP_XCEP_MAX_MESSAGE_ID, "RelatesTo is short and trimmed");
    text = cep_xcep_render_fault(fault, pool);
    check_well_formed(text, strlen(text), "a fault is well-formed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cep_request *request;
    struct cep_fault fault;
    apr_pool_t *pool;

    if (size > MAX_BODY)
        return 0;
    pool = input_pool();
    request = read_request(&fault, (const char *)data, size, pool);
    if (request) {
        check_well_formed((const char *)data, size, "what is taken is well-formed");
        check_request(request, pool);
    } else {
        check_fault(&fault, pool);
    }
    apr_pool_destroy(pool);
    return 0;
}
