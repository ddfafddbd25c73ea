/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* An LDAP server as a source: what directory.c asks of it, in terms of the other ldap_*.c. */

#include <string.h>

#include <apr_strings.h>

#include "dn.h"
#include "ldap_source.h"
#include "net.h"

static apr_status_t ldap_open(void **result, const struct cep_directory_config *config,
                              const char *url, apr_time_t deadline, apr_pool_t *pool,
                              const char **error)
{
    struct ldap_source *source = apr_pcalloc(pool, sizeof(*source));
    apr_status_t status;

    source->fd = -1;
    source->timeout = config->timeout;
    *error = cep_url_parse(&source->url, url, pool);
    if (*error)
        return APR_EINVAL;
    if (config->start_tls && source->url.kind != CEP_URL_LDAP) {
        *error = "CEPStartTLS is for ldap:// only; remove it or change the URL";
        return APR_EINVAL;
    }
    source->tls = config->start_tls || source->url.kind == CEP_URL_LDAPS;
    apr_pool_cleanup_register(pool, source, cep_ldap_close_handle, apr_pool_cleanup_null);
    status = cep_net_connect(&source->fd, &source->local, &source->url,
                             cep_earlier(deadline, config->timeout), pool, error);
    if (status == APR_SUCCESS)
        status = cep_ldap_make_handle(source, pool, error);
    if (status == APR_SUCCESS && source->tls)
        status = cep_ldap_start_tls(source, config, deadline, pool, error);
    if (status == APR_SUCCESS)
        status = cep_ldap_bind(source, config, deadline, url, pool, error);
    *result = source;
    return status;
}

/* OpenLDAP names no configuration partition: one is looked for at and below its suffixes. */
static apr_status_t ldap_find_configuration(void *opaque, const struct cep_entry *root,
                                            apr_time_t deadline, const char **dn, apr_pool_t *pool,
                                            const char **error)
{
    static const char *const nothing[] = {NULL};
    const struct cep_attribute *contexts =
        root ? cep_entry_attribute(root, "namingContexts") : NULL;
    int i;

    for (i = 0; i < cep_attribute_count(contexts); i++) {
        const char *context = (const char *)cep_attribute_value(contexts, i)->data;
        const char *canonical = cep_dn_normalize(context, pool);
        struct cep_query query = {.scope = CEP_SCOPE_BASE, .attributes = nothing};
        apr_array_header_t *entries;
        apr_status_t status;

        if (!canonical || !*canonical)
            continue;
        query.base = strncmp(canonical, "cn=configuration,", 17) == 0
                         ? context
                         : apr_pstrcat(pool, "CN=Configuration,", context, NULL);
        status = cep_ldap_query(opaque, &query, deadline, &entries, pool, error);
        if (status == APR_SUCCESS && entries->nelts) {
            *dn = query.base;
            return APR_SUCCESS;
        }
        if (status != APR_SUCCESS && status != APR_NOTFOUND)
            return status;
    }
    *error = "the server names no configurationNamingContext, and there is no CN=Configuration "
             "that the bind account may read at or below its namingContexts";
    return APR_NOTFOUND;
}

static int ldap_is_current(void *opaque)
{
    const struct ldap_source *source = opaque;

    return !source->renewal || cep_monotonic() < source->renewal;
}

const struct cep_source_kind cep_source_ldap = {ldap_open, cep_ldap_query, cep_ldap_each,
                                                ldap_find_configuration, ldap_is_current};
