/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The configuration as a whole, once it is read: what apachectl configtest tells. */

#include "check.h"
#include "conftree.h"

#include "http_core.h"

#include <apr_file_io.h>
#include <apr_strings.h>

static int is_scheme(const char *url, const char *scheme)
{
    return !ap_cstr_casecmpn(url, scheme, strlen(scheme));
}

/* 1 when the file can be opened for reading by whoever runs this. */
static int is_readable(const char *path, apr_pool_t *pool, apr_status_t *rv)
{
    apr_file_t *file;

    *rv = apr_file_open(&file, path, APR_FOPEN_READ, APR_OS_DEFAULT, pool);
    if (*rv != APR_SUCCESS)
        return 0;
    apr_file_close(file);
    return 1;
}

static const char *check_urls(const struct cep_source *source, apr_pool_t *pool)
{
    const apr_array_header_t *urls = source->directory.urls;
    int domains = 0;

    if (urls->nelts == 0)
        return "it has no CEPURL; say where the policy comes from, for example CEPURL "
               "ldap://dc1.corp.example";
    for (int i = 0; i < urls->nelts; i++) {
        const char *url = APR_ARRAY_IDX(urls, i, const char *);

        domains += cep_directory_url_is_domain(url, pool);
        if (cep_directory_url_path(url) && urls->nelts > 1)
            return "a file: URL must be its only CEPURL";
        if (source->directory.start_tls && !is_scheme(url, "ldap://"))
            return apr_psprintf(pool, "CEPStartTLS On goes with ldap:// only, not with %s", url);
        if (source->directory.bind == CEP_BIND_EXTERNAL && !is_scheme(url, "ldapi://"))
            return apr_psprintf(pool, "CEPBind external goes with ldapi:// only, not with %s", url);
        if (source->directory.bind == CEP_BIND_GSSAPI && !is_scheme(url, "ldap://") &&
            !is_scheme(url, "ldaps://"))
            return apr_psprintf(
                pool, "CEPBind gssapi goes with ldap:// and ldaps:// only, not with %s", url);
        if (source->directory.bind == CEP_BIND_SIMPLE && is_scheme(url, "ldap://") &&
            !source->directory.start_tls)
            return apr_psprintf(pool,
                                "CEPBind simple would send the password in clear to %s; use "
                                "ldaps:// or CEPStartTLS On",
                                url);
    }
    if (source->directory.site && !domains)
        return "CEPSite is of no use without a domain in CEPURL, as in ldap:///DC=corp,DC=example";
    return NULL;
}

static const char *check_keytab(const struct cep_directory_config *directory, apr_pool_t *pool)
{
    const char *wrong;

    if (directory->bind != CEP_BIND_GSSAPI)
        return directory->keytab || directory->principal
                   ? "CEPKeytab and CEPPrincipal are of no use without CEPBind gssapi"
                   : NULL;
    if (!directory->keytab)
        return "CEPBind gssapi needs CEPKeytab";
    wrong = cep_directory_check_keytab(directory->keytab, directory->principal, pool);
    if (!wrong)
        return NULL;
    return apr_psprintf(pool, "CEPKeytab %s%s%s cannot be used: %s", directory->keytab,
                        directory->principal ? " with CEPPrincipal " : "",
                        directory->principal ? directory->principal : "", wrong);
}

static const char *check_bind(const struct cep_source *source, apr_pool_t *pool)
{
    const struct cep_directory_config *directory = &source->directory;
    apr_status_t rv;
    char text[120];

    if (directory->bind == CEP_BIND_SIMPLE && (!directory->bind_dn || !directory->password_file))
        return "CEPBind simple needs CEPBindDN and CEPBindPasswordFile";
    if (directory->bind != CEP_BIND_SIMPLE && (directory->bind_dn || directory->password_file))
        return "CEPBindDN and CEPBindPasswordFile are of no use without CEPBind simple";
    if (directory->ca_certificate_file && !is_readable(directory->ca_certificate_file, pool, &rv))
        return apr_psprintf(pool, "CEPCACertificateFile %s cannot be read: %s",
                            directory->ca_certificate_file, apr_strerror(rv, text, sizeof(text)));
    if (directory->password_file && !is_readable(directory->password_file, pool, &rv))
        return apr_psprintf(pool, "CEPBindPasswordFile %s cannot be read: %s",
                            directory->password_file, apr_strerror(rv, text, sizeof(text)));
    return check_keytab(directory, pool);
}

static const char *check_source(const struct cep_source *source, apr_pool_t *pool)
{
    const char *wrong = check_urls(source, pool);

    if (!wrong)
        wrong = check_bind(source, pool);
    if (!wrong && source->max_stale < source->refresh_interval)
        wrong = "CEPMaxStale is shorter than CEPRefreshInterval, so every policy would be refused "
                "before it is looked at again";
    return wrong;
}

/* 1 when `directive` stands in the virtual host, or (host NULL) outside of all virtual hosts. */
static int stands_in(const ap_directive_t *host, const char *directive, const char *argument,
                     apr_pool_t *pool)
{
    const ap_directive_t *node = host ? host->first_child : ap_conftree;

    for (; node; node = cep_conf_next(node, host, 0)) {
        if (cep_conf_is(node, directive) &&
            (!argument || cep_conf_has_argument(node, argument, pool)))
            return 1;
    }
    return 0;
}

