/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The configuration as a whole, once it is read: what apachectl configtest tells. */

#include "cep_server.h"

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

    if (urls->nelts == 0)
        return "it has no CEPURL; say where the policy comes from, for example CEPURL "
               "ldap://dc1.corp.example";
    for (int i = 0; i < urls->nelts; i++) {
        const char *url = APR_ARRAY_IDX(urls, i, const char *);

        if (cep_directory_url_path(url) && urls->nelts > 1)
            return "a file: URL must be its only CEPURL";
        if (source->directory.start_tls && !is_scheme(url, "ldap://"))
            return apr_psprintf(pool, "CEPStartTLS On goes with ldap:// only, not with %s", url);
        if (source->directory.bind == CEP_BIND_EXTERNAL && !is_scheme(url, "ldapi://"))
            return apr_psprintf(pool, "CEPBind external goes with ldapi:// only, not with %s", url);
        if (source->directory.bind == CEP_BIND_SIMPLE && is_scheme(url, "ldap://") &&
            !source->directory.start_tls)
            return apr_psprintf(pool,
                                "CEPBind simple would send the password in clear to %s; use "
                                "ldaps:// or CEPStartTLS On",
                                url);
    }
    return NULL;
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
    if (directory->ca_certificate_file &&
        !is_readable(directory->ca_certificate_file, pool, &rv))
        return apr_psprintf(pool, "CEPCACertificateFile %s cannot be read: %s",
                            directory->ca_certificate_file, apr_strerror(rv, text, sizeof(text)));
    if (directory->password_file && !is_readable(directory->password_file, pool, &rv))
        return apr_psprintf(pool, "CEPBindPasswordFile %s cannot be read: %s",
                            directory->password_file, apr_strerror(rv, text, sizeof(text)));
    return NULL;
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

/* One section of a server: is what SetHandler cep finds there complete? */
static const char *check_instance(const struct cep_server_config *conf, server_rec *s,
                                  ap_conf_vector_t *section, apr_pool_t *pool)
{
    const core_dir_config *core = ap_get_core_module_config(section);
    const struct cep_dir_config *here = ap_get_module_config(section, &cep_module);
    const struct cep_dir_config *base = ap_get_module_config(s->lookup_defaults, &cep_module);
    const char *policy = here && here->policy ? here->policy : base->policy;
    const char *path = core && core->d ? core->d : "(server)";

    if (here && here->policy && !cep_find_source(conf, here->policy))
        return apr_psprintf(pool, "CEPPolicy %s in %s: there is no <CEPDirectory %s>",
                            here->policy, path, here->policy);
    if (core && core->handler && !strcmp(core->handler, CEP_HANDLER_NAME) && !policy)
        return apr_psprintf(pool, "SetHandler cep in %s needs CEPPolicy with the name of a "
                                  "<CEPDirectory>", path);
    return NULL;
}

static const char *check_server(const struct cep_server_config *conf, server_rec *s,
                                apr_pool_t *pool)
{
    const core_server_config *core = ap_get_core_module_config(s->module_config);
    const apr_array_header_t *lists[2] = { core->sec_url, core->sec_dir };
    const char *wrong = check_instance(conf, s, s->lookup_defaults, pool);

    for (int l = 0; !wrong && l < 2; l++) {
        for (int i = 0; !wrong && i < lists[l]->nelts; i++)
            wrong = check_instance(conf, s, APR_ARRAY_IDX(lists[l], i, ap_conf_vector_t *), pool);
    }
    return wrong;
}

int cep_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const struct cep_server_config *conf = ap_get_module_config(s->module_config, &cep_module);
    int faults = 0;

    (void)pconf;
    (void)plog;
    for (int i = 0; i < conf->sources->nelts; i++) {
        const struct cep_source *source = APR_ARRAY_IDX(conf->sources, i, struct cep_source *);
        const char *wrong = check_source(source, ptemp);

        if (wrong) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                         "CEP0101: <CEPDirectory %s> at %s: %s", source->name, source->defined_at,
                         wrong);
            faults++;
        }
    }
    for (server_rec *server = s; server; server = server->next) {
        const char *wrong = check_server(conf, server, ptemp);

        if (wrong) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, server, "CEP0102: %s", wrong);
            faults++;
        }
    }
    return faults ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
