/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Two views under one CEPPolicyID: a client takes them for two ways to one policy, asks one of them
 * today and the other tomorrow, and forgets half of its templates each time. Told by configtest,
 * and in the log.
 */

#include "check.h"
#include "conftree.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* The patterns of a section's CEPTemplates add up; those of the nearest section are in force. */
static apr_array_header_t *templates_at(const struct cep_place *place)
{
    enum cep_nearness best = CEP_ELSEWHERE;
    apr_array_header_t *templates = NULL;

    for (const ap_directive_t *node = cep_place_next(place, NULL); node;
         node = cep_place_next(place, node)) {
        enum cep_nearness nearness;
        const char *rest, *word;

        if (!cep_conf_is(node, "CEPTemplates"))
            continue;
        nearness = cep_place_nearness(place, node);
        if (nearness == CEP_ELSEWHERE || nearness < best)
            continue;
        if (nearness > best)
            templates = apr_array_make(place->pool, 4, sizeof(struct cep_view_pattern));
        best = nearness;
        rest = node->args;
        while (*(word = ap_getword_conf(place->pool, &rest)))
            cep_view_add(templates, word);
    }
    return templates;
}

/* The same text for the same view: the policyID that it would have of itself. */
static const char *view_at(const struct cep_place *place)
{
    struct cep_view view = CEP_VIEW_DEFAULT;
    const char *id;

    view.templates = templates_at(place);
    view.autoenroll_only = cep_place_says(place, "CEPTemplateRights", "autoenroll");
    id = cep_view_policy_id(&view, "", place->pool);
    return id ? id : "";
}

/* Only what is certain: of sections whose path is known it is known which others cover them. */
static int is_instance(struct cep_place *place, const ap_directive_t *node, apr_pool_t *pool)
{
    if (!cep_conf_sets_handler(node, CEP_HANDLER_NAME, pool))
        return 0;
    cep_place_init(place, node, pool);
    return place->path != NULL && cep_place_find(place, "CEPPolicyID") != NULL;
}

static const char *policy_id_at(const struct cep_place *place)
{
    return cep_conf_argument(cep_place_find(place, "CEPPolicyID"), place->pool);
}

void cep_view_warnings(server_rec *s, int level, apr_pool_t *pool)
{
    apr_hash_t *seen = apr_hash_make(pool); /* policyID -> struct cep_place */

    for (const ap_directive_t *node = ap_conftree; node; node = cep_conf_next(node, NULL, 1)) {
        struct cep_place *place = apr_palloc(pool, sizeof(*place));
        const struct cep_place *other;
        const char *id;

        if (!is_instance(place, node, pool))
            continue;
        id = policy_id_at(place);
        other = apr_hash_get(seen, id, APR_HASH_KEY_STRING);
        if (!other)
            apr_hash_set(seen, id, APR_HASH_KEY_STRING, place);
        else if (strcmp(view_at(place), view_at(other)) != 0)
            ap_log_error(APLOG_MARK, level, 0, s,
                         "CEP0131: CEPPolicyID %s of the instances at %s:%d and at %s:%d: they "
                         "show different templates, and clients take them for one policy; say "
                         "another CEPPolicyID in one of them, or none",
                         id, other->handler->filename, other->handler->line_num,
                         place->handler->filename, place->handler->line_num);
    }
}
