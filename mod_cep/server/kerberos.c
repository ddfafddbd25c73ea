/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Callers whose SIDs the KDC has written into the ticket. No directory is asked about them. */

#include "cep_server.h"

#include "http_core.h"
#include "http_request.h"

/* What mod_auth_gssapi sets in subprocess_env: the principal, and what its name carries. */
#define NAME_VARIABLE       "GSS_NAME"
#define ATTRIBUTES_VARIABLE "GSS_NAME_ATTRS_JSON"

/*
 * 1 when mod_auth_gssapi has authenticated this request: nobody else answers AuthType GSSAPI, and
 * then it sets the variables itself. Where it has not, they could be anybody's. Basic: a password
 * that it changed for a ticket to itself (GssapiBasicAuth). NTLM has no ticket.
 */
static int is_by_ticket(request_rec *r)
{
    const char *configured = ap_auth_type(r);

    return configured && !ap_cstr_casecmp(configured, "GSSAPI") && r->ap_auth_type &&
           (!ap_cstr_casecmp(r->ap_auth_type, "Negotiate") ||
            !ap_cstr_casecmp(r->ap_auth_type, "Basic"));
}

/* For the log. A caller who came with a certificate need not have a name. */
static const char *user_of(request_rec *r)
{
    return r->user ? ap_escape_logitem(r->pool, r->user) : "without a name";
}

/* There is no PAC: whether that matters, CEPRequirePAC says. */
static int without_pac(request_rec *r, const struct cep_dir_config *conf, int level,
                       const char *why)
{
    if (conf->require_pac != 1)
        return DECLINED;
    ap_log_rerror(APLOG_MARK, level, 0, r, "CEP0608: user %s refused by CEPRequirePAC: %s",
                  user_of(r), why);
    return HTTP_FORBIDDEN;
}

int cep_ticket_caller(request_rec *r, const struct cep_dir_config *conf, struct cep_caller **caller)
{
    const char *name = apr_table_get(r->subprocess_env, NAME_VARIABLE);
    const char *json = apr_table_get(r->subprocess_env, ATTRIBUTES_VARIABLE);
    const char *error;
    apr_status_t rv;

    if (!is_by_ticket(r))
        return without_pac(r, conf, APLOG_ERR,
                           "Kerberos did not authenticate this request; this location needs "
                           "AuthType GSSAPI");
    if (!name || !json)
        return without_pac(r, conf, APLOG_ERR,
                           "mod_auth_gssapi hands no name attributes on; this location needs "
                           "GssapiNameAttributes json, and GssapiUseSessions Off");
    rv = cep_caller_from_ticket(caller, name, json, r->pool, &error);
    if (rv == APR_NOTFOUND)
        return without_pac(r, conf, APLOG_INFO, "the ticket has no PAC");
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, "CEP0615: the ticket of user %s refused: %s",
                      user_of(r), error);
        return HTTP_FORBIDDEN;
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "user %s has %d SIDs by the PAC of the ticket",
                  user_of(r), (*caller)->token.count);
    return OK;
}
