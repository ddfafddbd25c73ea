/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Reading values of an entry: every limit and every odd value is met here and has its finding. */
#include "parts.h"

#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

/* Octets of a foreign value that a message repeats. */
#define SHOW_MAX 80

struct cep_value cep_value_copy(apr_pool_t *pool, const void *data, apr_size_t length)
{
    struct cep_value copy = {NULL, 0};
    unsigned char *octets = apr_palloc(pool, length + 1);

    if (length > 0)
        memcpy(octets, data, length);
    octets[length] = '\0';
    copy.data = octets;
    copy.len = length;
    return copy;
}

static const char *name_for_findings(const struct cep_entry *entry, apr_pool_t *pool)
{
    const struct cep_value *cn = NULL;

    if (cep_attribute_count(cep_entry_attribute(entry, "cn")) > 0)
        cn = cep_attribute_value(cep_entry_attribute(entry, "cn"), 0);
    if (cn && cep_text_trim(*cn).len > 0)
        return cep_text_printable(pool, cn->data, cn->len, CEP_POLICY_MAX_NAME);
    return cep_text_printable(pool, entry->dn, strlen(entry->dn), CEP_POLICY_MAX_NAME);
}

struct cep_reader *cep_reader_open(struct cep_policy *policy, const struct cep_entry *entry,
                                   enum cep_object_kind kind, const struct cep_reader_codes *codes)
{
    apr_pool_t *scratch = NULL;
    struct cep_reader *reader;

    apr_pool_create(&scratch, policy->pool);
    reader = apr_pcalloc(scratch, sizeof(*reader));
    reader->scratch = scratch;
    reader->policy = policy;
    reader->entry = entry;
    reader->kind = kind;
    reader->codes = codes;
    reader->name = name_for_findings(entry, scratch);
    return reader;
}

void cep_reader_close(struct cep_reader *reader)
{
    apr_pool_destroy(reader->scratch);
}

void cep_reader_fail(struct cep_reader *reader, const char *code, const char *format, ...)
{
    va_list args;
    const char *text;

    va_start(args, format);
    text = apr_pvsprintf(reader->scratch, format, args);
    va_end(args);
    /* the first failure is told in any case */
    if (reader->failed == 0 || reader->reported < CEP_READER_MAX_FINDINGS)
        cep_policy_report(reader->policy, reader->kind, code, reader->name, 1, "%s", text);
    reader->failed++;
    reader->reported++;
}

void cep_reader_note(struct cep_reader *reader, const char *code, const char *format, ...)
{
    va_list args;
    const char *text;

    va_start(args, format);
    text = apr_pvsprintf(reader->scratch, format, args);
    va_end(args);
    if (reader->reported++ < CEP_READER_MAX_FINDINGS)
        cep_policy_report(reader->policy, reader->kind, code, reader->name, 0, "%s", text);
}

const char *cep_reader_show(struct cep_reader *reader, struct cep_value value)
{
    return cep_text_printable(reader->scratch, value.data, value.len, SHOW_MAX);
}

const struct cep_attribute *cep_reader_several(struct cep_reader *reader, const char *attribute,
                                               int limit)
{
    const struct cep_attribute *found = cep_entry_attribute(reader->entry, attribute);
    int count = cep_attribute_count(found);

    if (count > limit) {
        cep_reader_fail(reader, reader->codes->limit,
                        "Attribute %s has %d values, more than the %d that are read. Remove "
                        "values that are not needed.",
                        attribute, count, limit);
        return NULL;
    }
    return count > 0 ? found : NULL;
}

const struct cep_value *cep_reader_single(struct cep_reader *reader, const char *attribute)
{
    const struct cep_attribute *found = cep_entry_attribute(reader->entry, attribute);
    int count = cep_attribute_count(found);
    const struct cep_value *value;

    if (count == 0)
        return NULL;
    if (count > 1) {
        /* which one counts would depend on the order in which a server returns them */
        cep_reader_fail(reader, reader->codes->several,
                        "Attribute %s has %d values where one is allowed. Leave one.", attribute,
                        count);
        return NULL;
    }
    value = cep_attribute_value(found, 0);
    if (value->len > CEP_POLICY_MAX_TEXT) {
        cep_reader_fail(reader, reader->codes->limit,
                        "The value of attribute %s is longer than %d octets. Correct it.",
                        attribute, CEP_POLICY_MAX_TEXT);
        return NULL;
    }
    return value;
}

