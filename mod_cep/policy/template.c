/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A pKICertificateTemplate entry to a struct cep_template: [MS-CRTD] 2. */
#include "parts.h"

#include <string.h>

#include <apr_strings.h>

/* Windows 2000 templates have no msPKI-Minimal-Key-Size; 0 is illegal in XCEP. */
#define DEFAULT_KEY_LENGTH 2048

#define NAME_FLAG_ENROLLEE_SUPPLIES_SUBJECT 0x00000001u /* [MS-CRTD] 2.28 */

/* In msPKI-Enrollment-Flag too; [MS-XCEP] 3.1.4.1.3.1 does not list it, and Windows leaves it out.
 */
#define HIDDEN_ENROLLMENT_FLAGS CEP_ENROLLMENT_AUTO_ENROLLMENT

const char *const cep_template_attributes[] = {
    "objectClass",
    "cn",
    "displayName",
    "flags",
    "revision",
    "nTSecurityDescriptor",
    "pKIDefaultCSPs",
    "pKIDefaultKeySpec",
    "pKICriticalExtensions",
    "pKIExpirationPeriod",
    "pKIOverlapPeriod",
    "pKIExtendedKeyUsage",
    "pKIKeyUsage",
    "pKIMaxIssuingDepth",
    "msPKI-Template-Schema-Version",
    "msPKI-Template-Minor-Revision",
    "msPKI-RA-Signature",
    "msPKI-Minimal-Key-Size",
    "msPKI-Cert-Template-OID",
    "msPKI-Supersede-Templates",
    "msPKI-RA-Policies",
    "msPKI-RA-Application-Policies",
    "msPKI-Certificate-Policy",
    "msPKI-Certificate-Application-Policy",
    "msPKI-Enrollment-Flag",
    "msPKI-Private-Key-Flag",
    "msPKI-Certificate-Name-Flag",
    NULL,
};

static const struct cep_reader_codes codes = {
    .no_name = "CEP0301",
    .characters = "CEP0302",
    .limit = "CEP0303",
    .several = "CEP0304",
    .number = "CEP0305",
    .oid_syntax = "CEP0308",
    .oid_arc = "CEP0309",
    .no_descriptor = "CEP0316",
    .display_name = "CEP0317",
    .twice = "CEP0321",
};

static void read_oid(struct cep_template *tmpl, struct cep_reader *reader)
{
    int failed = reader->failed;
    const struct cep_value *value;
    apr_array_header_t *list = apr_array_make(reader->scratch, 1, sizeof(const char *));

    value = cep_reader_single(reader, "msPKI-Cert-Template-OID");
    if (value)
        cep_reader_add_oid(reader, "msPKI-Cert-Template-OID", *value, list,
                           apr_hash_make(reader->scratch));
    else if (reader->failed == failed)
        cep_reader_fail(reader, "CEP0307",
                        "The template has no msPKI-Cert-Template-OID, by which clients know it. "
                        "Open and save it once with the Certificate Templates console.");
    if (list->nelts > 0)
        tmpl->oid = APR_ARRAY_IDX(list, 0, const char *);
}

static void read_identity(struct cep_template *tmpl, struct cep_reader *reader)
{
    apr_int64_t version =
        cep_reader_integer(reader, "msPKI-Template-Schema-Version", APR_INT32_MIN, 1);

    /* [MS-CRTD] 2.16; the attribute is missing on templates of Windows 2000: version 1 */
    if (version < 1 || version > 4)
        cep_reader_fail(reader, "CEP0306",
                        "Schema version %" APR_INT64_T_FMT " is unknown; 1 to 4 are. Look for an "
                        "update of this service.",
                        version);
    tmpl->schema_version = (unsigned)(version & 0xff);
    tmpl->cn = cep_reader_cn(reader);
    if (tmpl->cn)
        tmpl->display_name = cep_reader_display_name(reader, tmpl->cn);
    read_oid(tmpl, reader);
}

static void read_revision(struct cep_template *tmpl, struct cep_reader *reader)
{
    int failed = reader->failed;
    apr_int64_t major = cep_reader_integer(reader, "revision", APR_INT32_MIN, 0);

    if (major < 1 && reader->failed == failed)
        cep_reader_fail(reader, "CEP0311",
                        "The template has no revision, or one that is not positive. Open and save "
                        "it once with the Certificate Templates console.");
    tmpl->major_revision = (apr_uint32_t)(major & 0xffffffff);
    tmpl->minor_revision =
        (apr_uint32_t)cep_reader_integer(reader, "msPKI-Template-Minor-Revision", 0, 0);
}

static apr_uint64_t read_period(struct cep_reader *reader, const char *attribute)
{
    const struct cep_attribute *found = cep_entry_attribute(reader->entry, attribute);
    const struct cep_value *value = cep_reader_single(reader, attribute);
    const char *why = "is missing";
    apr_uint64_t seconds = 0;

    if (!value && cep_attribute_count(found) > 0)
        return 0; /* has been reported */
    if (value)
        why = cep_period_read(value, &seconds);
    if (why)
        cep_reader_fail(reader, "CEP0310",
                        "Attribute %s %s. Set the period with the Certificate Templates console.",
                        attribute, why);
    return seconds;
}

