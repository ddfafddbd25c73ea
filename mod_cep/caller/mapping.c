/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From what a certificate says to one account: [MS-PKCA] 3.1.5.2.1. Every mapping that is switched
 * on is looked up, so that two that disagree are seen.
 */
#include "lookup.h"

#include <string.h>

#include <apr_strings.h>

/* What was found so far. */
struct mapped {
    const struct cep_entry *entry; /* NULL: nothing yet */
    const char *by;                /* what found it, for messages */
    int strong;
    apr_array_header_t *tried; /* const char *: what was looked for, for messages */
};

static apr_status_t take(struct mapped *mapped, struct cep_lookup *lookup,
                         const struct cep_entry *entry, const char *by, int strong)
{
    APR_ARRAY_PUSH(mapped->tried, const char *) = by;
    if (!entry)
        return APR_SUCCESS;
    if (mapped->entry && !cep_dn_equal(mapped->entry->dn, entry->dn))
        return cep_lookup_fail(lookup, APR_NOTFOUND,
                               "the certificate's %s is that of %s, but its %s is that of %s; it "
                               "must not be mapped to two accounts",
                               mapped->by, mapped->entry->dn, by, entry->dn);
    if (!mapped->entry) {
        mapped->entry = entry;
        mapped->by = by;
    }
    mapped->strong |= strong;
    return APR_SUCCESS;
}

static const char *sid_text(const struct cep_certificate *certificate, apr_pool_t *pool)
{
    char text[CEP_SID_TEXT_MAX];

    return apr_pstrdup(pool, cep_sid_format(&certificate->sid, text));
}

static apr_status_t map_sid(struct mapped *mapped, struct cep_lookup *lookup,
                            const struct cep_certificate *certificate)
{
    struct cep_value value = {certificate->sid.octets, certificate->sid.length};
    const struct cep_entry *entry;
    const char *text;
    apr_status_t rv;

    if (!certificate->has_sid)
        return APR_SUCCESS;
    text = sid_text(certificate, lookup->pool);
    rv = cep_account_search(&entry, lookup, "objectSid", &value, text);
    if (rv != APR_SUCCESS)
        return rv;
    return take(mapped, lookup, entry, apr_pstrcat(lookup->pool, "SID ", text, NULL), 1);
}

static apr_status_t map_altsecids(struct mapped *mapped, struct cep_lookup *lookup,
                                  const struct cep_certificate *certificate)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < certificate->altsecid_count && rv == APR_SUCCESS; i++) {
        const char *text = certificate->altsecids[i];
        struct cep_value value = {(const unsigned char *)text, strlen(text)};
        const struct cep_entry *entry;

        rv = cep_account_search(&entry, lookup, "altSecurityIdentities", &value, text);
        if (rv == APR_SUCCESS)
            rv = take(mapped, lookup, entry,
                      apr_pstrcat(lookup->pool, "altSecurityIdentities ", text, NULL), 1);
    }
    return rv;
}

/* As for a name that httpd authenticated, but it must be a UPN. */
static apr_status_t map_upn(struct mapped *mapped, struct cep_lookup *lookup,
                            const struct cep_certificate *certificate)
{
    const struct cep_entry *entry = NULL;
    struct cep_name name;
    apr_status_t rv;

    if (!certificate->upn)
        return APR_SUCCESS;
    if (!cep_name_parse(&name, certificate->upn, lookup->pool) && *name.realm && !name.is_service) {
        rv = cep_account_search_name(&entry, lookup, &name, certificate->upn);
        if (rv != APR_SUCCESS)
            return rv;
    }
    return take(mapped, lookup, entry, apr_pstrcat(lookup->pool, "UPN ", certificate->upn, NULL),
                0);
}

