/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* From a finished policy to the image of a snapshot. */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/evp.h>

#include "image.h"
#include "cep_digest.h"

/* Octets of a block at first. */
#define FIRST_SIZE ((apr_size_t)256 * 1024)

/*
 * A block that grows; offsets stay valid when it moves. It is mapped: in a pool every size that it
 * has outgrown would stay until the end, and a block of malloc()'s the C library keeps after that,
 * so that each process that ever refreshed would hold a copy of the policy.
 */
struct builder {
    apr_pool_t *pool;
    apr_pool_t *scratch; /* cleared for each object */
    unsigned char *data;
    apr_size_t length, size;
    int full;
    struct cep_compiler *access; /* of all descriptors */
};

int cep_image_digest(unsigned char digest[CEP_DIGEST_LENGTH], const void *image, apr_size_t length)
{
    unsigned int written = 0;

    return EVP_Digest((const unsigned char *)image + CEP_IMAGE_DIGESTED,
                      length - CEP_IMAGE_DIGESTED, digest, &written, cep_sha256(), NULL) == 1 &&
           written == CEP_DIGEST_LENGTH;
}

static void *map(apr_size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The block with another size, or MAP_FAILED; then it is as it was. */
static void *remap(const struct builder *b, apr_size_t size)
{
#ifdef HAVE_MREMAP
    return mremap(b->data, b->size, size, MREMAP_MAYMOVE);
#else
    void *data = map(size);

    if (data != MAP_FAILED) {
        memcpy(data, b->data, b->length);
        munmap(b->data, b->size);
    }
    return data;
#endif
}

static int grow(struct builder *b, apr_size_t least)
{
    apr_size_t size = b->size ? b->size * 2 : FIRST_SIZE;
    void *data;

    if (size < least)
        size = least;
    data = b->data ? remap(b, size) : map(size);
    if (data == MAP_FAILED)
        return 0;
    b->data = data;
    b->size = size;
    return 1;
}

/* Room for length octets, zeroed, at an aligned place; 0 and full when there is none. */
static uint32_t reserve(struct builder *b, apr_size_t length)
{
    apr_size_t at = (b->length + CEP_IMAGE_ALIGNMENT - 1) & ~(apr_size_t)(CEP_IMAGE_ALIGNMENT - 1);

    if (b->full || at > CEP_SNAPSHOT_MAX || length > CEP_SNAPSHOT_MAX - at) {
        b->full = 1;
        return 0;
    }
    if (at + length > b->size && !grow(b, at + length)) {
        b->full = 1;
        return 0;
    }
    memset(b->data + b->length, 0, at + length - b->length);
    b->length = at + length;
    return (uint32_t)at;
}

/* Octets with a NUL behind them, so that text can be read in place. */
static struct image_ref put(struct builder *b, const void *data, apr_size_t length)
{
    struct image_ref ref = {0, 0};
    uint32_t at = reserve(b, length + 1);

    if (b->full)
        return ref;
    if (length > 0)
        memcpy(b->data + at, data, length);
    ref.offset = at;
    ref.count = (uint32_t)length;
    return ref;
}

static struct image_ref put_text(struct builder *b, const char *text)
{
    return put(b, text, strlen(text));
}

static struct image_ref put_value(struct builder *b, const struct cep_value *value)
{
    return put(b, value->data, value->data ? value->len : 0);
}

static struct image_fragment put_fragment(struct builder *b, struct cep_fragment fragment)
{
    struct image_fragment f;

    f.head = put_value(b, &fragment.head);
    f.tail = put_value(b, &fragment.tail);
    return f;
}

/* An array of int as a table of uint32_t. */
static struct image_ref put_refs(struct builder *b, const apr_array_header_t *refs)
{
    struct image_ref ref = {0, 0};
    uint32_t at = reserve(b, (apr_size_t)refs->nelts * sizeof(uint32_t));

    if (b->full)
        return ref;
    for (int i = 0; i < refs->nelts; i++)
        ((uint32_t *)(void *)(b->data + at))[i] = (uint32_t)APR_ARRAY_IDX(refs, i, int);
    ref.offset = at;
    ref.count = (uint32_t)refs->nelts;
    return ref;
}

static struct image_ref reserve_table(struct builder *b, int count, apr_size_t record)
{
    struct image_ref ref = {0, 0};
    uint32_t at = reserve(b, (apr_size_t)count * record);

    if (!b->full) {
        ref.offset = at;
        ref.count = (uint32_t)count;
    }
    return ref;
}

/* Copy a record to its place in a table that was reserved before its texts were put. */
static void store(struct builder *b, struct image_ref table, int i, const void *record,
                  apr_size_t size)
{
    if (!b->full)
        memcpy(b->data + table.offset + (apr_size_t)i * size, record, size);
}

/* An absent descriptor grants nothing, as an unreadable one. */
static struct cep_access_list compile(struct builder *b, const struct cep_value *descriptor,
                                      enum cep_right right)
{
    return cep_compiler_add(b->access, descriptor->data, descriptor->data ? descriptor->len : 0,
                            right);
}

static void put_renewal_template(struct builder *b, struct image_template *record,
                                 const struct cep_policy *policy, const struct cep_template *tmpl)
{
    const struct cep_template *renewal = cep_policy_renewal_template(policy, tmpl, b->pool);
    struct cep_fragment none = {{NULL, 0}, {NULL, 0}};

    record->renewal = put_fragment(b, renewal ? cep_xcep_render_policy(renewal, b->scratch) : none);
    record->renewal_ca_refs =
        put_refs(b, renewal ? renewal->ca_refs : apr_array_make(b->pool, 1, sizeof(int)));
}

static struct image_ref put_templates(struct builder *b, const struct cep_policy *policy)
{
    int count = policy->templates->nelts;
    struct image_ref table = reserve_table(b, count, sizeof(struct image_template));

    for (int i = 0; i < count; i++) {
        const struct cep_template *t =
            APR_ARRAY_IDX(policy->templates, i, const struct cep_template *);
        struct image_template record;

        memset(&record, 0, sizeof(record));
        record.cn = put_text(b, t->cn);
        record.oid = put_text(b, t->oid);
        record.enroll = compile(b, &t->security_descriptor, CEP_RIGHT_ENROLL);
        record.autoenroll = compile(b, &t->security_descriptor, CEP_RIGHT_AUTOENROLL);
        record.policy = put_fragment(b, cep_xcep_render_policy(t, b->scratch));
        record.oid_refs = put_refs(b, t->oid_refs);
        record.ca_refs = put_refs(b, t->ca_refs);
        put_renewal_template(b, &record, policy, t);
        record.private_key_flags = t->private_key_flags;
        record.enrollment_flags = t->enrollment_flags;
        store(b, table, i, &record, sizeof(record));
        apr_pool_clear(b->scratch);
    }
    return table;
}

struct oid_row {
    const char *oid;
    int number;
};

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct oid_row *)a)->oid, ((const struct oid_row *)b)->oid);
}

