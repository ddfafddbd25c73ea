/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The administrator's words: docs/directives.md describes each. */

#include "cep_server.h"

#include "http_core.h"

#include <stddef.h>

#include <apr_lib.h>
#include <apr_strings.h>

/* ---- <CEPDirectory name> and what stands inside ---- */

static const char *where(cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "%s:%u", cmd->directive->filename, cmd->directive->line_num);
}

static struct cep_source *make_source(cmd_parms *cmd, const char *name)
{
    apr_pool_t *p = cmd->pool;
    struct cep_source *source = apr_pcalloc(p, sizeof(*source));

    source->name = name;
    source->defined_at = where(cmd);
    source->directory.name = name;
    source->directory.urls = apr_array_make(p, 2, sizeof(const char *));
    source->directory.realms = apr_array_make(p, 1, sizeof(const char *));
    source->directory.timeout = CEP_DEFAULT_TIMEOUT;
    source->configured_uris = apr_array_make(p, 1, sizeof(struct cep_configured_uri));
    source->refresh_interval = CEP_DEFAULT_REFRESH_INTERVAL;
    source->full_refresh = CEP_DEFAULT_FULL_REFRESH;
    source->max_stale = CEP_DEFAULT_MAX_STALE;
    return source;
}

/* The name becomes a file name in CEPCacheDir. */
static int is_name(const char *name)
{
    if (!*name || *name == '.' || strlen(name) > 64)
        return 0;
    for (; *name; name++) {
        if (!apr_isalnum(*name) && !strchr("-_.", *name))
            return 0;
    }
    return 1;
}

/*
 * What is said inside must be about the directory. All else would take effect outside of it, for
 * the whole server: CEPRequireTLS Off, for example.
 */
static const char *check_inside(cmd_parms *cmd)
{
    for (const ap_directive_t *inner = cmd->directive->first_child; inner; inner = inner->next) {
        const command_rec *known = cep_directives;

        while (known->name && ap_cstr_casecmp(known->name, inner->directive))
            known++;
        if (!known->name || known->req_override != RSRC_CONF || inner->first_child)
            return apr_psprintf(cmd->pool, "%s at %s:%d does not belong inside <CEPDirectory>",
                                inner->directive, inner->filename, inner->line_num);
    }
    return NULL;
}

static const char *open_directory(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *end = ap_strrchr_c(arg, '>');
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const struct cep_source *other;
    struct cep_source *source;
    char *name;

    (void)dummy;
    if (error)
        return error;
    if (!end)
        return "<CEPDirectory> is not closed with '>'";
    name = apr_pstrmemdup(cmd->pool, arg, (apr_size_t)(end - arg));
    apr_collapse_spaces(name, name);
    if (!is_name(name))
        return "<CEPDirectory> needs a name of at most 64 letters, digits, '-', '_' and '.', such "
               "as <CEPDirectory corp>";
    other = cep_find_source(conf, name);
    if (other)
        return apr_psprintf(cmd->pool, "<CEPDirectory %s> is already defined at %s", name,
                            other->defined_at);
    error = check_inside(cmd);
    if (error)
        return error;
    source = make_source(cmd, name);
    APR_ARRAY_PUSH(conf->sources, struct cep_source *) = source;

    conf->section = source;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    conf->section = NULL;
    return error;
}

/* The section that a directive stands in, or NULL and *error. */
static struct cep_source *section(cmd_parms *cmd, const char **error)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);

    *error = conf->section
                 ? NULL
                 : apr_psprintf(cmd->pool, "%s belongs inside <CEPDirectory>", cmd->cmd->name);
    return conf->section;
}

static const char *add_url(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error, *wrong;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (!source)
        return error;
    wrong = cep_directory_check_url(arg, cmd->temp_pool);
    if (wrong)
        return apr_psprintf(cmd->pool, "CEPURL %s: %s", arg, wrong);
    if (cep_directory_url_path(arg))
        arg = apr_pstrcat(cmd->pool,
                          "file:", ap_server_root_relative(cmd->pool, cep_directory_url_path(arg)),
                          NULL);
    APR_ARRAY_PUSH(source->directory.urls, const char *) = arg;
    return NULL;
}

