/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether a certificate may speak for accounts of this forest. mod_ssl trusts CAs for many reasons;
 * Windows lets only those name accounts that stand in NTAuthCertificates.
 */
#include "lookup.h"

#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* [MS-WCCE] 2.2.2.11.3 */
#define NTAUTH_RDNS "CN=NTAuthCertificates,CN=Public Key Services,CN=Services,"

static const char *const ntauth_attributes[] = {"cACertificate", NULL};

static int is_valid(const X509 *x509, time_t now)
{
    int begins = ASN1_TIME_cmp_time_t(X509_get0_notBefore(x509), now);
    int ends = ASN1_TIME_cmp_time_t(X509_get0_notAfter(x509), now);

    /* -2: the time cannot be read */
    return (begins == -1 || begins == 0) && (ends == 1 || ends == 0);
}

/* Both were true at the handshake, where the TLS library looks; a session lasts longer. */
static const char *check_fitness(const struct cep_certificate *certificate, time_t now)
{
    if (!is_valid(certificate->x509, now))
        return "the certificate is not valid now";
    if (X509_check_purpose(certificate->x509, X509_PURPOSE_SSL_CLIENT, 0) != 1)
        return "the certificate is not meant for client authentication";
    return NULL;
}

static X509 *read_ca(const struct cep_value *value)
{
    const unsigned char *at = value->data;

    if (value->len == 0 || value->len > CEP_CERTIFICATE_MAX)
        return NULL;
    return d2i_X509(NULL, &at, (long)value->len);
}

/*
 * By name and by signature. The chain that the client sent is of no use: it is what the client
 * says, and it is gone when a TLS session is resumed.
 */
static int has_signed(X509 *ca, X509 *x509, time_t now)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);

    return key && is_valid(ca, now) && X509_check_ca(ca) &&
           X509_check_issued(ca, x509) == X509_V_OK && X509_verify(x509, key) == 1;
}

static int is_issued_by(const struct cep_value *der, const struct cep_certificate *certificate,
                        time_t now)
{
    X509 *ca = read_ca(der);
    int issued = ca && has_signed(ca, certificate->x509, now);

    X509_free(ca);
    return issued;
}

static apr_status_t read_ntauth(const struct cep_attribute **cas, struct cep_lookup *lookup)
{
    const struct cep_entry *entry = NULL;
    const char *dn =
        apr_pstrcat(lookup->pool, NTAUTH_RDNS, lookup->identity->configuration_dn, NULL);
    apr_status_t rv = cep_lookup_read(lookup, dn, ntauth_attributes, &entry);

    if (rv != APR_SUCCESS && rv != APR_NOTFOUND)
        return rv;
    *cas = rv == APR_SUCCESS ? cep_entry_attribute(entry, "cACertificate") : NULL;
    if (*cas)
        return APR_SUCCESS;
    return cep_lookup_fail(lookup, APR_EGENERAL,
                           "%s shows no CA certificates in %s, so no CA may name accounts; publish "
                           "the issuing CA there (certutil -dspublish -f ca.cer NTAuthCA), and let "
                           "the directory's account read it",
                           lookup->identity->source, dn);
}

static apr_status_t check_issuer(struct cep_lookup *lookup,
                                 const struct cep_certificate *certificate, time_t now)
{
    const struct cep_attribute *cas;
    int i, found = 0;
    apr_status_t rv = read_ntauth(&cas, lookup);

    if (rv != APR_SUCCESS)
        return rv;
    for (i = 0; !found && i < cep_attribute_count(cas); i++)
        found = is_issued_by(cep_attribute_value(cas, i), certificate, now);
    if (found)
        return APR_SUCCESS;
    return cep_lookup_fail(lookup, APR_NOTFOUND,
                           "no CA certificate in the forest's NTAuthCertificates that is valid now "
                           "has signed the certificate");
}

int cep_certificate_is_valid(const struct cep_certificate *certificate, apr_time_t now)
{
    return is_valid(certificate->x509, (time_t)apr_time_sec(now));
}

apr_status_t cep_certificate_check(struct cep_lookup *lookup,
                                   const struct cep_certificate *certificate, apr_time_t now)
{
    time_t seconds = (time_t)apr_time_sec(now);
    const char *unfit;
    apr_status_t rv;

    ERR_set_mark();
    unfit = check_fitness(certificate, seconds);
    if (unfit)
        rv = cep_lookup_fail(lookup, APR_NOTFOUND, "%s", unfit);
    else
        rv = check_issuer(lookup, certificate, seconds);
    ERR_pop_to_mark();
    return rv;
}

const char *cep_certificate_check_issued(const struct cep_certificate *certificate,
                                         const apr_array_header_t *cas, apr_time_t now)
{
    time_t seconds = (time_t)apr_time_sec(now);
    const char *wrong;
    int i, found = 0;

    ERR_set_mark();
    wrong = check_fitness(certificate, seconds);
    for (i = 0; !wrong && !found && i < cas->nelts; i++)
        found = is_issued_by(&APR_ARRAY_IDX(cas, i, const struct cep_value), certificate, seconds);
    ERR_pop_to_mark();
    if (!wrong && !found)
        wrong = "no CA that the directory lists has signed the certificate";
    return wrong;
}
