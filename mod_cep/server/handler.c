/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The way of a request: is it allowed, what does it ask, who asks, what may he see. */

#include "cep_server.h"

#include "http_core.h"

#include <apr_escape.h>
#include <apr_strings.h>

/* When there is no policy yet, it comes within seconds of the directory's return. */
#define RETRY_NO_POLICY 5
#define RETRY_DIRECTORY 30

/* One request on its way, and what is known of it so far. */
struct visit {
    request_rec *r;
    enum cep_way way;
    const struct cep_dir_config *conf;
    const struct cep_source *source;
    struct cep_request *request;         /* NULL: not read yet */
    const struct cep_snapshot *snapshot; /* likewise */
    int status;                          /* of the fault that was sent in place of an answer */
};

static void refuse(struct visit *visit, enum cep_fault_code code, const char *reason,
                   int retry_after)
{
    struct cep_fault fault = {.code = code, .reason = reason};

    if (visit->request)
        fault.relates_to = visit->request->message_id;
    visit->status = cep_send_fault(visit->r, &fault, retry_after);
}

/* The policy in force, not older than allowed; 0 after a fault was sent. */
static int find_policy(struct visit *visit)
{
    const struct cep_source *source = visit->source;
    request_rec *r = visit->r;
    apr_time_t confirmed;

    visit->snapshot = cep_reader_acquire(source->reader, r->pool, &confirmed);
    if (!visit->snapshot) {
        cep_background_hurry(source);
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0604: no policy of directory %s is there yet", source->name);
        refuse(visit, CEP_FAULT_RECEIVER,
               "The enrollment policy is not available yet. Try again later.", RETRY_NO_POLICY);
        return 0;
    }
    if (apr_time_now() - confirmed > source->max_stale) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0605: the policy of directory %s was last confirmed %" APR_TIME_T_FMT
                      " seconds ago, longer than CEPMaxStale allows; see why its refresh fails "
                      "(CEP0501)",
                      source->name, apr_time_sec(apr_time_now() - confirmed));
        refuse(visit, CEP_FAULT_RECEIVER, "The enrollment policy is out of date. Try again later.",
               RETRY_DIRECTORY);
        return 0;
    }
    /* For headers and access logs, as mod_ssl's SSL_*: equal on all nodes that agree. */
    apr_table_setn(
        r->subprocess_env, "CEP_CONTENT",
        apr_pescape_hex(r->pool, cep_snapshot_digest(visit->snapshot), CEP_DIGEST_LENGTH, 0));
    return 1;
}

/* *who: for the log, here and below. */
static apr_status_t find_owner(struct cep_caller **caller, enum cep_token_age *kept,
                               const struct visit *visit, const char **who, const char **error)
{
    const struct cep_dir_config *conf = visit->conf;
    unsigned mappings = conf->certificate_mapping == CEP_UNSET
                            ? CEP_MAP_DEFAULT
                            : (unsigned)conf->certificate_mapping;
    struct cep_certificate *certificate;
    request_rec *r = visit->r;

    *who = "the owner of a certificate";
    *error = cep_client_certificate(r, &certificate);
    if (*error)
        return APR_NOTFOUND;
    *who = apr_pstrcat(r->pool, "the owner of the certificate ", certificate->label, NULL);
    if (conf->key_based_renewal == 1)
        return cep_renewal_find_owner(caller, kept, r, conf, visit->source, visit->snapshot,
                                      certificate, mappings, error);
    return cep_callers_find_certificate(caller, kept, visit->source->callers, certificate, mappings,
                                        r->pool, error);
}

static apr_status_t find_user(struct cep_caller **caller, enum cep_token_age *kept,
                              const struct visit *visit, const char **who, const char **error)
{
    request_rec *r = visit->r;
    apr_status_t rv =
        cep_callers_find(caller, kept, visit->source->callers, r->user, r->pool, error);

    *who = apr_pstrcat(r->pool, "user ", r->user, NULL);
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND)
        return rv;
    *caller = cep_renewal_without_directory(r, visit->conf, visit->source, r->user, *error);
    return *caller ? APR_SUCCESS : rv;
}

/* The account of whom httpd authenticated; NULL after a fault was sent. */
static struct cep_caller *find_caller(struct visit *visit)
{
    static const char *const words[] = {
        [CEP_TOKEN_ABSENT] = "miss", [CEP_TOKEN_OLD] = "stale", [CEP_TOKEN_FRESH] = "hit"};
    enum cep_token_age kept = CEP_TOKEN_ABSENT;
    struct cep_caller *caller = NULL;
    const char *who, *error = NULL;
    request_rec *r = visit->r;
    apr_status_t rv = visit->way == CEP_WAY_CERTIFICATE
                          ? find_owner(&caller, &kept, visit, &who, &error)
                          : find_user(&caller, &kept, visit, &who, &error);