static const char *set_site(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (!source)
        return error;
    for (const char *c = arg; *c; c++) {
        if (!apr_isalnum(*c) && *c != '-' && *c != '_')
            arg = "";
    }
    if (!*arg || strlen(arg) > 63)
        return "CEPSite must be the name of a site of Active Directory: at most 63 letters, "
               "digits, '-' and '_'";
    source->directory.site = arg;
    return NULL;
}

static const char *set_bind(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (!source)
        return error;
    if (!ap_cstr_casecmp(arg, "simple"))
        source->directory.bind = CEP_BIND_SIMPLE;
    else if (!ap_cstr_casecmp(arg, "external"))
        source->directory.bind = CEP_BIND_EXTERNAL;
    else if (!ap_cstr_casecmp(arg, "gssapi"))
        source->directory.bind = CEP_BIND_GSSAPI;
    else
        return "CEPBind must be gssapi (Kerberos, with CEPKeytab), simple (with CEPBindDN and "
               "CEPBindPasswordFile) or external (the local user, over ldapi://)";
    return NULL;
}

static const char *set_bind_dn(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (source)
        source->directory.bind_dn = arg;
    return error;
}

static const char *set_file(cmd_parms *cmd, const char *arg, const char **member)
{
    *member = ap_server_root_relative(cmd->pool, arg);
    return *member ? NULL : apr_psprintf(cmd->pool, "%s: invalid path %s", cmd->cmd->name, arg);
}

static const char *set_password_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? set_file(cmd, arg, &source->directory.password_file) : error;
}

static const char *set_keytab(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    /* krb5's own manner of naming a file */
    if (!strncmp(arg, "FILE:", 5))
        arg += 5;
    return source ? set_file(cmd, arg, &source->directory.keytab) : error;
}

static const char *set_principal(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (source)
        source->directory.principal = arg;
    return error;
}

static const char *set_ca_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? set_file(cmd, arg, &source->directory.ca_certificate_file) : error;
}

static const char *set_start_tls(cmd_parms *cmd, void *dummy, int on)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (source)
        source->directory.start_tls = on;
    return error;
}

static const char *add_realm(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (source)
        APR_ARRAY_PUSH(source->directory.realms, const char *) = arg;
    return error;
}

/* "500ms", "5s", "5m", "8h", "2d"; a bare number is seconds. NULL, or what is wrong. */
static const char *parse_duration(cmd_parms *cmd, const char *arg, apr_interval_time_t least,
                                  apr_interval_time_t most, apr_interval_time_t *result)
{
    static const struct {
        const char *name;
        apr_interval_time_t length;
    } units[] = {
        {"", 1000000},
        {"ms", 1000},
        {"s", 1000000},
        {"m", 60 * APR_TIME_C(1000000)},
        {"min", 60 * APR_TIME_C(1000000)},
        {"h", 3600 * APR_TIME_C(1000000)},
        {"d", 86400 * APR_TIME_C(1000000)},
    };
    char *unit;
    apr_int64_t number = apr_isdigit(*arg) ? apr_strtoi64(arg, &unit, 10) : -1;

    for (apr_size_t i = 0; number >= 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (ap_cstr_casecmp(unit, units[i].name))
            continue;
        if (number > most / units[i].length || number * units[i].length < least)
            break;
        *result = number * units[i].length;
        return NULL;
    }
    return apr_psprintf(cmd->pool,
                        "%s %s: a time such as 500ms, 30s, 5m, 8h or 2d is needed, from "
                        "%" APR_TIME_T_FMT "ms to %" APR_TIME_T_FMT "h",
                        cmd->cmd->name, arg, least / 1000, most / APR_TIME_C(3600000000));
}

static const char *set_timeout(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? parse_duration(cmd, arg, APR_TIME_C(100000), apr_time_from_sec(3600),
                                   &source->directory.timeout)
                  : error;
}

