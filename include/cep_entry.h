/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A directory entry as every source hands it on: a DN and attributes with binary-safe values. */
#ifndef CEP_ENTRY_H
#define CEP_ENTRY_H

#include <apr_pools.h>
#include <apr_tables.h>

/* data[len] is always a NUL that is not part of the value, so text may be read as a C string
 * once cep_value_is_text() has said that no NUL stands inside. */
struct cep_value {
    const unsigned char *data;
    apr_size_t len;
};

struct cep_attribute {
    const char *name;           /* as the source spells it, without options such as ";binary" */
    apr_array_header_t *values; /* of struct cep_value, in the source's order, at least one */
};

struct cep_entry {
    const char *dn;                 /* UTF-8, as the source spells it */
    apr_array_header_t *attributes; /* of struct cep_attribute, each name once */
};

/* An entry without attributes; dn is copied. Everything lives in pool. */
struct cep_entry *cep_entry_make(apr_pool_t *pool, const char *dn);

/*
 * Append one value; data is copied. Names are compared without regard to case, and attribute
 * options (everything from the first ';') are dropped: RFC 4512 2.5.
 */
void cep_entry_add(struct cep_entry *entry, apr_pool_t *pool, const char *name, const void *data,
                   apr_size_t len);

/*
 * The same without copies: name, which has no options, and value's octets must live as long as the
 * entry does.
 */
void cep_entry_refer(struct cep_entry *entry, apr_pool_t *pool, const char *name,
                     struct cep_value value);

/* The attribute of that name, without regard to case, or NULL. */
const struct cep_attribute *cep_entry_attribute(const struct cep_entry *entry, const char *name);

/* Number of values (0: the attribute is absent) and the i-th of them. */
int cep_attribute_count(const struct cep_attribute *attribute); /* attribute may be NULL */
const struct cep_value *cep_attribute_value(const struct cep_attribute *attribute, int i);

/* The first value, or NULL when the attribute is absent. */
const struct cep_value *cep_entry_value(const struct cep_entry *entry, const char *name);

/* The first value as text, or NULL when absent, empty, with a NUL inside or not UTF-8. */
const char *cep_entry_text(const struct cep_entry *entry, const char *name);

/* 1 when value holds no NUL and is valid UTF-8. */
int cep_value_is_text(const struct cep_value *value);

/* 1 when objectClass holds that class, without regard to case. */
int cep_entry_has_class(const struct cep_entry *entry, const char *object_class);

#endif
