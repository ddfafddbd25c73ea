/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <string.h>
#include <strings.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "dn.h"
#include "source.h"

/* Where OpenLDAP's own tools look on "ldapi://" without a path, on Debian and Fedora. */
#define DEFAULT_SOCKET "/var/run/slapd/ldapi"

static const char *const schemes[] = {
    [CEP_URL_LDAP] = "ldap://",
    [CEP_URL_LDAPS] = "ldaps://",
    [CEP_URL_LDAPI] = "ldapi://",
    [CEP_URL_FILE] = "file:",
};

static const char *parse_port(struct cep_url *parsed, const char *digits)
{
    unsigned port = 0;

    if (!*digits)
        return "the port after ':' is missing";
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9')
            return "the port is no number; write ldap://host:port without anything behind it "
                   "(no DN, scope or filter)";
        port = port * 10 + (unsigned)(*digits - '0');
        if (port > 65535)
            return "the port is larger than 65535";
    }
    if (!port)
        return "the port is 0";
    parsed->port = port;
    return NULL;
}

static const char *parse_bracketed(struct cep_url *parsed, const char *rest, apr_pool_t *pool)
{
    size_t length = strspn(rest + 1, "0123456789abcdefABCDEF:.");

    if (!length || rest[1 + length] != ']' || !memchr(rest + 1, ':', length))
        return "what stands in brackets is no IPv6 address";
    parsed->host = apr_pstrmemdup(pool, rest + 1, length);
    rest += length + 2;
    if (*rest == ':')
        return parse_port(parsed, rest + 1);
    return *rest ? "something other than ':port' follows the IPv6 address" : NULL;
}

/* Resolve the %xx of text. NULL when there is '%' without two hexadecimal digits, or a NUL. */
static char *decode(const char *text, apr_pool_t *pool)
{
    return apr_pstrdup(pool, apr_punescape_url(pool, text, NULL, NULL, 0));
}

/* "/DC=corp,DC=example", as RFC 4516 writes a DN behind an empty host: the domain's servers. */
static const char *parse_domain(struct cep_url *parsed, const char *rest, apr_pool_t *pool)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    const char *dn = decode(rest + 1, pool), *canonical, *at, *domain;

    if (strchr(rest, '?'))
        return "a scope or filter in the URL is not supported; write ldap:///DC=corp,DC=example";
    canonical = dn ? cep_dn_normalize(dn, pool) : NULL;
    for (at = canonical; at && *at; at = cep_dn_parent(at)) {
        if (strncmp(at, "dc=", 3) != 0)
            canonical = NULL;
    }
    domain = canonical ? cep_dn_dns_name(dn, pool) : "";
    if (!*domain || domain[strspn(domain, allowed)])
        return "what follows ldap:/// is no DN of a domain; write ldap:///DC=corp,DC=example";
    if (strlen(domain) > 200)
        return "the domain's name is longer than 200 characters";
    parsed->domain = domain;
    return NULL;
}

static const char *parse_host(struct cep_url *parsed, const char *rest, apr_pool_t *pool)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t length = strlen(rest);

    if (rest[0] == '/' && rest[1])
        return parse_domain(parsed, rest, pool);
    if (length && rest[length - 1] == '/') /* "ldap://host/" says no more than "ldap://host" */
        rest = apr_pstrmemdup(pool, rest, length - 1);
    if (!*rest || *rest == '/' || *rest == ':')
        return "the host name is missing; write ldap://host[:port] or ldap:///DC=corp,DC=example";
    if (*rest == '[')
        return parse_bracketed(parsed, rest, pool);
    length = strspn(rest, allowed);
    if (length > 255)
        return "the host name is longer than 255 characters";
    parsed->host = apr_pstrmemdup(pool, rest, length);
    rest += length;
    switch (*rest) {
    case 0: return NULL;
    case ':': return length ? parse_port(parsed, rest + 1) : "the host name is missing";
    case '/':
    case '?': return "a DN, scope or filter in the URL is not supported; write ldap://host[:port]";
    case ',':
    case ' ': return "one URL names one host; give CEPURL several URLs instead";
    case '@': return "a user name in the URL is not supported; use CEPBind and CEPBindDN";
    default: return "the host name holds a character that host names do not have";
    }
}

/* "%2Frun%2Fslapd%2Fldapi" as OpenLDAP writes it, or the path as it is. */
static const char *parse_socket(struct cep_url *parsed, const char *rest, apr_pool_t *pool)
{
    char *path = decode(rest, pool);
    size_t length;

    if (!path)
        return "the path of the socket holds '%' without two hexadecimal digits behind it";
    if (strchr(rest, '?'))
        return "a DN, scope or filter in the URL is not supported; write ldapi://path";
    length = strlen(path);
    if (length > 1 && path[length - 1] == '/')
        path[length - 1] = 0;
    parsed->path = !*path || strcmp(path, "/") == 0 ? DEFAULT_SOCKET : path;
    if (parsed->path[0] != '/')
        return "the path of the socket is not absolute; write ldapi://%2Frun%2Fslapd%2Fldapi";
    return NULL;
}

static const char *parse_path(struct cep_url *parsed, const char *url)
{
    parsed->path = cep_directory_url_path(url);
    if (!*parsed->path)
        return "the path of the file is missing; write file:path";
    if (strncmp(parsed->path, "//", 2) == 0)
        return "a host in a file: URL is not supported; write file:path";
    return NULL;
}

const char *cep_url_parse(struct cep_url *parsed, const char *url, apr_pool_t *pool)
{
    const char *rest;
    int kind;

    memset(parsed, 0, sizeof(*parsed));
    for (kind = CEP_URL_LDAP; kind <= CEP_URL_FILE; kind++) {
        if (strncasecmp(url, schemes[kind], strlen(schemes[kind])) == 0)
            break;
    }
    if (kind > CEP_URL_FILE)
        return "the URL does not begin with ldap://, ldaps://, ldapi:// or file:";
    parsed->kind = (enum cep_url_kind)kind;
    rest = url + strlen(schemes[kind]);
    switch (parsed->kind) {
    case CEP_URL_FILE: return parse_path(parsed, url);
    case CEP_URL_LDAPI: return parse_socket(parsed, rest, pool);
    case CEP_URL_LDAPS: parsed->port = 636; break;
    case CEP_URL_LDAP: parsed->port = 389; break;
    }
    return parse_host(parsed, rest, pool);
}

const char *cep_directory_check_url(const char *url, apr_pool_t *pool)
{
    struct cep_url parsed;

    return cep_url_parse(&parsed, url, pool);
}

const char *cep_directory_url_path(const char *url)
{
    size_t length = strlen(schemes[CEP_URL_FILE]);

    if (strncasecmp(url, schemes[CEP_URL_FILE], length) != 0)
        return NULL;
    url += length;
    return strncmp(url, "///", 3) == 0 ? url + 2 : url; /* file:///path is file:/path */
}

int cep_directory_url_is_domain(const char *url, apr_pool_t *pool)
{
    struct cep_url parsed;

    return !cep_url_parse(&parsed, url, pool) && parsed.domain;
}
