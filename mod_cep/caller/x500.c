/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A name of a certificate as text, as Windows builds it for altSecurityIdentities: the order of the
 * certificate (DC=example,DC=corp,CN=CA), the keys of CertNameToStr() with CERT_X500_NAME_STR, a
 * comma and no blank between the parts ([MS-PKCA] 3.1.5.2.1.3: the line ends of
 * CERT_NAME_STR_CRLF_FLAG are replaced by commas).
 *
 * What other strings Windows makes of odd names is not documented, or it is documented that its own
 * tools disagree (KB831789: RDNs of several values). There the answer is that there is no text.
 */
#include "lookup.h"
#include "cep_octets.h"

#include <string.h>

#include <apr_strings.h>

#include <openssl/objects.h>
#include <openssl/x509.h>

static const struct {
    unsigned char oid[10]; /* DER content */
    size_t length;
    const char *key;
} keys[] = {
    {{0x55, 4, 3}, 3, "CN"},
    {{0x55, 4, 4}, 3, "SN"},
    {{0x55, 4, 5}, 3, "SERIALNUMBER"},
    {{0x55, 4, 6}, 3, "C"},
    {{0x55, 4, 7}, 3, "L"},
    {{0x55, 4, 8}, 3, "S"},
    {{0x55, 4, 9}, 3, "STREET"},
    {{0x55, 4, 10}, 3, "O"},
    {{0x55, 4, 11}, 3, "OU"},
    {{0x55, 4, 12}, 3, "T"},
    {{0x55, 4, 42}, 3, "G"},
    {{0x55, 4, 43}, 3, "I"},
    /* 0.9.2342.19200300.100.1.25 */
    {{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}, 10, "DC"},
    /* 1.2.840.113549.1.9.1 */
    {{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, "E"},
};

static const char *key_of(const ASN1_OBJECT *object)
{
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (OBJ_length(object) == keys[i].length &&
            memcmp(OBJ_get0_data(object), keys[i].oid, keys[i].length) == 0)
            return keys[i].key;
    }
    return NULL;
}

/* How CertNameToStr() quotes: where a reader could take a part of the value for a separator. */
static int needs_quotes(const char *text)
{
    size_t length = strlen(text);

    return length == 0 || text[0] == ' ' || text[length - 1] == ' ' ||
           strpbrk(text, ",+=\"<>#;") != NULL;
}

static const char *quote(const char *text, apr_pool_t *pool)
{
    char *quoted = apr_palloc(pool, 2 * strlen(text) + 3), *end = quoted;

    *end++ = '"';
    for (; *text; text++) {
        if (*text == '"')
            *end++ = '"';
        *end++ = *text;
    }
    *end++ = '"';
    *end = '\0';
    return quoted;
}

/* TeletexString is left out: nobody agrees on its character set. */
static const char *value_text(const ASN1_STRING *value, apr_pool_t *pool)
{
    int type = ASN1_STRING_type(value), length;
    const char *text = NULL;
    struct cep_value plain;
    unsigned char *utf8;

    if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_IA5STRING && type != V_ASN1_UTF8STRING &&
        type != V_ASN1_BMPSTRING)
        return NULL;
    length = ASN1_STRING_to_UTF8(&utf8, value);
    if (length < 0)
        return NULL;
    plain.data = utf8;
    plain.len = (apr_size_t)length;
    if (!cep_has_control_character(utf8, plain.len) && cep_value_is_text(&plain))
        text = apr_pstrmemdup(pool, (const char *)utf8, plain.len);
    OPENSSL_free(utf8);
    if (text && needs_quotes(text))
        return quote(text, pool);
    return text;
}

const char *cep_x500_text(const struct X509_name_st *name, apr_pool_t *pool)
{
    int count = X509_NAME_entry_count(name), i, set = -1;
    apr_array_header_t *parts = apr_array_make(pool, 8, sizeof(const char *));

    for (i = 0; i < count; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const char *key = key_of(X509_NAME_ENTRY_get_object(entry));
        const char *value = value_text(X509_NAME_ENTRY_get_data(entry), pool);

        if (!key || !value || X509_NAME_ENTRY_set(entry) == set)
            return NULL;
        set = X509_NAME_ENTRY_set(entry);
        APR_ARRAY_PUSH(parts, const char *) = apr_pstrcat(pool, key, "=", value, NULL);
    }
    return count > 0 ? apr_array_pstrcat(pool, parts, ',') : NULL;
}