/* For filters by OID: who asks for some templates does not pay for all. */
static struct image_ref put_by_oid(struct builder *b, const struct cep_policy *policy)
{
    int count = policy->templates->nelts;
    struct oid_row *rows = apr_palloc(b->pool, (apr_size_t)(count + 1) * sizeof(*rows));
    apr_array_header_t *numbers = apr_array_make(b->pool, count, sizeof(int));

    for (int i = 0; i < count; i++) {
        rows[i].oid = APR_ARRAY_IDX(policy->templates, i, const struct cep_template *)->oid;
        rows[i].number = i;
    }
    qsort(rows, (size_t)count, sizeof(*rows), compare_rows);
    for (int i = 0; i < count; i++)
        APR_ARRAY_PUSH(numbers, int) = rows[i].number;
    return put_refs(b, numbers);
}

static void put_renewal_ca(struct builder *b, struct image_ca *record,
                           const struct cep_enrollment_service *service, int number)
{
    const struct cep_enrollment_service *renewal = cep_policy_renewal_service(service, b->pool);
    struct cep_fragment none = {{NULL, 0}, {NULL, 0}};

    record->renewal =
        put_fragment(b, renewal ? cep_xcep_render_ca(renewal, number, b->scratch) : none);
}

static struct image_ref put_certificates(struct builder *b, const apr_array_header_t *certificates)
{
    struct image_ref table = reserve_table(b, certificates->nelts, sizeof(struct image_ref));

    for (int i = 0; i < certificates->nelts; i++) {
        struct image_ref record =
            put_value(b, &APR_ARRAY_IDX(certificates, i, const struct cep_value));

        store(b, table, i, &record, sizeof(record));
    }
    return table;
}

static struct image_ref put_cas(struct builder *b, const struct cep_policy *policy)
{
    int count = policy->services->nelts;
    struct image_ref table = reserve_table(b, count, sizeof(struct image_ca));

    for (int i = 0; i < count; i++) {
        const struct cep_enrollment_service *service =
            APR_ARRAY_IDX(policy->services, i, const struct cep_enrollment_service *);
        struct image_ca record;

        memset(&record, 0, sizeof(record));
        record.cn = put_text(b, service->cn);
        record.enroll = compile(b, &service->security_descriptor, CEP_RIGHT_ENROLL);
        record.ca = put_fragment(b, cep_xcep_render_ca(service, i, b->scratch));
        put_renewal_ca(b, &record, service, i);
        record.certificates = put_certificates(b, service->certificates);
        store(b, table, i, &record, sizeof(record));
        apr_pool_clear(b->scratch);
    }
    return table;
}

static struct image_ref put_names(struct builder *b, const apr_array_header_t *names)
{
    struct image_ref table = reserve_table(b, names->nelts, sizeof(struct image_name));

