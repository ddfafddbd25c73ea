/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Making and merging the configuration. */

#include "cep_server.h"

#include "http_main.h"

#include <apr_strings.h>

void *cep_create_server_config(apr_pool_t *p, server_rec *s)
{
    struct cep_server_config *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->sources = apr_array_make(p, 2, sizeof(struct cep_source *));
    conf->tokens = cep_tokens_make(p);
    return conf;
}

struct cep_server_config *cep_server_conf(void)
{
    return ap_get_module_config(ap_server_conf->module_config, &cep_module);
}

struct cep_source *cep_find_source(const struct cep_server_config *conf, const char *name)
{
    for (int i = 0; i < conf->sources->nelts; i++) {
        struct cep_source *source = APR_ARRAY_IDX(conf->sources, i, struct cep_source *);

        if (!ap_cstr_casecmp(source->name, name))
            return source;
    }
    return NULL;
}

void *cep_create_dir_config(apr_pool_t *p, char *dir)
{
    struct cep_dir_config *conf = apr_pcalloc(p, sizeof(*conf));

    conf->location = apr_pstrdup(p, dir);
    conf->next_update = CEP_UNSET;
    conf->autoenroll_only = CEP_UNSET;
    conf->lenient_versions = CEP_UNSET;
    conf->max_version = CEP_UNSET;
    conf->key_based_renewal = CEP_UNSET;
    conf->require_tls = CEP_UNSET;
    conf->localized_names = CEP_UNSET;
    conf->require_pac = CEP_UNSET;
    conf->certificate_mapping = CEP_UNSET;
    conf->auth_failures = CEP_UNSET;
    conf->max_body = CEP_UNSET;
    conf->freshness_margin = CEP_UNSET;
    return conf;
}

#define MERGE_POINTER(member) merged->member = add->member ? add->member : base->member
#define MERGE_NUMBER(member)  merged->member = add->member != CEP_UNSET ? add->member : base->member

void *cep_merge_dir_config(apr_pool_t *p, void *base_conf, void *add_conf)
{
    const struct cep_dir_config *base = base_conf, *add = add_conf;
    struct cep_dir_config *merged = apr_pcalloc(p, sizeof(*merged));

    MERGE_POINTER(policy);
    /* Lists replace each other whole: half of an outer one would surprise. */
    MERGE_POINTER(policy_names);
    MERGE_POINTER(templates);
    MERGE_POINTER(policy_id);
    MERGE_POINTER(auth_providers);
    MERGE_NUMBER(next_update);
    merged->next_update_spread =
        add->next_update != CEP_UNSET ? add->next_update_spread : base->next_update_spread;
    MERGE_NUMBER(autoenroll_only);
    MERGE_NUMBER(lenient_versions);
    MERGE_NUMBER(max_version);
    MERGE_NUMBER(key_based_renewal);
    MERGE_NUMBER(require_tls);
    MERGE_NUMBER(localized_names);
    MERGE_NUMBER(require_pac);
    MERGE_NUMBER(certificate_mapping);
    MERGE_NUMBER(auth_failures);
    merged->auth_window = add->auth_failures != CEP_UNSET ? add->auth_window : base->auth_window;
    MERGE_NUMBER(max_body);
    MERGE_NUMBER(freshness_margin);
    MERGE_POINTER(location);
    return merged;
}
