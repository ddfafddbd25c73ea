/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Names of algorithms in templates and their OIDs. To add one, add a line. */
#include "parts.h"

#include <stddef.h>
#include <strings.h>

#define ASYMMETRIC CEP_ALGORITHM_ASYMMETRIC
#define HASH       CEP_ALGORITHM_HASH
#define SYMMETRIC  CEP_ALGORITHM_SYMMETRIC

/*
 * Sources: names of [MS-WCCE] 3.1.2.4.2.2.2.5 and of Microsoft's "CNG Algorithm Identifiers"
 * (learn.microsoft.com/windows/win32/seccng/cng-algorithm-identifiers); OIDs of the structure
 * CRYPT_ALGORITHM_IDENTIFIER (learn.microsoft.com/windows/win32/api/wincrypt/), RFC 5480 for the
 * curves, RFC 3279 for DSA and DH, NIST's registry (csrc.nist.gov, CSOR) for AES, SHA-2, ML-DSA.
 *
 * Post-quantum: "Configure certificate templates for ML-DSA" (learn.microsoft.com/windows-server/
 * identity/ad-cs/configure-ml-dsa-certificate-templates) names ML-DSA:44, ML-DSA:65 and ML-DSA:87
 * and the request hash NoHash; CRYPT_OID_INFO (wincrypt.h) documents the same strings as
 * CRYPT32_MLDSA_44_ALGORITHM ... and CRYPT_OID_INFO_NO_HASH_ALGORITHM; the OIDs are
 * szOID_NIST_ml_dsa_44 ... there. Templates for ML-KEM or SLH-DSA are not documented, so these
 * names are unknown here: an unknown name leaves the reference nil and is reported.
 */
static const struct cep_algorithm algorithms[] = {
    {ASYMMETRIC, "RSA", 0, "1.2.840.113549.1.1.1"},
    {ASYMMETRIC, "DSA", 0, "1.2.840.10040.4.1"},
    {ASYMMETRIC, "DS", 0, "1.2.840.10040.4.1"}, /* so in [MS-WCCE]; directories hold DSA */
    {ASYMMETRIC, "DH", 0, "1.2.840.10046.2.1"},
    {ASYMMETRIC, "ECDSA_P256", 0, "1.2.840.10045.3.1.7"},
    {ASYMMETRIC, "ECDSA_P384", 0, "1.3.132.0.34"},
    {ASYMMETRIC, "ECDSA_P521", 0, "1.3.132.0.35"},
    {ASYMMETRIC, "ECDH_P256", 0, "1.2.840.10045.3.1.7"},
    {ASYMMETRIC, "ECDH_P384", 0, "1.3.132.0.34"},
    {ASYMMETRIC, "ECDH_P521", 0, "1.3.132.0.35"},
    {ASYMMETRIC, "ML-DSA:44", 0, "2.16.840.1.101.3.4.3.17"},
    {ASYMMETRIC, "ML-DSA:65", 0, "2.16.840.1.101.3.4.3.18"},
    {ASYMMETRIC, "ML-DSA:87", 0, "2.16.840.1.101.3.4.3.19"},

    {HASH, "MD2", 0, "1.2.840.113549.2.2"},
    {HASH, "MD4", 0, "1.2.840.113549.2.4"},
    {HASH, "MD5", 0, "1.2.840.113549.2.5"},
    {HASH, "SHA1", 0, "1.3.14.3.2.26"},
    {HASH, "SHA256", 0, "2.16.840.1.101.3.4.2.1"},
    {HASH, "SHA384", 0, "2.16.840.1.101.3.4.2.2"},
    {HASH, "SHA512", 0, "2.16.840.1.101.3.4.2.3"},
    {HASH, "NoHash", 0, NULL}, /* ML-DSA signs the message itself */

    {SYMMETRIC, "DES", 0, "1.3.14.3.2.7"},
    {SYMMETRIC, "3DES", 0, "1.2.840.113549.3.7"},
    {SYMMETRIC, "RC2", 0, "1.2.840.113549.3.2"},
    {SYMMETRIC, "AES", 128, "2.16.840.1.101.3.4.1.2"},
    {SYMMETRIC, "AES", 192, "2.16.840.1.101.3.4.1.22"},
    {SYMMETRIC, "AES", 256, "2.16.840.1.101.3.4.1.42"},
};

const struct cep_algorithm *cep_algorithm_find(enum cep_algorithm_use use, const char *name,
                                               apr_uint32_t bits)
{
    size_t i;

    for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        const struct cep_algorithm *algorithm = &algorithms[i];

        if (algorithm->use == use && strcasecmp(algorithm->name, name) == 0 &&
            (algorithm->bits == 0 || algorithm->bits == bits))
            return algorithm;
    }
    return NULL;
}
