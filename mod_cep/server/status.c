/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* SetHandler cep-status: how the directories fare, and why a caller is offered what he is. */

#include "status.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_script.h"

#include <stddef.h>

#include <apr_escape.h>
#include <apr_strings.h>

#define FIELD(member) offsetof(struct cep_status, member)

const struct cep_status_field cep_status_fields[] = {
    {"State", "State", NULL, NULL, CEP_STATUS_TEXT, FIELD(state)},
    {"Content", "Content hash", NULL, NULL, CEP_STATUS_TEXT, FIELD(content)},
    {"Age", "Last known to equal the directory, seconds ago", "cep_policy_age_seconds",
     "Time since the policy was last known to equal the directory.", CEP_STATUS_SECONDS,
     FIELD(age)},
    {"MaxStale", "Allowed age (CEPMaxStale), seconds", "cep_policy_max_stale_seconds",
     "Age from which on callers get faults (CEPMaxStale).", CEP_STATUS_SECONDS, FIELD(max_stale)},
    {"LastChange", "Policy last changed", "cep_policy_last_change_timestamp_seconds",
     "When the policy in force was published.", CEP_STATUS_TIME, FIELD(last_change)},
    {"Source", "Read from", NULL, NULL, CEP_STATUS_TEXT, FIELD(url)},
    {"Reason", "Last outcome", NULL, NULL, CEP_STATUS_TEXT, FIELD(reason)},
    {"Error", "Last error", NULL, NULL, CEP_STATUS_TEXT, FIELD(error)},
    {"Failures", "Failures in a row", "cep_refresh_failures",
     "Attempts to refresh that failed since one went well.", CEP_STATUS_NUMBER, FIELD(failures)},
    {"FailingSince", "Failing since", "cep_refresh_failing_since_timestamp_seconds",
     "The first of the failures in a row.", CEP_STATUS_TIME, FIELD(failing_since)},
    {"LastAttempt", "Last attempt", "cep_refresh_last_attempt_timestamp_seconds",
     "End of the last attempt to refresh.", CEP_STATUS_TIME, FIELD(last_attempt)},
    {"LastSuccess", "Last success", "cep_refresh_last_success_timestamp_seconds",
     "The last attempt to refresh that went well.", CEP_STATUS_TIME, FIELD(last_success)},
    {"LastFull", "Everything read", "cep_refresh_last_full_timestamp_seconds",
     "The last refresh that read everything.", CEP_STATUS_TIME, FIELD(last_full)},
    {"NextAttempt", "Next attempt", "cep_refresh_next_attempt_timestamp_seconds",
     "When the next attempt to refresh is planned.", CEP_STATUS_TIME, FIELD(next_attempt)},
    {"Templates", "Templates", "cep_policy_templates", "Templates that can be offered.",
     CEP_STATUS_NUMBER, FIELD(templates)},
    {"TemplatesLeftOut", "Templates left out", "cep_policy_templates_left_out",
     "Templates that are offered to nobody because of a finding.", CEP_STATUS_NUMBER,
     FIELD(left_out)},
    {"CAs", "CAs", "cep_policy_cas", "CAs that can be offered.", CEP_STATUS_NUMBER, FIELD(cas)},
    {"OIDs", "OIDs", "cep_policy_oids", "Object identifiers in the policy.", CEP_STATUS_NUMBER,
     FIELD(oids)},
    {"Findings", "Findings", "cep_policy_findings", "What is wrong in the directory.",
     CEP_STATUS_NUMBER, FIELD(findings)},
    {.key = NULL}};

const char *cep_status_text(const struct cep_status *status, const struct cep_status_field *field)
{
    return *(const char *const *)(const void *)((const char *)status + field->offset);
}

apr_int64_t cep_status_number(const struct cep_status *status, const struct cep_status_field *field)
{
    return *(const apr_int64_t *)(const void *)((const char *)status + field->offset);
}

