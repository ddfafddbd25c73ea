/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "cep_digest.h"

#if OPENSSL_VERSION_NUMBER >= 0x30000000L

#include <openssl/crypto.h>

/* Written once, before anybody reads it. OpenSSL's own table holds it, too, and frees it. */
static EVP_MD *fetched;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

const EVP_MD *cep_sha256(void)
{
    return CRYPTO_THREAD_run_once(&once, fetch) && fetched ? fetched : EVP_sha256();
}

#else

const EVP_MD *cep_sha256(void)
{
    return EVP_sha256();
}

#endif