    for (int i = 0; i < names->nelts; i++) {
        const struct cep_localized_name *name =
            &APR_ARRAY_IDX(names, i, const struct cep_localized_name);
        struct image_name record = {.lcid = name->lcid};

        record.name = put_text(b, cep_xcep_escape(name->name, b->scratch));
        store(b, table, i, &record, sizeof(record));
    }
    return table;
}

static struct image_ref put_oids(struct builder *b, const struct cep_policy *policy)
{
    int count = policy->oid_table->nelts;
    struct image_ref table = reserve_table(b, count, sizeof(struct image_oid));

    for (int i = 0; i < count; i++) {
        const struct cep_oid_row *row =
            &APR_ARRAY_IDX(policy->oid_table, i, const struct cep_oid_row);
        struct image_oid record;

        memset(&record, 0, sizeof(record));
        record.oid = put_fragment(b, cep_xcep_render_oid(row, i, b->scratch));
        record.name = put_text(b, cep_xcep_escape(row->name, b->scratch));
        record.names = put_names(b, row->localized);
        store(b, table, i, &record, sizeof(record));
        apr_pool_clear(b->scratch);
    }
    return table;
}

static struct image_ref put_records(struct builder *b, const void *records, uint32_t count,
                                    apr_size_t record)
{
    struct image_ref ref = {0, 0};
    uint32_t at = reserve(b, (apr_size_t)count * record);

    if (b->full)
        return ref;
    if (count > 0)
        memcpy(b->data + at, records, (apr_size_t)count * record);
    ref.offset = at;
    ref.count = count;
    return ref;
}

/* What the lists of templates and CAs refer to. */
static void put_access(struct builder *b, struct image_header *header)
{
    struct cep_compiled compiled;

    if (!cep_compiler_finish(&compiled, b->access)) {
        b->full = 1;
        return;
    }
    header->sids = put_records(b, compiled.sids, compiled.sid_count, sizeof(struct cep_sid));
    header->steps = put_records(b, compiled.steps, compiled.step_count, sizeof(uint32_t));
}

static struct image_ref put_findings(struct builder *b, const struct cep_policy *policy)
{
    int count = policy->findings->nelts;
    struct image_ref table = reserve_table(b, count, sizeof(struct image_finding));

    for (int i = 0; i < count; i++) {
        const struct cep_finding *finding =
            &APR_ARRAY_IDX(policy->findings, i, const struct cep_finding);
        struct image_finding record;

        memset(&record, 0, sizeof(record));
        record.kind = (uint32_t)finding->kind;
        record.left_out = finding->left_out ? 1 : 0;
        record.code = put_text(b, finding->code);
        record.name = put_text(b, finding->name);
        record.text = put_text(b, finding->text);
        store(b, table, i, &record, sizeof(record));
    }
    return table;
}

struct mapping {
    void *data;
    apr_size_t size;
};

static apr_status_t unmap_image(void *data)
{
    const struct mapping *mapping = data;

    munmap(mapping->data, mapping->size);
    return APR_SUCCESS;
}

/* It ends with pool. */
static void tie_to_pool(const struct builder *b, apr_pool_t *pool)
{
    struct mapping *mapping = apr_palloc(pool, sizeof(*mapping));

    mapping->data = b->data;
    mapping->size = b->size;
    if (b->data)
        apr_pool_cleanup_register(pool, mapping, unmap_image, apr_pool_cleanup_null);
}

apr_status_t cep_snapshot_build(struct cep_value *image, const struct cep_policy *policy,
                                const struct cep_directory_identity *identity, apr_pool_t *pool)
{
    struct builder b = {.size = 0};
    struct image_header header;

    apr_pool_create(&b.pool, pool);
    apr_pool_create(&b.scratch, b.pool);
    b.access = cep_compiler_make(b.pool);
    memset(&header, 0, sizeof(header));
    reserve(&b, sizeof(header));
    memcpy(header.magic, CEP_IMAGE_MAGIC, sizeof(header.magic));
    header.byte_order = CEP_IMAGE_BYTE_ORDER;
    header.format = CEP_IMAGE_FORMAT;
    header.forest_id = put_text(&b, identity->forest_id);
    header.templates = put_templates(&b, policy);
    header.by_oid = put_by_oid(&b, policy);
    header.cas = put_cas(&b, policy);
    put_access(&b, &header);
    header.oids = put_oids(&b, policy);
    header.findings = put_findings(&b, policy);
    apr_pool_destroy(b.pool);
    tie_to_pool(&b, pool);
    if (b.full)
        return APR_ENOSPC;

    header.length = b.length;
    memcpy(b.data, &header, sizeof(header));
    if (!cep_image_digest(header.digest, b.data, b.length))
        return APR_EGENERAL;
    memcpy(b.data, &header, sizeof(header));
    image->data = b.data;
    image->len = b.length;
    return APR_SUCCESS;
}