const char *cep_status_time(apr_pool_t *pool, apr_int64_t seconds)
{
    apr_time_exp_t t;

    if (seconds == CEP_STATUS_UNKNOWN ||
        apr_time_exp_gmt(&t, apr_time_from_sec(seconds)) != APR_SUCCESS)
        return "never";
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1,
                        t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

const char *cep_status_object(enum cep_object_kind kind)
{
    static const char *const names[] = {[CEP_OBJECT_TEMPLATE] = "template",
                                        [CEP_OBJECT_CA] = "CA",
                                        [CEP_OBJECT_OID] = "OID",
                                        [CEP_OBJECT_DIRECTORY] = "directory"};

    return names[kind];
}

static apr_int64_t seconds_of(apr_time_t time)
{
    return time == 0 ? CEP_STATUS_UNKNOWN : apr_time_sec(time);
}

/* ---- gathering ---- */

static void add_refresh(struct cep_status *status, apr_pool_t *pool)
{
    struct cep_refresh_state state;

    /* Without a record everything in it is 0: nothing has happened yet. */
    cep_refresh_state_read(&state, status->source->store, pool);
    status->url = state.source;
    status->reason = state.reason;
    status->error = state.error;
    status->failures = state.failures;
    status->failing_since = seconds_of(state.failing_since);
    status->last_attempt = seconds_of(state.last_attempt);
    status->last_success = seconds_of(state.last_success);
    status->last_full = seconds_of(state.last_full);
    status->last_change = seconds_of(state.last_change);
    status->next_attempt = seconds_of(state.next_attempt);
}

static void add_policy(struct cep_status *status, apr_time_t confirmed, apr_pool_t *pool)
{
    const struct cep_snapshot *snapshot = status->snapshot;
    apr_int64_t age = apr_time_sec(apr_time_now() - confirmed);

    status->age = age > 0 ? age : 0;
    status->content = apr_pescape_hex(pool, cep_snapshot_digest(snapshot), CEP_DIGEST_LENGTH, 0);
    status->templates = cep_snapshot_template_count(snapshot);
    status->cas = cep_snapshot_ca_count(snapshot);
    status->oids = cep_snapshot_oid_count(snapshot);
    status->findings = cep_snapshot_finding_count(snapshot);
    status->left_out = 0;
    for (int i = 0; i < status->findings; i++) {
        struct cep_finding finding = cep_snapshot_finding(snapshot, i);

        status->left_out += finding.kind == CEP_OBJECT_TEMPLATE && finding.left_out;
    }
}

static void judge(struct cep_status *status)
{
    if (!status->snapshot) {
        status->state = "absent";
        status->state_text = "no policy has been read yet: callers get a fault";
    } else if (status->age > status->max_stale) {
        status->state = "stale";
        status->state_text = "the policy is older than CEPMaxStale: callers get a fault";
    } else if (status->error) {
        status->state = "failing";
        status->state_text = "the directory cannot be read: what was read before is served";
    } else {
        status->state = "current";
        status->state_text = "the policy is what the directory holds";
    }
}

static void gather_one(struct cep_status *status, const struct cep_source *source, request_rec *r)
{
    apr_time_t confirmed;

    status->source = source;
    status->directory = source->name;
    status->max_stale = apr_time_sec(source->max_stale);
    status->age = status->templates = status->left_out = CEP_STATUS_UNKNOWN;
    status->cas = status->oids = status->findings = CEP_STATUS_UNKNOWN;
    if (source->reader)
        status->snapshot = cep_reader_acquire(source->reader, r->pool, &confirmed);
    if (status->snapshot)
        add_policy(status, confirmed, r->pool);
    add_refresh(status, r->pool);
    judge(status);
}

apr_array_header_t *cep_status_gather(request_rec *r)
{
    const apr_array_header_t *sources = cep_server_conf()->sources;
    apr_array_header_t *all = apr_array_make(r->pool, sources->nelts, sizeof(struct cep_status));

    for (int i = 0; i < sources->nelts; i++) {
        struct cep_status *status = apr_array_push(all);

        memset(status, 0, sizeof(*status));
        gather_one(status, APR_ARRAY_IDX(sources, i, const struct cep_source *), r);
    }
    return all;
}

/* ---- one caller ---- */

static void explain_one(struct cep_status_caller *caller, request_rec *r)
{
    const struct cep_status *status = caller->status;
    struct cep_caller *found;
    enum cep_token_age kept;
    const char *error = "";
    apr_status_t rv;

    if (!status->snapshot || !status->source->callers) {
        caller->why = "there is no policy yet";
        return;
    }
    rv = cep_callers_find(&found, &kept, status->source->callers, caller->user, r->pool, &error);
    if (rv == APR_SUCCESS) {
        caller->dn = found->dn;
        caller->explanations =
            cep_explain(status->snapshot, &found->token,
                        caller->instance ? &caller->instance->view : NULL, r->pool);
    } else {
        caller->why = apr_pstrcat(r->pool, rv == APR_NOTFOUND ? "" : "the directory cannot tell: ",
                                  error ? error : "unknown", NULL);
    }
}

static apr_array_header_t *explain(request_rec *r, const apr_array_header_t *all, const char *user,
                                   const char *directory,
                                   const struct cep_status_instance *instance)
{
    apr_array_header_t *callers =
        apr_array_make(r->pool, all->nelts, sizeof(struct cep_status_caller));

    for (int i = 0; i < all->nelts; i++) {
        const struct cep_status *status = &APR_ARRAY_IDX(all, i, struct cep_status);
        struct cep_status_caller *caller;

        if ((directory && ap_cstr_casecmp(directory, status->directory)) ||
            (instance && strcmp(instance->directory, status->directory)))
            continue;
        caller = apr_array_push(callers);
        memset(caller, 0, sizeof(*caller));
        caller->status = status;
        caller->instance = instance;
        caller->user = user;
        explain_one(caller, r);
    }
    return callers;
}

/* ---- the handler ---- */

/*
 * What others may enroll for is told to somebody who has a name only: that a location without
 * Require shows how the directories fare is bad enough.
 */
static int refuse_anonymous(request_rec *r)
{
    if (r->user)
        return OK;
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                  "CEP0670: ?user= asks what a caller may enroll for; refused, because nobody "
                  "authenticated here: say AuthType and Require user in this location");
    return HTTP_FORBIDDEN;
}

