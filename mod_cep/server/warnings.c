/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What is no fault of the configuration and yet will not do: an instance that nobody can use, or
 * that is less safe than it looks. Told by apachectl configtest, and once in the log at a start.
 * Only what is certain is told: a warning that is wrong once is not read again.
 */

#include "check.h"
#include "conftree.h"

#include "ap_listen.h"
#include "http_core.h"

#include <apr_strings.h>

struct check {
    server_rec *server;
    int level;
    apr_array_header_t *hosts;  /* const ap_directive_t *: the <VirtualHost>s */
    apr_array_header_t *places; /* struct cep_place */
    apr_table_t *certificates;  /* paths that were looked at */
    apr_pool_t *pool;
};

static const char *name_of(const struct cep_place *place)
{
    const ap_directive_t *section = place->section ? place->section : place->host;

    return section ? apr_pstrcat(place->pool, section->directive, " ", section->args, NULL)
                   : "SetHandler cep";
}

static void warn(const struct check *c, const struct cep_place *place, const char *code,
                 const char *text)
{
    ap_log_error(APLOG_MARK, c->level, 0, c->server, "%s: %s at %s:%d: %s", code, name_of(place),
                 place->handler->filename, place->handler->line_num, text);
}

/* ---- who is let in ---- */

/* Whether a Require asks who the caller is. What cannot be told, an expression, counts as asking.
 */
static int asks_for_user(const ap_directive_t *require, apr_pool_t *pool)
{
    static const char *const no_user[] = {"ip",     "host", "local", "forward-dns",
                                          "method", "env",  "ssl",   "not"};
    const char *word = cep_conf_argument(require, pool);

    if (!ap_cstr_casecmp(word, "all"))
        return cep_conf_has_argument(require, "denied", pool);
    for (size_t i = 0; i < sizeof(no_user) / sizeof(no_user[0]); i++) {
        if (!ap_cstr_casecmp(word, no_user[i]))
            return 0;
    }
    return 1;
}

/* Whether a Require alone lets everybody in: outside of <RequireAll> one is enough. */
static int lets_all_in(const ap_directive_t *require, apr_pool_t *pool)
{
    return !ap_cstr_casecmp(cep_conf_argument(require, pool), "all") &&
           cep_conf_has_argument(require, "granted", pool) &&
           !(require->parent && cep_conf_is(require->parent, "<RequireAll"));
}

/* The section's own Requires replace all others (AuthMerging is off by default). */
static int requires_user(const struct cep_place *place)
{
    int own = 0, asks[CEP_OWN + 1] = {0}, open = 0;

    for (const ap_directive_t *node = cep_place_next(place, NULL); node;
         node = cep_place_next(place, node)) {
        enum cep_nearness nearness;

        if (!cep_conf_is(node, "Require"))
            continue;
        nearness = cep_place_nearness(place, node);
        own |= nearness == CEP_OWN;
        open |= nearness == CEP_OWN && lets_all_in(node, place->pool);
        asks[nearness] |= asks_for_user(node, place->pool);
    }
    if (cep_place_says(place, "Satisfy", "Any"))
        return 0;
    return own ? asks[CEP_OWN] && !open
               : asks[CEP_COVERING] || asks[CEP_VIRTUAL_HOST] || asks[CEP_MAIN_SERVER];
}

static void check_provider(const struct check *c, const struct cep_place *place, const char *name)
{
    const ap_directive_t *node = cep_place_find(place, name);

    if (node && cep_conf_has_argument(node, "anon", c->pool))
        warn(c, place, "CEP0126",
             apr_psprintf(c->pool,
                          "%s anon takes anybody for whom he says he is; name a provider "
                          "that checks passwords",
                          name));
}

static void check_authentication(const struct check *c, const struct cep_place *place)
{
    const ap_directive_t *type = cep_place_find(place, "AuthType");
    const ap_directive_t *verify = cep_place_find(place, "SSLVerifyClient");

    if (verify && cep_place_nearness(place, verify) > CEP_VIRTUAL_HOST)
        warn(c, place, "CEP0127",
             "SSLVerifyClient in a section asks for the certificate in the midst of a request, "
             "which HTTP/2 forbids and most clients refuse with TLS 1.3; say it in a virtual host "
             "of its own");
    if (type && ap_cstr_casecmp(cep_conf_argument(type, c->pool), "None")) {
        if (!requires_user(place))
            warn(c, place, "CEP0119",
                 "no Require here asks who the caller is, so that nobody is asked to authenticate, "
                 "and every request is refused; say Require valid-user");
        check_provider(c, place, "AuthBasicProvider");
        check_provider(c, place, "CEPAuthProvider");
    } else if (!verify || !ap_cstr_casecmp(cep_conf_argument(verify, c->pool), "none")) {
        warn(c, place, "CEP0118",
             "nobody authenticates callers here, and so every request is refused; say AuthType and "
             "Require valid-user, or SSLVerifyClient require in its virtual host");
    }
}

