/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* <CEPDirectory name> and what stands inside. */

#include "directives.h"

#include <apr_lib.h>
#include <apr_strings.h>

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

const char *cep_open_directory(cmd_parms *cmd, void *dummy, const char *arg)
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

const char *cep_add_url(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error, *wrong, *path;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (!source)
        return error;
    wrong = cep_directory_check_url(arg, cmd->temp_pool);
    if (wrong)
        return apr_psprintf(cmd->pool, "CEPURL %s: %s", arg, wrong);
    if (cep_directory_url_path(arg)) {
        path = ap_server_root_relative(cmd->pool, cep_directory_url_path(arg));
        if (!path)
            return apr_psprintf(cmd->pool, "CEPURL %s: the path is not valid", arg);
        arg = apr_pstrcat(cmd->pool, "file:", path, NULL);
    }
    APR_ARRAY_PUSH(source->directory.urls, const char *) = arg;
    return NULL;
}

const char *cep_set_site(cmd_parms *cmd, void *dummy, const char *arg)
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

const char *cep_set_bind(cmd_parms *cmd, void *dummy, const char *arg)
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

/* ---- httpd's own setters, on the section; cmd->info says which member ---- */

const char *cep_set_directory_string(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? ap_set_string_slot(cmd, source, arg) : error;
}

const char *cep_set_directory_flag(cmd_parms *cmd, void *dummy, int on)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? ap_set_flag_slot(cmd, source, on) : error;
}

const char *cep_set_directory_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? ap_set_file_slot(cmd, source, arg) : error;
}

const char *cep_set_directory_duration(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    return source ? cep_set_duration_slot(cmd, source, arg) : error;
}

const char *cep_set_keytab(cmd_parms *cmd, void *dummy, const char *arg)
{
    /* krb5's own manner of naming a file */
    return cep_set_directory_file(cmd, dummy, strncmp(arg, "FILE:", 5) ? arg : arg + 5);
}

const char *cep_add_realm(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *error;
    struct cep_source *source = section(cmd, &error);

    (void)dummy;
    if (source)
        APR_ARRAY_PUSH(source->directory.realms, const char *) = arg;
    return error;
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

const char *cep_add_enrollment_uri(cmd_parms *cmd, void *dummy, int argc, char *const argv[])
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
