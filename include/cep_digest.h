/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* SHA-256 for whoever digests: mod_cep/digest.c. */
#ifndef CEP_DIGEST_H
#define CEP_DIGEST_H

#include <openssl/evp.h>

/*
 * As EVP_sha256(), of the process and never freed, but found once: OpenSSL 3 seeks what
 * EVP_sha256() stands for among its providers at each use, which takes longer than to digest a
 * short text.
 */
const EVP_MD *cep_sha256(void);

#endif
