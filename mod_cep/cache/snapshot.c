/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Verify an image once, so that everybody else may trust it. */

#include <stddef.h>
#include <string.h>

#include "image.h"

/* Text of ref lies inside and has its NUL. */
static int text_fits(const struct cep_snapshot *s, struct image_ref ref)
{
    uint64_t end = (uint64_t)ref.offset + ref.count;

    return ref.offset >= sizeof(struct image_header) && end < s->header->length &&
           s->base[end] == '\0';
}

static int table_fits(const struct cep_snapshot *s, struct image_ref ref, apr_size_t record)
{
    return ref.offset >= sizeof(struct image_header) && ref.offset % CEP_IMAGE_ALIGNMENT == 0 &&
           ref.offset + (uint64_t)ref.count * record <= s->header->length;
}

static int fragment_fits(const struct cep_snapshot *s, struct image_fragment fragment)
{
    return text_fits(s, fragment.head) && text_fits(s, fragment.tail);
}

/* A table of numbers, each below limit. */
static int refs_fit(const struct cep_snapshot *s, struct image_ref ref, uint32_t limit)
{
    const uint32_t *numbers;

    if (!table_fits(s, ref, sizeof(uint32_t)))
        return 0;
    numbers = image_at(s, ref);
    for (uint32_t i = 0; i < ref.count; i++) {
        if (numbers[i] >= limit)
            return 0;
    }
    return 1;
}

/* Sorted, or the search in them goes wrong: a right would be lost, or a denial. */
static int sids_fit(const struct cep_snapshot *s)
{
    struct cep_sid sid;

    for (uint32_t i = 0; i < s->header->sids.count; i++) {
        if (!cep_sid_read(&sid, s->sids[i].octets, s->sids[i].length) ||
            memcmp(&sid, &s->sids[i], sizeof(sid)) != 0 ||
            (i > 0 && cep_sid_compare(&s->sids[i - 1], &sid) >= 0))
            return 0;
    }
    return 1;
}

static int steps_fit(const struct cep_snapshot *s)
{
    for (uint32_t i = 0; i < s->header->steps.count; i++) {
        if (CEP_STEP_SID(s->steps[i]) >= s->header->sids.count)
            return 0;
    }
    return 1;
}

static int list_fits(const struct cep_snapshot *s, struct cep_access_list list)
{
    return (uint64_t)list.first + list.count <= s->header->steps.count;
}

static int templates_fit(const struct cep_snapshot *s)
{
    for (uint32_t i = 0; i < s->header->templates.count; i++) {
        const struct image_template *t = &s->templates[i];

        if (!text_fits(s, t->cn) || !text_fits(s, t->oid) || !list_fits(s, t->enroll) ||
            !list_fits(s, t->autoenroll) || !fragment_fits(s, t->policy) ||
            !refs_fit(s, t->oid_refs, s->header->oids.count) ||
            !refs_fit(s, t->ca_refs, s->header->cas.count) || !fragment_fits(s, t->renewal) ||
            !refs_fit(s, t->renewal_ca_refs, s->header->cas.count))
            return 0;
    }
    return 1;
}

/* Each template once, in the order of the OIDs; no two have the same. */
static int index_fits(const struct cep_snapshot *s)
{
    const uint32_t count = s->header->templates.count, *numbers;

    if (s->header->by_oid.count != count || !refs_fit(s, s->header->by_oid, count))
        return 0;
    numbers = image_at(s, s->header->by_oid);
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(image_template_oid(s, numbers[i - 1]), image_template_oid(s, numbers[i])) >= 0)
            return 0;
    }
    return 1;
}

static int oids_fit(const struct cep_snapshot *s)
{
    for (uint32_t i = 0; i < s->header->oids.count; i++) {
        const struct image_oid *oid = &s->oids[i];
        const struct image_name *names;

        if (!fragment_fits(s, oid->oid) || !text_fits(s, oid->name) ||
            !table_fits(s, oid->names, sizeof(struct image_name)))
            return 0;
        names = image_at(s, oid->names);
        for (uint32_t n = 0; n < oid->names.count; n++) {
            if (!text_fits(s, names[n].name))
                return 0;
        }
    }
    return 1;
}

static int certificates_fit(const struct cep_snapshot *s, struct image_ref table)
{
    const struct image_ref *certificates;

    if (!table_fits(s, table, sizeof(*certificates)))
        return 0;
    certificates = image_at(s, table);
    for (uint32_t i = 0; i < table.count; i++) {
        if (!text_fits(s, certificates[i]))
            return 0;
    }
    return 1;
}

static int rest_fits(const struct cep_snapshot *s)
{
    for (uint32_t i = 0; i < s->header->cas.count; i++) {
        const struct image_ca *ca = &s->cas[i];

        if (!text_fits(s, ca->cn) || !list_fits(s, ca->enroll) || !fragment_fits(s, ca->ca) ||
            !fragment_fits(s, ca->renewal) || !certificates_fit(s, ca->certificates))
            return 0;
    }
    for (uint32_t i = 0; i < s->header->findings.count; i++) {
        const struct image_finding *f = &s->findings[i];

        if (f->kind > CEP_OBJECT_DIRECTORY || !text_fits(s, f->code) || !text_fits(s, f->name) ||
            !text_fits(s, f->text))
            return 0;
    }
    return 1;
}

