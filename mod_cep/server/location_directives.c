/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The directives of a location or a virtual host. */

#include "directives.h"

#include <apr_strings.h>

const char *cep_add_policy_name(cmd_parms *cmd, void *dir_conf, const char *name,
                                const char *language)
{
    struct cep_dir_config *conf = dir_conf;
    struct cep_policy_name added = {name, language};

    if (language && !cep_language_is_tag(language))
        return apr_psprintf(cmd->pool, "CEPPolicyName: %s is no language tag such as de or de-CH",
                            language);
    if (!conf->policy_names)
        conf->policy_names = apr_array_make(cmd->pool, 2, sizeof(struct cep_policy_name));
    APR_ARRAY_PUSH(conf->policy_names, struct cep_policy_name) = added;
    return cep_check_text(cmd, name);
}

const char *cep_set_policy_id(cmd_parms *cmd, void *conf, const char *arg)
{
    ((struct cep_dir_config *)conf)->policy_id = arg;
    return cep_check_text(cmd, arg);
}

const char *cep_set_next_update(cmd_parms *cmd, void *dir_conf, const char *hours,
                                const char *spread)
{
    struct cep_dir_config *conf = dir_conf;

    (void)cmd;
    if (!cep_parse_number(hours, 1, CEP_MAX_NEXT_UPDATE, &conf->next_update))
        return "CEPNextUpdate must be a number of hours from 1 to 8760";
    conf->next_update_spread = 0;
    if (spread && !cep_parse_number(spread, 0, CEP_MAX_NEXT_UPDATE - conf->next_update,
                                    &conf->next_update_spread))
        return "CEPNextUpdate: the spread must be a number of hours, and 8760 at most together "
               "with the first one";
    return NULL;
}

const char *cep_add_template(cmd_parms *cmd, void *dir_conf, const char *arg)
{
    struct cep_dir_config *conf = dir_conf;
    const char *wrong;

    if (!conf->templates)
        conf->templates = apr_array_make(cmd->pool, 4, sizeof(struct cep_view_pattern));
    wrong = cep_view_add(conf->templates, arg);
    return wrong ? apr_psprintf(cmd->pool, "CEPTemplates: %s %s", arg, wrong) : NULL;
}

/* One of two words, the second being 1. */
static const char *set_word(cmd_parms *cmd, const char *arg, const char *const words[2],
                            int *member)
{
    for (int i = 0; i < 2; i++) {
        if (!ap_cstr_casecmp(arg, words[i])) {
            *member = i;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool, "%s must be %s or %s", cmd->cmd->name, words[0], words[1]);
}

const char *cep_set_template_rights(cmd_parms *cmd, void *conf, const char *arg)
{
    static const char *const words[] = {"enroll", "autoenroll"};

    return set_word(cmd, arg, words, &((struct cep_dir_config *)conf)->autoenroll_only);
}

const char *cep_set_version_filter(cmd_parms *cmd, void *conf, const char *arg)
{
    static const char *const words[] = {"spec", "lenient"};

    return set_word(cmd, arg, words, &((struct cep_dir_config *)conf)->lenient_versions);
}

const char *cep_set_max_version(cmd_parms *cmd, void *conf, const char *arg)
{
    (void)cmd;
    return cep_parse_number(arg, 1, CEP_MAX_VERSION_LIMIT,
                            &((struct cep_dir_config *)conf)->max_version)
               ? NULL
               : "CEPMaxVersion must be a number from 1 to 15";
}

const char *cep_set_certificate_mapping(cmd_parms *cmd, void *conf, int argc, char *const argv[])
{
    static const struct {
        const char *name;
        int mapping;
    } words[] = {{"sid", CEP_MAP_SID},
                 {"altsecid", CEP_MAP_ALTSECID},
                 {"upn", CEP_MAP_UPN},
                 {"dns", CEP_MAP_DNS}};
    const size_t count = sizeof(words) / sizeof(words[0]);
    int mappings = 0;

    if (argc == 0)
        return "CEPCertificateMapping needs one or more of sid, altsecid, upn and dns";
    for (int i = 0; i < argc; i++) {
        size_t word = 0;

        while (word < count && ap_cstr_casecmp(argv[i], words[word].name))
            word++;
        if (word == count)
            return apr_psprintf(cmd->pool,
                                "CEPCertificateMapping: %s is none of sid, altsecid, upn and dns",
                                argv[i]);
        mappings |= words[word].mapping;
    }
    ((struct cep_dir_config *)conf)->certificate_mapping = mappings;
    return NULL;
}

const char *cep_add_auth_provider(cmd_parms *cmd, void *conf, const char *arg)
{
    return cep_username_add_provider(&((struct cep_dir_config *)conf)->auth_providers, arg,
                                     cmd->pool);
}

const char *cep_set_auth_failures(cmd_parms *cmd, void *dir, const char *number, const char *window)
{
    struct cep_dir_config *conf = dir;

    if (!window && !ap_cstr_casecmp(number, "off")) {
        conf->auth_failures = 0;
        return NULL;
    }
    if (!window || !cep_parse_number(number, 1, 1000, &conf->auth_failures))
        return "CEPAuthFailures needs a number from 1 to 1000 and a time, such as "
               "CEPAuthFailures 3 30m, or off";
    return cep_parse_duration(cmd, window, apr_time_from_sec(1), CEP_GUESSES_MAX_WINDOW,
                              &conf->auth_window);
}

const char *cep_set_max_body(cmd_parms *cmd, void *conf, const char *arg)
{
    int octets;

    (void)cmd;
    if (!cep_parse_number(arg, 1024, 1048576, &octets))
        return "CEPMaxRequestBody must be a number of octets from 1024 to 1048576";
    ((struct cep_dir_config *)conf)->max_body = octets;
    return NULL;
}
