/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The OID table: one row for each distinct value, group and name ([MS-XCEP] 3.1.4.1.3.16). Numbers
 * follow the sorted rows, so they depend on what the directory holds and on nothing else.
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

struct row {
    struct cep_oid_row row;
    int found; /* when it was met; the number that references carry until all rows are known */
};

struct table {
    struct cep_policy *policy;
    apr_pool_t *scratch;
    apr_hash_t *rows;          /* "group value\x1fname" to struct row */
    apr_hash_t *by_oid;        /* "group value" to struct row: names that follow from the OID */
    apr_hash_t *objects;       /* "kind value" to struct cep_enterprise_oid */
    apr_array_header_t *found; /* struct row *, in the order of found */
    apr_array_header_t *none;  /* localized names of rows that have none */
};

static struct row *add_row(struct table *table, const char *value, enum cep_oid_group group,
                           const char *name, const apr_array_header_t *localized)
{
    const char *key = apr_psprintf(table->scratch, "%d %s\x1f%s", (int)group, value, name);
    struct row *row = apr_hash_get(table->rows, key, APR_HASH_KEY_STRING);

    if (row)
        return row;
    row = apr_pcalloc(table->scratch, sizeof(*row));
    row->row.value = value;
    row->row.group = group;
    row->row.name = name;
    row->row.localized = localized ? apr_array_copy(table->policy->pool, localized) : table->none;
    row->found = table->found->nelts;
    APR_ARRAY_PUSH(table->found, struct row *) = row;
    apr_hash_set(table->rows, key, APR_HASH_KEY_STRING, row);
    return row;
}

/* The forest's object for an OID: of the kind that fits the group, else of any kind with a name. */
static const struct cep_enterprise_oid *find_object(const struct table *table, const char *value,
                                                    enum cep_oid_group group)
{
    /* kinds: 1 template, 2 issuance policy, 3 application policy; certca.h CERT_OID_TYPE_... */
    static const char kinds_of_eku[] = "321", kinds_of_policy[] = "231", kinds_of_template[] = "1";
    const char *kind = group == CEP_OID_EKU        ? kinds_of_eku
                       : group == CEP_OID_POLICY   ? kinds_of_policy
                       : group == CEP_OID_TEMPLATE ? kinds_of_template
                                                   : "";

    for (; *kind != '\0'; kind++) {
        const char *key = apr_psprintf(table->scratch, "%c %s", *kind, value);
        const struct cep_enterprise_oid *object =
            apr_hash_get(table->objects, key, APR_HASH_KEY_STRING);

        if (object)
            return object;
    }
    return NULL;
}

/* A row whose name follows from the OID: the forest's name, else a common one. */
static int refer(struct table *table, const char *value, enum cep_oid_group group)
{
    const char *key = apr_psprintf(table->scratch, "%d %s", (int)group, value);
    struct row *row = apr_hash_get(table->by_oid, key, APR_HASH_KEY_STRING);
    const struct cep_enterprise_oid *object;
    const char *name;

    if (!row) {
        object = find_object(table, value, group);
        name = object && *object->display_name != '\0' ? object->display_name
                                                       : cep_oid_name(value, group);
        row = add_row(table, value, group, name, object ? object->localized : NULL);
        apr_hash_set(table->by_oid, key, APR_HASH_KEY_STRING, row);
    }
    return row->found;
}

/* A row whose name the template says. */
static int refer_named(struct table *table, const char *value, enum cep_oid_group group,
                       const char *name)
{
    const struct cep_enterprise_oid *object = find_object(table, value, group);

    return add_row(table, value, group, name, object ? object->localized : NULL)->found;
}

static void refer_all(struct table *table, const apr_array_header_t *oids, enum cep_oid_group group,
                      apr_array_header_t *refs)
{
    int i;

    for (i = 0; i < oids->nelts; i++)
        APR_ARRAY_PUSH(refs, int) = refer(table, APR_ARRAY_IDX(oids, i, const char *), group);
}

/* ECDSA_P256 and ECDH_P256 have one OID: the name tells them apart, so it is the CNG name. */
static void refer_algorithms(struct table *table, struct cep_template *tmpl)
{
    if (tmpl->algorithm_oid) {
        tmpl->algorithm_ref =
            refer_named(table, tmpl->algorithm_oid, CEP_OID_PUBLIC_KEY, tmpl->algorithm);
        APR_ARRAY_PUSH(tmpl->oid_refs, int) = tmpl->algorithm_ref;
    }
    if (tmpl->hash_oid) {
        tmpl->hash_ref = refer(table, tmpl->hash_oid, CEP_OID_HASH);
        APR_ARRAY_PUSH(tmpl->oid_refs, int) = tmpl->hash_ref;
    }
    if (tmpl->symmetric_oid) {
        tmpl->symmetric_ref = refer(table, tmpl->symmetric_oid, CEP_OID_ENCRYPTION);
        APR_ARRAY_PUSH(tmpl->oid_refs, int) = tmpl->symmetric_ref;
    }
}

