/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* An explanation for every template: who is offered it, and why another is not. */
#ifndef CEP_EXPLAIN_H
#define CEP_EXPLAIN_H

#include "cep_snapshot.h"
#include "cep_view.h"

/* One template of the directory, as one caller sees it. */
struct cep_explanation {
    const char *name; /* cn; the DN of a template without one */
    const char *oid;  /* "" when the template is left out for everybody */
    int offered;      /* 1: in the answer, where the client asks for its versions */
    int autoenroll;   /* 1: with autoEnroll true */
    const char *text; /* what speaks for it and against it, all of it: plain sentences */
};

/*
 * Explain all templates of the snapshot for a token: struct cep_explanation, in the order of the
 * snapshot, those that are left out last. view: what an instance shows of them; NULL: what the
 * directory has, without what an instance takes away. The SIDs that decide are named; whom they
 * belong to is not known here.
 */
apr_array_header_t *cep_explain(const struct cep_snapshot *snapshot, const struct cep_token *token,
                                const struct cep_view *view, apr_pool_t *pool);

/*
 * What stands in CEPTemplates and fits no template of the directory: const char *, as configured,
 * in lower case.
 */
apr_array_header_t *cep_explain_unused(const struct cep_snapshot *snapshot,
                                       const struct cep_view *view, apr_pool_t *pool);

#endif