static void set_headers(request_rec *r, const char *type)
{
    ap_set_content_type(r, type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
}

static int answer_caller(request_rec *r, apr_table_t *arguments, const char *user)
{
    int status = refuse_anonymous(r);
    const char *wanted = apr_table_get(arguments, "instance");
    struct cep_status_instance instance;
    apr_array_header_t *callers;

    if (status != OK)
        return status;
    if (wanted && !*wanted) /* the form's field, left empty */
        wanted = NULL;
    if (wanted && !cep_status_find_instance(&instance, r, wanted))
        return HTTP_NOT_FOUND;
    callers = explain(r, cep_status_gather(r), user, apr_table_get(arguments, "directory"),
                      wanted ? &instance : NULL);
    if (callers->nelts == 0)
        return HTTP_NOT_FOUND;
    if (apr_table_get(arguments, "json")) {
        set_headers(r, "application/json");
        cep_status_caller_json(r, callers);
    } else {
        set_headers(r, "text/html; charset=utf-8");
        cep_status_caller_page(r, callers);
    }
    return OK;
}

int cep_status_handler(request_rec *r)
{
    static const struct {
        const char *argument, *type;
        void (*write)(request_rec *r, const apr_array_header_t *all,
                      const apr_array_header_t *instances);
    } forms[] = {
        {"auto", "text/plain; charset=utf-8", cep_status_auto},
        {"json", "application/json", cep_status_json},
        {"metrics", "text/plain; version=0.0.4; charset=utf-8", cep_status_metrics},
    };
    apr_table_t *arguments;
    const char *user;

    if (!r->handler || strcmp(r->handler, CEP_STATUS_HANDLER_NAME))
        return DECLINED;
    if (r->method_number != M_GET) {
        ap_allow_methods(r, REPLACE_ALLOW, "GET", NULL);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    ap_args_to_table(r, &arguments);
    user = apr_table_get(arguments, "user");
    if (user && *user)
        return answer_caller(r, arguments, user);
    for (apr_size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (apr_table_get(arguments, forms[i].argument)) {
            set_headers(r, forms[i].type);
            forms[i].write(r, cep_status_gather(r), cep_status_instances(r));
            return OK;
        }
    }
    set_headers(r, "text/html; charset=utf-8");
    cep_status_page(r, cep_status_gather(r), cep_status_instances(r));
    return OK;
}