/* [MS-PKCA] 3.1.5.2.1.1: the name's first label and "$" are the computer's account name. */
static int is_account_of(const struct cep_entry *entry, const char *dns_name, apr_pool_t *pool)
{
    const char *account = cep_entry_text(entry, "sAMAccountName");
    const char *label = apr_pstrmemdup(pool, dns_name, strcspn(dns_name, "."));

    return account && cep_entry_has_class(entry, "computer") &&
           cep_name_equal(account, apr_pstrcat(pool, label, "$", NULL));
}

/* Of several DNS names nobody says which is the computer's. */
static apr_status_t map_dns(struct mapped *mapped, struct cep_lookup *lookup,
                            const struct cep_certificate *certificate)
{
    const char *name = certificate->dns_name;
    const struct cep_entry *entry;
    struct cep_value value;
    apr_status_t rv;

    if (certificate->dns_count == 0)
        return APR_SUCCESS;
    if (certificate->dns_count > 1)
        return take(mapped, lookup, NULL, "one DNS name (it has several)", 0);
    value.data = (const unsigned char *)name;
    value.len = strlen(name);
    rv = cep_account_search(&entry, lookup, "dNSHostName", &value, name);
    if (rv != APR_SUCCESS)
        return rv;
    if (entry && !is_account_of(entry, name, lookup->pool))
        return cep_lookup_fail(lookup, APR_NOTFOUND,
                               "%s has the dNSHostName \"%s\", but it is no computer whose account "
                               "has that name",
                               entry->dn, name);
    return take(mapped, lookup, entry, apr_pstrcat(lookup->pool, "DNS name ", name, NULL), 0);
}

static apr_status_t map_all(struct mapped *mapped, struct cep_lookup *lookup,
                            const struct cep_certificate *certificate, unsigned mappings)
{
    apr_status_t rv = APR_SUCCESS;

    if (mappings & CEP_MAP_SID)
        rv = map_sid(mapped, lookup, certificate);
    if (rv == APR_SUCCESS && (mappings & CEP_MAP_ALTSECID))
        rv = map_altsecids(mapped, lookup, certificate);
    if (rv == APR_SUCCESS && (mappings & CEP_MAP_UPN))
        rv = map_upn(mapped, lookup, certificate);
    if (rv == APR_SUCCESS && (mappings & CEP_MAP_DNS))
        rv = map_dns(mapped, lookup, certificate);
    return rv;
}

apr_status_t cep_certificate_map(struct cep_account *account, struct cep_lookup *lookup,
                                 const struct cep_certificate *certificate, unsigned mappings)
{
    struct mapped mapped = {0};
    apr_status_t rv;

    mapped.tried = apr_array_make(lookup->pool, 8, sizeof(const char *));
    rv = map_all(&mapped, lookup, certificate, mappings);
    if (rv != APR_SUCCESS)
        return rv;
    /* A SID that is not there is that of an account that was deleted. */
    if (!mapped.entry && (mappings & CEP_MAP_RENEWAL) && !certificate->has_sid) {
        account->entry = NULL;
        return APR_SUCCESS;
    }
    if (!mapped.entry && mapped.tried->nelts == 0)
        return cep_lookup_fail(lookup, APR_NOTFOUND,
                               "the certificate holds nothing that CEPCertificateMapping allows to "
                               "look an account up by");
    if (!mapped.entry)
        return cep_lookup_fail(lookup, APR_NOTFOUND, "no account has any of these: %s",
                               apr_array_pstrcat(lookup->pool, mapped.tried, ';'));
    rv = cep_account_read(account, lookup, mapped.entry->dn);
    if (rv != APR_SUCCESS)
        return rv;
    /* [MS-PKCA] 3.1.5.2.1.6, also where the SID is not looked up. */
    if (certificate->has_sid && !mapped.strong &&
        cep_sid_compare(&certificate->sid, &account->sid) != 0)
        return cep_lookup_fail(lookup, APR_NOTFOUND,
                               "the certificate's %s is that of %s, but its SID extension names %s",
                               mapped.by, account->entry->dn, sid_text(certificate, lookup->pool));
    return APR_SUCCESS;
}
