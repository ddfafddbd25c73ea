/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What a certificate says of its owner. Its octets come from whoever opened the connection: what
 * cannot be read, or can be read in two ways, names nobody.
 */
#include "lookup.h"
#include "cep_digest.h"
#include "cep_octets.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/*
 * OIDs as their DER content: OpenSSL makes text of a very long OID only slowly (CVE-2023-2650).
 */
struct oid {
    unsigned char octets[10];
    size_t length;
};

/* szOID_NTDS_CA_SECURITY_EXT 1.3.6.1.4.1.311.25.2, and szOID_NTDS_OBJECTSID below it */
static const struct oid oid_sid = {{0x2b, 6, 1, 4, 1, 0x82, 0x37, 25, 2}, 9};
static const struct oid oid_object_sid = {{0x2b, 6, 1, 4, 1, 0x82, 0x37, 25, 2, 1}, 10};
/* szOID_NT_PRINCIPAL_NAME 1.3.6.1.4.1.311.20.2.3 */
static const struct oid oid_upn = {{0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3}, 10};
static const struct oid oid_key_identifier = {{0x55, 29, 14}, 3};    /* 2.5.29.14 */
static const struct oid oid_alternative_names = {{0x55, 29, 17}, 3}; /* 2.5.29.17 */

/* A DNS name: RFC 1035 2.3.4. */
#define DNS_NAME_MAX 255

/* Octets of a serial number and of a subject key identifier; RFC 5280 has 20 for the first. */
#define NUMBER_MAX 64

#define LABEL_MAX 512

static int is_oid(const ASN1_OBJECT *object, const struct oid *oid)
{
    return OBJ_length(object) == oid->length &&
           memcmp(OBJ_get0_data(object), oid->octets, oid->length) == 0;
}

/* NULL, or that there are several. *data stays NULL when there is none. */
static const char *find_extension(const ASN1_STRING **data, X509 *x509, const struct oid *oid,
                                  const char *several)
{
    int i;

    *data = NULL;
    for (i = 0; i < X509_get_ext_count(x509); i++) {
        X509_EXTENSION *extension = X509_get_ext(x509, i);

        if (!is_oid(X509_EXTENSION_get_object(extension), oid))
            continue;
        if (*data)
            return several;
        *data = X509_EXTENSION_get_data(extension);
    }
    return NULL;
}

/* GeneralNames, and nothing behind them; NULL when the octets are something else. */
static GENERAL_NAMES *read_names(const ASN1_STRING *data)
{
    const unsigned char *begin = ASN1_STRING_get0_data(data), *at = begin;
    GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &at, ASN1_STRING_length(data));

    if (names && at != begin + ASN1_STRING_length(data)) {
        GENERAL_NAMES_free(names);
        return NULL;
    }
    return names;
}

/* The octets as text without control characters, or NULL. */
static const char *plain_text(const ASN1_STRING *string, int limit, apr_pool_t *pool)
{
    struct cep_value value = {ASN1_STRING_get0_data(string), 0};
    const char *text;

    if (ASN1_STRING_length(string) < 1 || ASN1_STRING_length(string) > limit)
        return NULL;
    value.len = (apr_size_t)ASN1_STRING_length(string);
    if (cep_has_control_character(value.data, value.len))
        return NULL;
    text = apr_pstrmemdup(pool, (const char *)value.data, value.len);
    value.data = (const unsigned char *)text;
    return cep_value_is_text(&value) ? text : NULL;
}

/* The value of an otherName of that type, when it has the ASN.1 type; else NULL. */
static const ASN1_STRING *other_name(const GENERAL_NAME *name, const struct oid *oid, int type)
{
    const ASN1_TYPE *value;

    if (name->type != GEN_OTHERNAME || !is_oid(name->d.otherName->type_id, oid))
        return NULL;
    value = name->d.otherName->value;
    return value && value->type == type ? value->value.asn1_string : NULL;
}

/* S-1-5-21-..., in the spelling that every Windows uses. */
static int read_sid_text(struct cep_sid *sid, const ASN1_STRING *string, apr_pool_t *pool)
{
    char canonical[CEP_SID_TEXT_MAX];
    const char *text = string ? plain_text(string, CEP_SID_TEXT_MAX - 1, pool) : NULL;

    return text && cep_sid_parse(sid, text) && strcmp(cep_sid_format(sid, canonical), text) == 0;
}

