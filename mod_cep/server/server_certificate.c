/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What is wrong with the certificate that an instance shows to its clients. */

#include "check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* A certificate without the extension is good for all purposes (RFC 5280, 4.2.1.12). */
static const char *problem_of(X509 *certificate)
{
    uint32_t usage = X509_get_extended_key_usage(certificate);

    if (usage != UINT32_MAX && !(usage & (XKU_SSL_SERVER | XKU_ANYEKU)))
        return "lacks the purpose serverAuth (1.3.6.1.5.5.7.3.1), so that clients refuse it; "
               "request one from a template for web servers";
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return "has expired, so that clients refuse it; renew it";
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return "is not valid yet, so that clients refuse it; look at this machine's clock";
    return NULL;
}

/* NULL also when the file cannot be read, or names no file: mod_ssl says so itself. */
const char *cep_server_certificate_problem(const char *path)
{
    const char *problem = NULL;
    X509 *certificate = NULL;
    BIO *bio;

    ERR_set_mark();
    bio = BIO_new_file(path, "r");
    if (bio)
        certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (certificate)
        problem = problem_of(certificate);
    X509_free(certificate);
    BIO_free(bio);
    ERR_pop_to_mark();
    return problem;
}