apr_int64_t cep_reader_integer(struct cep_reader *reader, const char *attribute, apr_int64_t least,
                               apr_int64_t absent)
{
    const struct cep_value *value = cep_reader_single(reader, attribute);
    apr_int64_t number = absent;

    if (!value)
        return absent;
    if (!cep_text_number(*value, &number) || number < least || number > APR_UINT32_MAX) {
        cep_reader_fail(reader, reader->codes->number,
                        "The value \"%s\" of attribute %s is not an integer from %" APR_INT64_T_FMT
                        " to 4294967295. Correct it.",
                        cep_reader_show(reader, *value), attribute, least);
        return absent;
    }
    return number;
}

apr_uint32_t cep_reader_flags(struct cep_reader *reader, const char *attribute)
{
    apr_int64_t number = cep_reader_integer(reader, attribute, APR_INT32_MIN, 0);

    return (apr_uint32_t)(number & 0xffffffff);
}

const char *cep_reader_cn(struct cep_reader *reader)
{
    int failed = reader->failed;
    const struct cep_value *cn = cep_reader_single(reader, "cn");

    if (reader->failed != failed)
        return NULL;
    if (!cn || cep_text_trim(*cn).len == 0) {
        cep_reader_fail(reader, reader->codes->no_name,
                        "The object has no cn. Correct the entry \"%s\".",
                        cep_text_printable(reader->scratch, reader->entry->dn,
                                           strlen(reader->entry->dn), CEP_POLICY_MAX_NAME));
        return NULL;
    }
    if (cn->len > CEP_POLICY_MAX_NAME) {
        cep_reader_fail(reader, reader->codes->limit,
                        "The cn is longer than %d octets. Rename the object.", CEP_POLICY_MAX_NAME);
        return NULL;
    }
    if (!cep_text_is_xml(cn->data, cn->len)) {
        cep_reader_fail(reader, reader->codes->characters,
                        "The cn holds a character that XML cannot carry, or is not UTF-8. "
                        "Rename the object.");
        return NULL;
    }
    return apr_pstrmemdup(reader->policy->pool, (const char *)cn->data, cn->len);
}

const char *cep_reader_display_name(struct cep_reader *reader, const char *instead)
{
    const struct cep_attribute *attribute = cep_entry_attribute(reader->entry, "displayName");
    const struct cep_value *value;

    if (cep_attribute_count(attribute) == 0)
        return instead;
    value = cep_attribute_value(attribute, 0);
    if (cep_attribute_count(attribute) > 1 || value->len > CEP_POLICY_MAX_NAME ||
        cep_text_trim(*value).len == 0 || !cep_text_is_xml(value->data, value->len)) {
        cep_reader_note(reader, reader->codes->display_name,
                        "The displayName cannot be used: it must be one value of at most %d "
                        "octets, not blank, of characters that XML can carry. Correct it.",
                        CEP_POLICY_MAX_NAME);
        return instead;
    }
    return apr_pstrmemdup(reader->policy->pool, (const char *)value->data, value->len);
}

struct cep_value cep_reader_descriptor(struct cep_reader *reader)
{
    int failed = reader->failed;
    const struct cep_value *value = cep_reader_single(reader, "nTSecurityDescriptor");
    struct cep_value nothing = {NULL, 0};

    if (value && value->len > 0)
        return cep_value_copy(reader->policy->pool, value->data, value->len);
    if (reader->failed == failed)
        cep_reader_note(reader, reader->codes->no_descriptor,
                        "The object has no nTSecurityDescriptor, so it grants nothing to anybody. "
                        "Let the account that reads the directory read the permissions.");
    return nothing;
}

