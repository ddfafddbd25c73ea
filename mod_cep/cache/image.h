/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The layout of a snapshot's image; private to cache/. Everything is an offset from the image's
 * first octet, every table is aligned to 8. A change here is a new CEP_IMAGE_FORMAT: processes of
 * two versions may look at one file while a server restarts.
 */
#ifndef CEP_IMAGE_H
#define CEP_IMAGE_H

#include <stdint.h>

#include "cep_snapshot.h"

#define CEP_IMAGE_MAGIC      "CEPSNAP" /* with its NUL: 8 octets */
#define CEP_IMAGE_FORMAT     4u
#define CEP_IMAGE_BYTE_ORDER 0x01020304u
#define CEP_IMAGE_ALIGNMENT  8u

/* count octets (text, with a NUL behind them) or count records of a table. */
struct image_ref {
    uint32_t offset;
    uint32_t count;
};

struct image_fragment {
    struct image_ref head;
    struct image_ref tail;
};

struct image_template {
    struct image_ref cn;
    struct image_ref oid;
    struct cep_access_list enroll, autoenroll; /* compiled from its descriptor: cep_access.h */
    struct image_fragment policy;              /* around autoEnroll */
    struct image_ref oid_refs;                 /* uint32_t: rows of the OID table */
    struct image_ref ca_refs;                  /* uint32_t */
    struct image_fragment renewal;             /* likewise, for key-based renewal */
    struct image_ref renewal_ca_refs;          /* none: not offered there */
    uint32_t private_key_flags;
    uint32_t enrollment_flags;
};

struct image_ca {
    struct image_ref cn;
    struct cep_access_list enroll;
    struct image_fragment ca;      /* around enrollPermission */
    struct image_fragment renewal; /* likewise, for key-based renewal; empty: not offered there */
    struct image_ref certificates; /* struct image_ref: DER */
};

struct image_name {
    uint32_t lcid;
    uint32_t unused;
    struct image_ref name; /* escaped */
};

struct image_oid {
    struct image_fragment oid; /* around the name */
    struct image_ref name;     /* escaped */
    struct image_ref names;    /* struct image_name: in other languages */
};

struct image_finding {
    uint32_t kind;
    uint32_t left_out;
    struct image_ref code, name, text;
};

struct image_header {
    char magic[8];
    uint32_t byte_order;
    uint32_t format;
    uint64_t length;
    unsigned char digest[CEP_DIGEST_LENGTH]; /* of everything behind this member */
    struct image_ref forest_id;
    struct image_ref templates; /* struct image_template */
    struct image_ref by_oid;    /* uint32_t: numbers of all templates, in the order of their OIDs */
    struct image_ref cas;       /* struct image_ca */
    struct image_ref oids;      /* struct image_oid */
    struct image_ref findings;  /* struct image_finding */
    struct image_ref sids;      /* struct cep_sid: all that a step names, sorted */
    struct image_ref steps;     /* uint32_t: of all lists */
};

/* They lie in the image as they are. */
_Static_assert(sizeof(struct cep_sid) == CEP_SID_MAX_LENGTH + 1, "a SID has no padding");
_Static_assert(sizeof(struct cep_access_list) == 2 * sizeof(uint32_t), "a list is two numbers");

/* Where the digest begins. */
#define CEP_IMAGE_DIGESTED offsetof(struct image_header, forest_id)

struct cep_view_cache; /* view.c */

struct cep_snapshot {
    struct cep_view_cache *views;
    const unsigned char *base;
    const struct image_header *header;
    const struct image_template *templates;
    const struct image_ca *cas;
    const struct image_oid *oids;
    const struct image_finding *findings;
    const struct cep_sid *sids;
    const uint32_t *steps;
};

/* Valid on a verified snapshot only. */
static inline const void *image_at(const struct cep_snapshot *snapshot, struct image_ref ref)
{
    return snapshot->base + ref.offset;
}

static inline const char *image_template_oid(const struct cep_snapshot *snapshot, uint32_t number)
{
    return image_at(snapshot, snapshot->templates[number].oid);
}

/* Which of the two renderings an answer is made of. */
static inline struct image_fragment image_policy(const struct image_template *tmpl, int renewal)
{
    return renewal ? tmpl->renewal : tmpl->policy;
}

static inline struct image_fragment image_ca_text(const struct image_ca *ca, int renewal)
{
    return renewal ? ca->renewal : ca->ca;
}

/* Per template 1 where the view's names show it; made once per snapshot and list of names. */
const unsigned char *cep_view_shown(const struct cep_snapshot *snapshot,
                                    const struct cep_view *view);

/* The place where cep_view_shown() keeps what it has made, gone with pool; NULL: no memory. */
struct cep_view_cache *cep_view_cache_make(apr_pool_t *pool);

/* SHA-256 of what a header's digest covers; 0 when the library fails. */
int cep_image_digest(unsigned char digest[CEP_DIGEST_LENGTH], const void *image, apr_size_t length);

#endif
