/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* One exchange with an LDAP server: its deadline, its result, and the sentence when it fails. */

#include <apr_strings.h>

#include "ldap_source.h"

/* What to do about a result code, with "; " in front, or "". */
static const char *hint(int code)
{
    switch (code) {
    case LDAP_INVALID_CREDENTIALS:
        return "; check CEPBindDN and the password in CEPBindPasswordFile";
    case LDAP_INVALID_DN_SYNTAX:
        return "; check the DNs in the configuration (only AD accepts user@realm in CEPBindDN)";
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED: return "; use ldaps:// or CEPStartTLS On";
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_AUTH_METHOD_NOT_SUPPORTED:
        return "; the server does not offer this CEPBind method here";
    case LDAP_OPERATIONS_ERROR: return "; AD wants a bind first: set CEPBind";
    case LDAP_INSUFFICIENT_ACCESS: return "; grant the bind account read access";
    case LDAP_REFERRAL: return "; this server does not hold the entry, name one that does";
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
        return "; raise the server's limit for the bind account or allow it paged results";
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE: return "; the server is overloaded or not ready, it is tried again";
    case LDAP_SERVER_DOWN: return "; the server closed the connection or sent no LDAP";
    default: return "";
    }
}

/* The handle's own message: the server's text, or that of the TLS library. NULL without any. */
const char *cep_ldap_diagnostic(const struct ldap_source *source, apr_pool_t *pool)
{
    const char *result;
    char *text = NULL;

    ldap_get_option(source->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    /* GnuTLS says "(unknown error code)" for a certificate that libldap itself refuses. */
    result = text && *text && *text != '(' ? apr_pstrdup(pool, text) : NULL;
    if (text)
        ldap_memfree(text);
    return result;
}

/* Make the sentence for a failed step and the status for it. server_text may be NULL. */
apr_status_t cep_ldap_fail(const struct ldap_source *source, const char *step, int code,
                           const char *server_text, const char *advice, apr_pool_t *pool,
                           const char **error)
{
    if (source->timed_out) {
        *error = apr_psprintf(pool,
                              "%s: no complete answer in time; check the server's load and "
                              "the network, or raise CEPTimeout",
                              step);
        return APR_TIMEUP;
    }
    *error = apr_psprintf(pool, "%s: %s (%d)%s%s%s%s", step, ldap_err2string(code), code,
                          server_text ? ", \"" : "", server_text ? server_text : "",
                          server_text ? "\"" : "", advice);
    return code == LDAP_NO_SUCH_OBJECT ? APR_NOTFOUND : APR_EGENERAL;
}

int cep_ldap_result_code(const struct ldap_source *source)
{
    int code = LDAP_OTHER;

    ldap_get_option(source->ld, LDAP_OPT_RESULT_CODE, &code);
    return code == LDAP_SUCCESS ? LDAP_OTHER : code;
}

apr_status_t cep_ldap_fail_handle(const struct ldap_source *source, const char *step,
                                  apr_pool_t *pool, const char **error)
{
    int code = cep_ldap_result_code(source);

    return cep_ldap_fail(source, step, code, cep_ldap_diagnostic(source, pool), hint(code), pool,
                         error);
}

/* Begin an exchange: it ends after the configured time or at deadline. */
void cep_ldap_arm(struct ldap_source *source, apr_time_t deadline)
{
    source->deadline = cep_earlier(deadline, source->timeout);
}

/* Read the next message of an operation; NULL on error. Never waits past the deadline. */
LDAPMessage *cep_ldap_next_message(struct ldap_source *source, int id)
{
    LDAPMessage *message = NULL;

    if (ldap_result(source->ld, id, LDAP_MSG_ONE, NULL, &message) > 0)
        return message;
    return NULL;
}

/* Judge a final message and free it. *cookie, where wanted, gets the paging cookie, in pool. */
apr_status_t cep_ldap_take_result(struct ldap_source *source, const char *step,
                                  LDAPMessage *message, struct berval *cookie, apr_pool_t *pool,
                                  const char **error)
{
    LDAPControl **controls = NULL, *page;
    char *text = NULL;
    int code = LDAP_OTHER, rc;
    apr_status_t status = APR_SUCCESS;

    rc = ldap_parse_result(source->ld, message, &code, NULL, &text, NULL, &controls, 1);
    if (rc != LDAP_SUCCESS)
        code = rc;
    if (code != LDAP_SUCCESS) {
        status =
            cep_ldap_fail(source, step, code, text && *text ? text : NULL, hint(code), pool, error);
        goto done;
    }
    page = cookie ? ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL) : NULL;
    if (page) {
        struct berval value = {0, NULL};
        ber_int_t estimate;

        rc = ldap_parse_pageresponse_control(source->ld, page, &estimate, &value);
        if (rc != LDAP_SUCCESS) {
            status = cep_ldap_fail(source, step, rc, NULL, "", pool, error);
            goto done;
        }
        cookie->bv_val = apr_pmemdup(pool, value.bv_val ? value.bv_val : "", value.bv_len);
        cookie->bv_len = value.bv_len;
        ldap_memfree(value.bv_val);
    }
done:
    if (text)
        ldap_memfree(text);
    ldap_controls_free(controls);
    return status;
}

/* The single answer to the operation id; rc is what starting it returned. */
apr_status_t cep_ldap_finish(struct ldap_source *source, const char *step, int rc, int id,
                             apr_pool_t *pool, const char **error)
{
    LDAPMessage *message = rc == LDAP_SUCCESS ? cep_ldap_next_message(source, id) : NULL;

    if (!message)
        return cep_ldap_fail_handle(source, step, pool, error);
    return cep_ldap_take_result(source, step, message, NULL, pool, error);
}
