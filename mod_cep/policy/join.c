/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Order, duplicates, and which CA publishes which template. Hash tables: no step is quadratic. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

/* Names that one finding repeats. */
#define NAMES_SHOWN 8

/* What objects are sorted by; object is a template or a CA. */
struct named {
    const char *folded, *cn, *dn;
    void *object;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->folded, y->folded);

    if (order == 0)
        order = strcmp(x->cn, y->cn);
    return order ? order : strcmp(x->dn, y->dn);
}

/*
 * Sort; of several objects whose names differ in case alone the first stays: clients and
 * certificateTemplates name them without regard to case, so the others could never be meant.
 */
static void sort_and_drop(struct cep_policy *policy, struct named *list, int count,
                          enum cep_object_kind kind, const char *code, apr_array_header_t *result)
{
    const struct named *kept = NULL;
    int i;

    if (count > 1)
        qsort(list, (size_t)count, sizeof(*list), compare_named);
    apr_array_clear(result);
    for (i = 0; i < count; i++) {
        if (!kept || strcmp(kept->folded, list[i].folded) != 0) {
            kept = &list[i];
            APR_ARRAY_PUSH(result, void *) = list[i].object;
            continue;
        }
        cep_policy_report(
            policy, kind, code, list[i].cn, 1,
            "The entry \"%s\" has the same cn, upper and lower case aside, as \"%s\", "
            "which is offered. Rename or delete one of them.",
            list[i].dn, kept->dn);
    }
}

static void sort_templates(struct cep_policy *policy, apr_pool_t *scratch)
{
    int i, count = policy->templates->nelts;
    struct named *list = apr_palloc(scratch, sizeof(*list) * (apr_size_t)(count + 1));

    for (i = 0; i < count; i++) {
        struct cep_template *tmpl = APR_ARRAY_IDX(policy->templates, i, struct cep_template *);
        struct named named = {cep_text_fold(scratch, tmpl->cn), tmpl->cn, tmpl->dn, tmpl};

        list[i] = named;
    }
    sort_and_drop(policy, list, count, CEP_OBJECT_TEMPLATE, "CEP0314", policy->templates);
}

static void sort_services(struct cep_policy *policy, apr_pool_t *scratch)
{
    int i, count = policy->services->nelts;
    struct named *list = apr_palloc(scratch, sizeof(*list) * (apr_size_t)(count + 1));

    for (i = 0; i < count; i++) {
        struct cep_enrollment_service *service =
            APR_ARRAY_IDX(policy->services, i, struct cep_enrollment_service *);
        struct named named = {cep_text_fold(scratch, service->cn), service->cn, service->dn,
                              service};

        list[i] = named;
    }
    sort_and_drop(policy, list, count, CEP_OBJECT_CA, "CEP0350", policy->services);
}

static int compare_localized(const apr_array_header_t *a, const apr_array_header_t *b)
{
    int i;

    for (i = 0; i < a->nelts && i < b->nelts; i++) {
        const struct cep_localized_name *x = &APR_ARRAY_IDX(a, i, struct cep_localized_name);
        const struct cep_localized_name *y = &APR_ARRAY_IDX(b, i, struct cep_localized_name);

        if (x->lcid != y->lcid)
            return x->lcid < y->lcid ? -1 : 1;
        if (strcmp(x->name, y->name) != 0)
            return strcmp(x->name, y->name);
    }
    return b->nelts - a->nelts;
}

/* By OID and kind; among equal ones those with a display name first. */
static int compare_oids(const void *a, const void *b)
{
    const struct cep_enterprise_oid *x = *(struct cep_enterprise_oid *const *)a;
    const struct cep_enterprise_oid *y = *(struct cep_enterprise_oid *const *)b;
    int order = strcmp(x->oid, y->oid);

    if (order)
        return order;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if ((*x->display_name == '\0') != (*y->display_name == '\0'))
        return *x->display_name == '\0' ? 1 : -1;
    order = strcmp(x->display_name, y->display_name);
    return order ? order : compare_localized(x->localized, y->localized);
}

