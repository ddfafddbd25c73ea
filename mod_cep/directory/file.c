/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * An LDIF file as a source. Callers are looked up in it while a request waits, so what is asked
 * for by equality is found by hashes that are built once, when the file is opened.
 */
#include <string.h>
#include <strings.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "dn.h"
#include "ldif.h"
#include "source.h"

struct file_source {
    const char *path;
    apr_pool_t *pool;
    apr_array_header_t *entries; /* struct cep_ldif_entry */
    apr_hash_t *by_dn;           /* canonical DN to struct cep_ldif_entry * */
    apr_hash_t *above;           /* canonical DNs that have an entry below them */
    apr_hash_t *by_value;        /* value_key() to apr_array_header_t of struct cep_ldif_entry * */
    unsigned indexed;            /* bits: attributes that by_value knows about */
};

/* Attributes with an index, which the first question for one makes: a refresh asks for classes
 * alone. Queries for others read all entries of a class. */
static const char *const indexed[] = {"objectClass",
                                      "sAMAccountName",
                                      "userPrincipalName",
                                      "servicePrincipalName",
                                      "dNSHostName",
                                      "altSecurityIdentities",
                                      "objectSid",
                                      "objectGUID",
                                      "member",
                                      "memberOf",
                                      "nCName",
                                      "cn",
                                      "primaryGroupID",
                                      "msPKI-Cert-Template-OID"};
#define INDEXED_COUNT (sizeof(indexed) / sizeof(indexed[0]))

