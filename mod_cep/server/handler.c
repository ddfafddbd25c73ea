/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The way of a request: is it allowed, what does it ask, who asks, what may he see. */

#include "cep_server.h"

#include "http_core.h"

#include <apr_escape.h>
#include <apr_strings.h>

/* When there is no policy yet, it comes within seconds of the directory's return. */
#define RETRY_NO_POLICY 5
#define RETRY_DIRECTORY 30

static int refuse(request_rec *r, enum cep_fault_code code, const char *reason,
                  const struct cep_request *request, int retry_after)
{
    struct cep_fault fault = {.code = code, .reason = reason};

    if (request)
        fault.relates_to = request->message_id;
    return cep_send_fault(r, &fault, retry_after);
}

/* The policy in force, not older than allowed; NULL after a fault was sent with *status. */
static const struct cep_snapshot *current_policy(request_rec *r, const struct cep_source *source,
                                                 const struct cep_request *request, int *status)
{
    apr_time_t confirmed;
    const struct cep_snapshot *snapshot = cep_reader_acquire(source->reader, r->pool, &confirmed);

    if (!snapshot) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0604: no policy of directory %s is there yet", source->name);
        *status = refuse(r, CEP_FAULT_RECEIVER,
                         "The enrollment policy is not available yet. Try again later.", request,
                         RETRY_NO_POLICY);
        return NULL;
    }
    if (apr_time_now() - confirmed > source->max_stale) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0605: the policy of directory %s was last confirmed %" APR_TIME_T_FMT
                      " seconds ago, longer than CEPMaxStale allows; see why its refresh fails "
                      "(CEP0501)",
                      source->name, apr_time_sec(apr_time_now() - confirmed));
        *status =
            refuse(r, CEP_FAULT_RECEIVER, "The enrollment policy is out of date. Try again later.",
                   request, RETRY_DIRECTORY);
        return NULL;
    }
    /* For headers and access logs, as mod_ssl's SSL_*: equal on all nodes that agree. */
    apr_table_setn(r->subprocess_env, "CEP_CONTENT",
                   apr_pescape_hex(r->pool, cep_snapshot_digest(snapshot), CEP_DIGEST_LENGTH, 0));
    return snapshot;
}

static apr_status_t find_owner(struct cep_caller **caller, enum cep_token_age *kept, request_rec *r,
                               const struct cep_dir_config *conf, const struct cep_source *source,
                               const struct cep_snapshot *snapshot, const char **who,
                               const char **error)
{
    unsigned mappings = conf->certificate_mapping == CEP_UNSET
                            ? CEP_MAP_DEFAULT
                            : (unsigned)conf->certificate_mapping;
    struct cep_certificate *certificate;

    *who = "the owner of a certificate";
    *error = cep_client_certificate(r, &certificate);
    if (*error)
        return APR_NOTFOUND;
    *who = apr_pstrcat(r->pool, "the owner of the certificate ", certificate->label, NULL);
    if (conf->key_based_renewal == 1)
        return cep_renewal_find_owner(caller, kept, r, conf, source, snapshot, certificate,
                                      mappings, error);
    return cep_callers_find_certificate(caller, kept, source->callers, certificate, mappings,
                                        r->pool, error);
}

static apr_status_t find_user(struct cep_caller **caller, enum cep_token_age *kept, request_rec *r,
                              const struct cep_dir_config *conf, const struct cep_source *source,
                              const char **who, const char **error)
{
    apr_status_t rv = cep_callers_find(caller, kept, source->callers, r->user, r->pool, error);

    *who = apr_pstrcat(r->pool, "user ", r->user, NULL);
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND)
        return rv;
    *caller = cep_renewal_without_directory(r, conf, source, r->user, *error);
    return *caller ? APR_SUCCESS : rv;
}

/* The account of whom httpd authenticated; NULL after a fault was sent with *status. */
static struct cep_caller *find_caller(request_rec *r, enum cep_way way,
                                      const struct cep_dir_config *conf,
                                      const struct cep_source *source,
                                      const struct cep_snapshot *snapshot,
                                      const struct cep_request *request, int *status)
{
    static const char *const words[] = {
        [CEP_TOKEN_ABSENT] = "miss", [CEP_TOKEN_OLD] = "stale", [CEP_TOKEN_FRESH] = "hit"};
    enum cep_token_age kept = CEP_TOKEN_ABSENT;
    struct cep_caller *caller = NULL;
    const char *who, *error = NULL;
    apr_status_t rv = way == CEP_WAY_CERTIFICATE
                          ? find_owner(&caller, &kept, r, conf, source, snapshot, &who, &error)
                          : find_user(&caller, &kept, r, conf, source, &who, &error);

    cep_record_of(r)->cache = words[kept];
    if (rv == APR_SUCCESS) {
        /* For the logs: SSLUserName may have set another name, or nobody any. */
        if (way == CEP_WAY_CERTIFICATE)
            r->user = apr_pstrdup(r->pool, caller->account);
        return caller;
    }
    if (rv == APR_NOTFOUND) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0602: %s is nobody in directory %s: %s",
                      ap_escape_logitem(r->pool, who), source->name,
                      ap_escape_logitem(r->pool, error));
        *status = refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, request, 0);
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                      "CEP0603: directory %s cannot tell who %s is: %s", source->name,
                      ap_escape_logitem(r->pool, who), ap_escape_logitem(r->pool, error));
        *status = refuse(r, CEP_FAULT_RECEIVER,
                         "The directory cannot be asked about the caller now. Try again later.",
                         request, RETRY_DIRECTORY);
    }
    return NULL;
}

