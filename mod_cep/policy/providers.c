/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* pKIDefaultCSPs: "1,Microsoft RSA SChannel Cryptographic Provider"; [MS-CRTD] 2.8. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

/* Providers without a number come after all numbers. */
#define NO_NUMBER APR_INT64_MAX

struct provider {
    apr_int64_t number;
    int place; /* in the directory's order */
    const char *name;
};

/* By number; without one in the directory's order; equal numbers by name, whatever the server's
 * order, so that two servers with the same directory say the same. */
static int compare(const void *a, const void *b)
{
    const struct provider *x = a, *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->number == NO_NUMBER)
        return x->place - y->place;
    return strcmp(x->name, y->name);
}

/* Up to the next comma behind which a number and a comma stand: there the next provider begins. */
static struct cep_value take_name(struct cep_value *rest)
{
    struct cep_value name = {rest->data, 0};

    while (rest->len > 0) {
        const unsigned char *comma = memchr(rest->data, ',', rest->len);
        struct cep_value part = {rest->data, comma ? (apr_size_t)(comma - rest->data) : rest->len};
        apr_int64_t number;

        if (name.len > 0 && comma && cep_text_number(part, &number))
            break;
        name.len = (apr_size_t)(part.data + part.len - name.data);
        rest->data += part.len + (comma ? 1 : 0);
        rest->len -= part.len + (comma ? 1 : 0);
    }
    return cep_text_trim(name);
}

/* The number that rest begins with, which is taken away together with its comma. */
static apr_int64_t take_number(struct cep_value *rest)
{
    const unsigned char *comma = rest->len ? memchr(rest->data, ',', rest->len) : NULL;
    struct cep_value part = {rest->data, comma ? (apr_size_t)(comma - rest->data) : 0};
    apr_int64_t number = 0;

    if (!comma || !cep_text_number(part, &number))
        return NO_NUMBER;
    rest->data += part.len + 1;
    rest->len -= part.len + 1;
    return number;
}

/* Real directories hold three providers in one value: "3,A, 2,B, 1,C". */
static void split_value(struct cep_reader *reader, const struct cep_value *value,
                        apr_array_header_t *found)
{
    struct cep_value rest = *value;

    do {
        struct provider provider = {take_number(&rest), found->nelts, NULL};
        struct cep_value name = take_name(&rest);

        if (name.len == 0 || name.len > CEP_POLICY_MAX_NAME ||
            !cep_text_is_xml(name.data, name.len)) {
            cep_reader_note(reader, "CEP0320",
                            "The value \"%s\" of attribute pKIDefaultCSPs names no provider, or "
                            "none that XML can carry; it is skipped. Correct it.",
                            cep_reader_show(reader, *value));
            return;
        }
        provider.name = apr_pstrmemdup(reader->policy->pool, (const char *)name.data, name.len);
        APR_ARRAY_PUSH(found, struct provider) = provider;
    } while (rest.len > 0 && found->nelts <= CEP_POLICY_MAX_VALUES);
}

void cep_template_read_providers(struct cep_template *tmpl, struct cep_reader *reader)
{
    const struct cep_attribute *attribute =
        cep_reader_several(reader, "pKIDefaultCSPs", CEP_POLICY_MAX_VALUES);
    apr_array_header_t *found = apr_array_make(reader->scratch, 4, sizeof(struct provider));
    apr_hash_t *seen = apr_hash_make(reader->scratch);
    const struct provider *provider = NULL;
    int i, tie = 0;

    for (i = 0; i < cep_attribute_count(attribute); i++)
        split_value(reader, cep_attribute_value(attribute, i), found);
    if (found->nelts > 1)
        qsort(found->elts, (size_t)found->nelts, sizeof(struct provider), compare);
    for (i = 0; i < found->nelts; i++) {
        const struct provider *previous = provider;

        provider = &APR_ARRAY_IDX(found, i, struct provider);
        if (apr_hash_get(seen, provider->name, APR_HASH_KEY_STRING)) {
            cep_reader_note(reader, reader->codes->twice,
                            "Attribute pKIDefaultCSPs lists \"%s\" more than once; the first "
                            "counts. Remove the others.",
                            provider->name);
            continue;
        }
        if (previous && previous->number == provider->number && provider->number != NO_NUMBER)
            tie = 1;
        apr_hash_set(seen, provider->name, APR_HASH_KEY_STRING, provider->name);
        APR_ARRAY_PUSH(tmpl->providers, const char *) = provider->name;
    }
    if (tie)
        cep_reader_note(reader, "CEP0331",
                        "Attribute pKIDefaultCSPs gives one number to several providers; they are "
                        "taken by name. Number them.");
}