/* "kerberos" or "2": [MS-XCEP] 3.1.4.1.3.5. */
static int parse_client_auth(const char *arg, enum cep_client_auth *auth)
{
    static const struct {
        const char *name, *number;
        enum cep_client_auth auth;
    } words[] = {
        {"anonymous", "1", CEP_AUTH_ANONYMOUS},
        {"kerberos", "2", CEP_AUTH_KERBEROS},
        {"username", "4", CEP_AUTH_USERNAME},
        {"certificate", "8", CEP_AUTH_CERTIFICATE},
    };

    for (apr_size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!ap_cstr_casecmp(arg, words[i].name) || !strcmp(arg, words[i].number)) {
            *auth = words[i].auth;
            return 1;
        }
    }
    return 0;
}

/* One of the words behind the URI; NULL, or what is wrong. */
static const char *parse_uri_option(cmd_parms *cmd, const char *arg, struct cep_enrollment_uri *uri)
{
    char *end;
    apr_int64_t priority;

    if (!ap_cstr_casecmp(arg, "renewalOnly")) {
        uri->renewal_only = 1;
        return NULL;
    }
    if (!ap_cstr_casecmp(arg, "keyBasedRenewal")) {
        uri->key_based_renewal = 1;
        return NULL;
    }
    if (!ap_cstr_casecmpn(arg, "priority=", 9) && apr_isdigit(arg[9])) {
        priority = apr_strtoi64(arg + 9, &end, 10);
        if (!*end && priority <= APR_INT32_MAX) {
            uri->priority = (apr_uint32_t)priority;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool,
                        "CEPEnrollmentURI: %s is none of priority=n (0 to 2147483647), renewalOnly "
                        "and keyBasedRenewal",
                        arg);
}

static const char *add_enrollment_uri(cmd_parms *cmd, void *dummy, int argc, char *const argv[])
{
    struct cep_configured_uri configured = {.uri = {.priority = 1}};
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (!source)
        return error;
    if (argc < 3)
        return "CEPEnrollmentURI needs the CA's name, the authentication (kerberos, username, "
               "certificate or anonymous) and the https:// URI";
    configured.ca = argv[0];
    configured.uri.uri = argv[2];
    if (!parse_client_auth(argv[1], &configured.uri.auth))
        return apr_psprintf(cmd->pool,
                            "CEPEnrollmentURI: %s is no authentication; use kerberos, username, "
                            "certificate or anonymous, or its number 2, 4, 8 or 1",
                            argv[1]);
    if (ap_cstr_casecmpn(argv[2], "https://", 8) || !argv[2][8])
        return apr_psprintf(cmd->pool, "CEPEnrollmentURI: %s does not begin with https://",
                            argv[2]);
    for (int i = 3; !error && i < argc; i++)
        error = parse_uri_option(cmd, argv[i], &configured.uri);
    APR_ARRAY_PUSH(source->configured_uris, struct cep_configured_uri) = configured;
    return error;
}

static const char *set_refresh_interval(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? parse_duration(cmd, arg, apr_time_from_sec(1), apr_time_from_sec(7 * 86400),
                                   &source->refresh_interval)
                  : error;
}

static const char *set_full_refresh(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? parse_duration(cmd, arg, apr_time_from_sec(1), apr_time_from_sec(7 * 86400),
                                   &source->full_refresh)
                  : error;
}

static const char *set_max_stale(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? parse_duration(cmd, arg, apr_time_from_sec(1), apr_time_from_sec(365 * 86400),
                                   &source->max_stale)
                  : error;
}

/* ---- server-wide ---- */

static const char *check_server_wide(cmd_parms *cmd)
{
    const struct cep_server_config *conf =
        ap_get_module_config(cmd->server->module_config, &cep_module);

    return conf->section ? apr_psprintf(cmd->pool,
                                        "%s is for the whole server and does not belong "
                                        "inside <CEPDirectory>",
                                        cmd->cmd->name)
                         : ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

static const char *set_cache_dir(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *error = check_server_wide(cmd);

    (void)dummy;
    return error ? error : set_file(cmd, arg, &conf->cache_dir);
}

static const char *set_token_cache(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *error = check_server_wide(cmd);

    (void)dummy;
    if (!error)
        error = cep_tokens_configure(conf->tokens, arg, cmd->pool, cmd->temp_pool);
    return error ? apr_psprintf(cmd->pool, "CEPTokenCache: %s", error) : NULL;
}

static const char *set_token_ttl(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *error = check_server_wide(cmd);
    apr_interval_time_t ttl = 0;

    (void)dummy;
    if (!error)
        error = parse_duration(cmd, arg, 0, apr_time_from_sec(24 * 3600), &ttl);
    cep_tokens_set_ttl(conf->tokens, ttl);
    return error;
}

/* ---- in a Location or a virtual host ---- */

/* Text that goes into answers: XML 1.0 must be able to carry it. */
static const char *check_text(cmd_parms *cmd, const char *arg)
{
    const struct cep_value value = {(const unsigned char *)arg, strlen(arg)};

    for (const char *c = arg; *c; c++) {
        if ((unsigned char)*c < 0x20)
            return apr_psprintf(cmd->pool, "%s must not hold control characters", cmd->cmd->name);
    }
    return cep_value_is_text(&value)
               ? NULL
               : apr_psprintf(cmd->pool, "%s must be written in UTF-8", cmd->cmd->name);
}

static const char *add_policy_name(cmd_parms *cmd, void *dir_conf, const char *name,
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
    return check_text(cmd, name);
}

static const char *set_policy_id(cmd_parms *cmd, void *conf, const char *arg)
{
    ((struct cep_dir_config *)conf)->policy_id = arg;
    return check_text(cmd, arg);
}

/* 1 when arg is a number from least to most. */
static int parse_number(const char *arg, int least, int most, int *number)
{
    char *end;
    apr_int64_t value = apr_strtoi64(arg, &end, 10);

    if (!apr_isdigit(*arg) || *end || value < least || value > most)
        return 0;
    *number = (int)value;
    return 1;
}

static const char *set_next_update(cmd_parms *cmd, void *dir_conf, const char *hours,
                                   const char *spread)
{
    struct cep_dir_config *conf = dir_conf;

    (void)cmd;
    if (!parse_number(hours, 1, CEP_MAX_NEXT_UPDATE, &conf->next_update))
        return "CEPNextUpdate must be a number of hours from 1 to 8760";
    conf->next_update_spread = 0;
    if (spread && !parse_number(spread, 0, CEP_MAX_NEXT_UPDATE - conf->next_update,
                                &conf->next_update_spread))
        return "CEPNextUpdate: the spread must be a number of hours, and 8760 at most together "
               "with the first one";
    return NULL;
}

static const char *add_template(cmd_parms *cmd, void *dir_conf, const char *arg)
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

static const char *set_template_rights(cmd_parms *cmd, void *conf, const char *arg)
{
    static const char *const words[] = {"enroll", "autoenroll"};

    return set_word(cmd, arg, words, &((struct cep_dir_config *)conf)->autoenroll_only);
}

static const char *set_version_filter(cmd_parms *cmd, void *conf, const char *arg)
{
    static const char *const words[] = {"spec", "lenient"};

    return set_word(cmd, arg, words, &((struct cep_dir_config *)conf)->lenient_versions);
}

static const char *set_max_version(cmd_parms *cmd, void *conf, const char *arg)
{
    (void)cmd;
    return parse_number(arg, 1, CEP_MAX_VERSION_LIMIT,
                        &((struct cep_dir_config *)conf)->max_version)
               ? NULL
               : "CEPMaxVersion must be a number from 1 to 15";
}

static const char *set_freshness_margin(cmd_parms *cmd, void *conf, const char *arg)
{
    return parse_duration(cmd, arg, 0, apr_time_from_sec(365 * 86400),
                          &((struct cep_dir_config *)conf)->freshness_margin);
}

static const char *set_certificate_mapping(cmd_parms *cmd, void *conf, int argc, char *const argv[])
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

static const char *add_auth_provider(cmd_parms *cmd, void *conf, const char *arg)
{
    return cep_username_add_provider(&((struct cep_dir_config *)conf)->auth_providers, arg,
                                     cmd->pool);
}

static const char *set_auth_failures(cmd_parms *cmd, void *dir, const char *number,
                                     const char *window)
{
    struct cep_dir_config *conf = dir;

    if (!window && !ap_cstr_casecmp(number, "off")) {
        conf->auth_failures = 0;
        return NULL;
    }
    if (!window || !parse_number(number, 1, 1000, &conf->auth_failures))
        return "CEPAuthFailures needs a number from 1 to 1000 and a time, such as "
               "CEPAuthFailures 3 30m, or off";
    return parse_duration(cmd, window, apr_time_from_sec(1), CEP_GUESSES_MAX_WINDOW,
                          &conf->auth_window);
}

static const char *set_max_body(cmd_parms *cmd, void *conf, const char *arg)
{
    int octets;

    (void)cmd;
    if (!parse_number(arg, 1024, 1048576, &octets))
        return "CEPMaxRequestBody must be a number of octets from 1024 to 1048576";
    ((struct cep_dir_config *)conf)->max_body = octets;
    return NULL;
}

#define INSTANCE (RSRC_CONF | ACCESS_CONF)

/* For httpd's own setters, ap_set_..._slot(). */
#define MEMBER(name) ((void *)offsetof(struct cep_dir_config, name))

const command_rec cep_directives[] = {
    AP_INIT_RAW_ARGS("<CEPDirectory", open_directory, NULL, RSRC_CONF,
                     "a directory that policy comes from: <CEPDirectory name>"),
    AP_INIT_ITERATE(
        "CEPURL", add_url, NULL, RSRC_CONF,
        "URLs in order of preference: ldap://, ldaps://, ldapi:// or file:, or a domain as "
        "ldap:///DC=corp,DC=example"),
    AP_INIT_TAKE1("CEPSite", set_site, NULL, RSRC_CONF,
                  "the site whose servers are preferred when the DNS names the servers"),
    AP_INIT_TAKE1("CEPBind", set_bind, NULL, RSRC_CONF, "gssapi, simple or external"),
    AP_INIT_TAKE1("CEPBindDN", set_bind_dn, NULL, RSRC_CONF, "the name to bind with"),
    AP_INIT_TAKE1("CEPBindPasswordFile", set_password_file, NULL, RSRC_CONF,
                  "the file that holds the password of CEPBindDN"),
    AP_INIT_TAKE1("CEPKeytab", set_keytab, NULL, RSRC_CONF,
                  "the keytab that CEPBind gssapi logs on with"),
    AP_INIT_TAKE1("CEPPrincipal", set_principal, NULL, RSRC_CONF,
                  "whose keys in CEPKeytab are used"),
    AP_INIT_FLAG("CEPStartTLS", set_start_tls, NULL, RSRC_CONF,
                 "On: ldap:// connections are encrypted with StartTLS before anything is sent"),
    AP_INIT_TAKE1("CEPCACertificateFile", set_ca_file, NULL, RSRC_CONF,
                  "PEM file of the CAs that sign the directory servers' certificates"),
    AP_INIT_TAKE1("CEPTimeout", set_timeout, NULL, RSRC_CONF,
                  "how long one exchange with a directory server may take"),
    AP_INIT_TAKE1("CEPRefreshInterval", set_refresh_interval, NULL, RSRC_CONF,
                  "how often the directory is looked at"),
    AP_INIT_TAKE1("CEPFullRefresh", set_full_refresh, NULL, RSRC_CONF,
                  "how often everything is read, whether or not the directory says it has changed"),
    AP_INIT_TAKE1("CEPMaxStale", set_max_stale, NULL, RSRC_CONF,
                  "how old a policy may become while the directory does not answer"),
    AP_INIT_ITERATE("CEPRealm", add_realm, NULL, RSRC_CONF,
                    "more realms and domain names whose callers this directory serves"),
    AP_INIT_TAKE_ARGV("CEPEnrollmentURI", add_enrollment_uri, NULL, RSRC_CONF,
                      "CA, authentication and URI, then priority=n, renewalOnly, keyBasedRenewal: "
                      "gives a CA its enrollment URIs"),
    AP_INIT_TAKE1("CEPCacheDir", set_cache_dir, NULL, RSRC_CONF,
                  "the directory that snapshots are kept in"),
    AP_INIT_TAKE1("CEPTokenCache", set_token_cache, NULL, RSRC_CONF,
                  "where callers' SIDs are kept: a socache provider with its arguments, or none"),
    AP_INIT_TAKE1("CEPTokenTTL", set_token_ttl, NULL, RSRC_CONF,
                  "how long a caller's SIDs are kept; 0: not at all"),
    AP_INIT_TAKE1("CEPPolicy", ap_set_string_slot, MEMBER(policy), INSTANCE,
                  "the name of the <CEPDirectory> that this instance serves"),
    AP_INIT_TAKE12("CEPPolicyName", add_policy_name, NULL, INSTANCE,
                   "the name of the policy that people read, and the language that it is in"),
    AP_INIT_TAKE1("CEPPolicyID", set_policy_id, NULL, INSTANCE,
                  "the identifier of the policy, in place of the one derived from the forest"),
    AP_INIT_TAKE1("CEPFreshnessMargin", set_freshness_margin, NULL, INSTANCE,
                  "how much younger than the last change a client's copy must be"),
    AP_INIT_TAKE12("CEPNextUpdate", set_next_update, NULL, INSTANCE,
                   "hours after which clients ask again, and how many more some of them wait"),
    AP_INIT_ITERATE("CEPTemplates", add_template, NULL, INSTANCE,
                    "names and patterns of the templates that are shown; with ! those that are "
                    "not"),
    AP_INIT_TAKE1("CEPTemplateRights", set_template_rights, NULL, INSTANCE,
                  "autoenroll: only templates that the caller may enroll for automatically"),
    AP_INIT_TAKE1("CEPVersionFilter", set_version_filter, NULL, INSTANCE,
                  "lenient: a version that a client does not say counts as CEPMaxVersion"),
    AP_INIT_TAKE1("CEPMaxVersion", set_max_version, NULL, INSTANCE,
                  "the highest version of clients and CAs that a shown template may need"),
    AP_INIT_FLAG("CEPKeyBasedRenewal", ap_set_flag_slot, MEMBER(key_based_renewal), INSTANCE,
                 "On: only what may be renewed by the key of the old certificate"),
    AP_INIT_FLAG("CEPRequireTLS", ap_set_flag_slot, MEMBER(require_tls), INSTANCE,
                 "Off: TLS ends in front of this server"),
    AP_INIT_FLAG("CEPLocalizedNames", ap_set_flag_slot, MEMBER(localized_names), INSTANCE,
                 "On: names of OIDs in the client's language where the directory has them"),
    AP_INIT_FLAG("CEPRequirePAC", ap_set_flag_slot, MEMBER(require_pac), INSTANCE,
                 "On: refuse callers whose Kerberos ticket carries no PAC"),
    AP_INIT_TAKE_ARGV("CEPCertificateMapping", set_certificate_mapping, NULL, INSTANCE,
                      "what leads from a TLS client certificate to an account: sid, altsecid, upn, "
                      "dns"),
    AP_INIT_ITERATE("CEPAuthProvider", add_auth_provider, NULL, INSTANCE,
                    "with AuthType CEP: who checks user name and password, as AuthBasicProvider"),
    AP_INIT_TAKE12("CEPAuthFailures", set_auth_failures, NULL, INSTANCE,
                   "with AuthType CEP: wrong passwords per account, and the time that must pass "
                   "without one before they are forgotten; or off"),
    AP_INIT_TAKE1("CEPMaxRequestBody", set_max_body, NULL, INSTANCE,
                  "the largest request body in octets"),
    {.name = NULL}};
