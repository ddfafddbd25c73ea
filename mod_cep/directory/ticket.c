/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A keytab becomes a ticket for one LDAP server, in memory and without the environment: setenv() in
 * a threaded process is a race, and KRB5CCNAME would be mod_auth_gssapi's, too.
 *
 * GSSAPI is not handed the keytab but the finished ticket, for two reasons. The KDC is asked here,
 * in a thread that can be left behind, since libkrb5 knows no deadline. And the credential holds no
 * ticket-granting ticket, so that GSSAPI cannot get a ticket for whatever name the DNS leads it to:
 * libkrb5 by default asks the DNS for the "canonical" name of a host and has that one prove itself.
 * The ticket here is for the host as CEPURL names it.
 */
#include "ticket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <krb5.h>
#include <gssapi/gssapi_krb5.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "bounded.h"
#include "servers.h"

/* A ticket is renewed when a quarter of its life is left, but at least and at most this: clocks
 * differ, and a KDC of AD takes no ticket of less than two minutes. */
#define SHORTEST_MARGIN apr_time_from_sec(2 * 60)
#define LONGEST_MARGIN  apr_time_from_sec(15 * 60)

/* While it cannot be renewed it is used for so long: until this before its end. */
#define LAST_MOMENT apr_time_from_sec(1)

/* How long after a renewal that failed the next is tried. */
#define RETRY_AFTER apr_time_from_sec(30)

struct cep_ticket {
    krb5_context context; /* for making and freeing only: one thread has it then */
    krb5_ccache cache;
    gss_cred_id_t credential;
    apr_time_t renewal, end;       /* by cep_monotonic() */
    volatile apr_uint32_t holders; /* atomic */
};

/* What the thread that asks the KDC works on: nothing in it is in a pool. */
struct order {
    char *host, *keytab, *principal; /* principal NULL: the keytab's first */
    struct cep_ticket *ticket;       /* the result, or NULL */
    krb5_error_code code;
    const char *step; /* that failed; static */
    char message[256];
};

/* --- tickets --- */

static void free_ticket(struct cep_ticket *ticket)
{
    OM_uint32 minor;

    if (ticket->credential)
        gss_release_cred(&minor, &ticket->credential);
    if (ticket->cache)
        krb5_cc_destroy(ticket->context, ticket->cache);
    if (ticket->context)
        krb5_free_context(ticket->context);
    free(ticket);
}

struct cep_ticket *cep_ticket_hold(struct cep_ticket *ticket)
{
    apr_atomic_inc32(&ticket->holders);
    return ticket;
}

void cep_ticket_let_go(struct cep_ticket *ticket)
{
    if (ticket && apr_atomic_dec32(&ticket->holders) == 0)
        free_ticket(ticket);
}

gss_cred_id_t cep_ticket_credential(const struct cep_ticket *ticket)
{
    return ticket->credential;
}

apr_time_t cep_ticket_renewal(const struct cep_ticket *ticket)
{
    apr_time_t now = cep_monotonic();

    if (now < ticket->renewal)
        return ticket->renewal;
    return now + RETRY_AFTER < ticket->end ? now + RETRY_AFTER : ticket->end;
}

/* --- keytabs --- */

static krb5_error_code first_principal(krb5_context context, krb5_keytab keytab,
                                       krb5_principal *principal)
{
    krb5_kt_cursor cursor;
    krb5_keytab_entry entry;
    krb5_error_code code = krb5_kt_start_seq_get(context, keytab, &cursor);

    if (code)
        return code;
    code = krb5_kt_next_entry(context, keytab, &entry, &cursor);
    if (!code) {
        code = krb5_copy_principal(context, entry.principal, principal);
        krb5_free_keytab_entry_contents(context, &entry);
    }
    krb5_kt_end_seq_get(context, keytab, &cursor);
    return code == KRB5_KT_END ? KRB5_KT_NOTFOUND : code;
}

