/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * AuthType CEP: the user name and password of the message's UsernameToken, checked by httpd's own
 * authn providers as mod_auth_basic asks them. There is no challenge: a client of this protocol
 * that meets HTTP's would not send its token (WS_E_SERVER_REQUIRES_BASIC_AUTH). Who is refused
 * gets a fault.
 */

#include "check.h"
#include "guesses.h"

#include "ap_provider.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_auth.h"
#include "util_filter.h"

#include <apr_strings.h>

#define DEFAULT_PROVIDER "file"

#define CANNOT_TELL "The user name and password cannot be checked now. Try again later."
#define RETRY       30

struct auth_provider {
    const char *name;
    const authn_provider *provider;
};

static const authn_provider *find_provider(const char *name)
{
    return ap_lookup_provider(AUTHN_PROVIDER_GROUP, name, AUTHN_PROVIDER_VERSION);
}

int cep_username_has_default(void)
{
    return find_provider(DEFAULT_PROVIDER) != NULL;
}

const char *cep_username_add_provider(apr_array_header_t **providers, const char *name,
                                      apr_pool_t *pool)
{
    struct auth_provider added = {name, find_provider(name)};

    if (!added.provider)
        return apr_psprintf(pool,
                            "CEPAuthProvider: there is no provider \"%s\"; load its module, or "
                            "define its <AuthnProviderAlias>, before this directive",
                            name);
    if (!added.provider->check_password)
        return apr_psprintf(pool, "CEPAuthProvider: the provider \"%s\" checks no passwords", name);
    if (!*providers)
        *providers = apr_array_make(pool, 2, sizeof(added));
    APR_ARRAY_PUSH(*providers, struct auth_provider) = added;
    return NULL;
}

/* An alias knows by the note which of all aliases it is. */
static authn_status ask_provider(request_rec *r, const struct auth_provider *provider,
                                 const char *user, const char *password)
{
    authn_status verdict;

    apr_table_setn(r->notes, AUTHN_PROVIDER_NAME_NOTE, provider->name);
    verdict = provider->provider->check_password(r, user, password);
    apr_table_unset(r->notes, AUTHN_PROVIDER_NAME_NOTE);
    return verdict;
}

/* In order, until one knows the user; what one says of somebody whom it knows is final. */
static authn_status ask_providers(request_rec *r, const struct cep_dir_config *conf,
                                  const char *user, const char *password)
{
    const apr_array_header_t *providers = conf->auth_providers;
    const struct auth_provider fallback = {DEFAULT_PROVIDER, find_provider(DEFAULT_PROVIDER)};
    authn_status verdict = AUTH_USER_NOT_FOUND;

    if (!providers)
        return fallback.provider ? ask_provider(r, &fallback, user, password) : AUTH_GENERAL_ERROR;
    for (int i = 0; i < providers->nelts && verdict == AUTH_USER_NOT_FOUND; i++)
        verdict =
            ask_provider(r, &APR_ARRAY_IDX(providers, i, struct auth_provider), user, password);
    return verdict;
}

/*
 * The name as it came; and what is behind the backslash of DOMAIN\user, as providers that know one
 * domain only (sAMAccountName in an LDAP URL) want it. Never user@realm without its realm: that may
 * be somebody else's name. r->user stays as it came, so that the domain is looked at when the
 * account is looked up.
 */
static authn_status ask(request_rec *r, const struct cep_dir_config *conf,
                        const struct cep_name *name, const char *password)
{
    authn_status verdict = ask_providers(r, conf, r->user, password);

    if (verdict == AUTH_USER_NOT_FOUND && *name->domain)
        verdict = ask_providers(r, conf, name->account, password);
    return verdict;
}

/* Send a fault from here; DONE. Output filters as a handler has them, so that what the
 * administrator adds to answers does not tell this refusal from a later one. */
static int refuse(request_rec *r, const struct cep_fault *fault, int retry_after)
{
    ap_run_insert_filter(r);
    cep_send_fault(r, fault, retry_after);
    return DONE;
}

static int no_token(request_rec *r, const struct cep_request *request)
{
    const struct cep_fault fault = {.code = CEP_FAULT_INVALID_SECURITY,
                                    .reason = request->token.problem,
                                    .relates_to = request->message_id};

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0621: request refused: %s", fault.reason);
    return refuse(r, &fault, 0);
}

/* The same octets for all, whatever is wrong. */
static int refuse_user(request_rec *r, const struct cep_request *request, const char *why)
{
    const struct cep_fault fault = {.code = CEP_FAULT_FAILED_AUTHENTICATION,
                                    .reason = CEP_REFUSED,
                                    .relates_to = request->message_id};

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "CEP0622: user %s refused: %s",
                  ap_escape_logitem(r->pool, r->user), why);
    return refuse(r, &fault, 0);
}

