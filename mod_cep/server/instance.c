/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What an instance is, what it shows and what it says of itself, from its location's directives. */

#include "cep_server.h"

#include "ap_expr.h"
#include "http_core.h"

static int is_ours(const char *handler)
{
    /* core makes lower case of what SetHandler says. */
    return handler && !ap_cstr_casecmp(handler, CEP_HANDLER_NAME);
}

int cep_will_be_instance(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *error = NULL, *handler = core->handler;

    if (core->expr_handler)
        handler = ap_expr_str_exec(r, core->expr_handler, &error);
    return !error && is_ours(handler);
}

int cep_is_instance(request_rec *r)
{
    return r->handler ? is_ours(r->handler) : cep_will_be_instance(r);
}

void cep_instance_view(struct cep_view *view, const struct cep_dir_config *conf)
{
    memset(view, 0, sizeof(*view));
    view->templates = conf->templates;
    view->autoenroll_only = conf->autoenroll_only == 1;
    view->key_based_renewal = conf->key_based_renewal == 1;
    view->lenient = conf->lenient_versions == 1;
    view->max_version =
        conf->max_version == CEP_UNSET ? CEP_MAX_VERSION_DEFAULT : (apr_uint32_t)conf->max_version;
}

/* In the client's language, else the one without a language. Of two equally good ones the later. */
static const char *choose_name(const apr_array_header_t *names, const char *language)
{
    enum cep_language_match best = CEP_LANGUAGE_OTHER;
    const char *chosen = NULL;

    for (int i = 0; names && i < names->nelts; i++) {
        const struct cep_policy_name *name = &APR_ARRAY_IDX(names, i, const struct cep_policy_name);
        enum cep_language_match match = cep_language_match_tag(language, name->language);

        if (match < best || (match == CEP_LANGUAGE_OTHER && name->language))
            continue;
        best = match;
        chosen = name->name;
    }
    return chosen;
}

/*
 * The spread is the caller's own and not of chance: he gets the same bytes from every node, and
 * those who were started at one moment drift apart by the hour.
 */
static apr_uint32_t next_update(const struct cep_dir_config *conf, const struct cep_caller *caller)
{
    if (conf->next_update == CEP_UNSET)
        return CEP_DEFAULT_NEXT_UPDATE;
    return (apr_uint32_t)conf->next_update +
           cep_caller_share(caller, (apr_uint32_t)conf->next_update_spread + 1);
}

int cep_instance_make(struct cep_instance *instance, const struct cep_dir_config *conf,
                      const struct cep_view *view, const struct cep_snapshot *snapshot,
                      const struct cep_caller *caller, const char *language)
{
    instance->policy_id =
        conf->policy_id ? conf->policy_id : cep_snapshot_policy_id(snapshot, view);
    instance->friendly_name = choose_name(conf->policy_names, language);
    instance->next_update_hours = next_update(conf, caller);
    return instance->policy_id != NULL;
}
