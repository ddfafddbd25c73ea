/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Certificates made in a test: a CA with a key, and what it signs, sound or not. */
#ifndef CERTIFICATE_BUILDER_H
#define CERTIFICATE_BUILDER_H

#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cep_entry.h"

#define DAY 86400

#define SID_EXTENSION     "1.3.6.1.4.1.311.25.2"
#define SID_TYPE          "1.3.6.1.4.1.311.25.2.1"
#define UPN_TYPE          "1.3.6.1.4.1.311.20.2.3"
#define ALTERNATIVE_NAMES "2.5.29.17"
#define KEY_IDENTIFIER    "2.5.29.14"
#define KEY_USAGES        "2.5.29.37"

/* ---- DER ---- */

static inline struct cep_value octets(const void *data, size_t length)
{
    struct cep_value value = {data, length};

    return value;
}

static inline struct cep_value text_octets(const char *text)
{
    return octets(text, strlen(text));
}

/* a followed by b */
static inline struct cep_value join(apr_pool_t *pool, struct cep_value a, struct cep_value b)
{
    unsigned char *data = apr_palloc(pool, a.len + b.len + 1);

    if (a.len)
        memcpy(data, a.data, a.len);
    if (b.len)
        memcpy(data + a.len, b.data, b.len);
    data[a.len + b.len] = 0;
    return octets(data, a.len + b.len);
}

/* tag, length, content; lengths below 2^24 */
static inline struct cep_value tlv(apr_pool_t *pool, unsigned char tag, struct cep_value content)
{
    unsigned char head[5] = {tag, 0x83, (unsigned char)(content.len >> 16),
                             (unsigned char)(content.len >> 8), (unsigned char)content.len};
    size_t length = 5;

    if (content.len < 0x80) {
        head[1] = (unsigned char)content.len;
        length = 2;
    } else if (content.len < 0x100) {
        head[1] = 0x81;
        head[2] = (unsigned char)content.len;
        length = 3;
    } else if (content.len < 0x10000) {
        head[1] = 0x82;
        memmove(head + 2, head + 3, 2);
        length = 4;
    }
    return join(pool, octets(apr_pmemdup(pool, head, length), length), content);
}

static inline struct cep_value oid_der(apr_pool_t *pool, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    size_t length = OBJ_length(object);
    struct cep_value content = {apr_pmemdup(pool, OBJ_get0_data(object), length), length};

    ASN1_OBJECT_free(object);
    return tlv(pool, V_ASN1_OBJECT, content);
}

/* A GeneralName otherName with a value of that ASN.1 type. */
static inline struct cep_value other_name_der(apr_pool_t *pool, const char *oid, int type,
                                              struct cep_value value)
{
    struct cep_value inner = tlv(pool, 0xa0, tlv(pool, (unsigned char)type, value));

    return tlv(pool, 0xa0, join(pool, oid_der(pool, oid), inner));
}

static inline struct cep_value sequence(apr_pool_t *pool, struct cep_value content)
{
    return tlv(pool, 0x30, content);
}

/* The SID extension as a CA of Windows writes it. */
static inline struct cep_value sid_der(apr_pool_t *pool, const char *sid)
{
    return sequence(pool, other_name_der(pool, SID_TYPE, V_ASN1_OCTET_STRING, text_octets(sid)));
}

static inline struct cep_value upn_name(apr_pool_t *pool, const char *upn)
{
    return other_name_der(pool, UPN_TYPE, V_ASN1_UTF8STRING, text_octets(upn));
}

static inline struct cep_value dns_name(apr_pool_t *pool, const char *name)
{
    return tlv(pool, 0x82, text_octets(name));
}

/* ---- certificates ---- */

struct extension {
    const char *oid;
    struct cep_value der;
};

#define MAX_EXTENSIONS 6

