/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Who a directory is, from its own entries, in the same way for every kind of source. */
#include <string.h>

#include <apr_strings.h>

#include "dn.h"
#include "source.h"

/* [MS-ADTS] 3.1.1.3.4.3: LDAP_CAP_ACTIVE_DIRECTORY_OID. */
#define CAPABILITY_ACTIVE_DIRECTORY "1.2.840.113556.1.4.800"

static const char *const root_attributes[] = {"configurationNamingContext", "defaultNamingContext",
                                              "namingContexts", "supportedCapabilities", NULL};
static const char *const guid_attributes[] = {"objectGUID", NULL};
static const char *const netbios_attributes[] = {"nETBIOSName", NULL};

struct identifier {
    const struct cep_source_kind *kind;
    void *source;
    apr_time_t deadline;
    apr_pool_t *pool;
    const char **error;
};

/* The first entry that answers query, or NULL; nothing found is no error. */
static apr_status_t read_one(const struct identifier *reader, const struct cep_query *query,
                             const struct cep_entry **entry)
{
    apr_array_header_t *entries;
    apr_status_t status;

    *entry = NULL;
    status = reader->kind->query(reader->source, query, reader->deadline, &entries, reader->pool,
                                 reader->error);
    if (status == APR_NOTFOUND)
        return APR_SUCCESS;
    if (status == APR_SUCCESS && entries->nelts)
        *entry = APR_ARRAY_IDX(entries, 0, struct cep_entry *);
    return status;
}

static int is_active_directory(const struct cep_entry *root)
{
    const struct cep_attribute *capabilities = cep_entry_attribute(root, "supportedCapabilities");
    int i;

    for (i = 0; i < cep_attribute_count(capabilities); i++) {
        if (strcmp((const char *)cep_attribute_value(capabilities, i)->data,
                   CAPABILITY_ACTIVE_DIRECTORY) == 0)
            return 1;
    }
    return 0;
}

static apr_status_t read_root(const struct identifier *reader,
                              struct cep_directory_identity *identity)
{
    struct cep_query query = {.base = "", .scope = CEP_SCOPE_BASE, .attributes = root_attributes};
    const struct cep_entry *root;
    const char *domain = NULL;
    apr_status_t status = read_one(reader, &query, &root);

    if (status != APR_SUCCESS)
        return status;
    if (root) {
        identity->configuration_dn = cep_entry_text(root, "configurationNamingContext");
        identity->active_directory = is_active_directory(root);
        domain = cep_entry_text(root, "defaultNamingContext");
    }
    if (!identity->configuration_dn)
        status = reader->kind->find_configuration(reader->source, root, reader->deadline,
                                                  &identity->configuration_dn, reader->pool,
                                                  reader->error);
    if (status != APR_SUCCESS)
        return status;
    identity->domain_dn = domain ? domain : cep_dn_without_first(identity->configuration_dn);
    return APR_SUCCESS;
}

static const char *hex(const struct cep_value *value, apr_pool_t *pool)
{
    static const char digits[] = "0123456789abcdef";
    char *text = apr_palloc(pool, 2 * value->len + 1), *out = text;
    apr_size_t i;

    for (i = 0; i < value->len; i++) {
        *out++ = digits[value->data[i] >> 4];
        *out++ = digits[value->data[i] & 15];
    }
    *out = 0;
    return text;
}

/* All domain controllers of a forest hand out the same objectGUID; a copy elsewhere need not. */
static apr_status_t read_forest_id(const struct identifier *reader,
                                   struct cep_directory_identity *identity)
{
    struct cep_query query = {
        .base = identity->configuration_dn, .scope = CEP_SCOPE_BASE, .attributes = guid_attributes};
    const struct cep_value *guid;
    const struct cep_entry *entry;
    apr_status_t status = read_one(reader, &query, &entry);

    if (status != APR_SUCCESS)
        return status;
    guid = entry ? cep_entry_value(entry, "objectGUID") : NULL;
    identity->forest_id = guid && guid->len == 16
                              ? hex(guid, reader->pool)
                              : cep_dn_normalize(identity->configuration_dn, reader->pool);
    if (identity->forest_id)
        return APR_SUCCESS;
    *reader->error =
        apr_psprintf(reader->pool, "the DN of the configuration partition is malformed: \"%s\"",
                     identity->configuration_dn);
    return APR_EGENERAL;
}

static apr_status_t read_netbios_name(const struct identifier *reader,
                                      struct cep_directory_identity *identity)
{
    struct cep_query query = {.scope = CEP_SCOPE_SUBTREE,
                              .object_class = "crossRef",
                              .attribute = "nCName",
                              .attributes = netbios_attributes};
    const struct cep_entry *entry;
    apr_status_t status;

    if (!*identity->domain_dn)
        return APR_SUCCESS;
    query.base = apr_pstrcat(reader->pool, "CN=Partitions,", identity->configuration_dn, NULL);
    query.value.data = (const unsigned char *)identity->domain_dn;
    query.value.len = strlen(identity->domain_dn);
    status = read_one(reader, &query, &entry);
    if (entry)
        identity->netbios_domain = cep_entry_text(entry, "nETBIOSName");
    return status;
}

apr_status_t cep_identify(struct cep_directory_identity *identity,
                          const struct cep_source_kind *kind, void *source, apr_time_t deadline,
                          apr_pool_t *pool, const char **error)
{
    const struct identifier reader = {kind, source, deadline, pool, error};
    apr_status_t status = read_root(&reader, identity);

    if (status != APR_SUCCESS)
        return status;
    identity->dns_domain = cep_dn_dns_name(identity->domain_dn, pool);
    status = read_forest_id(&reader, identity);
    if (status != APR_SUCCESS)
        return status;
    return read_netbios_name(&reader, identity);
}
