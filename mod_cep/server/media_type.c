/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Content-Type and Content-Encoding of a request: RFC 9110, 8.3 and 8.4; SOAP's is RFC 3902. */

#include "cep_server.h"

#include "http_protocol.h"

#include <apr_lib.h>
#include <apr_strings.h>

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static apr_size_t token_length(const char *text)
{
    apr_size_t length = 0;

    while (apr_isalnum(text[length]) || (text[length] && strchr("!#$%&'*+-.^_`|~", text[length])))
        length++;
    return length;
}

/* The token or quoted string at *at, which is moved behind it; NULL when there is neither. */
static const char *read_value(const char **at, apr_pool_t *pool)
{
    const char *from = *at;
    apr_size_t length = token_length(from);
    char *value, *end;

    if (*from != '"') {
        *at += length;
        return length ? apr_pstrmemdup(pool, from, length) : NULL;
    }
    value = end = apr_palloc(pool, strlen(from));
    for (from++; *from && *from != '"'; from++) {
        if (*from == '\\' && from[1])
            from++;
        *end++ = *from;
    }
    *end = '\0';
    *at = from + 1;
    return *from ? value : NULL;
}

/* One parameter. 0 when it is malformed, or says again what was said. */
static int read_parameter(struct cep_media_type *media, const char **at, apr_pool_t *pool)
{
    const char *name = *at, *value;
    apr_size_t length = token_length(name);
    const char **member = NULL;

    *at += length;
    if (!length || *(*at)++ != '=')
        return 0;
    value = read_value(at, pool);
    if (length == 7 && !ap_cstr_casecmpn(name, "charset", length))
        member = &media->charset;
    else if (length == 6 && !ap_cstr_casecmpn(name, "action", length))
        member = &media->action;
    if (!value || (member && *member))
        return 0;
    if (member)
        *member = value;
    return 1;
}

static int read_media_type(struct cep_media_type *media, const char *text, apr_pool_t *pool)
{
    apr_size_t length = token_length(text);

    if (text[length] == '/')
        length += 1 + token_length(text + length + 1);
    media->type = apr_pstrmemdup(pool, text, length);
    for (text = skip_blanks(text + length); *text == ';'; text = skip_blanks(text)) {
        text = skip_blanks(text + 1);
        if (*text && *text != ';' && !read_parameter(media, &text, pool))
            return 0;
    }
    return !*text;
}

/* text/xml is SOAP 1.1's. It passes here: SOAP has a fault for it, which says what is wrong. */
int cep_media_type_check(request_rec *r, struct cep_media_type *media)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    const char *encoding = apr_table_get(r->headers_in, "Content-Encoding");

    memset(media, 0, sizeof(*media));
    if (!type || !read_media_type(media, type, r->pool) ||
        (ap_cstr_casecmp(media->type, CEP_SOAP_12_TYPE) &&
         ap_cstr_casecmp(media->type, CEP_SOAP_11_TYPE)) ||
        (media->charset && ap_cstr_casecmp(media->charset, "utf-8"))) {
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

/*
 * The operation is chosen by the body and a:Action. What the parameter action says beside them (RFC
 * 3902, 3) chooses nothing, but whoever stands before us may have judged the request by it.
 */
int cep_media_type_agrees(const struct cep_media_type *media, const struct cep_request *request,
                          struct cep_fault *fault)
{
    memset(fault, 0, sizeof(*fault));
    fault->relates_to = request->message_id;
    if (media->type && !ap_cstr_casecmp(media->type, CEP_SOAP_11_TYPE)) {
        fault->code = CEP_FAULT_VERSION_MISMATCH;
        fault->reason = "text/xml is the type of SOAP 1.1; this service speaks SOAP 1.2.";
    } else if (media->action && *media->action && strcmp(media->action, CEP_XCEP_ACTION) != 0) {
        fault->code = CEP_FAULT_ACTION_NOT_SUPPORTED;
        fault->reason = "The action of Content-Type is not that of GetPolicies.";
    }
    return fault->code == CEP_FAULT_NONE;
}