/* [MS-WCCE] 2.2.2.7.7.4, as CAs write it: GeneralNames of one otherName with an OCTET STRING. */
static const char *read_sid(struct cep_certificate *certificate, apr_pool_t *pool)
{
    const ASN1_STRING *data;
    const char *problem = find_extension(&data, certificate->x509, &oid_sid,
                                         "the certificate has more than one SID extension");
    GENERAL_NAMES *names;

    if (problem || !data)
        return problem;
    names = read_names(data);
    if (names && sk_GENERAL_NAME_num(names) == 1)
        certificate->has_sid = read_sid_text(
            &certificate->sid,
            other_name(sk_GENERAL_NAME_value(names, 0), &oid_object_sid, V_ASN1_OCTET_STRING),
            pool);
    GENERAL_NAMES_free(names);
    return certificate->has_sid ? NULL : "the certificate's SID extension cannot be read";
}

static const char *read_upn(struct cep_certificate *certificate, const GENERAL_NAME *name,
                            apr_pool_t *pool)
{
    const ASN1_STRING *value = other_name(name, &oid_upn, V_ASN1_UTF8STRING);

    if (certificate->upn)
        return "the certificate has more than one UPN";
    certificate->upn = value ? plain_text(value, CEP_CALLER_MAX_NAME, pool) : NULL;
    return certificate->upn ? NULL : "the certificate's UPN cannot be read";
}

static const char *read_dns_name(struct cep_certificate *certificate, const GENERAL_NAME *name,
                                 apr_pool_t *pool)
{
    const char *text = plain_text(name->d.dNSName, DNS_NAME_MAX, pool);

    if (!text)
        return "a DNS name of the certificate cannot be read";
    if (certificate->dns_count++ == 0)
        certificate->dns_name = text;
    return NULL;
}

static const char *read_alternative_names(struct cep_certificate *certificate, apr_pool_t *pool)
{
    const ASN1_STRING *data;
    const char *problem =
        find_extension(&data, certificate->x509, &oid_alternative_names,
                       "the certificate has more than one extension of alternative names");
    GENERAL_NAMES *names;
    int i;

    if (problem || !data)
        return problem;
    names = read_names(data);
    if (!names)
        return "the certificate's alternative names cannot be read";
    for (i = 0; !problem && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            problem = read_dns_name(certificate, name, pool);
        else if (name->type == GEN_OTHERNAME && is_oid(name->d.otherName->type_id, &oid_upn))
            problem = read_upn(certificate, name, pool);
    }
    GENERAL_NAMES_free(names);
    return problem;
}

static const char *hex(const unsigned char *data, size_t length, apr_pool_t *pool)
{
    static const char digits[] = "0123456789abcdef";
    char *text = apr_palloc(pool, 2 * length + 1);
    size_t i;

    for (i = 0; i < length; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * length] = '\0';
    return text;
}

static void add_altsecid(struct cep_certificate *certificate, const char *text)
{
    certificate->altsecids[certificate->altsecid_count++] = text;
}

/*
 * X509:<I>issuer<SR>serial, the serial number's octets from last to first. With a highest bit that
 * is set, its DER has an octet 0 in front, and Windows' tools differ in whether they show it: the
 * number is the same, so both are taken.
 */
static void add_issuer_and_serial(struct cep_certificate *certificate, apr_pool_t *pool)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate->x509);
    const char *issuer = cep_x500_text(X509_get_issuer_name(certificate->x509), pool), *text;
    const unsigned char *octets = ASN1_STRING_get0_data(serial);
    int length = ASN1_STRING_length(serial), i;
    unsigned char reversed[NUMBER_MAX];

    if (!issuer || ASN1_STRING_type(serial) != V_ASN1_INTEGER || length < 1 || length > NUMBER_MAX)
        return;
    for (i = 0; i < length; i++)
        reversed[i] = octets[length - 1 - i];
    text = apr_pstrcat(pool, "X509:<I>", issuer, "<SR>", hex(reversed, (size_t)length, pool), NULL);
    add_altsecid(certificate, text);
    if (octets[0] & 0x80)
        add_altsecid(certificate, apr_pstrcat(pool, text, "00", NULL));
}

