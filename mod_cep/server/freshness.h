/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Since when a caller has been seeing what he sees now. [MS-XCEP] 3.1.4.1.3.23. */
#ifndef CEP_FRESHNESS_H
#define CEP_FRESHNESS_H

#include "cep_server.h"

struct cep_freshness {
    const struct cep_tokens *tokens; /* NULL: nothing is known, and nothing is kept */
    const char *head;                /* the instance's own part of the answer: no RelatesTo */
    apr_time_t now;
    apr_time_t last_update; /* not later than now */
    apr_interval_time_t margin, keep;
    unsigned char id[CEP_TOKEN_ID_LENGTH];
    /* what was kept; since 0: nothing */
    apr_time_t since, written_at;
    unsigned char seen_class[CEP_DIGEST_LENGTH], seen_content[CEP_DIGEST_LENGTH];
};

/* Look up what is kept about the caller, when the request has a lastUpdate to hold against it. */
void cep_freshness_open(struct cep_freshness *freshness, request_rec *r,
                        const struct cep_offer *offer);
/* 1 when the caller has what this class would get: no body is needed to know. */
int cep_freshness_has_class(struct cep_freshness *freshness,
                            const struct cep_answer_class *answer_class, apr_pool_t *pool);
/* Likewise by the body, of whatever class; and what he sees now is kept. */
int cep_freshness_has_content(struct cep_freshness *freshness,
                              const struct cep_answer_class *answer_class,
                              const struct cep_body *body, apr_pool_t *pool);

#endif
