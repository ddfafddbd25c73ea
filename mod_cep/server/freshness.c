/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * policiesNotChanged: what a caller has seen, and since when, is kept in the token cache.
 * [MS-XCEP] 3.1.4.1.3.9, .23. Whatever is not known for certain ends in a full answer.
 *
 * A record is the same on all machines, numbers big-endian:
 *   "CEPF" 1 | id:32 | class:32 | content:32 | since:8 | written:8 | SHA-256 of all that
 */
#include "freshness.h"
#include "cep_digest.h"

#include <openssl/evp.h>

enum {
    MAGIC_LENGTH = 5,
    ID_AT = MAGIC_LENGTH,
    CLASS_AT = ID_AT + CEP_TOKEN_ID_LENGTH,
    CONTENT_AT = CLASS_AT + CEP_DIGEST_LENGTH,
    SINCE_AT = CONTENT_AT + CEP_DIGEST_LENGTH,
    WRITTEN_AT = SINCE_AT + 8,
    DIGEST_AT = WRITTEN_AT + 8,
    RECORD_LENGTH = DIGEST_AT + CEP_DIGEST_LENGTH
};

static const unsigned char magic[MAGIC_LENGTH] = {'C', 'E', 'P', 'F', 1};

/* A caller who stays away for this many of his updates is forgotten. */
#define UPDATES_KEPT 3

/* memcached takes more than 30 days for a date. */
#define KEEP_MOST apr_time_from_sec(29 * 86400)

static void put_64(unsigned char *at, apr_time_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)((apr_uint64_t)value >> (56 - 8 * i));
}

static apr_time_t get_64(const unsigned char *at)
{
    apr_uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return (apr_time_t)value;
}

/* Both parts of what a caller gets as one digest. */
static int digest_with_head(unsigned char result[CEP_DIGEST_LENGTH],
                            const unsigned char part[CEP_DIGEST_LENGTH], const char *head)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int good = md && EVP_DigestInit_ex(md, cep_sha256(), NULL) &&
               EVP_DigestUpdate(md, part, CEP_DIGEST_LENGTH) &&
               EVP_DigestUpdate(md, head, strlen(head)) && EVP_DigestFinal_ex(md, result, NULL);

    EVP_MD_CTX_free(md);
    return good;
}

