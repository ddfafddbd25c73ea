/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * msPKI-RA-Application-Policies, which means two things: a list of OIDs, or, for templates that
 * use CNG, a string of properties. [MS-CRTD] 2.23.1, 2.23.2.
 */
#include "parts.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#define ATTRIBUTE "msPKI-RA-Application-Policies"

enum property_id {
    RA_APPLICATION_POLICIES,
    ASYMMETRIC_ALGORITHM,
    KEY_SECURITY_DESCRIPTOR,
    SYMMETRIC_ALGORITHM,
    SYMMETRIC_KEY_LENGTH,
    HASH_ALGORITHM,
    KEY_USAGE,
    PROPERTIES
};

static const struct {
    const char *name;
    const char *type;
} known[PROPERTIES] = {
    {ATTRIBUTE, "PZPWSTR"},
    {"msPKI-Asymmetric-Algorithm", "PZPWSTR"},
    {"msPKI-Key-Security-Descriptor", "PZPWSTR"},
    {"msPKI-Symmetric-Algorithm", "PZPWSTR"},
    {"msPKI-Symmetric-Key-Length", "DWORD"},
    {"msPKI-Hash-Algorithm", "PZPWSTR"},
    {"msPKI-Key-Usage", "DWORD"},
};

static int identify(const char *name)
{
    int id;

    for (id = 0; id < PROPERTIES; id++) {
        if (strcasecmp(known[id].name, name) == 0)
            break;
    }
    return id;
}

/* [MS-CRTD] 2.23: v3, and v4 unless the template keeps to legacy providers. */
static int uses_cng(const struct cep_template *tmpl)
{
    return tmpl->schema_version == 3 ||
           (tmpl->schema_version >= 4 && !(tmpl->private_key_flags & CEP_KEY_USE_LEGACY_PROVIDER));
}

/* Sort the properties by what they are; values[id] is NULL for those that are not there. */
static void collect(struct cep_reader *reader, const char *text, const char *values[PROPERTIES])
{
    int complete, i;
    apr_array_header_t *list = cep_triplets_parse(text, &complete, reader->scratch);

    for (i = 0; i < list->nelts; i++) {
        const struct cep_property *property = &APR_ARRAY_IDX(list, i, struct cep_property);
        int id = identify(property->name);
        const char *why = NULL;

        if (id == PROPERTIES)
            why = "is unknown";
        else if (strcasecmp(property->type, known[id].type) != 0)
            why = "has an unexpected type";
        else if (values[id])
            why = "is there twice and the first counts";
        else if (*property->value == '\0')
            why = "is empty";
        if (!why)
            values[id] = property->value;
        else
            cep_reader_note(
                reader, "CEP0323",
                "Property \"%s\" of type \"%s\" in attribute " ATTRIBUTE
                " %s; it is ignored. Save the template again with the console.",
                cep_text_printable(reader->scratch, property->name, strlen(property->name), 80),
                cep_text_printable(reader->scratch, property->type, strlen(property->type), 80),
                why);
    }
    if (!complete)
        cep_reader_note(reader, "CEP0323",
                        "Attribute " ATTRIBUTE " ends inside a property, or has more than %d; the "
                        "rest is ignored. Save the template again with the console.",
                        CEP_TRIPLETS_MAX);
}

/* A DWORD: 32 bits in decimal, signed or not. 0 and a finding when it is none. */
static int read_dword(struct cep_reader *reader, enum property_id id, const char *text,
                      apr_uint32_t *number)
{
    struct cep_value value = {(const unsigned char *)text, strlen(text)};
    apr_int64_t n = 0;

    if (cep_text_number(value, &n) && n >= APR_INT32_MIN && n <= APR_UINT32_MAX) {
        *number = (apr_uint32_t)(n & 0xffffffff);
        return 1;
    }
    cep_reader_note(reader, "CEP0323",
                    "The value \"%s\" of property %s in attribute " ATTRIBUTE
                    " is no DWORD; it is ignored. Save the template again with the console.",
                    cep_reader_show(reader, value), known[id].name);
    return 0;
}

/* The name as our table spells it, and its OID; an unknown name is kept and has no OID. */
static const char *read_algorithm(struct cep_reader *reader, enum cep_algorithm_use use,
                                  enum property_id id, const char *name, apr_uint32_t bits,
                                  const char **oid)
{
    const struct cep_algorithm *algorithm = cep_algorithm_find(use, name, bits);

    if (!algorithm) {
        cep_reader_note(reader, "CEP0322",
                        "The algorithm \"%s\" of property %s is unknown (key length %u); clients "
                        "use their default. Choose another, or ask for it to be added.",
                        cep_text_printable(reader->scratch, name, strlen(name), 80), known[id].name,
                        bits);
        return apr_pstrdup(reader->policy->pool, name);
    }
    *oid = algorithm->oid;
    return algorithm->name;
}