static void sort_oids(struct cep_policy *policy)
{
    apr_array_header_t *oids = policy->oids;
    struct cep_enterprise_oid **list = (struct cep_enterprise_oid **)(void *)oids->elts;
    int i, kept = 0;

    if (oids->nelts > 1)
        qsort(oids->elts, (size_t)oids->nelts, sizeof(*list), compare_oids);
    for (i = 0; i < oids->nelts; i++) {
        if (kept == 0 || strcmp(list[kept - 1]->oid, list[i]->oid) != 0 ||
            list[kept - 1]->kind != list[i]->kind) {
            list[kept++] = list[i];
            continue;
        }
        cep_policy_report(policy, CEP_OBJECT_OID, "CEP0369", list[i]->oid, 1,
                          "Several OID objects of kind %u stand for this OID; its name is \"%s\", "
                          "not \"%s\". Delete the others.",
                          list[i]->kind, list[kept - 1]->display_name, list[i]->display_name);
    }
    oids->nelts = kept;
}

void cep_join_sort(struct cep_policy *policy, apr_pool_t *scratch)
{
    sort_templates(policy, scratch);
    sort_services(policy, scratch);
    sort_oids(policy);
}

/* Names, folded, of the objects that were left out: they are known, and have been reported. */
static apr_hash_t *left_out(const struct cep_policy *policy, enum cep_object_kind kind,
                            apr_pool_t *scratch)
{
    apr_hash_t *names = apr_hash_make(scratch);
    int i;

    for (i = 0; i < policy->findings->nelts; i++) {
        const struct cep_finding *finding = &APR_ARRAY_IDX(policy->findings, i, struct cep_finding);

        if (finding->kind == kind && finding->left_out)
            apr_hash_set(names, cep_text_fold(scratch, finding->name), APR_HASH_KEY_STRING,
                         finding);
    }
    return names;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void report_unknown(struct cep_policy *policy, const struct cep_enrollment_service *service,
                           apr_array_header_t *unknown, apr_pool_t *scratch)
{
    int count = unknown->nelts;

    if (count == 0)
        return;
    qsort(unknown->elts, (size_t)count, sizeof(const char *), compare_strings);
    if (count > NAMES_SHOWN) {
        unknown->nelts = NAMES_SHOWN;
        APR_ARRAY_PUSH(unknown, const char *) = "...";
    }
    cep_policy_report(policy, CEP_OBJECT_CA, "CEP0358", service->cn, 0,
                      "The CA publishes %d templates that the directory does not hold: %s. Remove "
                      "them from the CA's list of certificate templates.",
                      count, apr_array_pstrcat(scratch, unknown, ','));
}

/* certificateTemplates names templates by cn: [MS-WCCE] 2.2.2.11.2.3. */
static void join_service(struct cep_policy *policy, int place, apr_hash_t *templates,
                         apr_hash_t *known, apr_pool_t *scratch)
{
    const struct cep_enrollment_service *service =
        APR_ARRAY_IDX(policy->services, place, struct cep_enrollment_service *);
    apr_array_header_t *unknown = apr_array_make(scratch, 4, sizeof(const char *));
    int i;

    for (i = 0; i < service->templates->nelts; i++) {
        const char *cn = APR_ARRAY_IDX(service->templates, i, const char *);
        const char *folded = cep_text_fold(scratch, cn);
        struct cep_template *tmpl = apr_hash_get(templates, folded, APR_HASH_KEY_STRING);

        if (tmpl)
            APR_ARRAY_PUSH(tmpl->ca_refs, int) = place;
        else if (!apr_hash_get(known, folded, APR_HASH_KEY_STRING))
            APR_ARRAY_PUSH(unknown, const char *) = cn;
    }
    report_unknown(policy, service, unknown, scratch);
}

/* 1 when a is to be offered rather than b, which stands behind it in the order of names. */
static int is_published_rather(const struct cep_template *a, const struct cep_template *b)
{
    return a->ca_refs->nelts > 0 || b->ca_refs->nelts == 0;
}

/*
 * The OID identifies a policy in an answer ([MS-XCEP] 3.1.4.1.3.7), so one template may have it:
 * one that a CA publishes, else the first by name.
 */
static void drop_shared_oids(struct cep_policy *policy, apr_pool_t *scratch)
{
    apr_hash_t *owners = apr_hash_make(scratch);
    apr_array_header_t *templates = policy->templates;
    int i, count = templates->nelts, kept = 0;

    for (i = 0; i < count; i++) {
        struct cep_template *tmpl = APR_ARRAY_IDX(templates, i, struct cep_template *);
        const struct cep_template *owner = apr_hash_get(owners, tmpl->oid, APR_HASH_KEY_STRING);

        if (!owner || !is_published_rather(owner, tmpl))
            apr_hash_set(owners, tmpl->oid, APR_HASH_KEY_STRING, tmpl);
    }
    for (i = 0; i < count; i++) {
        struct cep_template *tmpl = APR_ARRAY_IDX(templates, i, struct cep_template *);
        const struct cep_template *owner = apr_hash_get(owners, tmpl->oid, APR_HASH_KEY_STRING);

        if (owner == tmpl) {
            APR_ARRAY_IDX(templates, kept, struct cep_template *) = tmpl;
            kept++;
            continue;
        }
        cep_policy_report(policy, CEP_OBJECT_TEMPLATE, "CEP0315", tmpl->cn, 1,
                          "The template has the OID %s of template \"%s\", which is offered. Give "
                          "it an OID of its own: duplicate it with the Certificate Templates "
                          "console and delete the old one.",
                          tmpl->oid, owner->cn);
    }
    templates->nelts = kept;
}

/* CEPEnrollmentURI for a CA that is not there is a slip of the pen. */
static void check_configured(struct cep_policy *policy, apr_pool_t *scratch)
{
    const apr_array_header_t *configured = policy->configured_uris;
    apr_hash_t *known;
    int i;

    if (!configured)
        return;
    known = left_out(policy, CEP_OBJECT_CA, scratch);
    for (i = 0; i < policy->services->nelts; i++) {
        const struct cep_enrollment_service *service =
            APR_ARRAY_IDX(policy->services, i, struct cep_enrollment_service *);

        apr_hash_set(known, cep_text_fold(scratch, service->cn), APR_HASH_KEY_STRING, service);
    }
    for (i = 0; i < configured->nelts; i++) {
        const char *ca = APR_ARRAY_IDX(configured, i, struct cep_configured_uri).ca;
        const char *folded = cep_text_fold(scratch, ca);

        if (apr_hash_get(known, folded, APR_HASH_KEY_STRING))
            continue;
        apr_hash_set(known, folded, APR_HASH_KEY_STRING, ca);
        cep_policy_report(policy, CEP_OBJECT_CA, "CEP0359", ca, 0,
                          "CEPEnrollmentURI gives a URI to this CA, but the directory holds no CA "
                          "of that cn. Correct the directive.");
    }
}

void cep_join_templates(struct cep_policy *policy, apr_pool_t *scratch)
{
    apr_hash_t *templates = apr_hash_make(scratch);
    apr_hash_t *known = left_out(policy, CEP_OBJECT_TEMPLATE, scratch);
    int i;

    for (i = 0; i < policy->templates->nelts; i++) {
        struct cep_template *tmpl = APR_ARRAY_IDX(policy->templates, i, struct cep_template *);

        apr_hash_set(templates, cep_text_fold(scratch, tmpl->cn), APR_HASH_KEY_STRING, tmpl);
    }
    for (i = 0; i < policy->services->nelts; i++)
        join_service(policy, i, templates, known, scratch);
    drop_shared_oids(policy, scratch);
    check_configured(policy, scratch);
}
