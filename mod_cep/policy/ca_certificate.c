/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* cACertificate: of several certificates the valid one with the latest notBefore. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509.h>

struct candidate {
    X509 *x509;
    const struct cep_value *der;
};

/* A certificate without octets behind it and with times that can be compared, or NULL. */
static X509 *parse(const struct cep_value *value)
{
    const unsigned char *at = value->data;
    X509 *x509;

    if (value->len == 0 || value->len > CEP_POLICY_MAX_TEXT)
        return NULL;
    x509 = d2i_X509(NULL, &at, (long)value->len);
    if (x509 && (at != value->data + value->len || !ASN1_TIME_check(X509_get0_notBefore(x509)) ||
                 !ASN1_TIME_check(X509_get0_notAfter(x509)))) {
        X509_free(x509);
        x509 = NULL;
    }
    return x509;
}

/* Times far in the future are GeneralizedTime; OpenSSL compares both forms without overflow. */
static int is_valid(const X509 *x509, time_t now)
{
    int begins = ASN1_TIME_cmp_time_t(X509_get0_notBefore(x509), now);
    int ends = ASN1_TIME_cmp_time_t(X509_get0_notAfter(x509), now);

    return (begins == -1 || begins == 0) && (ends == 1 || ends == 0);
}

/* at, when it is to come, is a moment from which on the choice may be another one. */
static void note_change(struct cep_policy *policy, const ASN1_TIME *at, int seconds_later)
{
    struct tm parts;
    apr_time_t change;

    if (!ASN1_TIME_to_tm(at, &parts))
        return;
    change = apr_time_from_sec((apr_time_t)timegm(&parts) + seconds_later);
    if (change > policy->now && (policy->expires == 0 || change < policy->expires))
        policy->expires = change;
}

/* 1 when a is to be preferred. Ends in a comparison of octets: the values' order must not matter.
 */
static int is_better(const struct candidate *a, const struct candidate *b)
{
    int order = ASN1_TIME_compare(X509_get0_notBefore(a->x509), X509_get0_notBefore(b->x509));

    if (order == 0)
        order = ASN1_TIME_compare(X509_get0_notAfter(a->x509), X509_get0_notAfter(b->x509));
    if (order != 0)
        return order > 0;
    if (a->der->len != b->der->len)
        return a->der->len < b->der->len;
    return memcmp(a->der->data, b->der->data, a->der->len) < 0;
}

/* AD writes one octet 0x00 where an attribute must not be empty and there is nothing yet. */
static int is_placeholder(const struct cep_value *value)
{
    return value->len == 0 || (value->len == 1 && value->data[0] == 0);
}

struct tally {
    int certificates, garbage;
};

/* In an order of their own: the server's means nothing. */
static int compare_values(const void *a, const void *b)
{
    const struct cep_value *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->data, y->data, x->len);
}

/* all: of the certificates, also of those that are not valid now. */
static struct candidate choose(const struct cep_attribute *attribute, struct cep_policy *policy,
                               struct tally *tally, apr_array_header_t *all)
{
    const time_t now = (time_t)apr_time_sec(policy->now);
    struct candidate best = {NULL, NULL};
    int i;

    for (i = 0; i < cep_attribute_count(attribute); i++) {
        struct candidate next = {NULL, cep_attribute_value(attribute, i)};

        if (is_placeholder(next.der))
            continue;
        next.x509 = parse(next.der);
        if (!next.x509) {
            tally->garbage++;
            continue;
        }
        tally->certificates++;
        APR_ARRAY_PUSH(all, struct cep_value) =
            cep_value_copy(all->pool, next.der->data, next.der->len);
        note_change(policy, X509_get0_notBefore(next.x509), 0);
        note_change(policy, X509_get0_notAfter(next.x509), 1); /* in its last second it is valid */
        if (is_valid(next.x509, now) && (!best.x509 || is_better(&next, &best))) {
            X509_free(best.x509);
            best = next;
        } else {
            X509_free(next.x509);
        }
    }
    return best;
}

struct cep_value cep_service_certificate(struct cep_reader *reader,
                                         apr_array_header_t *certificates)
{
    const struct cep_attribute *attribute =
        cep_reader_several(reader, "cACertificate", CEP_POLICY_MAX_VALUES);
    struct cep_value result = {NULL, 0};
    struct tally tally = {0, 0};
    struct candidate best;

    ERR_set_mark();
    best = choose(attribute, reader->policy, &tally, certificates);
    if (certificates->nelts > 1)
        qsort(certificates->elts, (size_t)certificates->nelts, sizeof(struct cep_value),
              compare_values);
    if (best.x509)
        result = cep_value_copy(reader->policy->pool, best.der->data, best.der->len);
    X509_free(best.x509);
    ERR_pop_to_mark();
    if (tally.garbage > 0)
        cep_reader_note(reader, "CEP0351",
                        "Attribute cACertificate has %d values that are no certificates; they are "
                        "skipped. Remove them.",
                        tally.garbage);
    if (tally.certificates == 0)
        cep_reader_fail(reader, "CEP0347",
                        "The CA has no certificate in attribute cACertificate. Publish it, for "
                        "instance with \"certutil -dspublish\".");
    else if (!result.data)
        cep_reader_fail(reader, "CEP0348",
                        "None of the CA's %d certificates is valid now. Renew the CA's "
                        "certificate, or check this machine's clock.",
                        tally.certificates);
    return result;
}