/*
 * 1 when `directive` stands where a request may meet both it and node, in whatever section; with
 * that argument when it is not NULL. httpd keeps SetHandler as an expression and merges sections
 * per request, so the tree of directives is asked, and only what can never work is a fault:
 * CEPPolicy may well stand in another section that covers the same location.
 */
static int may_meet(const ap_directive_t *node, const char *directive, const char *argument,
                    apr_pool_t *pool)
{
    return stands_in(cep_conf_host(node), directive, argument, pool) ||
           stands_in(NULL, directive, argument, pool);
}

static const char *check_instance(const struct cep_server_config *conf, const ap_directive_t *node,
                                  apr_pool_t *pool)
{
    const char *argument = cep_conf_argument(node, pool);

    if (cep_conf_is(node, "CEPPolicy") && !cep_find_source(conf, argument))
        return apr_psprintf(pool, "CEPPolicy %s at %s:%d: there is no <CEPDirectory %s>", argument,
                            node->filename, node->line_num, argument);
    if (cep_conf_sets_handler(node, CEP_HANDLER_NAME, pool) &&
        !may_meet(node, "CEPPolicy", NULL, pool))
        return apr_psprintf(pool,
                            "SetHandler cep at %s:%d needs CEPPolicy with the name of a "
                            "<CEPDirectory>",
                            node->filename, node->line_num);
    if (cep_conf_is(node, "CEPRequirePAC") && !ap_cstr_casecmp(argument, "On") &&
        !may_meet(node, "GssapiNameAttributes", "json", pool))
        return apr_psprintf(pool,
                            "CEPRequirePAC On at %s:%d would refuse everybody: say "
                            "GssapiNameAttributes json beside AuthType GSSAPI",
                            node->filename, node->line_num);
    return NULL;
}

static const char *check_username(const struct cep_server_config *conf, const ap_directive_t *node,
                                  apr_pool_t *pool)
{
    (void)conf;
    if (cep_conf_is(node, "AuthType") &&
        !ap_cstr_casecmp(cep_conf_argument(node, pool), CEP_AUTH_TYPE) &&
        !may_meet(node, "CEPAuthProvider", NULL, pool) && !cep_username_has_default())
        return apr_psprintf(pool,
                            "AuthType CEP at %s:%d needs CEPAuthProvider: the default is file, and "
                            "mod_authn_file is not loaded",
                            node->filename, node->line_num);
    if ((cep_conf_is(node, "CEPAuthProvider") || cep_conf_is(node, "CEPAuthFailures")) &&
        !may_meet(node, "AuthType", CEP_AUTH_TYPE, pool))
        return apr_psprintf(pool, "%s at %s:%d is of no use without AuthType CEP", node->directive,
                            node->filename, node->line_num);
    return NULL;
}

static const char *check_renewal(const struct cep_server_config *conf, const ap_directive_t *node,
                                 apr_pool_t *pool)
{
    (void)conf;
    return cep_renewal_check(node, pool);
}

/* What single directives say about instances; returns how many faults there are. */
static int check_directives(const struct cep_server_config *conf, server_rec *s, apr_pool_t *pool)
{
    static const struct {
        const char *code;
        const char *(*check)(const struct cep_server_config *conf, const ap_directive_t *node,
                             apr_pool_t *pool);
    } checks[] = {
        {"CEP0102", check_instance}, {"CEP0110", check_username}, {"CEP0130", check_renewal}};
    int faults = 0;

    for (const ap_directive_t *node = ap_conftree; node; node = cep_conf_next(node, NULL, 1)) {
        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
            const char *wrong = checks[i].check(conf, node, pool);

            if (!wrong)
                continue;
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s, "%s: %s", checks[i].code,
                         wrong);
            faults++;
        }
    }
    return faults;
}

static int check_directories(const struct cep_server_config *conf, server_rec *s, apr_pool_t *pool)
{
    const char *path = cep_cache_dir(conf, pool), *wrong;
    int faults = 0;

    if (conf->sources->nelts == 0)
        return 0;
    for (int i = 0; i < conf->sources->nelts; i++) {
        const struct cep_source *source = APR_ARRAY_IDX(conf->sources, i, struct cep_source *);

        wrong = check_source(source, pool);
        if (!wrong)
            continue;
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                     "CEP0101: <CEPDirectory %s> at %s: %s", source->name, source->defined_at,
                     wrong);
        faults++;
    }
    wrong = cep_cache_dir_check(path, pool);
    if (!wrong)
        return faults;
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s, "CEP0104: CEPCacheDir %s %s", path,
                 wrong);
    return faults + 1;
}

int cep_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);
    int faults = check_directories(conf, s, ptemp);

    (void)pconf;
    (void)plog;
    faults += check_directives(conf, s, ptemp);
    if (faults)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST)
        cep_warnings_to_terminal(s, ptemp);
    return OK;
}