/* Open the keytab and find the principal in it. *step: what failed. */
static krb5_error_code open_keytab(krb5_context context, const char *path, const char *name,
                                   krb5_keytab *keytab, krb5_principal *principal,
                                   const char **step)
{
    krb5_keytab_entry entry;
    krb5_error_code code;
    struct stat state;
    char *full = NULL;

    *step = "opening the keytab";
    if (stat(path, &state) != 0)
        return errno;
    if (!S_ISREG(state.st_mode)) /* reading a FIFO would wait */
        return KRB5_KT_BADNAME;
    full = malloc(strlen(path) + sizeof("FILE:"));
    if (!full)
        return ENOMEM;
    memcpy(full, "FILE:", sizeof("FILE:") - 1);
    memcpy(full + sizeof("FILE:") - 1, path, strlen(path) + 1);
    code = krb5_kt_resolve(context, full, keytab);
    free(full);
    if (code)
        return code;
    *step = "finding the principal in the keytab";
    if (!name)
        return first_principal(context, *keytab, principal);
    code = krb5_parse_name(context, name, principal);
    if (!code)
        code = krb5_kt_get_entry(context, *keytab, *principal, 0, 0, &entry);
    if (!code)
        krb5_free_keytab_entry_contents(context, &entry);
    return code;
}

const char *cep_directory_check_keytab(const char *path, const char *name, apr_pool_t *pool)
{
    krb5_principal principal = NULL;
    krb5_keytab keytab = NULL;
    const char *step, *wrong = NULL;
    krb5_context context;
    krb5_error_code code = krb5_init_context(&context);

    if (code)
        return "libkrb5 cannot be used; is /etc/krb5.conf in order?";
    code = open_keytab(context, path, name, &keytab, &principal, &step);
    if (code) {
        const char *message = krb5_get_error_message(context, code);

        wrong = apr_psprintf(pool, "%s: %s", step, message);
        krb5_free_error_message(context, message);
    }
    if (principal)
        krb5_free_principal(context, principal);
    if (keytab)
        krb5_kt_close(context, keytab);
    krb5_free_context(context);
    return wrong;
}

/* --- asking the KDC, in a thread of its own --- */

/* Log on and get the ticket for server. *ticket is to be freed. */
static krb5_error_code ask_kdc(struct order *order, krb5_context context, krb5_keytab keytab,
                               krb5_principal client, krb5_principal server, krb5_creds **ticket)
{
    krb5_get_init_creds_opt *options = NULL;
    krb5_creds logon = {0}, wanted = {0};
    krb5_ccache cache = NULL;
    krb5_error_code code;

    order->step = "logging on with the keytab";
    code = krb5_get_init_creds_opt_alloc(context, &options);
    if (code)
        return code;
    /* Nobody is to act with it elsewhere, whatever krb5.conf has as its default. */
    krb5_get_init_creds_opt_set_forwardable(options, 0);
    krb5_get_init_creds_opt_set_proxiable(options, 0);
    code = krb5_get_init_creds_keytab(context, &logon, client, keytab, 0, NULL, options);
    if (!code)
        code = krb5_cc_new_unique(context, "MEMORY", NULL, &cache);
    if (!code)
        code = krb5_cc_initialize(context, cache, logon.client);
    if (!code)
        code = krb5_cc_store_cred(context, cache, &logon);
    if (!code) {
        order->step = "getting a ticket for the LDAP service";
        wanted.client = logon.client;
        wanted.server = server;
        code = krb5_get_credentials(context, 0, cache, &wanted, ticket);
    }
    krb5_free_cred_contents(context, &logon);
    if (cache)
        krb5_cc_destroy(context, cache);
    krb5_get_init_creds_opt_free(context, options);
    return code;
}

/* Store creds under the name server, too: GSSAPI looks for it by that. */
static krb5_error_code store_as(krb5_context context, krb5_ccache cache, const krb5_creds *creds,
                                krb5_principal server)
{
    krb5_creds copy = *creds;

    if (krb5_principal_compare(context, creds->server, server))
        return 0;
    copy.server = server;
    return krb5_cc_store_cred(context, cache, &copy);
}

/*
 * The credential with creds alone, under each name that GSSAPI may ask for: as issued, as asked for
 * (its realm may be open), and as libkrb5 makes the host's name "canonical". Whatever the DNS says,
 * the server has to have the key of the one service that creds are for.
 */
