/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Key-based renewal: who is answered. It is for those who hold a certificate and may have no
 * account, so Kerberos is of no use to it; Windows' role service refuses the two together as well.
 */
#include "check.h"
#include "conftree.h"

#include "http_core.h"

#include <apr_strings.h>

static int is_kerberos(const char *type)
{
    return type && (!ap_cstr_casecmp(type, "GSSAPI") || !ap_cstr_casecmp(type, "Negotiate") ||
                    !ap_cstr_casecmp(type, "Kerberos"));
}

/* The first argument of a directive beside node, in the same section; NULL when it has none. */
static const char *beside(const ap_directive_t *node, const char *directive, apr_pool_t *pool)
{
    const ap_directive_t *other = node->parent ? node->parent->first_child : ap_conftree;
    const char *found = NULL;

    for (; other; other = other->next) {
        if (cep_conf_is(other, directive))
            found = cep_conf_argument(other, pool);
    }
    return found;
}

const char *cep_renewal_check(const ap_directive_t *node, apr_pool_t *pool)
{
    const char *type, *pac;

    if (!cep_conf_is(node, "CEPKeyBasedRenewal") ||
        ap_cstr_casecmp(cep_conf_argument(node, pool), "On"))
        return NULL;
    type = beside(node, "AuthType", pool);
    if (is_kerberos(type))
        return apr_psprintf(pool,
                            "CEPKeyBasedRenewal On at %s:%d and AuthType %s do not go together: "
                            "who has a Kerberos ticket enrolls by his account; authenticate by "
                            "user name or by client certificate here",
                            node->filename, node->line_num, type);
    pac = beside(node, "CEPRequirePAC", pool);
    if (pac && !ap_cstr_casecmp(pac, "On"))
        return apr_psprintf(pool,
                            "CEPKeyBasedRenewal On at %s:%d and CEPRequirePAC On would refuse "
                            "everybody: a PAC is part of a Kerberos ticket",
                            node->filename, node->line_num);
    return NULL;
}

int cep_renewal_refuses(request_rec *r, const struct cep_dir_config *conf)
{
    if (conf->key_based_renewal != 1 || !is_kerberos(r->ap_auth_type))
        return 0;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "CEP0640: user %s came by Kerberos and is refused by CEPKeyBasedRenewal; "
                  "authenticate by user name or by client certificate here",
                  r->user ? ap_escape_logitem(r->pool, r->user) : "without a name");
    return 1;
}

struct cep_caller *cep_renewal_without_directory(request_rec *r, const struct cep_dir_config *conf,
                                                 const struct cep_source *source, const char *name,
                                                 const char *error)
{
    if (conf->key_based_renewal != 1)
        return NULL;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "CEP0641: directory %s cannot tell who %s is: %s; the answer goes out all the "
                  "same, for key-based renewal asks it for no right",
                  source->name, ap_escape_logitem(r->pool, name),
                  ap_escape_logitem(r->pool, error));
    return cep_caller_without_account(name, r->pool);
}

apr_status_t cep_renewal_find_owner(struct cep_caller **caller, enum cep_token_age *kept,
                                    request_rec *r, const struct cep_dir_config *conf,
                                    const struct cep_source *source,
                                    const struct cep_snapshot *snapshot,
                                    const struct cep_certificate *certificate, unsigned mappings,
                                    const char **error)
{
    const apr_array_header_t *cas = cep_snapshot_ca_certificates(snapshot, r->pool);
    const char *stranger = cep_certificate_check_issued(certificate, cas, apr_time_now());
    apr_status_t rv;

    if (stranger) {
        rv = cep_callers_find_certificate(caller, kept, source->callers, certificate, mappings,
                                          r->pool, error);
        if (rv == APR_NOTFOUND)
            *error = apr_pstrcat(r->pool, stranger, "; and as that of an account: ", *error, NULL);
        return rv;
    }
    /* A SID is looked up in any case: it can only shut somebody out here. */
    rv = cep_callers_find_certificate(caller, kept, source->callers, certificate,
                                      mappings | CEP_MAP_SID | CEP_MAP_RENEWAL, r->pool, error);
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND)
        return rv;
    *caller = cep_renewal_without_directory(r, conf, source, certificate->label, *error);
    return APR_SUCCESS;
}