static void read_validity(struct cep_template *tmpl, struct cep_reader *reader)
{
    tmpl->validity_seconds = read_period(reader, "pKIExpirationPeriod");
    tmpl->renewal_seconds = read_period(reader, "pKIOverlapPeriod");
    if (tmpl->validity_seconds > 0 && tmpl->renewal_seconds >= tmpl->validity_seconds)
        cep_reader_note(reader, "CEP0325",
                        "The renewal period is not shorter than the validity, so clients renew "
                        "at once and for ever. Shorten the renewal period.");
}

static void read_flags(struct cep_template *tmpl, struct cep_reader *reader)
{
    tmpl->general_flags = cep_reader_flags(reader, "flags");
    tmpl->subject_name_flags = cep_reader_flags(reader, "msPKI-Certificate-Name-Flag");
    tmpl->private_key_flags = cep_reader_flags(reader, "msPKI-Private-Key-Flag");
    tmpl->enrollment_flags =
        cep_reader_flags(reader, "msPKI-Enrollment-Flag") & ~HIDDEN_ENROLLMENT_FLAGS;
    /* [MS-WCCE] 3.2.2.6.2.1.4.5.6: only with both does a CA renew without the right to enroll */
    if ((tmpl->enrollment_flags & CEP_ENROLLMENT_KEY_BASED_RENEWAL) &&
        (!(tmpl->enrollment_flags & CEP_ENROLLMENT_PREVIOUS_APPROVAL) ||
         !(tmpl->subject_name_flags & NAME_FLAG_ENROLLEE_SUPPLIES_SUBJECT)))
        cep_reader_note(reader, "CEP0328",
                        "Key-based renewal is allowed, but without \"subject supplied in the "
                        "request\" and \"valid existing certificate\" the CA still asks for the "
                        "right to enroll. Set both, or switch key-based renewal off.");
}

static void read_private_key(struct cep_template *tmpl, struct cep_reader *reader)
{
    int failed = reader->failed;
    apr_int64_t length = cep_reader_integer(reader, "msPKI-Minimal-Key-Size", 0, 0);
    apr_int64_t key_spec = cep_reader_integer(reader, "pKIDefaultKeySpec", APR_INT32_MIN, -1);

    tmpl->minimal_key_length = (apr_uint32_t)length;
    if (length == 0 && reader->failed == failed) {
        tmpl->minimal_key_length = DEFAULT_KEY_LENGTH;
        cep_reader_note(reader, "CEP0318",
                        "The template has no msPKI-Minimal-Key-Size, or 0; %d is offered. Set the "
                        "minimum key size.",
                        DEFAULT_KEY_LENGTH);
    }
    if (key_spec == 1 || key_spec == 2)
        tmpl->key_spec = (unsigned)key_spec;
    else if (cep_entry_attribute(reader->entry, "pKIDefaultKeySpec") && reader->failed == failed)
        cep_reader_note(reader, "CEP0319",
                        "The value %" APR_INT64_T_FMT " of attribute pKIDefaultKeySpec is neither "
                        "1 nor 2; none is offered. Correct it.",
                        key_spec);
    cep_template_read_providers(tmpl, reader);
}

static void read_ra_requirements(struct cep_template *tmpl, struct cep_reader *reader)
{
    tmpl->ra_signatures = (apr_uint32_t)cep_reader_integer(reader, "msPKI-RA-Signature", 0, 0);
    /* without signatures rARequirements is nil, whatever the lists hold */
    if (tmpl->ra_signatures > 0)
        tmpl->ra_policies = cep_reader_oids(reader, "msPKI-RA-Policies");
    cep_template_read_properties(tmpl, reader);
}

/* pKICriticalExtensions may name what we do not emit (2.5.29.17 on DC templates): no matter. */
static apr_hash_t *read_critical(struct cep_reader *reader)
{
    const struct cep_attribute *found =
        cep_reader_several(reader, "pKICriticalExtensions", CEP_POLICY_MAX_VALUES);
    apr_hash_t *critical = apr_hash_make(reader->scratch);
    const struct cep_value *bad = NULL;
    int i;

    for (i = 0; i < cep_attribute_count(found); i++) {
        struct cep_value value = cep_text_trim(*cep_attribute_value(found, i));
        const char *oid;

        if (cep_oid_check((const char *)value.data, value.len) == CEP_OID_SYNTAX) {
            bad = bad ? bad : cep_attribute_value(found, i);
            continue;
        }
        oid = apr_pstrmemdup(reader->scratch, (const char *)value.data, value.len);
        apr_hash_set(critical, oid, APR_HASH_KEY_STRING, oid);
    }
    if (bad)
        cep_reader_note(reader, "CEP0327",
                        "The value \"%s\" of attribute pKICriticalExtensions is no OID; it is "
                        "skipped. Correct it.",
                        cep_reader_show(reader, *bad));
    return critical;
}