/* The caller, by his ticket or by the directory; NULL after a fault was sent with *status. */
static struct cep_caller *identify(request_rec *r, enum cep_way way,
                                   const struct cep_dir_config *conf,
                                   const struct cep_source *source,
                                   const struct cep_snapshot *snapshot,
                                   const struct cep_request *request, int *status)
{
    struct cep_caller *caller = NULL;
    int ticket = HTTP_FORBIDDEN;

    if (!cep_renewal_refuses(r, conf))
        ticket = cep_ticket_caller(r, conf, &caller);
    if (ticket == OK) {
        cep_record_of(r)->cache = "ticket";
        return caller;
    }
    if (ticket == DECLINED)
        return find_caller(r, way, conf, source, snapshot, request, status);
    *status = refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, request, 0);
    return NULL;
}

static int answer(request_rec *r, enum cep_way way, const struct cep_dir_config *conf,
                  const struct cep_source *source, const struct cep_request *request)
{
    struct cep_record *record = cep_record_of(r);
    const struct cep_snapshot *snapshot;
    struct cep_selection selection;
    struct cep_instance instance;
    struct cep_view view;
    struct cep_finished finished;
    struct cep_offer offer;
    struct cep_caller *caller;
    int status = OK;

    snapshot = current_policy(r, source, request, &status);
    if (!snapshot)
        return status;
    caller = identify(r, way, conf, source, snapshot, request, &status);
    if (!caller)
        return status;

    cep_instance_view(&view, conf);
    if (!cep_instance_make(&instance, conf, &view, snapshot, caller, request->language))
        return HTTP_INTERNAL_SERVER_ERROR;
    cep_snapshot_select(&selection, snapshot, &caller->token, request, &view, r->pool);
    offer.snapshot = snapshot;
    offer.selection = &selection;
    offer.instance = &instance;
    offer.request = request;
    offer.language = conf->localized_names == 1 ? request->language : NULL;
    offer.caller = caller;
    offer.conf = conf;
    offer.source = source;
    status = cep_answer_finish(&finished, r, &offer);
    if (status != OK)
        return status;
    record->result = finished.outcome == CEP_OUTCOME_NOT_CHANGED ? "not-changed" : "answer";
    record->body = cep_outcome_name(finished.outcome);
    record->templates = selection.policy_count;
    record->cas = selection.ca_count;
    return cep_send_finished(r, &finished);
}

/* Nobody anonymous: decided before a single octet of the body is read. */
static int check_way(request_rec *r, enum cep_way way)
{
    if (way == CEP_WAY_UNVERIFIED) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0609: request with a client certificate that mod_ssl did not verify "
                      "refused; use SSLVerifyClient require, not optional_no_ca");
        refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, NULL, 0);
        return DONE;
    }
    if (way == CEP_WAY_NONE) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0601: request without an authenticated user refused; this location needs "
                      "AuthType and Require valid-user, or client certificates that mod_ssl "
                      "verifies (SSLVerifyClient require)");
        refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, CEP_REFUSED, NULL, 0);
        return DONE;
    }
    return OK;
}

int cep_handler(request_rec *r)
{
    const struct cep_dir_config *conf;
    const struct cep_source *source;
    struct cep_request *request;
    struct cep_fault fault;
    enum cep_way way;
    int status;

    if (!r->handler || strcmp(r->handler, CEP_HANDLER_NAME))
        return DECLINED;
    conf = ap_get_module_config(r->per_dir_config, &cep_module);
    source = conf->policy ? cep_find_source(cep_server_conf(), conf->policy) : NULL;
    if (!source || !source->reader || !source->callers || !source->answers) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0607: SetHandler cep is in force here, but CEPPolicy names no directory");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    status = cep_incoming_origin(r);
    if (status != OK)
        return status;
    if (r->method_number != M_POST)
        return cep_page_handler(r, conf);
    status = cep_incoming_check(r, conf, &fault);
    if (status == OK) {
        way = cep_way_in(r);
        if (check_way(r, way) != OK)
            return OK;
        status = cep_incoming_read(r, conf, &request, &fault);
    }
    if (status == DONE)
        return cep_send_fault(r, &fault, 0);
    if (status != OK)
        return status;
    cep_xcep_forget(request); /* whoever it was for has read it */
    return answer(r, way, conf, source, request);
}