    cep_record_of(r)->cache = words[kept];
    if (rv == APR_SUCCESS) {
        /* For the logs: SSLUserName may have set another name, or nobody any. */
        if (visit->way == CEP_WAY_CERTIFICATE)
            r->user = apr_pstrdup(r->pool, caller->account);
        return caller;
    }
    if (rv == APR_NOTFOUND) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0602: %s is nobody in directory %s: %s",
                      ap_escape_logitem(r->pool, who), visit->source->name,
                      ap_escape_logitem(r->pool, error));
        refuse(visit, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, 0);
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                      "CEP0603: directory %s cannot tell who %s is: %s", visit->source->name,
                      ap_escape_logitem(r->pool, who), ap_escape_logitem(r->pool, error));
        refuse(visit, CEP_FAULT_RECEIVER,
               "The directory cannot be asked about the caller now. Try again later.",
               RETRY_DIRECTORY);
    }
    return NULL;
}

/* The caller, by his ticket or by the directory; NULL after a fault was sent. */
static struct cep_caller *identify(struct visit *visit)
{
    struct cep_caller *caller = NULL;
    int ticket = HTTP_FORBIDDEN;

    if (!cep_renewal_refuses(visit->r, visit->conf))
        ticket = cep_ticket_caller(visit->r, visit->conf, &caller);
    if (ticket == OK) {
        cep_record_of(visit->r)->cache = "ticket";
        return caller;
    }
    if (ticket == DECLINED)
        return find_caller(visit);
    refuse(visit, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, 0);
    return NULL;
}

/* What the caller is offered, made and sent; OK, or an HTTP status. */
static int answer(const struct visit *visit, const struct cep_caller *caller)
{
    const struct cep_request *request = visit->request;
    const struct cep_dir_config *conf = visit->conf;
    request_rec *r = visit->r;
    struct cep_record *record = cep_record_of(r);
    struct cep_selection selection;
    struct cep_instance instance;
    struct cep_view view;
    struct cep_finished finished;
    struct cep_offer offer;
    int status;

    cep_instance_view(&view, conf);
    if (!cep_instance_make(&instance, conf, &view, visit->snapshot, caller, request->language))
        return HTTP_INTERNAL_SERVER_ERROR;
    cep_snapshot_select(&selection, visit->snapshot, &caller->token, request, &view, r->pool);
    offer.snapshot = visit->snapshot;
    offer.selection = &selection;
    offer.instance = &instance;
    offer.request = request;
    offer.language = conf->localized_names == 1 ? request->language : NULL;
    offer.caller = caller;
    offer.conf = conf;
    offer.source = visit->source;
    status = cep_answer_finish(&finished, r, &offer);
    if (status != OK)
        return status;
    record->result = finished.outcome == CEP_OUTCOME_NOT_CHANGED ? "not-changed" : "answer";
    record->body = cep_outcome_name(finished.outcome);
    record->templates = selection.policy_count;
    record->cas = selection.ca_count;
    return cep_send_finished(r, &finished);
}

/* Nobody anonymous: decided before a single octet of the body is read. 0 after a fault was sent. */
static int find_way(struct visit *visit)
{
    visit->way = cep_way_in(visit->r);
    switch (visit->way) {
    case CEP_WAY_NAME:
    case CEP_WAY_CERTIFICATE: return 1;
    case CEP_WAY_UNVERIFIED:
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, visit->r,
                      "CEP0609: request with a client certificate that mod_ssl did not verify "
                      "refused; use SSLVerifyClient require, not optional_no_ca");
        break;
    case CEP_WAY_NONE:
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, visit->r,
                      "CEP0601: request without an authenticated user refused; this location needs "
                      "AuthType and Require valid-user, or client certificates that mod_ssl "
                      "verifies (SSLVerifyClient require)");
        break;
    }
    refuse(visit, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, 0);
    return 0;
}

/* A POST, from its headers to the answer. */
static int serve(struct visit *visit)
{
    struct cep_caller *caller;
    struct cep_fault fault;
    int status = cep_incoming_check(visit->r, visit->conf, &fault);

    if (status == OK) {
        if (!find_way(visit))
            return visit->status;
        status = cep_incoming_read(visit->r, visit->conf, &visit->request, &fault);
    }
    if (status == DONE)
        return cep_send_fault(visit->r, &fault, 0);
    if (status != OK)
        return status;
    cep_xcep_forget(visit->request); /* whoever it was for has read it */
    caller = find_policy(visit) ? identify(visit) : NULL;
    return caller ? answer(visit, caller) : visit->status;
}

int cep_handler(request_rec *r)
{
    struct visit visit = {.r = r};
    const struct cep_source *source;
    int status;

    if (!r->handler || !cep_is_instance(r))
        return DECLINED;
    visit.conf = ap_get_module_config(r->per_dir_config, &cep_module);
    source = visit.conf->policy ? cep_find_source(cep_server_conf(), visit.conf->policy) : NULL;
    if (!source || !source->reader || !source->callers || !source->answers) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0607: SetHandler cep is in force here, but CEPPolicy names no directory");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    visit.source = source;
    status = cep_incoming_origin(r);
    if (status != OK)
        return status;
    return r->method_number == M_POST ? serve(&visit) : cep_page_handler(r, visit.conf);
}