static int cannot_tell(request_rec *r, const struct cep_request *request)
{
    const struct cep_fault fault = {
        .code = CEP_FAULT_RECEIVER, .reason = CANNOT_TELL, .relates_to = request->message_id};

    return refuse(r, &fault, RETRY);
}

static int end(request_rec *r, const struct cep_request *request, authn_status verdict)
{
    switch (verdict) {
    case AUTH_GRANTED: return OK;
    case AUTH_USER_NOT_FOUND: return refuse_user(r, request, "no provider knows the name");
    case AUTH_GENERAL_ERROR:
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "CEP0623: the password of user %s cannot be checked; the provider says why "
                      "before this line",
                      ap_escape_logitem(r->pool, r->user));
        return cannot_tell(r, request);
    default: return refuse_user(r, request, "wrong password");
    }
}

static void tell_locked(request_rec *r, const char *user, unsigned locks)
{
    if (locks & CEP_GUESS_LOCKS_ACCOUNT)
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "CEP0624: the last wrong password that CEPAuthFailures allows came for user "
                      "%s: all are refused for that account until the time has passed",
                      ap_escape_logitem(r->pool, user));
    if (locks & CEP_GUESS_LOCKS_ADDRESS)
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "CEP0625: as many wrong passwords as CEPAuthFailures allows came from "
                      "address %s: further ones are refused for a while",
                      r->useragent_ip);
}

static enum cep_guess_outcome outcome_of(authn_status verdict)
{
    if (verdict == AUTH_GRANTED)
        return CEP_GUESS_RIGHT;
    return verdict == AUTH_GENERAL_ERROR ? CEP_GUESS_UNDECIDED : CEP_GUESS_WRONG;
}

/* ask(), and count. */
static int ask_counted(request_rec *r, const struct cep_dir_config *conf,
                       const struct cep_request *request, const struct cep_name *name)
{
    struct cep_guesses *guesses = cep_guesses_of(r);
    struct cep_guess_attempt attempt;
    apr_time_t begun = cep_monotonic(), asked;
    const char *user = r->user; /* a provider may put another in its place */
    enum cep_guess_verdict verdict;
    enum cep_guess_outcome outcome;
    authn_status status;

    if (!guesses || !cep_guesses_attempt(&attempt, guesses, r, conf, name->account))
        return cannot_tell(r, request);
    verdict = cep_guesses_admit(r, guesses, &attempt);
    if (verdict == CEP_GUESS_BUSY)
        return cannot_tell(r, request);
    if (verdict != CEP_GUESS_ADMITTED) {
        cep_guesses_keep_pace(r, guesses, begun);
        return refuse_user(r, request,
                           verdict == CEP_GUESS_ACCOUNT_LOCKED ? "too many wrong passwords for it"
                           : verdict == CEP_GUESS_ADDRESS_LOCKED
                               ? "too many wrong passwords from its address"
                               : "there is no room to count its wrong passwords");
    }
    asked = cep_monotonic();
    status = ask(r, conf, name, request->token.password);
    outcome = outcome_of(status);
    tell_locked(r, user,
                cep_guesses_settle(r, guesses, &attempt, outcome, cep_monotonic() - asked));
    if (outcome == CEP_GUESS_WRONG)
        cep_guesses_keep_pace(r, guesses, asked);
    return end(r, request, status);
}

/* OK: r->user is authenticated. DONE: a fault was sent. */
static int authenticate(request_rec *r, const struct cep_dir_config *conf,
                        const struct cep_request *request)
{
    const struct cep_username_token *token = &request->token;
    const char *problem;
    struct cep_name name;

    if (token->problem)
        return no_token(r, request);
    r->user = apr_pstrdup(r->pool, token->user);
    problem = cep_name_parse(&name, r->user, r->pool);
    if (problem)
        return refuse_user(r, request, problem);
    if (conf->auth_failures == 0)
        return end(r, request, ask(r, conf, &name, token->password));
    return ask_counted(r, conf, request, &name);
}

int cep_username_check_authn(request_rec *r)
{
    const struct cep_dir_config *conf;
    struct cep_request *request;
    struct cep_fault fault;
    const char *type = ap_auth_type(r);
    int status;

    if (!type || ap_cstr_casecmp(type, CEP_AUTH_TYPE))
        return DECLINED;
    /* What mod_ssl may have set from a certificate is not who is sought. */
    r->user = NULL;
    r->ap_auth_type = (char *)CEP_AUTH_TYPE;
    conf = ap_get_module_config(r->per_dir_config, &cep_module);
    status = cep_incoming_check(r, conf, &fault);
    if (status == OK)
        status = cep_incoming_read(r, conf, &request, &fault);
    if (status == DONE)
        return refuse(r, &fault, 0);
    if (status != OK)
        return status;
    status = authenticate(r, conf, request);
    cep_xcep_forget(request);
    return status;
}
