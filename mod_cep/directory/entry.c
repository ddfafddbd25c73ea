/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "cep_entry.h"
#include "cep_octets.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

struct cep_entry *cep_entry_make(apr_pool_t *pool, const char *dn)
{
    struct cep_entry *entry = apr_palloc(pool, sizeof(*entry));

    entry->dn = apr_pstrdup(pool, dn);
    entry->attributes = apr_array_make(pool, 16, sizeof(struct cep_attribute));
    return entry;
}

static struct cep_attribute *find_attribute(const struct cep_entry *entry, const char *name,
                                            size_t length)
{
    int i;

    for (i = 0; i < entry->attributes->nelts; i++) {
        struct cep_attribute *attribute =
            &APR_ARRAY_IDX(entry->attributes, i, struct cep_attribute);

        if (strncasecmp(attribute->name, name, length) == 0 && !attribute->name[length])
            return attribute;
    }
    return NULL;
}

/* name, length octets of it, and value are referred to. */
static void add(struct cep_entry *entry, apr_pool_t *pool, const char *name, size_t length,
                struct cep_value value)
{
    struct cep_attribute *attribute = find_attribute(entry, name, length);

    if (!attribute) {
        attribute = apr_array_push(entry->attributes);
        attribute->name = name;
        attribute->values = apr_array_make(pool, 1, sizeof(struct cep_value));
    }
    APR_ARRAY_PUSH(attribute->values, struct cep_value) = value;
}

void cep_entry_add(struct cep_entry *entry, apr_pool_t *pool, const char *name, const void *data,
                   apr_size_t len)
{
    size_t length = strcspn(name, ";");
    struct cep_value value = {NULL, len};
    unsigned char *copy = apr_palloc(pool, len + 1);

    if (!find_attribute(entry, name, length))
        name = apr_pstrmemdup(pool, name, length);
    if (len)
        memcpy(copy, data, len);
    copy[len] = 0;
    value.data = copy;
    add(entry, pool, name, length, value);
}

void cep_entry_refer(struct cep_entry *entry, apr_pool_t *pool, const char *name,
                     struct cep_value value)
{
    add(entry, pool, name, strlen(name), value);
}

const struct cep_attribute *cep_entry_attribute(const struct cep_entry *entry, const char *name)
{
    return find_attribute(entry, name, strlen(name));
}

int cep_attribute_count(const struct cep_attribute *attribute)
{
    return attribute ? attribute->values->nelts : 0;
}

const struct cep_value *cep_attribute_value(const struct cep_attribute *attribute, int i)
{
    return &APR_ARRAY_IDX(attribute->values, i, struct cep_value);
}

const struct cep_value *cep_entry_value(const struct cep_entry *entry, const char *name)
{
    const struct cep_attribute *attribute = cep_entry_attribute(entry, name);

    return cep_attribute_count(attribute) ? cep_attribute_value(attribute, 0) : NULL;
}

const char *cep_entry_text(const struct cep_entry *entry, const char *name)
{
    const struct cep_value *value = cep_entry_value(entry, name);

    if (!value || !value->len || !cep_value_is_text(value))
        return NULL;
    return (const char *)value->data;
}

int cep_value_is_text(const struct cep_value *value)
{
    apr_uint32_t character;
    size_t i = 0, step;

    while (i < value->len) {
        /* Nearly all is ASCII. */
        step = value->data[i] < 0x80 ? value->data[i] != 0
                                     : cep_utf8_read(value->data + i, value->len - i, &character);
        if (!step)
            return 0;
        i += step;
    }
    return 1;
}

int cep_entry_has_class(const struct cep_entry *entry, const char *object_class)
{
    const struct cep_attribute *classes = cep_entry_attribute(entry, "objectClass");
    size_t length = strlen(object_class);
    int i;

    for (i = 0; i < cep_attribute_count(classes); i++) {
        const struct cep_value *value = cep_attribute_value(classes, i);

        if (value->len == length &&
            strncasecmp((const char *)value->data, object_class, length) == 0)
            return 1;
    }
    return 0;
}