static int add_text(EVP_MD_CTX *md, const char *text)
{
    return EVP_DigestUpdate(md, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* A version that a client says, as one of a few: callers must not fill the cache with records. */
static unsigned char version_octet(int has, apr_int32_t version)
{
    if (!has || version < 0)
        return 0xff;
    return version > 15 ? 15 : (unsigned char)version;
}

/*
 * Whose record: the caller's own SID, and what makes one client of his differ from another. What
 * else the answer depends on is in the class and in the content.
 */
static int make_id(unsigned char id[CEP_TOKEN_ID_LENGTH], const struct cep_offer *offer)
{
    const struct cep_request *request = offer->request;
    const unsigned char versions[2] = {
        version_octet(request->has_filter && request->has_client_version, request->client_version),
        version_octet(request->has_filter && request->has_server_version, request->server_version)};
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int good = md && EVP_DigestInit_ex(md, cep_sha256(), NULL) && add_text(md, "freshness 1") &&
               add_text(md, offer->source->name) && add_text(md, offer->conf->location) &&
               add_text(md, offer->instance->policy_id) &&
               EVP_DigestUpdate(md, versions, sizeof(versions)) &&
               EVP_DigestUpdate(md, offer->caller->sid.octets, offer->caller->sid.length) &&
               EVP_DigestFinal_ex(md, id, NULL);

    EVP_MD_CTX_free(md);
    return good;
}

static int is_whole(const struct cep_freshness *freshness, const unsigned char *record,
                    unsigned length)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    return length == RECORD_LENGTH && memcmp(record, magic, MAGIC_LENGTH) == 0 &&
           memcmp(record + ID_AT, freshness->id, CEP_TOKEN_ID_LENGTH) == 0 &&
           EVP_Digest(record, DIGEST_AT, digest, NULL, cep_sha256(), NULL) == 1 &&
           memcmp(digest, record + DIGEST_AT, CEP_DIGEST_LENGTH) == 0;
}

static void look_up(struct cep_freshness *freshness, apr_pool_t *pool)
{
    unsigned char record[1024];
    unsigned length = sizeof(record);
    apr_time_t since, written_at;

    if (!cep_tokens_fetch(freshness->tokens, freshness->id, record, &length, pool) ||
        !is_whole(freshness, record, length))
        return;
    since = get_64(record + SINCE_AT);
    written_at = get_64(record + WRITTEN_AT);
    /* From the future: the clock was set back, and no time that was kept means anything. */
    if (since <= 0 || since > written_at || written_at > freshness->now)
        return;
    freshness->since = since;
    freshness->written_at = written_at;
    memcpy(freshness->seen_class, record + CLASS_AT, CEP_DIGEST_LENGTH);
    memcpy(freshness->seen_content, record + CONTENT_AT, CEP_DIGEST_LENGTH);
}

static void keep(const struct cep_freshness *freshness, apr_pool_t *pool)
{
    unsigned char record[RECORD_LENGTH];
    const struct cep_value octets = {record, sizeof(record)};

    memcpy(record, magic, MAGIC_LENGTH);
    memcpy(record + ID_AT, freshness->id, CEP_TOKEN_ID_LENGTH);
    memcpy(record + CLASS_AT, freshness->seen_class, CEP_DIGEST_LENGTH);
    memcpy(record + CONTENT_AT, freshness->seen_content, CEP_DIGEST_LENGTH);
    put_64(record + SINCE_AT, freshness->since);
    put_64(record + WRITTEN_AT, freshness->now);
    if (EVP_Digest(record, DIGEST_AT, record + DIGEST_AT, NULL, cep_sha256(), NULL) == 1)
        cep_tokens_keep(freshness->tokens, freshness->id, &octets, freshness->now + freshness->keep,
                        pool);
}

void cep_freshness_open(struct cep_freshness *freshness, request_rec *r,
                        const struct cep_offer *offer)
{
    const struct cep_request *request = offer->request;
    apr_interval_time_t margin = offer->conf->freshness_margin;

    memset(freshness, 0, sizeof(*freshness));
    /* Filters by OID could be of any number; who has no account has nothing to be known by. */
    if (!request->has_last_update || (request->has_filter && request->policy_oids) ||
        offer->caller->sid.length == 0 || !make_id(freshness->id, offer))
        return;
    freshness->tokens = cep_server_conf()->tokens;
    freshness->head = cep_xcep_render_head(offer->instance, NULL, 0, r->pool);
    freshness->now = apr_time_now();
    freshness->last_update =
        request->last_update < freshness->now ? request->last_update : freshness->now;
    freshness->margin = margin == CEP_UNSET ? 2 * offer->source->refresh_interval : margin;
    freshness->keep =
        UPDATES_KEPT * apr_time_from_sec(3600) * (apr_time_t)offer->instance->next_update_hours;
    if (freshness->keep > KEEP_MOST)
        freshness->keep = KEEP_MOST;
    look_up(freshness, r->pool);
}

/* The client's copy is not older than what is kept, whichever node and clock it came from. */
static int is_late_enough(const struct cep_freshness *freshness)
{
    return freshness->last_update >= freshness->since + freshness->margin;
}

static int is_aged(const struct cep_freshness *freshness)
{
    return freshness->now - freshness->written_at > freshness->keep / 4;
}

int cep_freshness_has_class(struct cep_freshness *freshness,
                            const struct cep_answer_class *answer_class, apr_pool_t *pool)
{
    unsigned char seen[CEP_DIGEST_LENGTH];

    if (!freshness->tokens || !freshness->since || !is_late_enough(freshness) ||
        !digest_with_head(seen, answer_class->key, freshness->head) ||
        memcmp(seen, freshness->seen_class, sizeof(seen)) != 0)
        return 0;
    if (is_aged(freshness))
        keep(freshness, pool);
    return 1;
}

int cep_freshness_has_content(struct cep_freshness *freshness,
                              const struct cep_answer_class *answer_class,
                              const struct cep_body *body, apr_pool_t *pool)
{
    unsigned char class_seen[CEP_DIGEST_LENGTH], content[CEP_DIGEST_LENGTH];
    int same;

    if (!freshness->tokens || !digest_with_head(class_seen, answer_class->key, freshness->head) ||
        !digest_with_head(content, body->content, freshness->head))
        return 0;
    same = freshness->since && memcmp(content, freshness->seen_content, sizeof(content)) == 0;
    if (same && memcmp(class_seen, freshness->seen_class, sizeof(class_seen)) == 0 &&
        !is_aged(freshness))
        return is_late_enough(freshness);
    if (!same)
        freshness->since = freshness->now;
    memcpy(freshness->seen_class, class_seen, sizeof(class_seen));
    memcpy(freshness->seen_content, content, sizeof(content));
    keep(freshness, pool);
    return same && is_late_enough(freshness);
}
