/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * An LDIF file as a source. Callers are looked up in it while a request waits, so what is asked
 * for by equality is found by an index. Entries are read from the file when they are needed: each
 * process of httpd has the file open, and none of them has its content.
 */
#include <string.h>
#include <strings.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "dn.h"
#include "ldif.h"
#include "source.h"
#include "value_index.h"

struct file_source {
    const char *path;
    apr_pool_t *pool;
    struct cep_ldif *ldif;
    apr_hash_t *above;             /* canonical DNs that have an entry below them */
    struct cep_value_index *index; /* by the attributes that are named below */
    int all_indexed;               /* 0: by their class alone */
    apr_pool_t *scratch;           /* cleared for each entry that goes into the index */
};

/* Attributes with an index. The class comes first: a refresh asks for nothing else, so the others
 * wait for the first question. Queries for what is not here read all entries of a class. */
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

static void index_attribute(struct file_source *source, int number, int record,
                            const struct cep_entry *entry, apr_pool_t *scratch)
{
    const struct cep_attribute *attribute = cep_entry_attribute(entry, indexed[number]);
    enum cep_match match = cep_attribute_match(indexed[number]);

    for (int n = 0; n < cep_attribute_count(attribute); n++) {
        struct cep_value value = comparable(match, cep_attribute_value(attribute, n), scratch);

        cep_value_index_add(source->index, number, &value, record);
    }
}

/* The first pass over the file comes by here. */
static void index_class(void *baton, int record, const struct cep_entry *entry)
{
    struct file_source *source = baton;

    index_attribute(source, 0, record, entry, source->scratch);
    apr_pool_clear(source->scratch);
}

static apr_status_t index_the_others(struct file_source *source, const char **error)
{
    const apr_array_header_t *records = source->ldif->records;
    apr_status_t status = APR_SUCCESS;

    for (int i = 0; status == APR_SUCCESS && i < records->nelts; i++) {
        const struct cep_entry *entry;
        const char *why;

        status =
            cep_ldif_read(&entry, source->ldif, APR_ARRAY_IDX(records, i, struct cep_ldif_record *),
                          source->scratch, &why);
        for (int n = 1; status == APR_SUCCESS && n < (int)INDEXED_COUNT; n++)
            index_attribute(source, n, i, entry, source->scratch);
        if (status != APR_SUCCESS)
            *error = apr_pstrdup(source->pool, why);
        apr_pool_clear(source->scratch);
    }
    source->all_indexed = 1; /* if not, the source is of no use any more */
    return status;
}

static void note_what_is_above(struct file_source *source, const char *dn)
{
    const char *above;

    for (above = cep_dn_parent(dn); above; above = cep_dn_parent(above)) {
        if (apr_hash_get(source->above, above, APR_HASH_KEY_STRING))
            break; /* then those above it are there, too */
        apr_hash_set(source->above, above, APR_HASH_KEY_STRING, "");
    }
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
    source->above = apr_hash_make(pool);
    source->index = cep_value_index_make(pool);
    apr_pool_create(&source->scratch, pool);
    status = cep_ldif_open(&source->ldif, source->path, index_class, source, pool, error);
    if (status != APR_SUCCESS)
        return status;
    for (i = 0; i < source->ldif->records->nelts; i++)
        note_what_is_above(source,
                           APR_ARRAY_IDX(source->ldif->records, i, struct cep_ldif_record *)->dn);
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
    struct file_source *source;
    const struct cep_query *query;
    const char *base;
    enum cep_match match;
    struct cep_value wanted;
    apr_status_t (*found)(const struct prepared *prepared, const struct cep_ldif_record *record,
                          const struct cep_entry *entry);
    void (*take)(void *baton, const struct cep_entry *entry);
    void *baton;
    apr_pool_t *pool;    /* of the answer */
    apr_pool_t *scratch; /* cleared for each entry */
    const char **error;
};

