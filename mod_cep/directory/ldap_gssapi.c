/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The SASL GSSAPI bind. AD knows two forms ([MS-ADTS] 5.1.1.1.2): without TLS the connection is
 * sealed by Kerberos; with TLS there must be no layer of Kerberos, and the bind is tied to the TLS
 * channel instead, so that nobody in the middle can pass it on.
 */
#include <string.h>

#include <apr_strings.h>

#include <sasl/sasl.h>

#include "ldap_source.h"
#include "servers.h"
#include "ticket.h"

/*
 * "none" first: what ldap.conf says under SASL_SECPROPS must not count. 128: the strength of the
 * weakest AES; RC4 and DES are less.
 */
#define LEAST_STRENGTH  128
#define SEALED          "none,noanonymous,noplain,minssf=128,maxssf=256,maxbufsize=65536"
#define WITHOUT_A_LAYER "none,noanonymous,noplain,minssf=0,maxssf=0,maxbufsize=65536"

struct answers {
    gss_cred_id_t credential;
    int taken; /* libldap has the credential */
};

/*
 * libldap makes the SASL context within the bind, so that this is the only moment at which it can
 * be handed a credential. What SASL wants to know (on whose behalf) is answered with its default:
 * our own.
 */
static int interact(LDAP *ld, unsigned flags, void *defaults, void *prompts)
{
    struct answers *answers = defaults;
    sasl_interact_t *prompt = prompts;

    (void)flags;
    if (ldap_set_option(ld, LDAP_OPT_X_SASL_GSS_CREDS, answers->credential) != LDAP_OPT_SUCCESS)
        return LDAP_LOCAL_ERROR;
    answers->taken = 1;
    for (; prompt->id != SASL_CB_LIST_END; prompt++) {
        prompt->result = "";
        prompt->len = 0;
    }
    return LDAP_SUCCESS;
}

static int set_properties(struct ldap_source *source)
{
    char properties[] = SEALED, without[] = WITHOUT_A_LAYER;
    int failed = ldap_set_option(source->ld, LDAP_OPT_X_SASL_SECPROPS,
                                 source->tls ? without : properties) != LDAP_OPT_SUCCESS;

#ifdef LDAP_OPT_X_SASL_CBINDING
    failed |= cep_ldap_set_number(source->ld, LDAP_OPT_X_SASL_CBINDING,
                                  source->tls ? LDAP_OPT_X_SASL_CBINDING_TLS_ENDPOINT
                                              : LDAP_OPT_X_SASL_CBINDING_NONE);
#endif
    return failed;
}

static const char *hint(int code)
{
    return code == LDAP_AUTH_UNKNOWN
               ? "; install Cyrus SASL's GSSAPI (Debian: libsasl2-modules-gssapi-mit, Fedora: "
                 "cyrus-sasl-gssapi)"
           : code == LDAP_STRONG_AUTH_REQUIRED || code == LDAP_UNWILLING_TO_PERFORM
               ? "; the server does not take GSSAPI in this form, try ldap:// without CEPStartTLS, "
                 "which Kerberos then encrypts, or ldaps://"
               : "; check that the server's clock is right and that its ldap/ service principal "
                 "has its present key";
}

/* The messages of the bind, back and forth, each within the deadline that was set before. */
static int exchange(struct ldap_source *source, struct answers *answers)
{
    LDAPMessage *message = NULL;
    const char *mechanism = NULL;
    int id = 0, rc;

    for (;;) {
        rc = ldap_sasl_interactive_bind(source->ld, NULL, "GSSAPI", NULL, NULL, LDAP_SASL_QUIET,
                                        interact, answers, message, &mechanism, &id);
        if (message)
            ldap_msgfree(message);
        if (rc != LDAP_SASL_BIND_IN_PROGRESS)
            return rc;
        message = cep_ldap_next_message(source, id);
        if (!message)
            return LDAP_SERVER_DOWN;
    }
}

/* What was asked for has to be in force: a layer that seals, or TLS. */
static int is_protected(struct ldap_source *source)
{
    ber_len_t strength = 0;

    if (source->tls)
        return ldap_tls_inplace(source->ld);
    return ldap_get_option(source->ld, LDAP_OPT_X_SASL_SSF, &strength) == LDAP_OPT_SUCCESS &&
           strength >= LEAST_STRENGTH;
}

/* Bind with the ticket. Without ours GSSAPI would look for one of the process: never that. */
static apr_status_t bind_with(struct ldap_source *source, const struct cep_ticket *ticket,
                              apr_pool_t *pool, const char **error)
{
    static const char step[] = "binding by SASL GSSAPI";
    struct answers answers = {.credential = cep_ticket_credential(ticket)};
    int rc;

    if (set_properties(source)) {
        *error = "libldap was built without SASL or refused its options; CEPBind gssapi needs it";
        return APR_EGENERAL;
    }
    rc = exchange(source, &answers);
    if (rc != LDAP_SUCCESS)
        return cep_ldap_fail(source, step, rc, cep_ldap_diagnostic(source, pool), hint(rc), pool,
                             error);
    if (answers.taken && is_protected(source))
        return APR_SUCCESS;
    *error = apr_psprintf(pool, "%s: %s", step,
                          answers.taken ? "the connection is not sealed; let the server use AES"
                                        : "libldap did not take the ticket");
    return APR_EGENERAL;
}

apr_status_t cep_ldap_bind_gssapi(struct ldap_source *source,
                                  const struct cep_directory_config *config, apr_time_t deadline,
                                  const char *url, apr_pool_t *pool, const char **error)
{
    struct cep_ticket *ticket;
    apr_status_t status;

    if (!source->url.host || !config->keytab) {
        *error = "CEPBind gssapi needs CEPKeytab, and a server at ldap:// or ldaps://";
        return APR_EGENERAL;
    }
    status = cep_ticket_get(&ticket, config, url, source->url.host,
                            cep_earlier(deadline, source->timeout), pool, error);
    if (status != APR_SUCCESS)
        return status;
    cep_ldap_arm(source, deadline);
    status = bind_with(source, ticket, pool, error);
    source->renewal = cep_ticket_renewal(ticket);
    if (status != APR_SUCCESS && status != APR_TIMEUP)
        cep_servers_keep_ticket(config->servers, url, NULL); /* its service may have a new key */
    cep_ticket_let_go(ticket);
    return status == APR_NOTFOUND ? APR_EGENERAL : status;
}
