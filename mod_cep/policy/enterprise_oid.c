/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* An msPKI-Enterprise-Oid entry: the forest's own name of an OID. [MS-ADSC] 2.169, certca.h. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

const char *const cep_enterprise_oid_attributes[] = {
    "objectClass",
    "cn",
    "displayName",
    "flags",
    "msPKI-Cert-Template-OID",
    "msPKI-OIDLocalizedName",
    NULL,
};

static const struct cep_reader_codes codes = {
    .limit = "CEP0364",
    .several = "CEP0365",
    .number = "CEP0366",
    .oid_syntax = "CEP0362",
    .oid_arc = "CEP0363",
    .display_name = "CEP0367",
};

static const char *read_oid(struct cep_reader *reader)
{
    const struct cep_value *value = cep_reader_single(reader, "msPKI-Cert-Template-OID");
    apr_array_header_t *list = apr_array_make(reader->scratch, 1, sizeof(const char *));

    if (value)
        cep_reader_add_oid(reader, "msPKI-Cert-Template-OID", *value, list,
                           apr_hash_make(reader->scratch));
    else if (!reader->failed)
        cep_reader_fail(reader, "CEP0361",
                        "The OID object has no msPKI-Cert-Template-OID. Delete it, or give it its "
                        "OID.");
    return list->nelts > 0 ? APR_ARRAY_IDX(list, 0, const char *) : NULL;
}

/* "1031,Name"; LCIDs are 32 bits, [MS-LCID] 2.1. */
static int parse_localized(const struct cep_value *value, struct cep_localized_name *localized,
                           apr_pool_t *pool)
{
    const unsigned char *comma = value->len ? memchr(value->data, ',', value->len) : NULL;
    struct cep_value part = {value->data, 0};
    apr_int64_t lcid = 0;

    if (!comma)
        return 0;
    part.len = (apr_size_t)(comma - value->data);
    if (!cep_text_number(part, &lcid) || lcid < 1 || lcid > APR_UINT32_MAX)
        return 0;
    part.data = comma + 1;
    part.len = value->len - part.len - 1;
    part = cep_text_trim(part);
    if (part.len == 0 || part.len > CEP_POLICY_MAX_NAME || !cep_text_is_xml(part.data, part.len))
        return 0;
    localized->lcid = (apr_uint32_t)lcid;
    localized->name = apr_pstrmemdup(pool, (const char *)part.data, part.len);
    return 1;
}

static int compare(const void *a, const void *b)
{
    const struct cep_localized_name *x = a, *y = b;

    if (x->lcid != y->lcid)
        return x->lcid < y->lcid ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* By LCID, each once; of two names in one language the first by octets. */
static apr_array_header_t *read_localized(struct cep_reader *reader)
{
    const struct cep_attribute *attribute =
        cep_reader_several(reader, "msPKI-OIDLocalizedName", CEP_POLICY_MAX_VALUES);
    apr_array_header_t *names =
        apr_array_make(reader->policy->pool, 1, sizeof(struct cep_localized_name));
    const struct cep_value *bad = NULL;
    int i, kept = 0;

    for (i = 0; i < cep_attribute_count(attribute); i++) {
        const struct cep_value *value = cep_attribute_value(attribute, i);
        struct cep_localized_name localized = {0, NULL};

        if (parse_localized(value, &localized, reader->policy->pool))
            APR_ARRAY_PUSH(names, struct cep_localized_name) = localized;
        else if (!bad)
            bad = value;
    }
    if (names->nelts > 1)
        qsort(names->elts, (size_t)names->nelts, sizeof(struct cep_localized_name), compare);
    for (i = 0; i < names->nelts; i++) {
        struct cep_localized_name *list = (struct cep_localized_name *)(void *)names->elts;

        if (kept > 0 && list[kept - 1].lcid == list[i].lcid)
            continue;
        list[kept++] = list[i];
    }
    names->nelts = kept;
    if (bad)
        cep_reader_note(reader, "CEP0368",
                        "The value \"%s\" of attribute msPKI-OIDLocalizedName is not an LCID, a "
                        "comma and a name; it is skipped. Correct it.",
                        cep_reader_show(reader, *bad));
    return names;
}

static apr_uint32_t read_kind(struct cep_reader *reader)
{
    const struct cep_attribute *attribute = cep_entry_attribute(reader->entry, "flags");
    apr_int64_t number = 0;

    if (cep_attribute_count(attribute) == 0)
        return 0; /* the container of the OID objects is one itself and has none */
    if (cep_attribute_count(attribute) > 1 ||
        !cep_text_number(*cep_attribute_value(attribute, 0), &number) || number < APR_INT32_MIN ||
        number > APR_UINT32_MAX) {
        cep_reader_note(reader, codes.number,
                        "Attribute flags is not one integer of 32 bits, so the object names no "
                        "kind of OID. Correct it: 1 template, 2 issuance policy, 3 application "
                        "policy.");
        return 0;
    }
    return (apr_uint32_t)(number & 0xffffffff);
}

void cep_policy_add_oid(struct cep_policy *policy, const struct cep_entry *entry)
{
    struct cep_reader *reader = cep_reader_open(policy, entry, CEP_OBJECT_OID, &codes);
    struct cep_enterprise_oid *oid = apr_pcalloc(policy->pool, sizeof(*oid));

    oid->oid = read_oid(reader);
    oid->kind = read_kind(reader);
    oid->display_name = cep_reader_display_name(reader, "");
    oid->localized = read_localized(reader);
    if (!reader->failed)
        APR_ARRAY_PUSH(policy->oids, struct cep_enterprise_oid *) = oid;
    cep_reader_close(reader);
}