/* ---- TLS ---- */

/* The last such directive in a virtual host, or (host NULL) outside of all virtual hosts. */
static const ap_directive_t *find_in_host(const ap_directive_t *host, const char *name)
{
    const ap_directive_t *found = NULL, *node = host ? host->first_child : ap_conftree;

    for (; node; node = cep_conf_next(node, host, 0)) {
        if (cep_conf_is(node, name))
            found = node;
    }
    return found;
}

/* mod_ssl's rule: SSLEngine, else a certificate where Listen says https. */
static int has_tls(const ap_directive_t *host, apr_pool_t *pool)
{
    const ap_directive_t *engine = find_in_host(host, "SSLEngine");

    if (!engine && host)
        engine = find_in_host(NULL, "SSLEngine");
    if (engine)
        return ap_cstr_casecmp(cep_conf_argument(engine, pool), "Off") != 0;
    return find_in_host(host, "SSLCertificateFile") || find_in_host(host, "GnuTLSEnable");
}

static int is_loopback(apr_sockaddr_t *address)
{
    char *ip;

    return apr_sockaddr_ip_get(&ip, address) == APR_SUCCESS &&
           (!strncmp(ip, "127.", 4) || !strcmp(ip, "::1"));
}

/* 1 when httpd listens on that port (0: any) for more than this machine. */
static int is_port_exposed(apr_port_t port)
{
    for (ap_listen_rec *listener = ap_listeners; listener; listener = listener->next) {
        if ((!port || listener->bind_addr->port == port) && !is_loopback(listener->bind_addr))
            return 1;
    }
    return 0;
}

static int is_address_exposed(const char *text, apr_pool_t *pool)
{
    char *address, *scope;
    apr_port_t port;

    if (!strncmp(text, "127.", 4) || !strncmp(text, "[::1]", 5) ||
        !ap_cstr_casecmpn(text, "localhost", 9))
        return 0;
    if (apr_parse_addr_port(&address, &scope, &port, text, pool) != APR_SUCCESS)
        return 1;
    return is_port_exposed(port);
}

/* 1 when other machines reach the virtual host, or (host NULL) the server as such. */
static int is_exposed(const ap_directive_t *host, apr_pool_t *pool)
{
    const char *rest, *word;

    if (!host)
        return is_port_exposed(0);
    rest = apr_pstrndup(pool, host->args, strcspn(host->args, ">"));
    while (*(word = ap_getword_conf(pool, &rest))) {
        if (is_address_exposed(word, pool))
            return 1;
    }
    return 0;
}

/* The nth of the hosts that serve the place; a section of the main server is in all of them. */
static int host_of(const struct check *c, const struct cep_place *place, int n,
                   const ap_directive_t **host)
{
    *host = place->host;
    if (place->host || c->hosts->nelts == 0)
        return n == 0;
    if (n < c->hosts->nelts)
        *host = APR_ARRAY_IDX(c->hosts, n, const ap_directive_t *);
    return n < c->hosts->nelts;
}

static int is_reached_by_tls(const struct check *c, const struct cep_place *place)
{
    const ap_directive_t *host;

    for (int n = 0; host_of(c, place, n, &host); n++) {
        if (has_tls(host, c->pool))
            return 1;
    }
    return !place->host && has_tls(NULL, c->pool);
}

static int is_reached_in_clear(const struct check *c, const struct cep_place *place)
{
    const ap_directive_t *host;

    for (int n = 0; host_of(c, place, n, &host); n++) {
        if (!has_tls(host, c->pool) && is_exposed(host, c->pool))
            return 1;
    }
    return 0;
}

/* The same section in another host that has TLS: one file included in both is no mistake. */
static int has_twin_with_tls(const struct check *c, const struct cep_place *place)
{
    for (int i = 0; i < c->places->nelts; i++) {
        const struct cep_place *other = &APR_ARRAY_IDX(c->places, i, struct cep_place);

        if (!strcmp(name_of(other), name_of(place)) && is_reached_by_tls(c, other))
            return 1;
    }
    return 0;
}

