/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What the targets that read messages share. Included once by a target: it starts the parser. */
#ifndef CEP_FUZZ_XCEP_H
#define CEP_FUZZ_XCEP_H

#include <libxml/parser.h>

#include "cep_xcep.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    cep_xcep_init();
    return 0;
}

/* By libxml2 alone; NULL: not well-formed. */
static inline xmlDocPtr read_tree(const char *text, size_t length)
{
    return xmlReadMemory(text, (int)length, NULL, "UTF-8",
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

/* NULL: refused. What is promised of success and of refusal alike is checked here. */
static inline struct cep_request *read_request(struct cep_fault *fault, const char *message,
                                               size_t length, apr_pool_t *pool)
{
    struct cep_request *request;
    int success = cep_xcep_parse(&request, fault, message, length, pool);

    promise(success == (request != NULL), "success has a request, a refusal has none");
    promise(success || (fault->code != CEP_FAULT_NONE && fault->reason && *fault->reason),
            "a refusal has a code and a reason");
    return request;
}

#endif
