/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Methods other than POST. GET and HEAD answer a page that says what this is, or the service's
 * description: administrators look with a browser, and some clients before they ask. No octet of
 * policy and nothing about the directory is in either.
 */

#include "cep_server.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"
#include "mod_core.h"

#include <apr_strings.h>

#define TYPE_PAGE "text/html; charset=utf-8"
#define TYPE_XML  "text/xml; charset=utf-8"

static const char *const page[] = {
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<title>Certificate Enrollment Policy web service</title>\n"
    "</head>\n"
    "<body>\n"
    "<h1>Certificate Enrollment Policy web service</h1>\n"
    "<p>The service is running. Clients ask it which certificates they may enroll for: they send "
    "GetPolicies messages ([MS-XCEP], SOAP 1.2) by POST to this address, over HTTPS. A browser "
    "cannot do that.</p>\n"
    "<p>To use it, give this address to the enrollment policy client, for example in the group "
    "policy &ldquo;Certificate Services Client &ndash; Certificate Enrollment Policy&rdquo;:</p>\n"
    "<pre>",
    "</pre>\n"
    "<p>For developers: <a href=\"?wsdl\">description (WSDL)</a>, "
    "<a href=\"?xsd\">schema of the messages</a>.</p>\n"
    "</body>\n"
    "</html>\n"};

/* By ServerName where UseCanonicalName is On, else by the name that the client used. */
static const char *address_of(request_rec *r)
{
    return ap_construct_url(r->pool, ap_escape_uri(r->pool, r->uri), r);
}

/* 1 when the query is that word, alone or with a value: ?wsdl, ?xsd=xsd0. */
static int asks_for(const request_rec *r, const char *word)
{
    const char *query = r->args ? r->args : "";
    apr_size_t length = strcspn(query, "=&");

    return length == strlen(word) && !ap_cstr_casecmpn(query, word, length);
}

static int send_text(request_rec *r, const char *type, const char *result, const char *text)
{
    cep_record_of(r)->result = result;
    ap_set_content_type(r, type);
    ap_set_content_length(r, (apr_off_t)strlen(text));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy", "default-src 'none'");
    ap_rputs(text, r); /* of HEAD, httpd's filter leaves the head alone */
    return OK;
}

static int send_page(request_rec *r)
{
    int status = ap_discard_request_body(r);

    if (status != OK)
        return status;
    if (asks_for(r, "wsdl") || asks_for(r, "singleWsdl"))
        return send_text(r, TYPE_XML, "wsdl", cep_xcep_render_wsdl(address_of(r), r->pool));
    if (asks_for(r, "xsd"))
        return send_text(r, TYPE_XML, "xsd", cep_xcep_render_schema(r->pool));
    return send_text(
        r, TYPE_PAGE, "page",
        apr_pstrcat(r->pool, page[0], ap_escape_html(r->pool, address_of(r)), page[1], NULL));
}

/* For the header Allow; httpd adds HEAD. */
static void allow_methods(request_rec *r)
{
    ap_allow_methods(r, REPLACE_ALLOW, "GET", "POST", "OPTIONS", NULL);
}

int cep_page_method_not_allowed(request_rec *r)
{
    allow_methods(r);
    return HTTP_METHOD_NOT_ALLOWED;
}

int cep_page_handler(request_rec *r, const struct cep_dir_config *conf)
{
    allow_methods(r);
    if (r->method_number == M_OPTIONS)
        return ap_send_http_options(r);
    if (r->method_number != M_GET)
        return HTTP_METHOD_NOT_ALLOWED;
    if (conf->require_tls && !ap_ssl_conn_is_ssl(r->connection)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "CEP0650: the page of this service is shown over TLS only (CEPRequireTLS)");
        return HTTP_FORBIDDEN;
    }
    return send_page(r);
}

#define NOTE_OPEN "cep-page-open"

/*
 * With AuthType CEP the credentials come in the body of a POST. Who looks at the page has none,
 * and a 401 would make Windows give up (WS_E_SERVER_REQUIRES_BASIC_AUTH), so the page is open
 * there. mod_authz_core has spoken before: it passes on only what a user name could still permit.
 */
int cep_page_access(request_rec *r)
{
    const struct cep_dir_config *conf = ap_get_module_config(r->per_dir_config, &cep_module);
    const char *type = ap_auth_type(r);

    if (r->method_number != M_GET || !conf->policy || !type ||
        ap_cstr_casecmp(type, CEP_AUTH_TYPE) || !cep_is_instance(r))
        return DECLINED;
    apr_table_setn(r->notes, NOTE_OPEN, "1");
    return OK;
}

/*
 * Which handler serves a request is certain only now. What was let pass for the page and has become
 * something else, a file for example, is not for everybody.
 */
int cep_page_fixup(request_rec *r)
{
    if (!apr_table_get(r->notes, NOTE_OPEN))
        return DECLINED;
    if (r->handler && cep_is_instance(r))
        return DECLINED;
    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, 0, r,
        "CEP0651: GET of %s under AuthType CEP is not served by SetHandler cep after all; "
        "nobody has authenticated for anything else, so it is refused",
        ap_escape_logitem(r->pool, r->uri));
    return HTTP_FORBIDDEN;
}
