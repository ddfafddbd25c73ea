/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A caller as octets, for a cache that other processes and machines share: who was asked for, when,
 * and what was found, with a version in front and a SHA-256 behind. All numbers are big-endian.
 *
 *   "CEPT" version kind | seconds:8 | directory text | user text | kind 0: reason text
 *                                                               | kind 1: dn, account, sid, SIDs
 *   text: length:2, octets.  sid: length:1, octets.  SIDs: count:2, each 0x80 and the last 4 octets
 * when the rest is that of the SID before, else its length and all of it: groups of one domain are
 * 5 octets each.
 */
#include "cep_caller.h"
#include "cep_digest.h"

#include <string.h>

#include <openssl/evp.h>

#include <apr_strings.h>

enum {
    MAGIC_LENGTH = 4,
    VERSION = 2,
    KIND_NOBODY = 0,
    KIND_CALLER = 1,
    DIGEST_LENGTH = 32,
    SAME_DOMAIN = 0x80,
    RID_LENGTH = 4
};

static const char magic[MAGIC_LENGTH] = {'C', 'E', 'P', 'T'};

/* ---- writing; with data NULL only the length is counted ---- */

struct writer {
    unsigned char *data;
    apr_size_t length;
};

static void put(struct writer *w, const void *octets, apr_size_t length)
{
    if (w->data && length)
        memcpy(w->data + w->length, octets, length);
    w->length += length;
}

static void put_number(struct writer *w, apr_uint64_t number, int octets)
{
    for (int i = octets - 1; i >= 0; i--) {
        unsigned char octet = (unsigned char)(number >> (8 * i));

        put(w, &octet, 1);
    }
}

static void put_text(struct writer *w, const char *text)
{
    apr_size_t length = strlen(text);

    if (length > 0xffff)
        length = 0xffff;
    put_number(w, length, 2);
    put(w, text, length);
}

static int same_domain(const struct cep_sid *a, const struct cep_sid *b)
{
    return a->length == b->length && a->length > RID_LENGTH &&
           memcmp(a->octets, b->octets, a->length - RID_LENGTH) == 0;
}

static void put_sids(struct writer *w, const struct cep_token *token)
{
    put_number(w, (apr_uint64_t)token->count, 2);
    for (int i = 0; i < token->count; i++) {
        const struct cep_sid *sid = &token->sids[i];

        if (i > 0 && same_domain(sid, sid - 1)) {
            put_number(w, SAME_DOMAIN, 1);
            put(w, sid->octets + sid->length - RID_LENGTH, RID_LENGTH);
        } else {
            put_number(w, sid->length, 1);
            put(w, sid->octets, sid->length);
        }
    }
}

static void put_record(struct writer *w, const struct cep_caller_record *record,
                       const char *directory, const char *user)
{
    put(w, magic, MAGIC_LENGTH);
    put_number(w, VERSION, 1);
    put_number(w, record->caller ? KIND_CALLER : KIND_NOBODY, 1);
    put_number(w, (apr_uint64_t)apr_time_sec(record->found_at), 8);
    put_text(w, directory);
    put_text(w, user);
    if (!record->caller) {
        put_text(w, record->reason);
        return;
    }
    put_text(w, record->caller->dn);
    put_text(w, record->caller->account);
    put_number(w, record->caller->sid.length, 1);
    put(w, record->caller->sid.octets, record->caller->sid.length);
    put_sids(w, &record->caller->token);
}

int cep_caller_pack(struct cep_value *octets, const struct cep_caller_record *record,
                    const char *directory, const char *user, apr_pool_t *pool)
{
    struct writer w = {NULL, 0};
    unsigned char *data;

    put_record(&w, record, directory, user);
    data = apr_palloc(pool, w.length + DIGEST_LENGTH);
    w.data = data;
    w.length = 0;
    put_record(&w, record, directory, user);
    if (EVP_Digest(data, w.length, data + w.length, NULL, cep_sha256(), NULL) != 1)
        return 0;
    octets->data = data;
    octets->len = w.length + DIGEST_LENGTH;
    return 1;
}

/* ---- reading; after the first thing that does not fit nothing more is read ---- */

struct reader {
    const unsigned char *data;
    apr_size_t left;
    int bad;
};

