/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The status for people. Whatever comes from a directory or a request is escaped on its way out. */

#include "status.h"

#include "http_protocol.h"
#include "mod_status.h"

#include <apr_strings.h>

static const char *escape(request_rec *r, const char *text)
{
    return ap_escape_html2(r->pool, text, 0);
}

static void open_page(request_rec *r, const char *title)
{
    ap_rvputs(r, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", title,
              "</title>\n<style>body{font-family:sans-serif}table{border-collapse:collapse}"
              "th,td{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top}"
              "</style></head><body>\n<h1>",
              title, "</h1>\n", NULL);
}

static void close_page(request_rec *r)
{
    ap_rputs("</body></html>\n", r);
}

static void write_row(request_rec *r, const char *title, const char *value)
{
    ap_rvputs(r, "<tr><th>", title, "</th><td>", escape(r, value), "</td></tr>\n", NULL);
}

static const char *value_of(request_rec *r, const struct cep_status *status,
                            const struct cep_status_field *field)
{
    apr_int64_t number;

    if (field->kind == CEP_STATUS_TEXT)
        return cep_status_text(status, field);
    number = cep_status_number(status, field);
    if (number == CEP_STATUS_UNKNOWN)
        return NULL;
    return field->kind == CEP_STATUS_TIME ? cep_status_time(r->pool, number)
                                          : apr_psprintf(r->pool, "%" APR_INT64_T_FMT, number);
}

static void write_fields(request_rec *r, const struct cep_status *status)
{
    ap_rputs("<table>\n", r);
    for (const struct cep_status_field *field = cep_status_fields; field->key; field++) {
        const char *value = value_of(r, status, field);

        if (field == cep_status_fields)
            value = apr_pstrcat(r->pool, value, ": ", status->state_text, NULL);
        if (value)
            write_row(r, field->title, value);
    }
    ap_rputs("</table>\n", r);
}

static void write_findings(request_rec *r, const struct cep_status *status)
{
    if (!status->snapshot || status->findings == 0)
        return;
    ap_rputs("<table>\n<tr><th>Object</th><th>Name</th><th></th><th>Code</th><th>Finding</th>"
             "</tr>\n",
             r);
    for (int i = 0; i < status->findings; i++) {
        struct cep_finding finding = cep_snapshot_finding(status->snapshot, i);

        ap_rvputs(r, "<tr><td>", cep_status_object(finding.kind), "</td><td>",
                  escape(r, finding.name), "</td><td>", finding.left_out ? "left out" : "",
                  "</td><td>", escape(r, finding.code), "</td><td>", escape(r, finding.text),
                  "</td></tr>\n", NULL);
    }
    ap_rputs("</table>\n", r);
}

static void write_instances(request_rec *r, const apr_array_header_t *all,
                            const apr_array_header_t *instances)
{
    if (instances->nelts == 0)
        return;
    ap_rputs("<h2>Instances</h2>\n<table>\n<tr><th>URL</th><th>Directory</th><th>View</th>"
             "<th>CEPTemplates that fit nothing</th></tr>\n",
             r);
    for (int i = 0; i < instances->nelts; i++) {
        const struct cep_status_instance *one =
            &APR_ARRAY_IDX(instances, i, const struct cep_status_instance);

        ap_rvputs(r, "<tr><td>", escape(r, one->url), "</td><td>", escape(r, one->directory),
                  "</td><td>", escape(r, cep_status_view(one, r->pool)), "</td><td>",
                  escape(r, cep_status_unused(one, all, r->pool)), "</td></tr>\n", NULL);
    }
    ap_rputs("</table>\n", r);
}

/* By the whole policy of a directory, or as one of the instances shows it. */
static void write_form(request_rec *r, const apr_array_header_t *instances)
{
    ap_rputs("<form><p>What is offered to <input name=\"user\"> at <input name=\"instance\" "
             "list=\"instances\" size=\"70\" placeholder=\"URL of an instance; none: all that "
             "the directory has\"> and why: <button>Explain</button></p>"
             "<datalist id=\"instances\">",
             r);
    for (int i = 0; i < instances->nelts; i++)
        ap_rvputs(r, "<option>",
                  escape(r, APR_ARRAY_IDX(instances, i, const struct cep_status_instance).url),
                  "</option>", NULL);
    ap_rputs("</datalist></form>\n", r);
}

void cep_status_page(request_rec *r, const apr_array_header_t *all,
                     const apr_array_header_t *instances)
{
    open_page(r, "Certificate enrollment policy");
    if (all->nelts == 0)
        ap_rputs("<p>There is no &lt;CEPDirectory&gt;.</p>\n", r);
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        ap_rvputs(r, "<h2>Directory ", escape(r, status->directory), "</h2>\n", NULL);
        write_fields(r, status);
        write_findings(r, status);
    }
    write_instances(r, all, instances);
    write_form(r, instances);
    close_page(r);
}

static void write_explanations(request_rec *r, const apr_array_header_t *explanations)
{
    ap_rputs("<table>\n<tr><th>Template</th><th>Offered</th><th>Why</th></tr>\n", r);
    for (int i = 0; i < explanations->nelts; i++) {
        const struct cep_explanation *one = &APR_ARRAY_IDX(explanations, i, struct cep_explanation);

        ap_rvputs(r, "<tr><td>", escape(r, one->name), "</td><td>",
                  one->autoenroll ? "yes, automatically" : (one->offered ? "yes" : "no"),
                  "</td><td>", escape(r, one->text), "</td></tr>\n", NULL);
    }
    ap_rputs("</table>\n", r);
}

void cep_status_caller_page(request_rec *r, const apr_array_header_t *callers)
{
    open_page(r, "Certificate enrollment policy for one caller");
    for (int i = 0; i < callers->nelts; i++) {
        const struct cep_status_caller *caller =
            &APR_ARRAY_IDX(callers, i, struct cep_status_caller);

        ap_rvputs(r, "<h2>Directory ", escape(r, caller->status->directory),
                  caller->instance ? ", " : "",
                  caller->instance ? escape(r, caller->instance->url) : "", "</h2>\n<p>",
                  escape(r, caller->user), ": ",
                  escape(r, caller->explanations ? caller->dn : caller->why), "</p>\n", NULL);
        if (caller->explanations)
            write_explanations(r, caller->explanations);
    }
    ap_rputs("<p>By what the directory says of the account; a Kerberos ticket carries what was "
             "true when it was issued. What CEPTemplates and other directives of one location take "
             "away is in here when its URL is given.</p>\n",
             r);
    close_page(r);
}

int cep_status_in_mod_status(request_rec *r, int flags)
{
    const apr_array_header_t *all = cep_status_gather(r);

    if (all->nelts == 0)
        return DECLINED;
    if (flags & AP_STATUS_SHORT) {
        cep_status_auto(r, all, NULL);
        return OK;
    }
    ap_rputs("<hr>\n<h2>Certificate enrollment policy</h2>\n", r);
    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);

        ap_rvputs(r, "<h3>Directory ", escape(r, status->directory), "</h3>\n", NULL);
        write_fields(r, status);
    }
    return OK;
}