static void refer_template(struct table *table, struct cep_template *tmpl)
{
    int i;

    tmpl->policy_ref = refer_named(table, tmpl->oid, CEP_OID_TEMPLATE, tmpl->display_name);
    APR_ARRAY_PUSH(tmpl->oid_refs, int) = tmpl->policy_ref;
    refer_algorithms(table, tmpl);
    refer_all(table, tmpl->ra_ekus, CEP_OID_EKU, tmpl->ra_eku_refs);
    refer_all(table, tmpl->ra_policies, CEP_OID_POLICY, tmpl->ra_policy_refs);
    apr_array_cat(tmpl->oid_refs, tmpl->ra_eku_refs);
    apr_array_cat(tmpl->oid_refs, tmpl->ra_policy_refs);
    /* Windows lists the purposes inside the extensions too, though nothing refers to them */
    refer_all(table, tmpl->ekus, CEP_OID_EKU, tmpl->oid_refs);
    refer_all(table, tmpl->app_policies, CEP_OID_EKU, tmpl->oid_refs);
    refer_all(table, tmpl->cert_policies, CEP_OID_POLICY, tmpl->oid_refs);
    for (i = 0; i < tmpl->extensions->nelts; i++) {
        struct cep_extension *extension = &APR_ARRAY_IDX(tmpl->extensions, i, struct cep_extension);

        extension->ref = refer(table, extension->oid, CEP_OID_EXTENSION);
        APR_ARRAY_PUSH(tmpl->oid_refs, int) = extension->ref;
    }
}

static int compare_rows(const void *a, const void *b)
{
    const struct cep_oid_row *x = &(*(struct row *const *)a)->row;
    const struct cep_oid_row *y = &(*(struct row *const *)b)->row;
    int order = (int)x->group - (int)y->group;

    if (order == 0)
        order = strcmp(x->value, y->value);
    return order ? order : strcmp(x->name, y->name);
}

static int compare_numbers(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return x < y ? -1 : x > y;
}

static void renumber(int *ref, const int *numbers)
{
    if (*ref != CEP_NO_REF)
        *ref = numbers[*ref];
}

static void renumber_all(apr_array_header_t *refs, const int *numbers)
{
    int i;

    for (i = 0; i < refs->nelts; i++)
        renumber(&APR_ARRAY_IDX(refs, i, int), numbers);
}

static void renumber_template(struct cep_template *tmpl, const int *numbers)
{
    int *refs, i, kept = 0;

    renumber(&tmpl->policy_ref, numbers);
    renumber(&tmpl->algorithm_ref, numbers);
    renumber(&tmpl->hash_ref, numbers);
    renumber(&tmpl->symmetric_ref, numbers);
    renumber_all(tmpl->ra_eku_refs, numbers);
    renumber_all(tmpl->ra_policy_refs, numbers);
    for (i = 0; i < tmpl->extensions->nelts; i++)
        renumber(&APR_ARRAY_IDX(tmpl->extensions, i, struct cep_extension).ref, numbers);
    renumber_all(tmpl->oid_refs, numbers);
    refs = (int *)(void *)tmpl->oid_refs->elts;
    qsort(refs, (size_t)tmpl->oid_refs->nelts, sizeof(*refs), compare_numbers);
    for (i = 0; i < tmpl->oid_refs->nelts; i++) {
        if (kept == 0 || refs[kept - 1] != refs[i])
            refs[kept++] = refs[i];
    }
    tmpl->oid_refs->nelts = kept;
}

static void index_objects(struct table *table)
{
    int i;

    for (i = 0; i < table->policy->oids->nelts; i++) {
        const struct cep_enterprise_oid *object =
            APR_ARRAY_IDX(table->policy->oids, i, struct cep_enterprise_oid *);
        const char *key = apr_psprintf(table->scratch, "%u %s", object->kind, object->oid);

        apr_hash_set(table->objects, key, APR_HASH_KEY_STRING, object);
    }
}

void cep_oid_table_make(struct cep_policy *policy, apr_pool_t *scratch)
{
    struct table table = {policy,
                          scratch,
                          apr_hash_make(scratch),
                          apr_hash_make(scratch),
                          apr_hash_make(scratch),
                          apr_array_make(scratch, 64, sizeof(struct row *)),
                          apr_array_make(policy->pool, 1, sizeof(struct cep_localized_name))};
    int *numbers, i;

    index_objects(&table);
    for (i = 0; i < policy->templates->nelts; i++)
        refer_template(&table, APR_ARRAY_IDX(policy->templates, i, struct cep_template *));
    if (table.found->nelts > 1)
        qsort(table.found->elts, (size_t)table.found->nelts, sizeof(struct row *), compare_rows);
    numbers = apr_palloc(scratch, sizeof(*numbers) * (apr_size_t)(table.found->nelts + 1));
    for (i = 0; i < table.found->nelts; i++) {
        const struct row *row = APR_ARRAY_IDX(table.found, i, struct row *);

        APR_ARRAY_PUSH(policy->oid_table, struct cep_oid_row) = row->row;
        numbers[row->found] = i;
    }
    for (i = 0; i < policy->templates->nelts; i++)
        renumber_template(APR_ARRAY_IDX(policy->templates, i, struct cep_template *), numbers);
}