static void check_certificates(const struct check *c, const struct cep_place *place,
                               const ap_directive_t *host)
{
    const ap_directive_t *top = find_in_host(host, "SSLCertificateFile") ? host : NULL;
    const ap_directive_t *node = top ? top->first_child : ap_conftree;

    for (; node; node = cep_conf_next(node, top, 0)) {
        const char *path, *problem;

        if (!cep_conf_is(node, "SSLCertificateFile"))
            continue;
        path = ap_server_root_relative(c->pool, cep_conf_argument(node, c->pool));
        if (!path || apr_table_get(c->certificates, path))
            continue;
        apr_table_setn(c->certificates, path, "");
        problem = cep_server_certificate_problem(path);
        if (problem)
            warn(c, place, "CEP0122",
                 apr_psprintf(c->pool, "the server's certificate %s %s", path, problem));
    }
}

static void check_tls(const struct check *c, const struct cep_place *place)
{
    const ap_directive_t *host;

    if (cep_place_says(place, "CEPRequireTLS", "Off")) {
        if (is_reached_in_clear(c, place))
            warn(c, place, "CEP0121",
                 "with CEPRequireTLS Off it answers in clear to other machines, too; if TLS ends "
                 "in front of httpd on this machine, say Listen 127.0.0.1:port");
    } else if (!is_reached_by_tls(c, place) && !has_twin_with_tls(c, place)) {
        warn(c, place, "CEP0120",
             "it is served over plain HTTP only, and so every request is refused; say SSLEngine On "
             "in its virtual host, or CEPRequireTLS Off where TLS ends in front of httpd");
    }
    for (int n = 0; host_of(c, place, n, &host); n++) {
        if (has_tls(host, c->pool))
            check_certificates(c, place, host);
    }
}

/* ---- Kerberos ---- */

static int says_only(const ap_directive_t *node, const char *argument, apr_pool_t *pool)
{
    const char *rest = node->args;

    return !strcmp(ap_getword_conf(pool, &rest), argument) && !*rest;
}

/* docs/authentication.md has the reasons. */
static void check_kerberos(const struct check *c, const struct cep_place *place)
{
    const ap_directive_t *mechanisms = cep_place_find(place, "GssapiAllowedMech");

    if (!cep_place_says(place, "AuthType", "GSSAPI") || !ap_find_linked_module("mod_auth_gssapi.c"))
        return;
    if (!mechanisms || !says_only(mechanisms, "krb5", place->pool))
        warn(
            c, place, "CEP0123",
            "mod_auth_gssapi takes NTLM, too, where the system has it; say GssapiAllowedMech krb5");
    if (cep_place_says(place, "GssapiConnectionBound", "On"))
        warn(c, place, "CEP0124",
             "GssapiConnectionBound On keeps callers to one connection, and Windows opens a new "
             "one for each step; say GssapiConnectionBound Off");
    if (!cep_place_says(place, "GssapiSSLonly", "On") &&
        !cep_place_says(place, "CEPRequireTLS", "Off") && is_reached_in_clear(c, place))
        warn(c, place, "CEP0125",
             "over plain HTTP mod_auth_gssapi asks for tickets that would travel in clear, before "
             "mod_cep refuses; say GssapiSSLonly On");
}

static struct check *gather(server_rec *s, apr_pool_t *pool)
{
    struct check *c = apr_pcalloc(pool, sizeof(*c));

    c->server = s;
    c->pool = pool;
    c->hosts = apr_array_make(pool, 4, sizeof(const ap_directive_t *));
    c->places = apr_array_make(pool, 8, sizeof(struct cep_place));
    c->certificates = apr_table_make(pool, 4);
    for (const ap_directive_t *node = ap_conftree; node; node = cep_conf_next(node, NULL, 1)) {
        if (cep_conf_is(node, "<VirtualHost"))
            APR_ARRAY_PUSH(c->hosts, const ap_directive_t *) = node;
        if (cep_conf_sets_handler(node, CEP_HANDLER_NAME, pool))
            cep_place_init(apr_array_push(c->places), node, pool);
    }
    return c;
}

static void tell(server_rec *s, int level, apr_pool_t *pool)
{
    struct check *c = gather(s, pool);

    c->level = level;
    for (int i = 0; i < c->places->nelts; i++) {
        const struct cep_place *place = &APR_ARRAY_IDX(c->places, i, struct cep_place);

        check_authentication(c, place);
        check_tls(c, place);
        check_kerberos(c, place);
    }
    cep_view_warnings(s, level, pool);
    cep_status_warnings(s, level, pool);
}

void cep_warnings_to_terminal(server_rec *s, apr_pool_t *pool)
{
    tell(s, APLOG_STARTUP | APLOG_WARNING, pool);
}

int cep_warnings_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf;
    (void)plog;
    /* The configuration is read twice at a start. */
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG)
        tell(s, APLOG_WARNING, ptemp);
    return OK;
}
