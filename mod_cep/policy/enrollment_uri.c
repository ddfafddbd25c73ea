/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Where a CA takes requests: msPKI-Enrollment-Servers ([MS-ADA2] 2.612), one value being lines of
 * priority, authentication, renewal only, URI and, since Windows Server 2012, key-based renewal.
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

#define ATTRIBUTE "msPKI-Enrollment-Servers"

enum line { PRIORITY, AUTHENTICATION, RENEWAL_ONLY, URI, KEY_BASED_RENEWAL, LINES };

/* host[:port]; a user's name before the host has no place in what all clients are told. */
static const char *check_authority(const char *authority, apr_size_t length)
{
    const char *end = authority + length, *host = authority, *colon;

    if (length > 0 && *host == '[') {
        const char *close = memchr(host, ']', length);

        if (!close || close == host + 1 ||
            strspn(host + 1, "0123456789abcdefABCDEF:.") < (apr_size_t)(close - host - 1))
            return "has a bad IPv6 address";
        colon = close + 1;
    } else {
        colon = memchr(host, ':', length);
        colon = colon ? colon : end;
        if (colon == host)
            return "names no host";
        if (memchr(host, '[', length) || memchr(host, ']', length) || memchr(host, '@', length))
            return "names no host, or a user too";
    }
    if (colon == end)
        return NULL;
    length = (apr_size_t)(end - colon);
    if (*colon != ':' || length < 2 || length > 6 || strspn(colon + 1, "0123456789") < length - 1 ||
        strtol(colon + 1, NULL, 10) > 65535)
        return "has a bad port";
    return NULL;
}

/* RFC 3986, read generously: octets above 0x7f pass, as xs:anyURI allows. */
const char *cep_uri_check(const char *uri)
{
    static const char scheme[] = "https://";
    const unsigned char *at;
    int fragments = 0;

    if (!cep_text_is_xml(uri, strlen(uri)))
        return "is not UTF-8 or holds control characters";
    if (strncasecmp(uri, scheme, sizeof(scheme) - 1) != 0)
        return "does not begin with https://";
    uri += sizeof(scheme) - 1;
    for (at = (const unsigned char *)uri; *at; at++) {
        if (*at <= ' ' || *at == 0x7f || strchr("\"<>\\^`{|}", *at))
            return "holds characters that a URI must not hold";
        if (*at == '%' && !(apr_isxdigit(at[1]) && apr_isxdigit(at[2])))
            return "holds a % that two hexadecimal digits do not follow";
        if (*at == '#' && fragments++)
            return "has two fragments";
    }
    at = (const unsigned char *)uri + strcspn(uri, "/?#");
    if (strpbrk((const char *)at, "[]"))
        return "holds characters that a URI must not hold";
    return check_authority(uri, (apr_size_t)((const char *)at - uri));
}

/* Lines without the blanks and CRs around them; a last empty one counts for nothing. 0: too many */
static int split_lines(const struct cep_value *value, struct cep_value lines[LINES])
{
    struct cep_value rest = cep_text_trim(*value);
    int count = 0;

    while (rest.len > 0) {
        const unsigned char *end = memchr(rest.data, '\n', rest.len);
        apr_size_t length = end ? (apr_size_t)(end - rest.data) : rest.len;
        struct cep_value line = {rest.data, length};

        if (count == LINES)
            return 0;
        lines[count++] = cep_text_trim(line);
        rest.data += length + (end ? 1 : 0);
        rest.len -= length + (end ? 1 : 0);
    }
    return count;
}

static int read_boolean(struct cep_value line, int *result)
{
    apr_int64_t number = 0;

    if (!cep_text_number(line, &number) || number < 0 || number > 1)
        return 0;
    *result = (int)number;
    return 1;
}

/* Everything but the URI's own syntax. NULL, or what is wrong. */
static const char *parse(const struct cep_value *value, struct cep_enrollment_uri *uri,
                         apr_pool_t *pool)
{
    struct cep_value lines[LINES] = {{NULL, 0}};
    apr_int64_t number = 0;
    int count;

    if (value->len > CEP_POLICY_MAX_TEXT)
        return "is too long";
    count = split_lines(value, lines);
    if (count < LINES - 1)
        return "has not four or five lines";
    if (!cep_text_number(lines[PRIORITY], &number) || number < 0 || number > APR_UINT32_MAX)
        return "has no priority in its first line";
    uri->priority = (apr_uint32_t)number;
    if (!cep_text_number(lines[AUTHENTICATION], &number) ||
        (number != CEP_AUTH_ANONYMOUS && number != CEP_AUTH_KERBEROS &&
         number != CEP_AUTH_USERNAME && number != CEP_AUTH_CERTIFICATE))
        return "has no authentication (1, 2, 4 or 8) in its second line";
    uri->auth = (enum cep_client_auth)number;
    if (!read_boolean(lines[RENEWAL_ONLY], &uri->renewal_only))
        return "has neither 0 nor 1 in its third line";
    if (count == LINES && !read_boolean(lines[KEY_BASED_RENEWAL], &uri->key_based_renewal))
        return "has neither 0 nor 1 in its fifth line";
    if (lines[URI].len == 0)
        return "has no URI in its fourth line";
    if (memchr(lines[URI].data, '\0', lines[URI].len))
        return "holds control characters";
    uri->uri = apr_pstrmemdup(pool, (const char *)lines[URI].data, lines[URI].len);
    return NULL;
}