static const unsigned char *take(struct reader *r, apr_size_t length)
{
    const unsigned char *data = r->data;

    if (r->bad || length > r->left) {
        r->bad = 1;
        return NULL;
    }
    r->data += length;
    r->left -= length;
    return data;
}

static apr_uint64_t take_number(struct reader *r, int octets)
{
    const unsigned char *data = take(r, (apr_size_t)octets);
    apr_uint64_t number = 0;

    for (int i = 0; data && i < octets; i++)
        number = number << 8 | data[i];
    return number;
}

static const char *take_text(struct reader *r, apr_pool_t *pool)
{
    apr_size_t length = (apr_size_t)take_number(r, 2);
    const unsigned char *data = take(r, length);

    if (data && memchr(data, '\0', length))
        r->bad = 1;
    return data ? apr_pstrmemdup(pool, (const char *)data, length) : "";
}

static int take_sid(struct reader *r, struct cep_sid *sid, const struct cep_sid *before)
{
    apr_size_t length = (apr_size_t)take_number(r, 1);
    const unsigned char *data;

    if (length != SAME_DOMAIN) {
        data = take(r, length);
        return data && cep_sid_read(sid, data, length);
    }
    data = take(r, RID_LENGTH);
    if (!data || !before)
        return 0;
    *sid = *before;
    memcpy(sid->octets + sid->length - RID_LENGTH, data, RID_LENGTH);
    return 1;
}

/* The caller's own, which he need not have. */
static void take_own_sid(struct reader *r, struct cep_sid *sid)
{
    apr_size_t length = (apr_size_t)take_number(r, 1);
    const unsigned char *data = take(r, length);

    memset(sid, 0, sizeof(*sid));
    if (data && length > 0 && !cep_sid_read(sid, data, length))
        r->bad = 1;
}

static struct cep_token take_sids(struct reader *r, apr_pool_t *pool)
{
    int count = (int)take_number(r, 2);
    apr_array_header_t *sids;

    /* The shortest is one number and the end of the SID before it. */
    if (count > CEP_TOKEN_MAX_SIDS || (apr_size_t)count > r->left / (1 + RID_LENGTH)) {
        r->bad = 1;
        count = 0;
    }
    sids = apr_array_make(pool, count, sizeof(struct cep_sid));
    for (int i = 0; !r->bad && i < count; i++) {
        struct cep_sid *sid = apr_array_push(sids);

        if (!take_sid(r, sid, i > 0 ? sid - 1 : NULL))
            r->bad = 1;
    }
    return cep_token_make(sids);
}

/* 1 when the digest at the end is that of what stands before it. */
static int digest_fits(const unsigned char *data, apr_size_t length)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    return length > DIGEST_LENGTH &&
           EVP_Digest(data, length - DIGEST_LENGTH, digest, NULL, cep_sha256(), NULL) == 1 &&
           memcmp(digest, data + length - DIGEST_LENGTH, DIGEST_LENGTH) == 0;
}

int cep_caller_unpack(struct cep_caller_record *record, const void *octets, apr_size_t length,
                      const char *directory, const char *user, apr_pool_t *pool)
{
    struct reader r = {octets, length > DIGEST_LENGTH ? length - DIGEST_LENGTH : 0, 0};
    const unsigned char *start;
    apr_uint64_t kind;

    memset(record, 0, sizeof(*record));
    if (!digest_fits(octets, length))
        return 0;
    start = take(&r, MAGIC_LENGTH);
    if (!start || memcmp(start, magic, MAGIC_LENGTH) != 0 || take_number(&r, 1) != VERSION)
        return 0;
    kind = take_number(&r, 1);
    record->found_at = apr_time_from_sec((apr_int64_t)(take_number(&r, 8) & 0xffffffffffu));
    /* A digest of names may collide in a cache that somebody else writes to; names do not. */
    if (strcmp(take_text(&r, pool), directory) != 0 || strcmp(take_text(&r, pool), user) != 0)
        return 0;
    if (kind == KIND_CALLER) {
        record->caller = apr_palloc(pool, sizeof(*record->caller));
        record->caller->dn = take_text(&r, pool);
        record->caller->account = take_text(&r, pool);
        take_own_sid(&r, &record->caller->sid);
        record->caller->token = take_sids(&r, pool);
    } else {
        record->reason = take_text(&r, pool);
    }
    return !r.bad && r.left == 0 && kind <= KIND_CALLER;
}
