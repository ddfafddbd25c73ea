/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The status for programs: lines of key and value, JSON, and the text format of Prometheus. */

#include "status.h"

#include "http_protocol.h"

#include <apr_strings.h>

/* ---- ?auto, as of mod_status ---- */

void cep_status_auto(request_rec *r, const apr_array_header_t *all,
                     const apr_array_header_t *instances)
{
    (void)instances;
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        for (const struct cep_status_field *field = cep_status_fields; field->key; field++) {
            const char *text = NULL;

            if (field->kind == CEP_STATUS_TEXT)
                text = cep_status_text(status, field);
            else if (cep_status_number(status, field) != CEP_STATUS_UNKNOWN)
                text = apr_psprintf(r->pool, "%" APR_INT64_T_FMT, cep_status_number(status, field));
            if (text)
                ap_rvputs(r, "CEP-", status->directory, "-", field->key, ": ",
                          cep_one_line(apr_pstrdup(r->pool, text)), "\n", NULL);
        }
    }
}

/* ---- ?json ---- */

/* A string, or null. RFC 8259, section 7; all text is UTF-8 already, or made so. */
static void put_string(request_rec *r, const char *text)
{
    struct cep_value value = {(const unsigned char *)text, text ? strlen(text) : 0};
    int ascii = !text || !cep_value_is_text(&value);

    if (!text) {
        ap_rputs("null", r);
        return;
    }
    ap_rputc('"', r);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            ap_rprintf(r, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            ap_rprintf(r, "\\u%04x", c);
        else
            ap_rputc(ascii && c > 0x7f ? '?' : c, r);
    }
    ap_rputc('"', r);
}

static void put_member(request_rec *r, const char *name, const char *text, const char *end)
{
    ap_rvputs(r, "\"", name, "\":", NULL);
    put_string(r, text);
    ap_rputs(end, r);
}

static void put_findings(request_rec *r, const struct cep_status *status)
{
    ap_rputs("\"FindingList\":[", r);
    for (int i = 0; status->snapshot && i < status->findings; i++) {
        struct cep_finding finding = cep_snapshot_finding(status->snapshot, i);

        ap_rputs(i > 0 ? ",\n{" : "\n{", r);
        put_member(r, "Object", cep_status_object(finding.kind), ",");
        put_member(r, "Name", finding.name, ",");
        put_member(r, "Code", finding.code, ",");
        ap_rvputs(r, "\"LeftOut\":", finding.left_out ? "true" : "false", ",", NULL);
        put_member(r, "Text", finding.text, "}");
    }
    ap_rputs("]", r);
}

static void put_instances(request_rec *r, const apr_array_header_t *all,
                          const apr_array_header_t *instances)
{
    ap_rputs("\"Instances\":[", r);
    for (int i = 0; i < instances->nelts; i++) {
        const struct cep_status_instance *one =
            &APR_ARRAY_IDX(instances, i, const struct cep_status_instance);

        ap_rputs(i > 0 ? ",\n{" : "\n{", r);
        put_member(r, "URL", one->url, ",");
        put_member(r, "Directory", one->directory, ",");
        put_member(r, "View", cep_status_view(one, r->pool), ",");
        put_member(r, "Unused", cep_status_unused(one, all, r->pool), "}");
    }
    ap_rputs("]", r);
}

void cep_status_json(request_rec *r, const apr_array_header_t *all,
                     const apr_array_header_t *instances)
{
    ap_rputs("{\"Directories\":[", r);
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        ap_rputs(i > 0 ? ",\n{" : "\n{", r);
        put_member(r, "Directory", status->directory, ",\n");
        for (const struct cep_status_field *field = cep_status_fields; field->key; field++) {
            if (field->kind == CEP_STATUS_TEXT)
                put_member(r, field->key, cep_status_text(status, field), ",\n");
            else if (cep_status_number(status, field) == CEP_STATUS_UNKNOWN)
                put_member(r, field->key, NULL, ",\n");
            else
                ap_rprintf(r, "\"%s\":%" APR_INT64_T_FMT ",\n", field->key,
                           cep_status_number(status, field));
        }
        put_findings(r, status);
        ap_rputs("}", r);
    }
    ap_rputs("],\n", r);
    put_instances(r, all, instances);
    ap_rputs("}\n", r);
}

