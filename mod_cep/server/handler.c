/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The way of a request: is it allowed, what does it ask, who asks, what may he see. */

#include "cep_server.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"

#include <apr_lib.h>
#include <apr_strings.h>

/* When there is no policy yet, it comes within seconds of the directory's return. */
#define RETRY_NO_POLICY 5
#define RETRY_DIRECTORY 30

/* One text for every account that may not be served: the client must not learn which it is. */
#define REFUSED "At least one security token in the message could not be validated."

static int refuse(request_rec *r, enum cep_fault_code code, const char *reason,
                  const struct cep_request *request, int retry_after)
{
    struct cep_fault fault = {.code = code, .reason = reason};

    if (request)
        fault.relates_to = request->message_id;
    return cep_send_fault(r, &fault, retry_after);
}

/* 1 when the charset parameter, if any, says UTF-8. */
static int is_utf8(const char *content_type)
{
    const char *parameter = ap_strcasestr(content_type, "charset=");
    const char *value;

    if (!parameter)
        return 1;
    value = parameter + strlen("charset=");
    value += *value == '"';
    return !ap_cstr_casecmpn(value, "utf-8", 5) && !apr_isalnum(value[5]) && value[5] != '-';
}

/* What can be said without reading the body. OK, or an HTTP status. */
static int check_headers(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    const char *encoding = apr_table_get(r->headers_in, "Content-Encoding");
    apr_size_t length = type ? strcspn(type, "; \t") : 0;

    if (r->method_number != M_POST) {
        ap_allow_methods(r, REPLACE_ALLOW, "POST", NULL);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    /* text/xml is SOAP 1.1: the parser tells such a client with a VersionMismatch fault. */
    if (!type ||
        !((length == 20 && !ap_cstr_casecmpn(type, "application/soap+xml", length)) ||
          (length == 8 && !ap_cstr_casecmpn(type, "text/xml", length))) ||
        !is_utf8(type)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0613: Content-Type is not application/soap+xml in UTF-8");
        return HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    if (encoding && ap_cstr_casecmp(encoding, "identity")) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0614: Content-Encoding is not supported");
        return HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    return OK;
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
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0605: the policy of directory %s was last confirmed %" APR_TIME_T_FMT
                      " seconds ago, longer than CEPMaxStale allows; see why its refresh fails "
                      "(CEP0501)",
                      source->name, apr_time_sec(apr_time_now() - confirmed));
        *status =
            refuse(r, CEP_FAULT_RECEIVER, "The enrollment policy is out of date. Try again later.",
                   request, RETRY_DIRECTORY);
        return NULL;
    }
    return snapshot;
}

static apr_status_t find_owner(struct cep_caller **caller, request_rec *r,
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
        return cep_renewal_find_owner(caller, r, conf, source, snapshot, certificate, mappings,
                                      error);
    return cep_callers_find_certificate(caller, source->callers, certificate, mappings, r->pool,
                                        error);
}

static apr_status_t find_user(struct cep_caller **caller, request_rec *r,
                              const struct cep_dir_config *conf, const struct cep_source *source,
                              const char **who, const char **error)
{
    apr_status_t rv = cep_callers_find(caller, source->callers, r->user, r->pool, error);

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
    struct cep_caller *caller = NULL;
    const char *who, *error = NULL;
    apr_status_t rv = way == CEP_WAY_CERTIFICATE
                          ? find_owner(&caller, r, conf, source, snapshot, &who, &error)
                          : find_user(&caller, r, conf, source, &who, &error);

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
        *status = refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, REFUSED, request, 0);
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
    if (ticket == OK)
        return caller;
    if (ticket == DECLINED)
        return find_caller(r, way, conf, source, snapshot, request, status);
    *status = refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, REFUSED, request, 0);
    return NULL;
}

static int answer(request_rec *r, enum cep_way way, const struct cep_dir_config *conf,
                  const struct cep_source *source, const struct cep_request *request)
{
    apr_time_t start = apr_time_now();
    const struct cep_snapshot *snapshot;
    struct cep_selection selection;
    struct cep_instance instance;
    struct cep_view view;
    struct cep_caller *caller;
    struct cep_value body;
    int status = OK;

    snapshot = current_policy(r, source, request, &status);
    if (!snapshot)
        return status;
    caller = identify(r, way, conf, source, snapshot, request, &status);
    if (!caller)
        return status;

    cep_instance_view(&view, conf);
    if (!cep_instance_make(&instance, conf, &view, snapshot, caller, request->language, r->pool))
        return HTTP_INTERNAL_SERVER_ERROR;
    cep_snapshot_select(&selection, snapshot, &caller->token, request, &view, r->pool);
    body = cep_snapshot_answer(snapshot, &selection, &instance, request->message_id,
                               conf->localized_names == 1 ? request->language : NULL, r->pool);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "CEP0600: user=%s directory=%s policies=%d cas=%d bytes=%" APR_SIZE_T_FMT
                  " microseconds=%" APR_TIME_T_FMT,
                  ap_escape_logitem(r->pool, r->user), source->name, selection.policy_count,
                  selection.ca_count, body.len, apr_time_now() - start);
    return cep_send_body(r, &body);
}

/* Nobody anonymous, nothing in clear: decided before a single octet of the body is read. */
static int check_promises(request_rec *r, enum cep_way way, const struct cep_dir_config *conf)
{
    if (conf->require_tls && !ap_ssl_conn_is_ssl(r->connection)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "CEP0606: request without TLS refused; if TLS ends in front of this server, "
                      "say CEPRequireTLS Off here");
        refuse(r, CEP_FAULT_SENDER, "This service answers over HTTPS only.", NULL, 0);
        return DONE;
    }
    if (way == CEP_WAY_UNVERIFIED) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0609: request with a client certificate that mod_ssl did not verify "
                      "refused; use SSLVerifyClient require, not optional_no_ca");
        refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, REFUSED, NULL, 0);
        return DONE;
    }
    if (way == CEP_WAY_NONE) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0601: request without an authenticated user refused; this location needs "
                      "AuthType and Require valid-user, or client certificates that mod_ssl "
                      "verifies (SSLVerifyClient require)");
        refuse(r, CEP_FAULT_FAILED_AUTHENTICATION, REFUSED, NULL, 0);
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
    const char *body;
    apr_size_t length;
    int status;

    if (!r->handler || strcmp(r->handler, CEP_HANDLER_NAME))
        return DECLINED;
    conf = ap_get_module_config(r->per_dir_config, &cep_module);
    source = conf->policy ? cep_find_source(cep_server_conf(), conf->policy) : NULL;
    if (!source || !source->reader || !source->callers) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0607: SetHandler cep is in force here, but CEPPolicy names no directory");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    status = check_headers(r);
    if (status != OK)
        return status;
    way = cep_way_in(r);
    if (check_promises(r, way, conf) != OK)
        return OK;
    status = cep_body_read(r, conf->max_body == CEP_UNSET ? CEP_DEFAULT_MAX_BODY : conf->max_body,
                           &body, &length);
    if (status != OK)
        return status;
    if (!cep_xcep_parse(&request, &fault, body, length, r->pool)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0610: request refused: %s",
                      ap_escape_logitem(r->pool, fault.reason));
        return cep_send_fault(r, &fault, 0);
    }
    return answer(r, way, conf, source, request);
}