/* What is wrong with the header of an image of length octets, or NULL. */
static const char *check_header(const struct image_header *header, apr_size_t length)
{
    unsigned char digest[CEP_DIGEST_LENGTH];

    if (length < sizeof(*header))
        return "it is too short for a snapshot";
    if (memcmp(header->magic, CEP_IMAGE_MAGIC, sizeof(header->magic)) != 0)
        return "it is no snapshot";
    if (header->byte_order != CEP_IMAGE_BYTE_ORDER)
        return "it was written on a machine of another byte order";
    if (header->format != CEP_IMAGE_FORMAT)
        return "it has the format of another version of mod_cep";
    if (header->length != length || length > CEP_SNAPSHOT_MAX)
        return "its length is not the one it was written with";
    if (!cep_image_digest(digest, header, length) ||
        memcmp(digest, header->digest, sizeof(digest)) != 0)
        return "its digest is wrong, so it was damaged or changed";
    return NULL;
}

const struct cep_snapshot *cep_snapshot_open(const void *image, apr_size_t length, apr_pool_t *pool,
                                             const char **error)
{
    struct cep_snapshot *s = apr_pcalloc(pool, sizeof(*s));

    s->base = image;
    s->header = image;
    *error = check_header(s->header, length);
    if (*error)
        return NULL;

    /* The digest only says that the file is as it was written. Whoever can write the file can
     * make a digest too, so every number in it is checked all the same. */
    *error = "its tables do not fit together";
    if (!text_fits(s, s->header->forest_id) ||
        !table_fits(s, s->header->templates, sizeof(struct image_template)) ||
        !table_fits(s, s->header->cas, sizeof(struct image_ca)) ||
        !table_fits(s, s->header->oids, sizeof(struct image_oid)) ||
        !table_fits(s, s->header->findings, sizeof(struct image_finding)) ||
        !table_fits(s, s->header->sids, sizeof(struct cep_sid)) ||
        !table_fits(s, s->header->steps, sizeof(uint32_t)))
        return NULL;
    s->templates = image_at(s, s->header->templates);
    s->cas = image_at(s, s->header->cas);
    s->oids = image_at(s, s->header->oids);
    s->findings = image_at(s, s->header->findings);
    s->sids = image_at(s, s->header->sids);
    s->steps = image_at(s, s->header->steps);
    if (!sids_fit(s) || !steps_fit(s) || !templates_fit(s) || !index_fits(s) || !oids_fit(s) ||
        !rest_fits(s))
        return NULL;
    *error = "there is no memory for it";
    s->views = cep_view_cache_make(pool);
    if (!s->views)
        return NULL;
    *error = NULL;
    return s;
}

const unsigned char *cep_snapshot_digest(const struct cep_snapshot *snapshot)
{
    return snapshot->header->digest;
}

int cep_snapshot_template_count(const struct cep_snapshot *snapshot)
{
    return (int)snapshot->header->templates.count;
}

int cep_snapshot_ca_count(const struct cep_snapshot *snapshot)
{
    return (int)snapshot->header->cas.count;
}

int cep_snapshot_oid_count(const struct cep_snapshot *snapshot)
{
    return (int)snapshot->header->oids.count;
}

const char *cep_snapshot_forest_id(const struct cep_snapshot *snapshot)
{
    return image_at(snapshot, snapshot->header->forest_id);
}

apr_array_header_t *cep_snapshot_ca_certificates(const struct cep_snapshot *snapshot,
                                                 apr_pool_t *pool)
{
    apr_array_header_t *all = apr_array_make(pool, 4, sizeof(struct cep_value));

    for (uint32_t i = 0; i < snapshot->header->cas.count; i++) {
        struct image_ref table = snapshot->cas[i].certificates;
        const struct image_ref *certificates = image_at(snapshot, table);

        for (uint32_t c = 0; c < table.count; c++) {
            struct cep_value *value = apr_array_push(all);

            value->data = image_at(snapshot, certificates[c]);
            value->len = certificates[c].count;
        }
    }
    return all;
}

int cep_snapshot_finding_count(const struct cep_snapshot *snapshot)
{
    return (int)snapshot->header->findings.count;
}

struct cep_finding cep_snapshot_finding(const struct cep_snapshot *snapshot, int i)
{
    const struct image_finding *f = &snapshot->findings[i];
    struct cep_finding finding = {
        .kind = (enum cep_object_kind)f->kind,
        .code = image_at(snapshot, f->code),
        .name = image_at(snapshot, f->name),
        .text = image_at(snapshot, f->text),
        .left_out = (int)f->left_out,
    };

    return finding;
}
