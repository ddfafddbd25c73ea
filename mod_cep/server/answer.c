/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* From what a caller is offered to an answer that can be sent. */

#include "freshness.h"

#include <apr_strings.h>

const char *cep_outcome_name(enum cep_outcome outcome)
{
    static const char *const names[] = {
        [CEP_OUTCOME_HELD] = "hit",
        [CEP_OUTCOME_MAPPED] = "mapped",
        [CEP_OUTCOME_MADE] = "made",
        [CEP_OUTCOME_NOT_CHANGED] = "not-changed",
    };

    return names[outcome];
}

static int failed(request_rec *r, apr_status_t rv)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                  "CEP0662: the answer could not be made: this process lacks memory or files");
    return HTTP_INTERNAL_SERVER_ERROR;
}

static void frame(struct cep_finished *finished, const char *head, apr_pool_t *pool)
{
    if (finished->coding == CEP_CODING_GZIP) {
        cep_gzip_frame(&finished->opening, &finished->closing, head, finished->body, pool);
    } else {
        finished->opening.data = (const unsigned char *)head;
        finished->opening.len = strlen(head);
    }
    finished->octets = finished->opening.len + finished->body->octets.len + finished->closing.len;
}

/* [MS-XCEP] 3.1.4.1.3.23: policies, cAs and oIDs are nil. */
static void not_changed(struct cep_finished *finished, const struct cep_offer *offer,
                        apr_pool_t *pool)
{
    static const enum cep_xcep_piece pieces[] = {CEP_PIECE_POLICIES_NIL, CEP_PIECE_CAS_NIL,
                                                 CEP_PIECE_OIDS_NIL, CEP_PIECE_END};
    const char *text = cep_xcep_render_head(offer->instance, offer->request->message_id, 1, pool);

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct cep_value piece = cep_xcep_piece(pieces[i]);

        text = apr_pstrcat(pool, text, apr_pstrmemdup(pool, (const char *)piece.data, piece.len),
                           NULL);
    }
    memset(finished, 0, sizeof(*finished));
    finished->outcome = CEP_OUTCOME_NOT_CHANGED;
    finished->opening.data = (const unsigned char *)text;
    finished->opening.len = finished->octets = strlen(text);
}

/* The whole answer. OK, or an HTTP status. */
static int find_body(struct cep_finished *finished, request_rec *r, const struct cep_offer *offer,
                     const struct cep_answer *answer)
{
    static const enum cep_outcome outcomes[] = {
        [CEP_BODY_HELD] = CEP_OUTCOME_HELD,
        [CEP_BODY_MAPPED] = CEP_OUTCOME_MAPPED,
        [CEP_BODY_MADE] = CEP_OUTCOME_MADE,
    };
    enum cep_body_origin origin;
    apr_status_t rv;

    finished->coding = cep_negotiate_coding(r);
    rv = cep_answers_acquire(&finished->body, &origin, offer->source->answers, answer,
                             finished->coding, r->pool);
    if (rv != APR_SUCCESS)
        return failed(r, rv);
    finished->outcome = outcomes[origin];
    frame(finished, cep_xcep_render_head(offer->instance, offer->request->message_id, 0, r->pool),
          r->pool);
    return OK;
}

int cep_answer_finish(struct cep_finished *finished, request_rec *r, const struct cep_offer *offer)
{
    struct cep_answer answer = {offer->snapshot, offer->selection, offer->language, {{0}}};
    const struct cep_answer_class *answer_class = &answer.answer_class;
    struct cep_freshness freshness;
    int status;

    memset(finished, 0, sizeof(*finished));
    if (!cep_answer_classify(&answer.answer_class, offer->snapshot, offer->selection,
                             offer->language))
        return failed(r, APR_EGENERAL);
    cep_freshness_open(&freshness, r, offer);
    if (cep_freshness_has_class(&freshness, answer_class, r->pool)) {
        not_changed(finished, offer, r->pool);
        return OK;
    }
    status = find_body(finished, r, offer, &answer);
    if (status == OK &&
        cep_freshness_has_content(&freshness, answer_class, finished->body, r->pool))
        not_changed(finished, offer, r->pool);
    return status;
}