void cep_reader_add_oid(struct cep_reader *reader, const char *attribute, struct cep_value value,
                        apr_array_header_t *list, apr_hash_t *seen)
{
    struct cep_value trimmed = cep_text_trim(value);
    const char *text = (const char *)trimmed.data;
    enum cep_oid_state state = cep_oid_check(text, trimmed.len);

    if (state == CEP_OID_SYNTAX) {
        cep_reader_fail(reader, reader->codes->oid_syntax,
                        "The value \"%s\" of attribute %s is no OID. Correct it.",
                        cep_reader_show(reader, value), attribute);
        return;
    }
    if (state == CEP_OID_ARC) {
        cep_reader_fail(reader, reader->codes->oid_arc,
                        "The OID %s of attribute %s has an arc above 4294967295; Windows clients "
                        "would drop all templates that follow. Give it another OID.",
                        cep_reader_show(reader, trimmed), attribute);
        return;
    }
    text = apr_pstrmemdup(reader->policy->pool, text, trimmed.len);
    if (apr_hash_get(seen, text, APR_HASH_KEY_STRING)) {
        cep_reader_note(reader, reader->codes->twice,
                        "Attribute %s lists %s more than once; once counts. Remove the others.",
                        attribute, text);
        return;
    }
    apr_hash_set(seen, text, APR_HASH_KEY_STRING, text);
    APR_ARRAY_PUSH(list, const char *) = text;
}

apr_array_header_t *cep_reader_oids(struct cep_reader *reader, const char *attribute)
{
    const struct cep_attribute *found =
        cep_reader_several(reader, attribute, CEP_POLICY_MAX_VALUES);
    apr_array_header_t *list = apr_array_make(reader->policy->pool, 2, sizeof(const char *));
    apr_hash_t *seen = apr_hash_make(reader->scratch);
    int i, failed = reader->failed;

    /* one bad value condemns the object: the others need not be told */
    for (i = 0; i < cep_attribute_count(found) && reader->failed == failed; i++)
        cep_reader_add_oid(reader, attribute, *cep_attribute_value(found, i), list, seen);
    return list;
}

/* What is wrong with a name, or NULL; a blank one is nothing to speak of. */
static const char *name_problem(const struct cep_value *value)
{
    if (value->len > CEP_POLICY_MAX_NAME)
        return "too long";
    if (!cep_text_is_xml(value->data, value->len))
        return "of characters that XML cannot carry";
    return NULL;
}

apr_array_header_t *cep_reader_names(struct cep_reader *reader, const char *attribute, int limit,
                                     const char *code)
{
    const struct cep_attribute *found = cep_reader_several(reader, attribute, limit);
    apr_array_header_t *list = apr_array_make(reader->policy->pool, 2, sizeof(const char *));
    apr_hash_t *seen = apr_hash_make(reader->scratch);
    const struct cep_value *bad = NULL;
    const char *why = NULL, *repeated = NULL;
    int i, n = cep_attribute_count(found);

    for (i = 0; i < n; i++) {
        const struct cep_value *value = cep_attribute_value(found, i);
        const char *problem = name_problem(value), *text, *folded;

        /* a lone blank is how AD CS writes "none" into certificateTemplates */
        if (cep_text_trim(*value).len == 0)
            continue;
        if (problem) {
            bad = bad ? bad : value;
            why = why ? why : problem;
            continue;
        }
        text = apr_pstrmemdup(reader->policy->pool, (const char *)value->data, value->len);
        folded = cep_text_fold(reader->scratch, text);
        if (apr_hash_get(seen, folded, APR_HASH_KEY_STRING)) {
            repeated = repeated ? repeated : text;
            continue;
        }
        apr_hash_set(seen, folded, APR_HASH_KEY_STRING, text);
        APR_ARRAY_PUSH(list, const char *) = text;
    }
    if (bad)
        cep_reader_note(reader, code,
                        "The value \"%s\" of attribute %s is %s; it is skipped. Correct it.",
                        cep_reader_show(reader, *bad), attribute, why);
    if (repeated)
        cep_reader_note(reader, reader->codes->twice,
                        "Attribute %s lists \"%s\" more than once; once counts. Remove the others.",
                        attribute, repeated);
    return list;
}