static void read_directory(struct cep_reader *reader, apr_array_header_t *uris)
{
    const struct cep_attribute *attribute =
        cep_reader_several(reader, ATTRIBUTE, CEP_POLICY_MAX_VALUES);
    int i;

    for (i = 0; i < cep_attribute_count(attribute); i++) {
        const struct cep_value *value = cep_attribute_value(attribute, i);
        struct cep_enrollment_uri uri = {CEP_AUTH_ANONYMOUS, NULL, 0, 0, 0};
        const char *why = parse(value, &uri, reader->policy->pool);

        if (why) {
            cep_reader_note(reader, "CEP0352",
                            "The value \"%s\" of attribute " ATTRIBUTE " %s; it is skipped. "
                            "Correct it.",
                            cep_reader_show(reader, *value), why);
            continue;
        }
        why = cep_uri_check(uri.uri);
        if (why) {
            cep_reader_note(
                reader, "CEP0353",
                "The enrollment URI \"%s\" %s; it is left out. Correct it in attribute " ATTRIBUTE
                ".",
                cep_text_printable(reader->scratch, uri.uri, strlen(uri.uri), 200), why);
            continue;
        }
        APR_ARRAY_PUSH(uris, struct cep_enrollment_uri) = uri;
    }
}

/* 1 when the configuration speaks of this CA; then nothing of the directory counts. */
static int read_configured(struct cep_reader *reader, const char *cn, apr_array_header_t *uris)
{
    const apr_array_header_t *configured = reader->policy->configured_uris;
    const char *folded = cep_text_fold(reader->scratch, cn);
    int i, found = 0;

    for (i = 0; configured && i < configured->nelts; i++) {
        const struct cep_configured_uri *line =
            &APR_ARRAY_IDX(configured, i, struct cep_configured_uri);
        struct cep_enrollment_uri uri = line->uri;
        const char *why;

        if (strcmp(cep_text_fold(reader->scratch, line->ca), folded) != 0)
            continue;
        found = 1;
        why = cep_uri_check(uri.uri);
        if (why) {
            cep_reader_note(reader, "CEP0353",
                            "The enrollment URI \"%s\" %s; it is left out. Correct it in directive "
                            "CEPEnrollmentURI.",
                            cep_text_printable(reader->scratch, uri.uri, strlen(uri.uri), 200),
                            why);
            continue;
        }
        uri.uri = apr_pstrdup(reader->policy->pool, uri.uri);
        APR_ARRAY_PUSH(uris, struct cep_enrollment_uri) = uri;
    }
    return found;
}

static int compare(const void *a, const void *b)
{
    const struct cep_enrollment_uri *x = a, *y = b;
    int order;

    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    if (x->auth != y->auth)
        return x->auth < y->auth ? -1 : 1;
    order = strcmp(x->uri, y->uri);
    if (order == 0)
        order = x->renewal_only - y->renewal_only;
    return order ? order : x->key_based_renewal - y->key_based_renewal;
}

/* Sorted; one URI under one authentication is named once, the most urgent entry counts. */
static apr_array_header_t *sort_and_merge(struct cep_reader *reader, apr_array_header_t *uris)
{
    apr_array_header_t *result =
        apr_array_make(reader->policy->pool, uris->nelts, sizeof(struct cep_enrollment_uri));
    apr_hash_t *seen = apr_hash_make(reader->scratch);
    int i;

    if (uris->nelts > 1)
        qsort(uris->elts, (size_t)uris->nelts, sizeof(struct cep_enrollment_uri), compare);
    for (i = 0; i < uris->nelts; i++) {
        const struct cep_enrollment_uri *uri = &APR_ARRAY_IDX(uris, i, struct cep_enrollment_uri);
        const char *key = apr_psprintf(reader->scratch, "%d %d %d %s", (int)uri->auth,
                                       uri->renewal_only, uri->key_based_renewal, uri->uri);

        if (apr_hash_get(seen, key, APR_HASH_KEY_STRING)) {
            cep_reader_note(reader, "CEP0354",
                            "The enrollment URI \"%s\" is there more than once for one "
                            "authentication; the smallest priority counts. Remove the others.",
                            cep_text_printable(reader->scratch, uri->uri, strlen(uri->uri), 200));
            continue;
        }
        apr_hash_set(seen, key, APR_HASH_KEY_STRING, uri);
        APR_ARRAY_PUSH(result, struct cep_enrollment_uri) = *uri;
    }
    return result;
}

apr_array_header_t *cep_service_uris(struct cep_reader *reader, const char *cn)
{
    apr_array_header_t *uris =
        apr_array_make(reader->scratch, 4, sizeof(struct cep_enrollment_uri));

    if (!read_configured(reader, cn, uris))
        read_directory(reader, uris);
    if (uris->nelts == 0)
        /* [MS-XCEP] 3.1.4.1.3.6: a CA without a URI cannot be said */
        cep_reader_fail(reader, "CEP0349",
                        "The CA has no enrollment URI that can be offered. Install a Certificate "
                        "Enrollment Web Service for it, or give its URI with CEPEnrollmentURI.");
    return sort_and_merge(reader, uris);
}