static krb5_error_code make_credential(struct order *order, struct cep_ticket *ticket,
                                       krb5_creds *creds, krb5_principal server)
{
    krb5_context context = ticket->context;
    krb5_principal canonical = NULL;
    OM_uint32 minor = 0;
    krb5_error_code code;

    order->step = "keeping the ticket";
    code = krb5_cc_new_unique(context, "MEMORY", NULL, &ticket->cache);
    if (!code)
        code = krb5_cc_initialize(context, ticket->cache, creds->client);
    if (!code)
        code = krb5_cc_store_cred(context, ticket->cache, creds);
    if (!code)
        code = store_as(context, ticket->cache, creds, server);
    if (!code &&
        krb5_sname_to_principal(context, order->host, "ldap", KRB5_NT_SRV_HST, &canonical) == 0) {
        code = store_as(context, ticket->cache, creds, canonical);
        krb5_free_principal(context, canonical);
    }
    if (!code &&
        GSS_ERROR(gss_krb5_import_cred(&minor, ticket->cache, NULL, NULL, &ticket->credential)))
        code = minor ? (krb5_error_code)minor : KRB5_CC_FORMAT;
    return code;
}

static void set_times(struct cep_ticket *ticket, const krb5_creds *creds)
{
    apr_time_t now = cep_monotonic();
    apr_interval_time_t left =
        apr_time_from_sec((apr_time_t)(apr_uint32_t)creds->times.endtime) - apr_time_now();
    apr_interval_time_t margin = left / 4;

    if (margin > LONGEST_MARGIN)
        margin = LONGEST_MARGIN;
    if (margin < SHORTEST_MARGIN)
        margin = SHORTEST_MARGIN;
    if (margin > left / 10 * 9)
        margin = left / 10 * 9;
    ticket->end = now + left - LAST_MOMENT;
    ticket->renewal = now + left - margin;
}

static void fetch(void *data)
{
    struct order *order = data;
    struct cep_ticket *ticket = calloc(1, sizeof(*ticket));
    krb5_principal client = NULL, server = NULL;
    krb5_keytab keytab = NULL;
    krb5_creds *creds = NULL;
    krb5_error_code code = ENOMEM;

    order->step = "preparing libkrb5";
    if (ticket)
        code = krb5_init_context(&ticket->context);
    if (!code)
        code = open_keytab(ticket->context, order->keytab, order->principal, &keytab, &client,
                           &order->step);
    if (!code) /* KRB5_NT_UNKNOWN: the name as it is, without the DNS */
        code =
            krb5_sname_to_principal(ticket->context, order->host, "ldap", KRB5_NT_UNKNOWN, &server);
    if (!code)
        code = ask_kdc(order, ticket->context, keytab, client, server, &creds);
    if (!code)
        code = make_credential(order, ticket, creds, server);
    if (!code) {
        set_times(ticket, creds);
        ticket->holders = 1;
        order->ticket = ticket;
    }
    order->code = code;
    if (code && ticket && ticket->context) {
        const char *message = krb5_get_error_message(ticket->context, code);

        apr_cpystrn(order->message, message, sizeof(order->message));
        krb5_free_error_message(ticket->context, message);
    }
    if (creds)
        krb5_free_creds(ticket->context, creds);
    if (server)
        krb5_free_principal(ticket->context, server);
    if (client)
        krb5_free_principal(ticket->context, client);
    if (keytab)
        krb5_kt_close(ticket->context, keytab);
    if (code && ticket)
        free_ticket(ticket);
}

static void free_order(void *data)
{
    struct order *order = data;

    cep_ticket_let_go(order->ticket);
    free(order->host);
    free(order->keytab);
    free(order->principal);
    free(order);
}

static struct order *make_order(const struct cep_directory_config *config, const char *host)
{
    struct order *order = calloc(1, sizeof(*order));

    if (!order)
        return NULL;
    order->host = strdup(host);
    order->keytab = strdup(config->keytab);
    order->principal = config->principal ? strdup(config->principal) : NULL;
    if (order->host && order->keytab && (order->principal || !config->principal))
        return order;
    free_order(order);
    return NULL;
}