/* Key archival has an algorithm and a length, or is nil: [MS-XCEP] 3.1.4.1.3.15. */
static void read_archival(struct cep_template *tmpl, struct cep_reader *reader, const char *name,
                          const char *length)
{
    apr_uint32_t bits = 0;
    const char *oid = NULL, *algorithm;

    if (!name && !length)
        return;
    if (!name || !length) {
        cep_reader_note(reader, "CEP0330",
                        "Of properties msPKI-Symmetric-Algorithm and msPKI-Symmetric-Key-Length "
                        "only one is there, so no key archival attributes are offered. Save the "
                        "template again with the console.");
        return;
    }
    if (!read_dword(reader, SYMMETRIC_KEY_LENGTH, length, &bits))
        return;
    if (bits == 0 || bits > APR_INT32_MAX) {
        cep_reader_note(reader, "CEP0330",
                        "Property msPKI-Symmetric-Key-Length is not a positive number, so no key "
                        "archival attributes are offered. Save the template again with the "
                        "console.");
        return;
    }
    algorithm =
        read_algorithm(reader, CEP_ALGORITHM_SYMMETRIC, SYMMETRIC_ALGORITHM, name, bits, &oid);
    if (!oid)
        return;
    tmpl->symmetric = algorithm;
    tmpl->symmetric_oid = oid;
    tmpl->symmetric_length = bits;
}

/* OIDs between commas. */
static void read_ra_policies(struct cep_template *tmpl, struct cep_reader *reader, const char *text)
{
    apr_hash_t *seen = apr_hash_make(reader->scratch);
    int failed = reader->failed;

    while (*text != '\0' && reader->failed == failed) {
        apr_size_t length = strcspn(text, ",");
        struct cep_value value = {(const unsigned char *)text, length};

        if (cep_text_trim(value).len > 0)
            cep_reader_add_oid(reader, ATTRIBUTE, value, tmpl->ra_ekus, seen);
        text += length + (text[length] == ',' ? 1 : 0);
    }
}

static void use_properties(struct cep_template *tmpl, struct cep_reader *reader,
                           const char *const values[PROPERTIES])
{
    if (values[ASYMMETRIC_ALGORITHM])
        tmpl->algorithm = read_algorithm(reader, CEP_ALGORITHM_ASYMMETRIC, ASYMMETRIC_ALGORITHM,
                                         values[ASYMMETRIC_ALGORITHM], 0, &tmpl->algorithm_oid);
    if (values[HASH_ALGORITHM])
        tmpl->hash = read_algorithm(reader, CEP_ALGORITHM_HASH, HASH_ALGORITHM,
                                    values[HASH_ALGORITHM], 0, &tmpl->hash_oid);
    if (values[KEY_USAGE])
        tmpl->has_key_usage_property =
            read_dword(reader, KEY_USAGE, values[KEY_USAGE], &tmpl->key_usage_property);
    if (values[KEY_SECURITY_DESCRIPTOR])
        tmpl->permissions = apr_pstrdup(reader->policy->pool, values[KEY_SECURITY_DESCRIPTOR]);
    read_archival(tmpl, reader, values[SYMMETRIC_ALGORITHM], values[SYMMETRIC_KEY_LENGTH]);
}

/* A value with properties; only one can be there. */
static void read_property_value(struct cep_template *tmpl, struct cep_reader *reader,
                                const struct cep_value *value)
{
    const char *values[PROPERTIES] = {NULL};

    if (value->len > CEP_POLICY_MAX_TEXT) {
        cep_reader_fail(reader, reader->codes->limit,
                        "The value of attribute " ATTRIBUTE " is longer than %d octets. Correct "
                        "it.",
                        CEP_POLICY_MAX_TEXT);
        return;
    }
    if (!cep_text_is_xml(value->data, value->len)) {
        cep_reader_note(reader, "CEP0323",
                        "Attribute " ATTRIBUTE " is not UTF-8 or holds a character that XML cannot "
                        "carry; it is ignored. Save the template again with the console.");
        return;
    }
    collect(reader, apr_pstrmemdup(reader->scratch, (const char *)value->data, value->len), values);
    if (uses_cng(tmpl))
        use_properties(tmpl, reader, values);
    else
        cep_reader_note(reader, "CEP0324",
                        "Attribute " ATTRIBUTE " holds CNG properties, but the template keeps to "
                        "legacy providers; they are not offered, but for RA policies among them. "
                        "Nothing needs to be done.");
    if (values[RA_APPLICATION_POLICIES] && tmpl->ra_signatures > 0)
        read_ra_policies(tmpl, reader, values[RA_APPLICATION_POLICIES]);
}

void cep_template_read_properties(struct cep_template *tmpl, struct cep_reader *reader)
{
    const struct cep_attribute *attribute =
        cep_reader_several(reader, ATTRIBUTE, CEP_POLICY_MAX_VALUES);
    apr_hash_t *seen = apr_hash_make(reader->scratch);
    int i, count = cep_attribute_count(attribute), with_properties = 0, failed = reader->failed;
    const struct cep_value *value = NULL;

    /* Decided by the value, not by the template's version alone: real v4 templates that keep to
     * legacy providers hold properties, and lists of OIDs are harmless to read in either case. */
    for (i = 0; i < count; i++) {
        const struct cep_value *next = cep_attribute_value(attribute, i);

        if (next->len > 0 && memchr(next->data, '`', next->len)) {
            value = next;
            with_properties++;
        }
    }
    if (with_properties > 0 && count > 1) {
        cep_reader_fail(reader, reader->codes->several,
                        "Attribute " ATTRIBUTE " holds CNG properties and has %d values where one "
                        "is allowed. Save the template again with the console.",
                        count);
        return;
    }
    if (value) {
        read_property_value(tmpl, reader, value);
        return;
    }
    for (i = 0; i < count && tmpl->ra_signatures > 0 && reader->failed == failed; i++)
        cep_reader_add_oid(reader, ATTRIBUTE, *cep_attribute_value(attribute, i), tmpl->ra_ekus,
                           seen);
}