static const char *add_key_identifier(struct cep_certificate *certificate, apr_pool_t *pool)
{
    const ASN1_STRING *data;
    const char *problem =
        find_extension(&data, certificate->x509, &oid_key_identifier,
                       "the certificate has more than one subject key identifier");
    const unsigned char *at, *begin;
    ASN1_OCTET_STRING *octets;
    int length = 0;

    if (problem || !data)
        return problem;
    begin = at = ASN1_STRING_get0_data(data);
    octets = d2i_ASN1_OCTET_STRING(NULL, &at, ASN1_STRING_length(data));
    if (octets && at == begin + ASN1_STRING_length(data))
        length = ASN1_STRING_length(octets);
    if (length >= 1 && length <= NUMBER_MAX)
        add_altsecid(certificate,
                     apr_pstrcat(pool, "X509:<SKI>",
                                 hex(ASN1_STRING_get0_data(octets), (size_t)length, pool), NULL));
    else
        problem = "the certificate's subject key identifier cannot be read";
    ASN1_OCTET_STRING_free(octets);
    return problem;
}

/*
 * "SHA1 hash of public key" says [MS-PKCA]; Microsoft's own tools write the SHA-1 of the whole
 * certificate, its thumbprint. Either names this key or this certificate only.
 */
static void add_hashes(struct cep_certificate *certificate, apr_pool_t *pool)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length;

    if (X509_pubkey_digest(certificate->x509, EVP_sha1(), digest, &length))
        add_altsecid(certificate,
                     apr_pstrcat(pool, "X509:<SHA1-PUKEY>", hex(digest, length, pool), NULL));
    if (X509_digest(certificate->x509, EVP_sha1(), digest, &length))
        add_altsecid(certificate,
                     apr_pstrcat(pool, "X509:<SHA1-PUKEY>", hex(digest, length, pool), NULL));
}

static const char *make_label(const X509 *x509, apr_pool_t *pool)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    int length = ASN1_STRING_length(serial);
    char subject[LABEL_MAX];

    /* Escapes all that is not printable ASCII. */
    X509_NAME_oneline(X509_get_subject_name(x509), subject, sizeof(subject));
    return apr_psprintf(pool, "%s (serial number %s)", subject,
                        hex(ASN1_STRING_get0_data(serial),
                            (size_t)(length < NUMBER_MAX ? length : NUMBER_MAX), pool));
}

static apr_status_t free_x509(void *data)
{
    X509_free(data);
    return APR_SUCCESS;
}

static const char *read_all(struct cep_certificate *certificate, apr_pool_t *pool)
{
    const char *problem = read_sid(certificate, pool);

    if (!problem)
        problem = read_alternative_names(certificate, pool);
    if (problem)
        return problem;
    add_issuer_and_serial(certificate, pool);
    problem = add_key_identifier(certificate, pool);
    if (problem)
        return problem;
    add_hashes(certificate, pool);
    /* This reads the extensions that OpenSSL knows. */
    if (X509_check_purpose(certificate->x509, -1, 0) != 1)
        return "an extension of the certificate cannot be read";
    return NULL;
}

const char *cep_certificate_read(struct cep_certificate **certificate, const void *der,
                                 size_t length, apr_pool_t *pool)
{
    struct cep_certificate *result = apr_pcalloc(pool, sizeof(*result));
    const unsigned char *at = der;
    const char *problem;

    *certificate = NULL;
    if (length == 0)
        return "the certificate is empty";
    if (length > CEP_CERTIFICATE_MAX)
        return "the certificate is too long";
    ERR_set_mark();
    result->x509 = d2i_X509(NULL, &at, (long)length);
    if (result->x509)
        apr_pool_cleanup_register(pool, result->x509, free_x509, apr_pool_cleanup_null);
    if (!result->x509 || at != (const unsigned char *)der + length) {
        problem = "the certificate cannot be read";
    } else {
        result->label = make_label(result->x509, pool);
        problem = read_all(result, pool);
    }
    ERR_pop_to_mark();
    if (!problem)
        *certificate = result;
    return problem;
}

const char *cep_certificate_fingerprint(const struct cep_certificate *certificate, apr_pool_t *pool)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;

    if (X509_digest(certificate->x509, cep_sha256(), digest, &length) != 1)
        return NULL;
    return apr_pescape_hex(pool, digest, length, 0);
}