static int indexed_number(const char *name)
{
    size_t i;

    for (i = 0; i < INDEXED_COUNT; i++) {
        if (strcasecmp(indexed[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static void fold_case(char *text, apr_size_t length)
{
    for (; length; length--, text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + ('a' - 'A'));
    }
}

/* value in the one form that all equal values share. */
static struct cep_value comparable(enum cep_match match, const struct cep_value *value,
                                   apr_pool_t *pool)
{
    struct cep_value result = *value;
    const char *dn = NULL;
    char *copy;

    if (match == CEP_MATCH_OCTETS)
        return result;
    if (match == CEP_MATCH_DN && !memchr(value->data, 0, value->len))
        dn = cep_dn_normalize(apr_pstrmemdup(pool, (const char *)value->data, value->len), pool);
    if (dn) {
        result.data = (const unsigned char *)dn;
        result.len = strlen(dn);
        return result;
    }
    copy = apr_pmemdup(pool, value->data, value->len + 1);
    fold_case(copy, value->len);
    result.data = (const unsigned char *)copy;
    return result;
}

/* The hash key of a value of the indexed attribute of that number. */
static struct cep_value value_key(int number, const struct cep_value *value, apr_pool_t *pool)
{
    struct cep_value text = comparable(cep_attribute_match(indexed[number]), value, pool);
    unsigned char *key = apr_palloc(pool, text.len + 1);
    struct cep_value result = {key, text.len + 1};

    key[0] = (unsigned char)number;
    memcpy(key + 1, text.data, text.len);
    return result;
}

static void index_value(struct file_source *source, int number, const struct cep_value *value,
                        struct cep_ldif_entry *entry, apr_pool_t *scratch)
{
    struct cep_value key = value_key(number, value, scratch);
    apr_array_header_t *list = apr_hash_get(source->by_value, key.data, (apr_ssize_t)key.len);

    if (!list) {
        list = apr_array_make(source->pool, 1, sizeof(struct cep_ldif_entry *));
        apr_hash_set(source->by_value, apr_pmemdup(source->pool, key.data, key.len),
                     (apr_ssize_t)key.len, list);
    }
    /* One entry may hold a value in two spellings. */
    if (!list->nelts || APR_ARRAY_IDX(list, list->nelts - 1, struct cep_ldif_entry *) != entry)
        APR_ARRAY_PUSH(list, struct cep_ldif_entry *) = entry;
}

static void index_entry(struct file_source *source, struct cep_ldif_entry *entry)
{
    const char *above;

    apr_hash_set(source->by_dn, entry->dn, APR_HASH_KEY_STRING, entry);
    for (above = cep_dn_parent(entry->dn); above; above = cep_dn_parent(above)) {
        if (apr_hash_get(source->above, above, APR_HASH_KEY_STRING))
            break; /* then those above it are there, too */
        apr_hash_set(source->above, above, APR_HASH_KEY_STRING, "");
    }
}

static void index_attribute(struct file_source *source, int number)
{
    apr_pool_t *scratch;
    int i, n;

    if (source->indexed & 1u << number)
        return;
    source->indexed |= 1u << number;
    apr_pool_create(&scratch, source->pool);
    for (i = 0; i < source->entries->nelts; i++) {
        struct cep_ldif_entry *entry = &APR_ARRAY_IDX(source->entries, i, struct cep_ldif_entry);
        const struct cep_attribute *attribute = cep_entry_attribute(entry->entry, indexed[number]);

        for (n = 0; n < cep_attribute_count(attribute); n++)
            index_value(source, number, cep_attribute_value(attribute, n), entry, scratch);
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
}

static apr_status_t file_open(void **result, const struct cep_directory_config *config,
                              const char *url, apr_time_t deadline, apr_pool_t *pool,
                              const char **error)
{
    struct file_source *source = apr_pcalloc(pool, sizeof(*source));
    apr_status_t status;
    int i;

    (void)config;
    (void)deadline;
    source->path = cep_directory_url_path(url);
    source->pool = pool;
    status = cep_ldif_read(&source->entries, source->path, pool, error);
    if (status != APR_SUCCESS)
        return status;
    source->by_dn = apr_hash_make(pool);
    source->above = apr_hash_make(pool);
    source->by_value = apr_hash_make(pool);
    for (i = 0; i < source->entries->nelts; i++)
        index_entry(source, &APR_ARRAY_IDX(source->entries, i, struct cep_ldif_entry));
    *result = source;
    return APR_SUCCESS;
}

static int in_scope(const char *dn, const char *base, enum cep_scope scope)
{
    const char *parent;

    if (scope == CEP_SCOPE_SUBTREE)
        return cep_dn_canonical_within(dn, base);
    if (scope == CEP_SCOPE_BASE)
        return strcmp(dn, base) == 0;
    parent = cep_dn_parent(dn);
    return parent && strcmp(parent, base) == 0;
}

/* A query with what it compares by made ready once. */
struct prepared {
    const struct cep_query *query;
    const char *base;
    enum cep_match match;
    struct cep_value wanted;
    void (*take)(void *baton, const struct cep_entry *entry);
    void *baton;
    apr_pool_t *scratch; /* cleared for each entry */
};

static int has_value(const struct cep_entry *entry, const struct prepared *prepared)
{
    const struct cep_attribute *attribute = cep_entry_attribute(entry, prepared->query->attribute);
    int i;

    for (i = 0; i < cep_attribute_count(attribute); i++) {
        struct cep_value value =
            comparable(prepared->match, cep_attribute_value(attribute, i), prepared->scratch);

        if (value.len == prepared->wanted.len &&
            memcmp(value.data, prepared->wanted.data, value.len) == 0)
            return 1;
    }
    return 0;
}

static int matches(const struct cep_ldif_entry *entry, const struct prepared *prepared)
{
    const struct cep_query *query = prepared->query;
    int result;

    if (!in_scope(entry->dn, prepared->base, query->scope))
        return 0;
    /* The root DSE is in no subtree: RFC 4512 section 5.1. */
    if (!*entry->dn && query->scope != CEP_SCOPE_BASE)
        return 0;
    if (query->object_class && !cep_entry_has_class(entry->entry, query->object_class))
        return 0;
    if (!query->attribute)
        return 1;
    result = has_value(entry->entry, prepared);
    apr_pool_clear(prepared->scratch);
    return result;
}

/* Entries that have the indexed value, none or more. */
static const apr_array_header_t *look_up(struct file_source *source, int number,
                                         const struct cep_value *value, apr_pool_t *pool)
{
    static const apr_array_header_t none = {0};
    struct cep_value key = value_key(number, value, pool);
    const apr_array_header_t *list;

    index_attribute(source, number);
    list = apr_hash_get(source->by_value, key.data, (apr_ssize_t)key.len);
    return list ? list : &none;
}

/* The shortest list that holds every answer, or NULL: all entries have to be looked at. */
static const apr_array_header_t *candidates(struct file_source *source,
                                            const struct cep_query *query, apr_pool_t *pool)
{
    int number = query->attribute ? indexed_number(query->attribute) : -1;
    struct cep_value name;

    if (number >= 0)
        return look_up(source, number, &query->value, pool);
    if (!query->object_class)
        return NULL;
    name.data = (const unsigned char *)query->object_class;
    name.len = strlen(query->object_class);
    return look_up(source, 0, &name, pool);
}

static void consider(const struct cep_ldif_entry *entry, const struct prepared *prepared)
{
    if (matches(entry, prepared))
        prepared->take(prepared->baton, entry->entry);
}

static void search(struct file_source *source, const struct prepared *prepared, apr_pool_t *pool)
{
    const apr_array_header_t *list;
    int i;

    if (prepared->query->scope == CEP_SCOPE_BASE) {
        consider(apr_hash_get(source->by_dn, prepared->base, APR_HASH_KEY_STRING), prepared);
        return;
    }
    list = candidates(source, prepared->query, pool);
    for (i = 0; list && i < list->nelts; i++)
        consider(APR_ARRAY_IDX(list, i, struct cep_ldif_entry *), prepared);
    for (i = 0; !list && i < source->entries->nelts; i++)
        consider(&APR_ARRAY_IDX(source->entries, i, struct cep_ldif_entry), prepared);
}

/* A file may leave containers out; what stands above an entry exists all the same. */
static int base_exists(const struct file_source *source, const char *base, enum cep_scope scope)
{
    if (apr_hash_get(source->by_dn, base, APR_HASH_KEY_STRING))
        return 1;
    if (scope == CEP_SCOPE_BASE)
        return 0;
    return !*base || apr_hash_get(source->above, base, APR_HASH_KEY_STRING) != NULL;
}

static apr_status_t file_each(void *opaque, const struct cep_query *query, apr_time_t deadline,
                              void (*take)(void *baton, const struct cep_entry *entry), void *baton,
                              apr_pool_t *pool, const char **error)
{
    struct file_source *source = opaque;
    struct prepared prepared = {.query = query, .take = take, .baton = baton};

    (void)deadline;
    prepared.base = cep_dn_normalize(query->base, pool);
    if (!prepared.base || !base_exists(source, prepared.base, query->scope)) {
        *error = apr_psprintf(pool, "the file holds no entry \"%s\"", query->base);
        return APR_NOTFOUND;
    }
    apr_pool_create(&prepared.scratch, pool);
    if (query->attribute) {
        prepared.match = cep_attribute_match(query->attribute);
        prepared.wanted = comparable(prepared.match, &query->value, pool);
    }
    search(source, &prepared, pool);
    apr_pool_destroy(prepared.scratch);
    return APR_SUCCESS;
}

static void collect(void *baton, const struct cep_entry *entry)
{
    APR_ARRAY_PUSH((apr_array_header_t *)baton, const struct cep_entry *) = entry;
}

static apr_status_t file_query(void *opaque, const struct cep_query *query, apr_time_t deadline,
                               apr_array_header_t **entries, apr_pool_t *pool, const char **error)
{
    *entries = apr_array_make(pool, 8, sizeof(struct cep_entry *));
    return file_each(opaque, query, deadline, collect, *entries, pool, error);
}

/* What follows "CN=Certificate Templates,CN=Public Key Services,CN=Services," in some DN. */
static const char *below_services(const struct file_source *source, apr_pool_t *pool)
{
    static const char marker[] = "cn=certificate templates,cn=public key services,cn=services,";
    int i;

    for (i = 0; i < source->entries->nelts; i++) {
        const struct cep_ldif_entry *entry =
            &APR_ARRAY_IDX(source->entries, i, struct cep_ldif_entry);
        const char *spelled = entry->entry->dn, *canonical = entry->dn;

        /* The canonical and the spelled DN lose their first RDN together. */
        while (canonical && *canonical && strncmp(canonical, marker, sizeof(marker) - 1) != 0) {
            canonical = cep_dn_parent(canonical);
            spelled = cep_dn_without_first(spelled);
        }
        if (canonical && *canonical) {
            spelled = cep_dn_without_first(cep_dn_without_first(cep_dn_without_first(spelled)));
            return apr_pstrdup(pool, spelled);
        }
    }
    return NULL;
}

static apr_status_t file_find_configuration(void *opaque, const struct cep_entry *root,
                                            apr_time_t deadline, const char **dn, apr_pool_t *pool,
                                            const char **error)
{
    static const struct cep_value name = {(const unsigned char *)"configuration", 13};
    struct file_source *source = opaque;
    const apr_array_header_t *list = look_up(source, 0, &name, pool);

    (void)root;
    (void)deadline;
    *dn = list->nelts ? APR_ARRAY_IDX(list, 0, struct cep_ldif_entry *)->entry->dn
                      : below_services(source, pool);
    if (*dn)
        return APR_SUCCESS;
    *error = apr_psprintf(pool,
                          "%s holds no entry of objectClass configuration and nothing below "
                          "CN=Certificate Templates,CN=Public Key Services,CN=Services; "
                          "export these objects as well",
                          source->path);
    return APR_NOTFOUND;
}

static int file_is_current(void *opaque)
{
    (void)opaque;
    return 1;
}

const struct cep_source_kind cep_source_file = {file_open, file_query, file_each,
                                                file_find_configuration, file_is_current};