/* What a certificate is made of. All zero: CN=owner, serial number 1, valid now, no extension. */
struct blueprint {
    const char *subject; /* CN */
    const char *serial;  /* hexadecimal; "-1" is negative */
    long from, until;    /* seconds from now; both 0: from yesterday until tomorrow */
    int is_ca;
    struct extension extensions[MAX_EXTENSIONS];
};

struct authority {
    EVP_PKEY *key;
    X509_NAME *name;
    struct cep_value der; /* its own certificate */
};

static inline EVP_PKEY *make_key(void)
{
    return EVP_EC_gen("P-256");
}

static inline void add_extension(X509 *x509, apr_pool_t *pool, const struct extension *given)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(given->oid, 1);
    ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    (void)pool;
    ASN1_OCTET_STRING_set(data, given->der.data, (int)given->der.len);
    extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, data);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(data);
    ASN1_OBJECT_free(oid);
}

static inline void set_serial(X509 *x509, const char *serial)
{
    BIGNUM *number = NULL;

    BN_hex2bn(&number, serial ? serial : "1");
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);
}

static inline X509 *build(apr_pool_t *pool, const struct blueprint *plan, X509_NAME *subject,
                          X509_NAME *issuer, EVP_PKEY *key)
{
    static const unsigned char ca_true[] = {0x30, 3, 1, 1, 0xff};
    const struct extension constraints = {"2.5.29.19", {ca_true, sizeof(ca_true)}};
    int is_set = plan->from || plan->until, i;
    X509 *x509 = X509_new();

    X509_set_version(x509, 2);
    set_serial(x509, plan->serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), is_set ? plan->from : -DAY);
    X509_gmtime_adj(X509_getm_notAfter(x509), is_set ? plan->until : DAY);
    X509_set_issuer_name(x509, issuer);
    if (subject)
        X509_set_subject_name(x509, subject);
    else
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)(plan->subject ? plan->subject : "owner"),
                                   -1, -1, 0);
    X509_set_pubkey(x509, key);
    if (plan->is_ca)
        add_extension(x509, pool, &constraints);
    for (i = 0; i < MAX_EXTENSIONS && plan->extensions[i].oid; i++)
        add_extension(x509, pool, &plan->extensions[i]);
    return x509;
}

static inline struct cep_value encode(apr_pool_t *pool, X509 *x509, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    struct cep_value value = {NULL, 0};
    int length;

    X509_sign(x509, key, EVP_sha256());
    length = i2d_X509(x509, &der);
    if (length > 0)
        value = join(pool, octets(der, (size_t)length), octets("", 0));
    OPENSSL_free(der);
    X509_free(x509);
    return value;
}

/* DC=example,DC=corp,CN=cn */
static inline X509_NAME *authority_name(const char *cn)
{
    X509_NAME *name = X509_NAME_new();

    X509_NAME_add_entry_by_txt(name, "DC", MBSTRING_UTF8, (const unsigned char *)"example", -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(name, "DC", MBSTRING_UTF8, (const unsigned char *)"corp", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
    return name;
}

static inline void free_authority(struct authority *ca)
{
    EVP_PKEY_free(ca->key);
    X509_NAME_free(ca->name);
}

/* A self-signed certificate of the authority's name and key, by plan. */
static inline struct cep_value own_certificate(apr_pool_t *pool, struct authority *ca,
                                               const struct blueprint *plan)
{
    return encode(pool, build(pool, plan, ca->name, ca->name, ca->key), ca->key);
}

static inline void make_authority(apr_pool_t *pool, struct authority *ca, const char *cn)
{
    const struct blueprint plan = {.is_ca = 1, .from = -DAY, .until = 30 * DAY};

    ca->key = make_key();
    ca->name = authority_name(cn);
    ca->der = own_certificate(pool, ca, &plan);
}

static inline struct cep_value issue(apr_pool_t *pool, struct authority *ca, EVP_PKEY *key,
                                     const struct blueprint *plan)
{
    return encode(pool, build(pool, plan, NULL, ca->name, key), ca->key);
}

#endif
