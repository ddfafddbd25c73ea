/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* TLS with an LDAP server: always verified, never opportunistic. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "ldap_source.h"

/* Where systems keep the CA certificates they trust, as one PEM file. */
static const char *system_ca_file(void)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt",
                                        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
    size_t i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (access(files[i], R_OK) == 0)
            return files[i];
    }
    return NULL;
}

/*
 * REQUIRE_SAN is no detail: with "never", which LDAPTLS_REQSAN can set, libldap 2.5 with GnuTLS
 * takes any name for the right one. "try": where a certificate has alternative names, they decide.
 */
static int set_tls_options(LDAP *ld, const char *ca_file)
{
    int failed = 0;

    failed |= cep_ldap_set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND);
    failed |= cep_ldap_set_number(ld, LDAP_OPT_X_TLS_REQUIRE_SAN, LDAP_OPT_X_TLS_TRY);
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTDIR, NULL) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CERTFILE, NULL) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_KEYFILE, NULL) != LDAP_OPT_SUCCESS;
    /* Not every TLS library knows these two; where they are refused, nothing was set either. */
    ldap_set_option(ld, LDAP_OPT_X_TLS_CRLFILE, NULL);
    ldap_set_option(ld, LDAP_OPT_X_TLS_PEERKEY_HASH, NULL);
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, NULL) != LDAP_OPT_SUCCESS;
    failed |= cep_ldap_set_number(ld, LDAP_OPT_X_TLS_NEWCTX, 0);
    return failed;
}

static apr_status_t prepare_tls(struct ldap_source *source,
                                const struct cep_directory_config *config, apr_pool_t *pool,
                                const char **error)
{
    const char *file = config->ca_certificate_file;

    if (!file)
        file = system_ca_file();
    if (!file) {
        *error = "this system has no file of trusted CA certificates in the usual places; set "
                 "CEPCACertificateFile";
        return APR_EGENERAL;
    }
    if (access(file, R_OK) != 0) {
        char text[128];

        *error = apr_psprintf(pool, "CEPCACertificateFile %s cannot be read (%s)", file,
                              apr_strerror(errno, text, sizeof(text)));
        return APR_EGENERAL;
    }
    if (set_tls_options(source->ld, file)) {
        *error = apr_psprintf(pool,
                              "CEPCACertificateFile %s cannot be used; it has to hold CA "
                              "certificates in PEM form",
                              file);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

/*
 * TLS 1.0 and 1.1 are no longer TLS (RFC 8996). Refused after the handshake and before anything is
 * sent, because libldap with GnuTLS has no LDAP_OPT_X_TLS_PROTOCOL_MIN, and loses memory with each
 * connection that names a LDAP_OPT_X_TLS_CIPHER_SUITE.
 */
static apr_status_t check_tls_version(struct ldap_source *source, apr_pool_t *pool,
                                      const char **error)
{
    static const char *const old[] = {"TLS1.0", "TLS1.1", "TLSv1", "TLSv1.0", "TLSv1.1"};
    char *version = NULL;
    int refused;
    size_t i;

    ldap_get_option(source->ld, LDAP_OPT_X_TLS_VERSION, &version);
    refused = !version || strncmp(version, "TLS", 3) != 0;
    for (i = 0; !refused && i < sizeof(old) / sizeof(old[0]); i++)
        refused = strcmp(version, old[i]) == 0;
    if (refused)
        *error = apr_psprintf(pool, "the server speaks %s only; enable TLS 1.2 or later there",
                              version ? version : "an unknown version of TLS");
    if (version)
        ldap_memfree(version);
    return refused ? APR_EGENERAL : APR_SUCCESS;
}

static const char *certificate_hint(const struct ldap_source *source, apr_pool_t *pool)
{
    return apr_psprintf(pool,
                        "; check that the server speaks TLS here, that CEPCACertificateFile "
                        "holds the CA of its certificate, that the certificate is valid now and "
                        "that it names %s",
                        source->url.host);
}

apr_status_t cep_ldap_start_tls(struct ldap_source *source,
                                const struct cep_directory_config *config, apr_time_t deadline,
                                apr_pool_t *pool, const char **error)
{
    apr_status_t status = prepare_tls(source, config, pool, error);
    int rc, id = 0;

    if (status != APR_SUCCESS)
        return status;
    cep_ldap_arm(source, deadline);
    if (source->url.kind == CEP_URL_LDAP) {
        rc = ldap_extended_operation(source->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &id);
        status = cep_ldap_finish(source, "StartTLS", rc, id, pool, error);
        if (status != APR_SUCCESS)
            return status == APR_NOTFOUND ? APR_EGENERAL : status;
    }
    rc = ldap_install_tls(source->ld);
    if (rc == LDAP_SUCCESS)
        return check_tls_version(source, pool, error);
    return cep_ldap_fail(source, "TLS handshake", rc, cep_ldap_diagnostic(source, pool),
                         certificate_hint(source, pool), pool, error);
}
