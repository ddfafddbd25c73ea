/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A policy from its first entry to its last step; the work is done in the other files. */
#include "parts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

/* Longest text of a finding in octets. */
#define FINDING_MAX 1024

struct cep_policy *cep_policy_make(apr_pool_t *pool, apr_time_t now,
                                   const apr_array_header_t *configured_uris)
{
    struct cep_policy *policy = apr_pcalloc(pool, sizeof(*policy));

    policy->pool = pool;
    policy->now = now;
    policy->configured_uris = configured_uris;
    policy->templates = apr_array_make(pool, 64, sizeof(struct cep_template *));
    policy->services = apr_array_make(pool, 8, sizeof(struct cep_enrollment_service *));
    policy->oids = apr_array_make(pool, 64, sizeof(struct cep_enterprise_oid *));
    policy->oid_table = apr_array_make(pool, 64, sizeof(struct cep_oid_row));
    policy->findings = apr_array_make(pool, 16, sizeof(struct cep_finding));
    return policy;
}

/* Findings go to logs and to pages, so no octet of the directory gets through unseen. */
void cep_policy_report(struct cep_policy *policy, enum cep_object_kind kind, const char *code,
                       const char *name, int left_out, const char *format, ...)
{
    struct cep_finding *finding = apr_array_push(policy->findings);
    va_list args;
    char *text;

    va_start(args, format);
    text = apr_pvsprintf(policy->pool, format, args);
    va_end(args);
    finding->kind = kind;
    finding->code = code;
    finding->name = cep_text_printable(policy->pool, name, strlen(name), CEP_POLICY_MAX_NAME);
    finding->text = cep_text_printable(policy->pool, text, strlen(text), FINDING_MAX);
    finding->left_out = left_out;
}

/* What stays with the object as it is and needs no repair; the rest is a warning. */
enum cep_log_level cep_finding_level(const struct cep_finding *finding)
{
    static const char *const information[] = {
        "CEP0317", "CEP0318", "CEP0319", "CEP0320", "CEP0321", "CEP0324", "CEP0326",
        "CEP0329", "CEP0330", "CEP0331", "CEP0346", "CEP0354", "CEP0356", "CEP0357",
        "CEP0358", "CEP0360", "CEP0366", "CEP0367", "CEP0368", "CEP0369",
    };
    size_t i;

    for (i = 0; i < sizeof(information) / sizeof(information[0]); i++) {
        if (strcmp(information[i], finding->code) == 0)
            return CEP_LOG_INFO;
    }
    return CEP_LOG_WARNING;
}

static int compare_findings(const void *a, const void *b)
{
    const struct cep_finding *x = a, *y = b;
    int order = (int)x->kind - (int)y->kind;

    if (order == 0)
        order = strcmp(x->name, y->name);
    if (order == 0)
        order = strcmp(x->code, y->code);
    if (order == 0)
        order = strcmp(x->text, y->text);
    return order ? order : x->left_out - y->left_out;
}

/* In an order of their own, each once. */
static void sort_findings(apr_array_header_t *findings)
{
    struct cep_finding *list = (struct cep_finding *)(void *)findings->elts;
    int i, kept = 0;

    if (findings->nelts > 1)
        qsort(list, (size_t)findings->nelts, sizeof(*list), compare_findings);
    for (i = 0; i < findings->nelts; i++) {
        if (kept == 0 || compare_findings(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    }
    findings->nelts = kept;
}

void cep_policy_finish(struct cep_policy *policy)
{
    apr_pool_t *scratch = NULL;

    apr_pool_create(&scratch, policy->pool);
    cep_join_sort(policy, scratch);
    cep_join_templates(policy, scratch);
    cep_oid_table_make(policy, scratch);
    sort_findings(policy->findings);
    apr_pool_destroy(scratch);
}