static int is_value(const struct cep_value *a, const struct cep_value *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static int has_value(const struct cep_entry *entry, const struct prepared *prepared)
{
    const struct cep_attribute *attribute = cep_entry_attribute(entry, prepared->query->attribute);
    int i;

    /* Most spell it alike: with the many members of a group this saves the time. */
    for (i = 0; i < cep_attribute_count(attribute); i++) {
        if (is_value(cep_attribute_value(attribute, i), &prepared->query->value))
            return 1;
    }
    for (i = 0; i < cep_attribute_count(attribute); i++) {
        struct cep_value value =
            comparable(prepared->match, cep_attribute_value(attribute, i), prepared->scratch);

        if (is_value(&value, &prepared->wanted))
            return 1;
    }
    return 0;
}

static int may_match(const struct cep_ldif_record *record, const struct prepared *prepared)
{
    enum cep_scope scope = prepared->query->scope;

    /* The root DSE is in no subtree: RFC 4512 section 5.1. */
    return in_scope(record->dn, prepared->base, scope) && (*record->dn || scope == CEP_SCOPE_BASE);
}

static int matches(const struct cep_entry *entry, const struct prepared *prepared)
{
    const struct cep_query *query = prepared->query;

    if (query->object_class && !cep_entry_has_class(entry, query->object_class))
        return 0;
    return !query->attribute || has_value(entry, prepared);
}

/* Hand the record's entry on when it matches. */
static apr_status_t consider(const struct cep_ldif_record *record, const struct prepared *prepared)
{
    const struct cep_entry *entry;
    apr_status_t status;
    const char *why;

    if (!record || !may_match(record, prepared))
        return APR_SUCCESS;
    status = cep_ldif_read(&entry, prepared->source->ldif, record, prepared->scratch, &why);
    if (status == APR_SUCCESS && matches(entry, prepared))
        status = prepared->found(prepared, record, entry);
    else if (status != APR_SUCCESS)
        *prepared->error = apr_pstrdup(prepared->pool, why);
    apr_pool_clear(prepared->scratch);
    return status;
}

/* Rows of the index for every record that can match; NULL: all records have to be looked at. */
static const struct cep_index_row *candidates(const struct prepared *prepared, apr_size_t *count)
{
    const struct cep_query *query = prepared->query;
    int number = query->attribute ? indexed_number(query->attribute) : -1;
    struct cep_value name;

    if (number >= 0)
        return cep_value_index_find(prepared->source->index, number, &prepared->wanted, count);
    if (!query->object_class)
        return NULL;
    name.data = (const unsigned char *)query->object_class;
    name.len = strlen(query->object_class);
    name = comparable(CEP_MATCH_TEXT, &name, prepared->pool);
    return cep_value_index_find(prepared->source->index, 0, &name, count);
}

static apr_status_t search(const struct prepared *prepared)
{
    const struct cep_ldif *ldif = prepared->source->ldif;
    const struct cep_index_row *rows;
    apr_status_t status = APR_SUCCESS;
    apr_size_t i, count = (apr_size_t)ldif->records->nelts;

    if (prepared->query->scope == CEP_SCOPE_BASE)
        return consider(apr_hash_get(ldif->by_dn, prepared->base, APR_HASH_KEY_STRING), prepared);
    rows = candidates(prepared, &count);
    for (i = 0; status == APR_SUCCESS && i < count; i++) {
        int number = rows ? rows[i].record : (int)i;

        if (rows && i && number == rows[i - 1].record)
            continue; /* an entry may hold a value in two spellings */
        status = consider(APR_ARRAY_IDX(ldif->records, number, struct cep_ldif_record *), prepared);
    }
    return status;
}

/* A file may leave containers out; what stands above an entry exists all the same. */
static int base_exists(const struct file_source *source, const char *base, enum cep_scope scope)
{
    if (apr_hash_get(source->ldif->by_dn, base, APR_HASH_KEY_STRING))
        return 1;
    if (scope == CEP_SCOPE_BASE)
        return 0;
    return !*base || apr_hash_get(source->above, base, APR_HASH_KEY_STRING) != NULL;
}

/* Ask, with all of prepared but what is made from the query. */
static apr_status_t ask(struct prepared *prepared)
{
    const struct cep_query *query = prepared->query;
    struct file_source *source = prepared->source;
    apr_status_t status = APR_SUCCESS;

    prepared->base = cep_dn_normalize(query->base, prepared->pool);
    if (!prepared->base || !base_exists(source, prepared->base, query->scope)) {
        *prepared->error =
            apr_psprintf(prepared->pool, "the file holds no entry \"%s\"", query->base);
        return APR_NOTFOUND;
    }
    if (query->attribute) {
        prepared->match = cep_attribute_match(query->attribute);
        prepared->wanted = comparable(prepared->match, &query->value, prepared->pool);
        if (query->scope != CEP_SCOPE_BASE && !source->all_indexed)
            status = index_the_others(source, prepared->error);
    }
    if (source->index->failed) {
        *prepared->error = "no memory for the index of the file";
        return APR_ENOMEM;
    }
    apr_pool_create(&prepared->scratch, prepared->pool);
    if (status == APR_SUCCESS)
        status = search(prepared);
    apr_pool_destroy(prepared->scratch);
    return status;
}

static apr_status_t hand_on(const struct prepared *prepared, const struct cep_ldif_record *record,
                            const struct cep_entry *entry)
{
    (void)record;
    prepared->take(prepared->baton, entry);
    return APR_SUCCESS;
}

static apr_status_t file_each(void *opaque, const struct cep_query *query, apr_time_t deadline,
                              void (*take)(void *baton, const struct cep_entry *entry), void *baton,
                              apr_pool_t *pool, const char **error)
{
    struct prepared prepared = {.source = opaque,
                                .query = query,
                                .found = hand_on,
                                .take = take,
                                .baton = baton,
                                .pool = pool,
                                .error = error};

    (void)deadline;
    return ask(&prepared);
}

/* Read it again, to stay. */
static apr_status_t collect(const struct prepared *prepared, const struct cep_ldif_record *record,
                            const struct cep_entry *entry)
{
    apr_status_t status =
        cep_ldif_read(&entry, prepared->source->ldif, record, prepared->pool, prepared->error);

    if (status == APR_SUCCESS)
        APR_ARRAY_PUSH((apr_array_header_t *)prepared->baton, const struct cep_entry *) = entry;
    return status;
}

static apr_status_t file_query(void *opaque, const struct cep_query *query, apr_time_t deadline,
                               apr_array_header_t **entries, apr_pool_t *pool, const char **error)
{
    struct prepared prepared = {
        .source = opaque, .query = query, .found = collect, .pool = pool, .error = error};

    (void)deadline;
    *entries = apr_array_make(pool, 8, sizeof(struct cep_entry *));
    prepared.baton = *entries;
    return ask(&prepared);
}

/* What follows "CN=Certificate Templates,CN=Public Key Services,CN=Services," in some DN. */
static apr_status_t below_services(const char **dn, const struct file_source *source,
                                   apr_pool_t *pool, const char **error)
{
    static const char marker[] = "cn=certificate templates,cn=public key services,cn=services,";
    const apr_array_header_t *records = source->ldif->records;
    int i;

    for (i = 0; i < records->nelts; i++) {
        const struct cep_ldif_record *record =
            APR_ARRAY_IDX(records, i, const struct cep_ldif_record *);
        const char *canonical = record->dn;
        const struct cep_entry *entry;
        apr_status_t status;
        int above = 0;

        for (; canonical && *canonical; canonical = cep_dn_parent(canonical), above++) {
            if (strncmp(canonical, marker, sizeof(marker) - 1) == 0)
                break;
        }
        if (!canonical || !*canonical)
            continue;
        /* The spelled DN loses as many RDNs as the canonical one, and the marker's three. */
        status = cep_ldif_read(&entry, source->ldif, record, pool, error);
        if (status != APR_SUCCESS)
            return status;
        for (*dn = entry->dn, above += 3; above; above--)
            *dn = cep_dn_without_first(*dn);
        return APR_SUCCESS;
    }
    *error = apr_psprintf(pool,
                          "%s holds no entry of objectClass configuration and nothing below "
                          "CN=Certificate Templates,CN=Public Key Services,CN=Services; "
                          "export these objects as well",
                          source->path);
    return APR_NOTFOUND;
}

static void take_dn(void *baton, const struct cep_entry *entry)
{
    apr_array_header_t *names = baton;

    if (names->nelts == 0)
        APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(names->pool, entry->dn);
}

static apr_status_t file_find_configuration(void *opaque, const struct cep_entry *root,
                                            apr_time_t deadline, const char **dn, apr_pool_t *pool,
                                            const char **error)
{
    static const struct cep_query query = {
        .base = "", .scope = CEP_SCOPE_SUBTREE, .object_class = "configuration"};
    apr_array_header_t *names = apr_array_make(pool, 1, sizeof(const char *));
    apr_status_t status = file_each(opaque, &query, deadline, take_dn, names, pool, error);

    (void)root;
    if (status != APR_SUCCESS)
        return status;
    if (names->nelts == 0)
        return below_services(dn, opaque, pool, error);
    *dn = APR_ARRAY_IDX(names, 0, const char *);
    return APR_SUCCESS;
}

static int file_is_current(void *opaque)
{
    (void)opaque;
    return 1;
}

const struct cep_source_kind cep_source_file = {file_open, file_query, file_each,
                                                file_find_configuration, file_is_current};