static void put_explanations(request_rec *r, const apr_array_header_t *explanations)
{
    ap_rputs("\"Templates\":", r);
    if (!explanations) {
        ap_rputs("null", r);
        return;
    }
    ap_rputs("[", r);
    for (int i = 0; i < explanations->nelts; i++) {
        const struct cep_explanation *one = &APR_ARRAY_IDX(explanations, i, struct cep_explanation);

        ap_rputs(i > 0 ? ",\n{" : "\n{", r);
        put_member(r, "Name", one->name, ",");
        put_member(r, "OID", one->oid, ",");
        ap_rvputs(r, "\"Offered\":", one->offered ? "true" : "false",
                  ",\"AutoEnroll\":", one->autoenroll ? "true" : "false", ",", NULL);
        put_member(r, "Text", one->text, "}");
    }
    ap_rputs("]", r);
}

void cep_status_caller_json(request_rec *r, const apr_array_header_t *callers)
{
    ap_rputs("{\"Callers\":[", r);
    for (int i = 0; i < callers->nelts; i++) {
        const struct cep_status_caller *caller =
            &APR_ARRAY_IDX(callers, i, struct cep_status_caller);

        ap_rputs(i > 0 ? ",\n{" : "\n{", r);
        put_member(r, "Directory", caller->status->directory, ",");
        put_member(r, "Instance", caller->instance ? caller->instance->url : NULL, ",");
        put_member(r, "User", caller->user, ",");
        put_member(r, "Account", caller->dn, ",");
        put_member(r, "Reason", caller->why, ",");
        put_explanations(r, caller->explanations);
        ap_rputs("}", r);
    }
    ap_rputs("]}\n", r);
}

/* ---- ?metrics ---- */

/* The names of directories, states and hashes need no escaping: config.c and status.c see to it. */
static void put_metric(request_rec *r, const apr_array_header_t *all,
                       const struct cep_status_field *field)
{
    ap_rvputs(r, "# HELP ", field->metric, " ", field->help, "\n# TYPE ", field->metric, " gauge\n",
              NULL);
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        if (cep_status_number(status, field) != CEP_STATUS_UNKNOWN)
            ap_rprintf(r, "%s{directory=\"%s\"} %" APR_INT64_T_FMT "\n", field->metric,
                       status->directory, cep_status_number(status, field));
    }
}

static void put_states(request_rec *r, const apr_array_header_t *all)
{
    static const char *const states[] = {"current", "failing", "stale", "absent"};

    ap_rputs("# HELP cep_policy_state Which state the policy is in: 1.\n"
             "# TYPE cep_policy_state gauge\n",
             r);
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        for (apr_size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++)
            ap_rprintf(r, "cep_policy_state{directory=\"%s\",state=\"%s\"} %d\n", status->directory,
                       states[s], !strcmp(states[s], status->state));
    }
}

static void put_contents(request_rec *r, const apr_array_header_t *all)
{
    ap_rputs("# HELP cep_policy_info The hash of the policy's content: equal on all nodes.\n"
             "# TYPE cep_policy_info gauge\n",
             r);
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        if (status->content)
            ap_rprintf(r, "cep_policy_info{directory=\"%s\",content=\"%s\"} 1\n", status->directory,
                       status->content);
    }
}

void cep_status_metrics(request_rec *r, const apr_array_header_t *all,
                        const apr_array_header_t *instances)
{
    (void)instances;
    put_states(r, all);
    put_contents(r, all);
    for (const struct cep_status_field *field = cep_status_fields; field->key; field++) {
        if (field->metric)
            put_metric(r, all, field);
    }
}