/* What to do about it, with "; " in front. */
static const char *advice(krb5_error_code code)
{
    switch (code) {
    case KRB5KDC_ERR_PREAUTH_FAILED:
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
    case KRB5KDC_ERR_KEY_EXP:
    case KRB5KDC_ERR_ETYPE_NOSUPP:
        return "; the key in CEPKeytab is not the account's present one, export the keytab anew";
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
    case KRB5_KT_NOTFOUND: return "; check CEPPrincipal and what klist -k shows of CEPKeytab";
    case KRB5KDC_ERR_CLIENT_REVOKED: return "; the account is disabled, locked or expired";
    case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN:
        return "; name the server in CEPURL by the DNS name that its ldap/ service principal has";
    case KRB5KRB_AP_ERR_SKEW: return "; set the clocks right";
    case KRB5_KDC_UNREACH:
    case KRB5_REALM_UNKNOWN:
    case KRB5_REALM_CANT_RESOLVE:
        return "; check that the realm's KDC runs, and krb5.conf or the DNS that say where";
    case EACCES: return "; let httpd's user read CEPKeytab and krb5.conf";
    default: return "; check CEPKeytab, CEPPrincipal and krb5.conf";
    }
}

/* The keytab stands for its keys: it is another one when it has been written. */
static apr_uint64_t key_of_keytab(const struct cep_directory_config *config)
{
    const char *account = config->principal ? config->principal : "";
    apr_uint64_t state[4] = {0};
    struct stat info;

    if (stat(config->keytab, &info) == 0) {
        state[0] = (apr_uint64_t)info.st_ino;
        state[1] = (apr_uint64_t)info.st_size;
        state[2] = (apr_uint64_t)info.st_mtim.tv_sec;
        state[3] = (apr_uint64_t)info.st_mtim.tv_nsec;
    }
    return cep_refused_key(cep_servers_refused(config->servers), config->keytab, account, state,
                           sizeof(state));
}

static apr_status_t order_ticket(struct cep_ticket **ticket,
                                 const struct cep_directory_config *config, const char *host,
                                 apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    struct order *order = make_order(config, host);
    apr_status_t status = APR_EGENERAL;

    *error = "out of memory or threads";
    if (order)
        status = cep_bounded_run(fetch, free_order, order, deadline);
    if (status == APR_TIMEUP)
        *error = apr_psprintf(pool,
                              "getting a Kerberos ticket for ldap/%s: no answer in time; check "
                              "that the realm's KDC runs, and krb5.conf or the DNS that say where",
                              host);
    if (status == APR_SUCCESS && order->code) {
        status = APR_EGENERAL;
        if (order->code == KRB5KDC_ERR_PREAUTH_FAILED)
            cep_refused_note(cep_servers_refused(config->servers), key_of_keytab(config));
        *error =
            apr_psprintf(pool, "Kerberos, %s (ldap/%s): %s%s", order->step, host,
                         *order->message ? order->message : "libkrb5 failed", advice(order->code));
    }
    if (status == APR_SUCCESS)
        *ticket = cep_ticket_hold(order->ticket);
    if (order && status != APR_TIMEUP)
        free_order(order);
    return status;
}

apr_status_t cep_ticket_get(struct cep_ticket **ticket, const struct cep_directory_config *config,
                            const char *url, const char *host, apr_time_t deadline,
                            apr_pool_t *pool, const char **error)
{
    struct cep_ticket *kept = cep_servers_ticket(config->servers, url);
    apr_time_t now = cep_monotonic();
    apr_interval_time_t wait;
    apr_status_t status;

    if (kept && now < kept->renewal) {
        *ticket = kept;
        return APR_SUCCESS;
    }
    wait = cep_refused_for(cep_servers_refused(config->servers), key_of_keytab(config));
    if (wait) {
        status = APR_EGENERAL;
        *error = apr_psprintf(pool,
                              "the KDC has refused the key in %s, so that it is not used again for "
                              "%d min, lest the account be locked out; export the keytab again, "
                              "or, when the account was mended, restart httpd",
                              config->keytab, (int)(wait / apr_time_from_sec(60)) + 1);
    } else {
        status = order_ticket(ticket, config, host, deadline, pool, error);
    }
    if (status == APR_SUCCESS) {
        cep_servers_keep_ticket(config->servers, url, *ticket);
    } else if (kept && cep_monotonic() < kept->end) {
        *ticket = kept;
        return APR_SUCCESS;
    }
    cep_ticket_let_go(kept);
    return status;
}
