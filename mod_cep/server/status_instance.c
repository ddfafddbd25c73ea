/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The instances that a status page tells of. httpd merges sections per request and keeps no list of
 * locations, so that one is made of the directives as read, and each is asked for as a request
 * would be.
 */

#include "status.h"
#include "conftree.h"

#include "http_main.h"
#include "http_request.h"
#include "http_vhost.h"

#include <apr_strings.h>

/*
 * What httpd would go by for that path on that host; NULL when it is no instance. Only the sections
 * for locations count, as for any request to an instance; <If> is a matter of the request.
 */
static const struct cep_dir_config *conf_of(request_rec *r, server_rec *server, const char *path)
{
    const struct cep_dir_config *conf;
    request_rec *probe = apr_pmemdup(r->pool, r, sizeof(*r));

    probe->server = server;
    probe->uri = apr_pstrdup(r->pool, path);
    probe->handler = NULL;
    probe->subprocess_env = apr_table_make(r->pool, 4); /* what a LocationMatch captures */
    probe->per_dir_config = server->lookup_defaults;
    if (ap_location_walk(probe) != OK || !cep_is_instance(probe))
        return NULL;
    conf = ap_get_module_config(probe->per_dir_config, &cep_module);
    return conf->policy && cep_find_source(cep_server_conf(), conf->policy) ? conf : NULL;
}

/* Where a host listens: ServerName tells it or, as mostly, <VirtualHost>. 0: nobody does. */
static unsigned port_of(const server_rec *server)
{
    return server->port ? server->port : server->addrs ? server->addrs->host_port : 0;
}

static const char *url_of(const server_rec *server, const char *path, apr_pool_t *pool)
{
    const char *host = server->server_hostname ? server->server_hostname : "localhost";
    unsigned port = port_of(server);

    return port == 0 || port == DEFAULT_HTTPS_PORT
               ? apr_psprintf(pool, "https://%s%s", host, path)
               : apr_psprintf(pool, "https://%s:%u%s", host, port, path);
}

static void describe(struct cep_status_instance *instance, server_rec *server, const char *path,
                     const struct cep_dir_config *conf, apr_pool_t *pool)
{
    instance->url = url_of(server, path, pool);
    instance->directory = cep_find_source(cep_server_conf(), conf->policy)->name;
    cep_instance_view(&instance->view, conf);
}

/* ---- all of them ---- */

/* Each host remembers where it stands. */
static int is_read_from(const server_rec *server, const ap_directive_t *host)
{
    return server->defn_name && (int)server->defn_line_number == host->line_num &&
           !strcmp(server->defn_name, host->filename);
}

static int is_listed(const apr_array_header_t *instances, const char *url)
{
    for (int i = 0; i < instances->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(instances, i, const struct cep_status_instance).url, url))
            return 1;
    }
    return 0;
}

static void list(apr_array_header_t *instances, request_rec *r, server_rec *server,
                 const char *path)
{
    const struct cep_dir_config *conf;

    if (is_listed(instances, url_of(server, path, r->pool)))
        return;
    conf = conf_of(r, server, path);
    if (conf)
        describe(apr_array_push(instances), server, path, conf, r->pool);
}

apr_array_header_t *cep_status_instances(request_rec *r)
{
    apr_array_header_t *instances = apr_array_make(r->pool, 8, sizeof(struct cep_status_instance));

    for (const ap_directive_t *node = ap_conftree; node; node = cep_conf_next(node, NULL, 1)) {
        struct cep_place place;

        if (!cep_conf_sets_handler(node, CEP_HANDLER_NAME, r->pool))
            continue;
        cep_place_init(&place, node, r->pool);
        if (!place.path)
            continue;
        for (server_rec *s = ap_server_conf; s; s = s->next) {
            if (!place.host || is_read_from(s, place.host)) /* outside of hosts it is for all */
                list(instances, r, s, place.path);
        }
    }
    return instances;
}

/* ---- one that somebody asks for ---- */

/* https://name:port/path, without the scheme, or /path alone: *host NULL. 0 when it is neither. */
static int split(const char *text, char **host, apr_port_t *port, const char **path,
                 apr_pool_t *pool)
{
    const char *slash;
    char *scope;

    *host = NULL;
    *port = 0;
    if (!ap_cstr_casecmpn(text, "https://", 8))
        text += 8;
    *path = slash = strchr(text, '/');
    if (!slash)
        return 0;
    return slash == text || apr_parse_addr_port(host, &scope, port,
                                                apr_pstrmemdup(pool, text, (size_t)(slash - text)),
                                                pool) == APR_SUCCESS;
}

/* By ServerName and ServerAlias. */
static int serves(request_rec *r, server_rec *server, const char *host, apr_port_t port)
{
    request_rec probe = *r;

    probe.server = server;
    return (!port || !port_of(server) || port == port_of(server)) &&
           ap_matches_request_vhost(&probe, host, server->port);
}

int cep_status_find_instance(struct cep_status_instance *instance, request_rec *r, const char *text)
{
    const struct cep_dir_config *conf;
    const char *path;
    char *host;
    apr_port_t port;

    if (!split(text, &host, &port, &path, r->pool))
        return 0;
    for (server_rec *s = host ? ap_server_conf : r->server; s; s = host ? s->next : NULL) {
        if (host && !serves(r, s, host, port))
            continue;
        conf = conf_of(r, s, path);
        if (conf) {
            describe(instance, s, path, conf, r->pool);
            return 1;
        }
    }
    return 0;
}

/* ---- what it shows ---- */

const char *cep_status_view(const struct cep_status_instance *instance, apr_pool_t *pool)
{
    const struct cep_view *view = &instance->view;
    const char *text = "";

    if (view->key_based_renewal)
        text = "CEPKeyBasedRenewal On";
    if (view->autoenroll_only)
        text = apr_pstrcat(pool, text, *text ? ", " : "", "CEPTemplateRights autoenroll", NULL);
    if (view->max_version != CEP_MAX_VERSION_DEFAULT)
        text = apr_psprintf(pool, "%s%sCEPMaxVersion %u", text, *text ? ", " : "",
                            (unsigned)view->max_version);
    if (view->lenient)
        text = apr_pstrcat(pool, text, *text ? ", " : "", "CEPVersionFilter lenient", NULL);
    if (view->templates)
        text = apr_pstrcat(pool, text, *text ? ", " : "", "CEPTemplates", NULL);
    for (int i = 0; view->templates && i < view->templates->nelts; i++) {
        const struct cep_view_pattern *pattern =
            &APR_ARRAY_IDX(view->templates, i, const struct cep_view_pattern);

        text = apr_pstrcat(pool, text, pattern->excludes ? " !" : " ", pattern->pattern, NULL);
    }
    return text;
}

const char *cep_status_unused(const struct cep_status_instance *instance,
                              const apr_array_header_t *all, apr_pool_t *pool)
{
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, const struct cep_status);

        if (status->snapshot && !strcmp(status->directory, instance->directory))
            return apr_array_pstrcat(
                pool, cep_explain_unused(status->snapshot, &instance->view, pool), ' ');
    }
    return "";
}
