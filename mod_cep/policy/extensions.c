/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Certificate extensions of a template, in DER by OpenSSL's encoders. [MS-WCCE] 2.2.2.7.7. */
#include "parts.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#define OID_TEMPLATE_NAME        "1.3.6.1.4.1.311.20.2"
#define OID_TEMPLATE_INFORMATION "1.3.6.1.4.1.311.21.7"
#define OID_EKU                  "2.5.29.37"
#define OID_KEY_USAGE            "2.5.29.15"
#define OID_BASIC_CONSTRAINTS    "2.5.29.19"
#define OID_APPLICATION_POLICIES "1.3.6.1.4.1.311.21.10"
#define OID_CERTIFICATE_POLICIES "2.5.29.32"
#define OID_OCSP_NO_CHECK        "1.3.6.1.5.5.7.48.1.5"

/* [MS-WCCE] 2.2.2.7.7.2; OpenSSL's macros ask for a type name. */
typedef struct cep_template_information {
    ASN1_OBJECT *template_id;
    ASN1_INTEGER *major;
    ASN1_INTEGER *minor;
} CEP_TEMPLATE_INFORMATION;

/* clang-format off */
ASN1_SEQUENCE(CEP_TEMPLATE_INFORMATION) = {
    ASN1_SIMPLE(CEP_TEMPLATE_INFORMATION, template_id, ASN1_OBJECT),
    ASN1_SIMPLE(CEP_TEMPLATE_INFORMATION, major, ASN1_INTEGER),
    ASN1_SIMPLE(CEP_TEMPLATE_INFORMATION, minor, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END(CEP_TEMPLATE_INFORMATION)
    /* clang-format on */

    struct encoder {
    const struct cep_extension_source *source;
    struct cep_template *tmpl;
    apr_pool_t *pool;
    const char *failed; /* OID of the first extension that could not be encoded */
};

/* Take over what an i2d function allocated; length <= 0 means that it failed. */
static void add(struct encoder *encoder, const char *oid, unsigned char *der, int length)
{
    struct cep_extension *extension;

    if (length <= 0 || !der) {
        if (!encoder->failed)
            encoder->failed = oid;
    } else {
        extension = apr_array_push(encoder->tmpl->extensions);
        extension->oid = oid;
        extension->ref = CEP_NO_REF;
        extension->critical =
            apr_hash_get(encoder->source->critical, oid, APR_HASH_KEY_STRING) != NULL;
        extension->value = cep_value_copy(encoder->pool, der, (apr_size_t)length);
    }
    OPENSSL_free(der);
}

/*
 * The name in UTF-16, big-endian, as a bare BMPString: what Windows writes and reads, though
 * [MS-WCCE] 2.2.2.7.7.1 shows a SEQUENCE with a UTF8String. Characters outside the BMP become
 * surrogates, as in Windows; OpenSSL's own conversion would refuse them.
 */
static void add_template_name(struct encoder *encoder)
{
    const unsigned char *at = (const unsigned char *)encoder->tmpl->cn;
    apr_size_t left = strlen(encoder->tmpl->cn), octets = 0;
    ASN1_STRING *name = ASN1_STRING_type_new(V_ASN1_BMPSTRING);
    unsigned char *der = NULL, utf16[2 * CEP_POLICY_MAX_NAME + 4];
    int used = 0, length = -1;

    for (; left > 0 && used + 4 <= (int)sizeof(utf16); at += octets, left -= octets) {
        apr_uint32_t c = 0;

        octets = cep_utf8_read(at, left, &c);
        if (octets == 0)
            break;
        if (c >= 0x10000) {
            apr_uint32_t high = 0xd800 + ((c - 0x10000) >> 10);

            utf16[used++] = (unsigned char)(high >> 8);
            utf16[used++] = (unsigned char)(high & 0xff);
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        utf16[used++] = (unsigned char)(c >> 8);
        utf16[used++] = (unsigned char)(c & 0xff);
    }
    if (name && left == 0 && ASN1_STRING_set(name, utf16, used))
        length = i2d_ASN1_BMPSTRING(name, &der);
    ASN1_STRING_free(name);
    add(encoder, OID_TEMPLATE_NAME, der, length);
}

static void add_template_information(struct encoder *encoder)
{
    CEP_TEMPLATE_INFORMATION information = {OBJ_txt2obj(encoder->tmpl->oid, 1), ASN1_INTEGER_new(),
                                            ASN1_INTEGER_new()};
    unsigned char *der = NULL;
    int length = -1;

    if (information.template_id && information.major && information.minor &&
        ASN1_INTEGER_set_uint64(information.major, encoder->tmpl->major_revision) &&
        ASN1_INTEGER_set_uint64(information.minor, encoder->tmpl->minor_revision))
        length = ASN1_item_i2d((const ASN1_VALUE *)&information, &der,
                               ASN1_ITEM_rptr(CEP_TEMPLATE_INFORMATION));
    ASN1_OBJECT_free(information.template_id);
    ASN1_INTEGER_free(information.major);
    ASN1_INTEGER_free(information.minor);
    add(encoder, OID_TEMPLATE_INFORMATION, der, length);
}

/* SEQUENCE OF OBJECT IDENTIFIER, in the directory's order. */
static void add_eku(struct encoder *encoder, const apr_array_header_t *oids)
{
    EXTENDED_KEY_USAGE *usage = EXTENDED_KEY_USAGE_new();
    unsigned char *der = NULL;
    int i, length = -1, complete = usage != NULL;

    for (i = 0; complete && i < oids->nelts; i++) {
        ASN1_OBJECT *object = OBJ_txt2obj(APR_ARRAY_IDX(oids, i, const char *), 1);

        complete = object && sk_ASN1_OBJECT_push(usage, object) > 0;
        if (!complete)
            ASN1_OBJECT_free(object);
    }
    if (complete)
        length = i2d_EXTENDED_KEY_USAGE(usage, &der);
    EXTENDED_KEY_USAGE_free(usage);
    add(encoder, OID_EKU, der, length);
}

/* CertificatePolicies without qualifiers; application policies have the same syntax. */
static void add_policies(struct encoder *encoder, const char *oid, const apr_array_header_t *oids)
{
    CERTIFICATEPOLICIES *policies = CERTIFICATEPOLICIES_new();
    unsigned char *der = NULL;
    int i, length = -1, complete = policies != NULL;

    for (i = 0; complete && i < oids->nelts; i++) {
        POLICYINFO *information = POLICYINFO_new();
        ASN1_OBJECT *object = OBJ_txt2obj(APR_ARRAY_IDX(oids, i, const char *), 1);

        complete = information && object;
        if (complete) {
            ASN1_OBJECT_free(information->policyid);
            information->policyid = object;
            object = NULL;
            complete = sk_POLICYINFO_push(policies, information) > 0;
        }
        if (!complete) {
            POLICYINFO_free(information);
            ASN1_OBJECT_free(object);
        }
    }
    if (complete)
        length = i2d_CERTIFICATEPOLICIES(policies, &der);
    CERTIFICATEPOLICIES_free(policies);
    add(encoder, oid, der, length);
}

const char *cep_key_usage_check(const struct cep_value *value, apr_size_t *length)
{
    apr_size_t used = value->len;

    while (used > 0 && value->data[used - 1] == 0)
        used--;
    *length = used;
    /* RFC 5280 4.2.1.3 knows nine bits; more is text or junk in the wrong attribute */
    if (used > 2 || (used == 2 && (value->data[1] & 0x7f) != 0))
        return "has bits beyond the nine that exist";
    return NULL;
}

/* OpenSSL drops trailing zero bits of a named bit list by itself, as DER asks for. */
static void add_key_usage(struct encoder *encoder, const struct cep_value *usage)
{
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    unsigned char *der = NULL, octets[2] = {0, 0};
    apr_size_t used = 0;
    int length = -1;

    if (!cep_key_usage_check(usage, &used) && used <= sizeof(octets)) {
        memcpy(octets, usage->data, used);
        if (bits && ASN1_BIT_STRING_set(bits, octets, (int)used))
            length = i2d_ASN1_BIT_STRING(bits, &der);
    }
    ASN1_BIT_STRING_free(bits);
    add(encoder, OID_KEY_USAGE, der, length);
}

static void add_basic_constraints(struct encoder *encoder, int is_ca, apr_int64_t path_length)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    unsigned char *der = NULL;
    int length = -1, complete = constraints != NULL;

    if (constraints)
        constraints->ca = is_ca ? 0xff : 0;
    if (constraints && is_ca && path_length >= 0) {
        constraints->pathlen = ASN1_INTEGER_new();
        complete = constraints->pathlen &&
                   ASN1_INTEGER_set_uint64(constraints->pathlen, (uint64_t)path_length);
    }
    if (complete)
        length = i2d_BASIC_CONSTRAINTS(constraints, &der);
    BASIC_CONSTRAINTS_free(constraints);
    add(encoder, OID_BASIC_CONSTRAINTS, der, length);
}

static void add_no_check(struct encoder *encoder)
{
    ASN1_NULL *null = ASN1_NULL_new();
    unsigned char *der = NULL;
    int length = null ? i2d_ASN1_NULL(null, &der) : -1;

    ASN1_NULL_free(null);
    add(encoder, OID_OCSP_NO_CHECK, der, length);
}

/* The order that Windows' answers show; the last three by our choice. */
static void add_all(struct encoder *encoder)
{
    const struct cep_template *tmpl = encoder->tmpl;
    const struct cep_extension_source *source = encoder->source;
    int v2 = tmpl->schema_version >= 2;

    if (v2)
        add_template_information(encoder);
    else
        add_template_name(encoder);
    if (tmpl->ekus->nelts > 0)
        add_eku(encoder, tmpl->ekus);
    if (source->key_usage.data)
        add_key_usage(encoder, &source->key_usage);
    if (tmpl->app_policies->nelts > 0)
        add_policies(encoder, OID_APPLICATION_POLICIES, tmpl->app_policies);
    /* [MS-WCCE] 3.1.2.4.2.2.1.1 and .4 for CAs, 3.1.2.4.2.2.2.7 for others */
    if (tmpl->general_flags & (CEP_GENERAL_IS_CA | CEP_GENERAL_IS_CROSS_CA))
        add_basic_constraints(encoder, 1, source->path_length);
    else if (tmpl->enrollment_flags & CEP_ENROLLMENT_BASIC_CONSTRAINTS_EE)
        add_basic_constraints(encoder, 0, -1);
    if (tmpl->cert_policies->nelts > 0)
        add_policies(encoder, OID_CERTIFICATE_POLICIES, tmpl->cert_policies);
    if (v2 && (tmpl->enrollment_flags & CEP_ENROLLMENT_ADD_OCSP_NOCHECK))
        add_no_check(encoder);
}

const char *cep_extensions_make(struct cep_template *tmpl,
                                const struct cep_extension_source *source, apr_pool_t *pool)
{
    struct encoder encoder = {source, tmpl, pool, NULL};

    /* whatever OpenSSL complains of must not surface in another user's handshake */
    ERR_set_mark();
    add_all(&encoder);
    ERR_pop_to_mark();
    return encoder.failed;
}
