/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Who we are to an LDAP server: CEPBind. */

#include <string.h>

#include <apr_strings.h>

#include "ldap_source.h"
#include "servers.h"

/*
 * The password file: one line, its line end not part of the password, CEP_PASSWORD_FILE_MAX octets
 * with it. An empty password would make the bind an anonymous one that succeeds (RFC 4513 5.1.2);
 * libldap's C strings end at a NUL.
 */
static apr_status_t read_password(struct berval *password, const char *path, apr_pool_t *pool,
                                  const char **error)
{
    apr_status_t status;
    apr_size_t length;
    const char *why;
    char *data;

    if (!path) {
        *error = "CEPBind simple needs CEPBindPasswordFile";
        return APR_EGENERAL;
    }
    status = cep_read_file(path, CEP_PASSWORD_FILE_MAX, &data, &length, pool, &why);
    if (status != APR_SUCCESS) {
        *error = apr_pstrcat(pool, "CEPBindPasswordFile ", why, NULL);
        return status;
    }
    password->bv_val = data;
    password->bv_len = length;
    if (password->bv_len && data[password->bv_len - 1] == '\n')
        password->bv_len--;
    if (password->bv_len && data[password->bv_len - 1] == '\r')
        password->bv_len--;
    if (password->bv_len && !memchr(data, 0, password->bv_len))
        return APR_SUCCESS;
    explicit_bzero(data, length);
    *error = apr_psprintf(pool, "CEPBindPasswordFile %s: %s; write the password into it", path,
                          password->bv_len ? "holds a NUL octet" : "holds no password");
    return APR_EGENERAL;
}

/* Send the password, unless it was refused of late. */
static apr_status_t send_password(struct ldap_source *source,
                                  const struct cep_directory_config *config, const char *url,
                                  struct berval *password, apr_pool_t *pool, const char **error)
{
    struct cep_refused *refused = cep_servers_refused(config->servers);
    apr_uint64_t key =
        cep_refused_key(refused, url, config->bind_dn, password->bv_val, password->bv_len);
    const char *step = apr_psprintf(pool, "binding as \"%s\"", config->bind_dn);
    apr_interval_time_t wait = cep_refused_for(refused, key);
    apr_status_t status;
    int rc, id = 0;

    if (wait) {
        *error = apr_psprintf(
            pool,
            "%s: the server has refused this password, so that it is not sent again for %d min, "
            "lest the account be locked out; correct CEPBindPasswordFile, or, when the account was "
            "mended, restart httpd",
            step, (int)(wait / apr_time_from_sec(60)) + 1);
        return APR_EGENERAL;
    }
    rc = ldap_sasl_bind(source->ld, config->bind_dn, LDAP_SASL_SIMPLE, password, NULL, NULL, &id);
    status = cep_ldap_finish(source, step, rc, id, pool, error);
    if (status != APR_SUCCESS && status != APR_TIMEUP &&
        cep_ldap_result_code(source) == LDAP_INVALID_CREDENTIALS)
        cep_refused_note(refused, key);
    return status == APR_NOTFOUND ? APR_EGENERAL : status;
}

static apr_status_t bind_simple(struct ldap_source *source,
                                const struct cep_directory_config *config, const char *url,
                                apr_pool_t *pool, const char **error)
{
    struct berval password;
    apr_status_t status;

    if (!config->bind_dn || !*config->bind_dn) {
        *error = "CEPBind simple needs CEPBindDN";
        return APR_EGENERAL;
    }
    if (!source->tls && !source->local) {
        *error = "CEPBind simple would send the password in clear; use ldaps:// or "
                 "CEPStartTLS On";
        return APR_EGENERAL;
    }
    status = read_password(&password, config->password_file, pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = send_password(source, config, url, &password, pool, error);
    explicit_bzero(password.bv_val, password.bv_len);
    return status;
}

/* EXTERNAL is one message with an empty identity (RFC 4422 appendix A); it needs no SASL library.
 */
static apr_status_t bind_external(struct ldap_source *source, apr_pool_t *pool, const char **error)
{
    char nobody[1] = "";
    struct berval credentials = {0, nobody};
    apr_status_t status;
    int rc, id = 0;

    rc = ldap_sasl_bind(source->ld, NULL, "EXTERNAL", &credentials, NULL, NULL, &id);
    status = cep_ldap_finish(source, "binding by SASL EXTERNAL", rc, id, pool, error);
    return status == APR_NOTFOUND ? APR_EGENERAL : status;
}

apr_status_t cep_ldap_bind(struct ldap_source *source, const struct cep_directory_config *config,
                           apr_time_t deadline, const char *url, apr_pool_t *pool,
                           const char **error)
{
    cep_ldap_arm(source, deadline);
    switch (config->bind) {
    case CEP_BIND_SIMPLE: return bind_simple(source, config, url, pool, error);
    case CEP_BIND_EXTERNAL: return bind_external(source, pool, error);
    case CEP_BIND_GSSAPI: return cep_ldap_bind_gssapi(source, config, deadline, url, pool, error);
    case CEP_BIND_ANONYMOUS: break;
    }
    return APR_SUCCESS; /* a new session is anonymous: RFC 4511 section 4.2 */
}