static void read_key_usage(struct cep_reader *reader, struct cep_value *usage)
{
    const struct cep_value *value = cep_reader_single(reader, "pKIKeyUsage");
    apr_size_t length = 0;
    const char *why;

    if (!value)
        return;
    why = cep_key_usage_check(value, &length);
    if (why)
        cep_reader_fail(reader, "CEP0312",
                        "Attribute pKIKeyUsage %s. Set the key usage with the Certificate "
                        "Templates console.",
                        why);
    else if (length == 0)
        /* RFC 5280 4.2.1.3: at least one bit must be set where the extension is */
        cep_reader_note(reader, "CEP0329",
                        "Attribute pKIKeyUsage sets no bit, so no key usage extension is offered. "
                        "Choose a key usage if certificates are to have one.");
    else
        *usage = *value;
}

/* -1 and 4294967295 both say that there is no limit. */
static apr_int64_t read_path_length(const struct cep_template *tmpl, struct cep_reader *reader)
{
    apr_int64_t depth = -1;

    if (tmpl->general_flags & (CEP_GENERAL_IS_CA | CEP_GENERAL_IS_CROSS_CA))
        depth = cep_reader_integer(reader, "pKIMaxIssuingDepth", -1, -1);
    return depth == APR_UINT32_MAX ? -1 : depth;
}

static void read_extensions(struct cep_template *tmpl, struct cep_reader *reader)
{
    struct cep_extension_source source = {{NULL, 0}, -1, NULL};
    const char *oid;

    tmpl->ekus = cep_reader_oids(reader, "pKIExtendedKeyUsage");
    if (tmpl->schema_version >= 2) {
        tmpl->app_policies = cep_reader_oids(reader, "msPKI-Certificate-Application-Policy");
        tmpl->cert_policies = cep_reader_oids(reader, "msPKI-Certificate-Policy");
    }
    source.critical = read_critical(reader);
    source.path_length = read_path_length(tmpl, reader);
    read_key_usage(reader, &source.key_usage);
    if (reader->failed)
        return;
    oid = cep_extensions_make(tmpl, &source, reader->policy->pool);
    if (oid)
        cep_reader_fail(reader, "CEP0313",
                        "Extension %s could not be encoded. Report this with the template's LDIF.",
                        oid);
}

static struct cep_template *make(apr_pool_t *pool)
{
    struct cep_template *tmpl = apr_pcalloc(pool, sizeof(*tmpl));

    tmpl->providers = apr_array_make(pool, 2, sizeof(const char *));
    tmpl->superseded = apr_array_make(pool, 1, sizeof(const char *));
    tmpl->ra_ekus = apr_array_make(pool, 1, sizeof(const char *));
    tmpl->ra_policies = apr_array_make(pool, 1, sizeof(const char *));
    tmpl->ekus = apr_array_make(pool, 1, sizeof(const char *));
    tmpl->app_policies = apr_array_make(pool, 1, sizeof(const char *));
    tmpl->cert_policies = apr_array_make(pool, 1, sizeof(const char *));
    tmpl->extensions = apr_array_make(pool, 5, sizeof(struct cep_extension));
    tmpl->ra_eku_refs = apr_array_make(pool, 1, sizeof(int));
    tmpl->ra_policy_refs = apr_array_make(pool, 1, sizeof(int));
    tmpl->oid_refs = apr_array_make(pool, 8, sizeof(int));
    tmpl->ca_refs = apr_array_make(pool, 2, sizeof(int));
    tmpl->policy_ref = CEP_NO_REF;
    tmpl->algorithm_ref = CEP_NO_REF;
    tmpl->hash_ref = CEP_NO_REF;
    tmpl->symmetric_ref = CEP_NO_REF;
    return tmpl;
}

/* Everything is read even when something failed: the findings tell all that is to be repaired. */
void cep_policy_add_template(struct cep_policy *policy, const struct cep_entry *entry)
{
    struct cep_reader *reader = cep_reader_open(policy, entry, CEP_OBJECT_TEMPLATE, &codes);
    struct cep_template *tmpl = make(policy->pool);

    tmpl->dn = cep_text_printable(policy->pool, entry->dn, strlen(entry->dn), CEP_POLICY_MAX_TEXT);
    read_identity(tmpl, reader);
    read_revision(tmpl, reader);
    read_validity(tmpl, reader);
    read_flags(tmpl, reader);
    read_private_key(tmpl, reader);
    read_ra_requirements(tmpl, reader);
    tmpl->superseded =
        cep_reader_names(reader, "msPKI-Supersede-Templates", CEP_POLICY_MAX_VALUES, "CEP0326");
    tmpl->security_descriptor = cep_reader_descriptor(reader);
    read_extensions(tmpl, reader);
    if (!reader->failed)
        APR_ARRAY_PUSH(policy->templates, struct cep_template *) = tmpl;
    cep_reader_close(reader);
}
