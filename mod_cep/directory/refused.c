/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "refused.h"
#include "cep_digest.h"

#include <string.h>

#include <apr_atomic.h>
#include <apr_general.h>
#include <apr_shm.h>
#include <apr_strings.h>

#include <openssl/evp.h>

/* Credentials remembered: each has one place, and the last one that is refused takes it. */
#define PLACES 64

/*
 * Written and read without a lock: a key and its time may come from two refusals. What that costs
 * is one try too many, or a wait that another account has earned.
 */
struct place {
    volatile apr_uint64_t key;
    volatile apr_uint64_t until; /* cep_monotonic(), which is one clock for all processes */
};

struct cep_refused {
    unsigned char seed[32];
    struct place *places; /* shared */
};

struct cep_refused *cep_refused_make(apr_pool_t *pool)
{
    struct cep_refused *refused = apr_pcalloc(pool, sizeof(*refused));
    const apr_size_t size = sizeof(struct place) * PLACES;
    apr_shm_t *shm;

    if (apr_generate_random_bytes(refused->seed, sizeof(refused->seed)) != APR_SUCCESS ||
        apr_shm_create(&shm, size, NULL, pool) != APR_SUCCESS)
        return NULL;
    refused->places = memset(apr_shm_baseaddr_get(shm), 0, size);
    return refused;
}

static int add_part(EVP_MD_CTX *context, const void *data, apr_uint64_t length)
{
    return EVP_DigestUpdate(context, &length, sizeof(length)) &&
           EVP_DigestUpdate(context, data, (size_t)length);
}

apr_uint64_t cep_refused_key(const struct cep_refused *refused, const char *server,
                             const char *account, const void *secret, apr_size_t length)
{
    EVP_MD_CTX *context = refused ? EVP_MD_CTX_new() : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    apr_uint64_t key = 0;

    if (context && EVP_DigestInit_ex(context, cep_sha256(), NULL) &&
        add_part(context, refused->seed, sizeof(refused->seed)) &&
        add_part(context, server, strlen(server)) && add_part(context, account, strlen(account)) &&
        add_part(context, secret, length) && EVP_DigestFinal_ex(context, digest, NULL))
        memcpy(&key, digest, sizeof(key));
    EVP_MD_CTX_free(context);
    return key;
}

static struct place *place_of(const struct cep_refused *refused, apr_uint64_t key)
{
    return refused && key ? &refused->places[key % PLACES] : NULL;
}

apr_interval_time_t cep_refused_for(const struct cep_refused *refused, apr_uint64_t key)
{
    struct place *place = place_of(refused, key);
    apr_interval_time_t left;

    if (!place || apr_atomic_read64(&place->key) != key)
        return 0;
    left = (apr_time_t)apr_atomic_read64(&place->until) - cep_monotonic();
    return left > 0 && left <= CEP_REFUSED_WAIT ? left : 0;
}

void cep_refused_note(struct cep_refused *refused, apr_uint64_t key)
{
    struct place *place = place_of(refused, key);

    if (!place)
        return;
    apr_atomic_set64(&place->until, (apr_uint64_t)(cep_monotonic() + CEP_REFUSED_WAIT));
    apr_atomic_set64(&place->key, key);
}
