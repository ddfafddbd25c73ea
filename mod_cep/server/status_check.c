/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A status page that everybody may see: told by configtest, and in the log. */

#include "check.h"
#include "conftree.h"

/* What <Directory> says goes for files, and the page is none. */
static int is_for_files(const ap_directive_t *node)
{
    for (node = node->parent; node; node = node->parent) {
        if (!ap_cstr_casecmpn(node->directive, "<Directory", 10) ||
            !ap_cstr_casecmpn(node->directive, "<Files", 6))
            return 1;
    }
    return 0;
}

/* 1 when a Require keeps somebody away. */
static int is_guarded(const struct cep_place *place)
{
    for (const ap_directive_t *node = cep_place_next(place, NULL); node;
         node = cep_place_next(place, node)) {
        enum cep_nearness nearness = cep_place_nearness(place, node);

        if (!cep_conf_is(node, "Require") || nearness < CEP_COVERING ||
            (nearness == CEP_COVERING && is_for_files(node)))
            continue;
        if (ap_cstr_casecmp(cep_conf_argument(node, place->pool), "all") ||
            cep_conf_has_argument(node, "denied", place->pool))
            return 1;
    }
    return 0;
}

void cep_status_warnings(server_rec *s, int level, apr_pool_t *pool)
{
    for (const ap_directive_t *node = ap_conftree; node; node = cep_conf_next(node, NULL, 1)) {
        struct cep_place place;

        if (!cep_conf_sets_handler(node, CEP_STATUS_HANDLER_NAME, pool))
            continue;
        cep_place_init(&place, node, pool);
        if (!is_guarded(&place))
            ap_log_error(APLOG_MARK, level, 0, s,
                         "CEP0140: SetHandler cep-status at %s:%d: everybody may see it; say who "
                         "may, for example Require ip 192.0.2.0/24 or AuthType and Require user",
                         node->filename, node->line_num);
    }
}
