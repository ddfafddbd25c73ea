/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From a name to exactly one account that may be used now. Nobody is the answer to every doubt
 * about who is meant; an error is the answer when the directory does not say enough.
 */
#include "lookup.h"

#include <string.h>

#include <apr_strings.h>

/* Seconds from 1601, where FILETIME begins, to 1970. [MS-DTYP] 2.3.3. */
#define FILETIME_EPOCH INT64_C(11644473600)

/* UF_LOCKOUT in msDS-User-Account-Control-Computed: [MS-ADTS] 3.1.1.4.5.17. */
#define COMPUTED_LOCKOUT 0x00000010

/* What tells whether an entry is the one that was sought. */
static const char *const search_attributes[] = {
    "objectClass", "sAMAccountName",        "userPrincipalName", "servicePrincipalName",
    "objectSid",   "altSecurityIdentities", "dNSHostName",       NULL};

/*
 * What is asked of the account itself. AD tells tokenGroups to a base search only. memberOf stands
 * first, so that it can be passed over.
 */
static const char *const account_attributes[] = {"memberOf",
                                                 "objectClass",
                                                 "sAMAccountName",
                                                 "objectSid",
                                                 "sIDHistory",
                                                 "userAccountControl",
                                                 "msDS-User-Account-Control-Computed",
                                                 "accountExpires",
                                                 "lockoutTime",
                                                 "primaryGroupID",
                                                 "tokenGroups",
                                                 NULL};

/* In AD all of them are subclasses of user; an entry made by hand may not say so. */
static const char *const account_classes[] = {"user", "computer", "msDS-ManagedServiceAccount",
                                              "msDS-GroupManagedServiceAccount", NULL};

static int is_listed(const apr_array_header_t *names, const char *name)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        if (cep_name_equal(APR_ARRAY_IDX(names, i, const char *), name))
            return 1;
    }
    return 0;
}

/* Whether the realm or domain of a name is one of the directory's. */
static int is_served(const struct cep_lookup *lookup, const struct cep_name *name)
{
    const char *wanted = *name->realm ? name->realm : name->domain;
    const char *netbios = lookup->identity->netbios_domain;

    if (*wanted == '\0')
        return 1; /* a bare name */
    if (cep_name_equal(lookup->identity->dns_domain, wanted))
        return 1;
    /* A NetBIOS name is no Kerberos realm. */
    if (*name->domain && netbios && cep_name_equal(netbios, wanted))
        return 1;
    return is_listed(lookup->config->realms, wanted);
}

static int is_value(const char *attribute, const struct cep_value *value,
                    const struct cep_value *wanted)
{
    /* The one attribute among those that are sought by which is not text. */
    if (strcmp(attribute, "objectSid") == 0)
        return value->len == wanted->len && memcmp(value->data, wanted->data, value->len) == 0;
    return cep_value_is_text(value) &&
           cep_name_equal((const char *)value->data, (const char *)wanted->data);
}

/*
 * Whether the entry has just this value. Servers compare more loosely than that: AD ignores
 * accents, X.520 matching folds blanks, so that the answer may be about another name.
 */
static int has_value(const struct cep_entry *entry, const char *attribute,
                     const struct cep_value *wanted)
{
    const struct cep_attribute *found = cep_entry_attribute(entry, attribute);
    int i;

    for (i = 0; i < cep_attribute_count(found); i++) {
        if (is_value(attribute, cep_attribute_value(found, i), wanted))
            return 1;
    }
    return 0;
}

apr_status_t cep_account_search(const struct cep_entry **entry, struct cep_lookup *lookup,
                                const char *attribute, const struct cep_value *value,
                                const char *text)
{
    apr_array_header_t *entries;
    apr_status_t rv;
    int i;

    *entry = NULL;
    rv = cep_lookup_search(lookup, attribute, value, search_attributes, &entries);
    if (rv != APR_SUCCESS)
        return rv;
    for (i = 0; i < entries->nelts; i++) {
        const struct cep_entry *found = APR_ARRAY_IDX(entries, i, const struct cep_entry *);

        if (!has_value(found, attribute, value))
            continue;
        if (*entry)
            return cep_lookup_fail(lookup, APR_NOTFOUND,
                                   "more than one entry has the %s \"%s\" (%s, %s); make it unique",
                                   attribute, text, (*entry)->dn, found->dn);
        *entry = found;
    }
    return APR_SUCCESS;
}

static struct cep_value text_value(const char *text)
{
    struct cep_value value = {(const unsigned char *)text, strlen(text)};

    return value;
}

static apr_status_t search_text(const struct cep_entry **entry, struct cep_lookup *lookup,
                                const char *attribute, const char *text)
{
    struct cep_value value = text_value(text);

    return cep_account_search(entry, lookup, attribute, &value, text);
}

/* user@realm: by userPrincipalName, whatever its suffix, and by sAMAccountName or SPN if served. */
static apr_status_t search_principal(const struct cep_entry **entry, struct cep_lookup *lookup,
                                     const struct cep_name *name, const char *user)
{
    const char *attribute = name->is_service ? "servicePrincipalName" : "sAMAccountName";
    struct cep_value account = text_value(name->account);
    const struct cep_entry *by_upn, *by_name;
    apr_status_t rv;

    rv = search_text(&by_upn, lookup, "userPrincipalName", user);
    if (rv != APR_SUCCESS)
        return rv;
    *entry = by_upn;
    if (!is_served(lookup, name)) {
        if (!by_upn)
            cep_lookup_fail(lookup, APR_NOTFOUND,
                            "no account has the userPrincipalName \"%s\", and the realm \"%s\" is "
                            "not served by this directory; name it with CEPRealm if it is",
                            user, name->realm);
        return APR_SUCCESS;
    }
    if (by_upn && has_value(by_upn, attribute, &account))
        return APR_SUCCESS;
    rv = search_text(&by_name, lookup, attribute, name->account);
    if (rv != APR_SUCCESS)
        return rv;
    /* A KDC may have meant the one or the other. */
    if (by_upn && by_name && !cep_dn_equal(by_upn->dn, by_name->dn))
        return cep_lookup_fail(lookup, APR_NOTFOUND,
                               "\"%s\" is the userPrincipalName of %s, but %s has the %s \"%s\"; "
                               "rename one of them",
                               user, by_upn->dn, by_name->dn, attribute, name->account);
    *entry = by_upn ? by_upn : by_name;
    return APR_SUCCESS;
}

apr_status_t cep_account_search_name(const struct cep_entry **entry, struct cep_lookup *lookup,
                                     const struct cep_name *name, const char *user)
{
    *entry = NULL;
    cep_lookup_fail(lookup, APR_NOTFOUND, "no account is named \"%s\"", user);
    if (*name->realm)
        return search_principal(entry, lookup, name, user);
    if (is_served(lookup, name))
        return search_text(entry, lookup,
                           name->is_service ? "servicePrincipalName" : "sAMAccountName",
                           name->account);
    cep_lookup_fail(lookup, APR_NOTFOUND,
                    "the domain \"%s\" of \"%s\" is not served by this directory; name it with "
                    "CEPRealm if it is",
                    name->domain, user);
    return APR_SUCCESS;
}

/* The account's own entry, with all that is needed. AD needs no memberOf, which may be long. */
static apr_status_t read_entry(const struct cep_entry **entry, struct cep_lookup *lookup,
                               const char *dn)
{
    apr_status_t rv;

    rv = cep_lookup_read(lookup, dn,
                         account_attributes + (lookup->identity->active_directory ? 1 : 0), entry);
    if (rv == APR_NOTFOUND)
        return cep_lookup_fail(lookup, APR_NOTFOUND, "the account %s cannot be read any more", dn);
    return rv;
}

static int is_account_class(const struct cep_entry *entry)
{
    int i;

    for (i = 0; account_classes[i]; i++) {
        if (cep_entry_has_class(entry, account_classes[i]))
            return 1;
    }
    return 0;
}

/*
 * Without one of these it cannot be told who the account is, or whether it is disabled. In AD
 * userAccountControl, accountExpires and the computed attribute are in one property set ("Account
 * Restrictions"): who may read the first sees the others when they are there.
 */
static apr_status_t read_account(struct cep_account *account, struct cep_lookup *lookup)
{
    const struct cep_entry *entry = account->entry;
    const struct cep_attribute *sid = cep_entry_attribute(entry, "objectSid");
    int64_t control;

    account->name = cep_entry_text(entry, "sAMAccountName");
    if (!account->name)
        return cep_lookup_fail(lookup, APR_EGENERAL, "%s has no readable sAMAccountName",
                               entry->dn);
    if (cep_attribute_count(sid) != 1 ||
        !cep_sid_read(&account->sid, cep_attribute_value(sid, 0)->data,
                      cep_attribute_value(sid, 0)->len))
        return cep_lookup_fail(lookup, APR_EGENERAL,
                               "%s has no readable objectSid; let the directory's account read it",
                               entry->dn);
    if (!cep_entry_integer(&control, entry, "userAccountControl"))
        return cep_lookup_fail(lookup, APR_EGENERAL,
                               "%s has no readable userAccountControl, so that it cannot be told "
                               "whether it is disabled; let the directory's account read it, or "
                               "add it to the LDIF file (512 for a user, 4096 for a computer)",
                               entry->dn);
    account->control = (uint32_t)control;
    return APR_SUCCESS;
}

apr_status_t cep_account_read(struct cep_account *account, struct cep_lookup *lookup,
                              const char *dn)
{
    apr_status_t rv;

    rv = read_entry(&account->entry, lookup, dn);
    if (rv != APR_SUCCESS)
        return rv;
    if (!is_account_class(account->entry))
        return cep_lookup_fail(lookup, APR_NOTFOUND,
                               "%s is neither user, computer nor managed service account",
                               account->entry->dn);
    return read_account(account, lookup);
}

/* An absent value is 0; one that cannot be read is an error. */
static apr_status_t optional_integer(int64_t *value, struct cep_lookup *lookup,
                                     const struct cep_entry *entry, const char *attribute)
{
    *value = 0;
    if (!cep_entry_attribute(entry, attribute) || cep_entry_integer(value, entry, attribute))
        return APR_SUCCESS;
    return cep_lookup_fail(lookup, APR_EGENERAL, "the %s of %s is no number", attribute, entry->dn);
}

/*
 * Only the server knows how long a lockout lasts (it depends on password policies); it says so in
 * the computed attribute. Where there is none, an account once locked stays so until lockoutTime is
 * 0 again, as AD sets it at the next good logon.
 */
static apr_status_t check_lockout(struct cep_lookup *lookup, const struct cep_account *account)
{
    static const char computed[] = "msDS-User-Account-Control-Computed";
    const struct cep_entry *entry = account->entry;
    int64_t value;
    apr_status_t rv;

    /* Computers are never locked out: [MS-ADTS] 3.1.1.4.5.17. */
    if (account->control & (CEP_ACCOUNT_WORKSTATION_TRUST | CEP_ACCOUNT_SERVER_TRUST))
        return APR_SUCCESS;
    if (cep_entry_attribute(entry, computed)) {
        rv = optional_integer(&value, lookup, entry, computed);
        if (rv == APR_SUCCESS && (value & COMPUTED_LOCKOUT))
            return cep_lookup_fail(lookup, APR_NOTFOUND, "%s is locked out", entry->dn);
        return rv;
    }
    rv = optional_integer(&value, lookup, entry, "lockoutTime");
    if (rv == APR_SUCCESS && value != 0)
        return cep_lookup_fail(lookup, APR_NOTFOUND, "%s is locked out (lockoutTime is not 0)",
                               entry->dn);
    return rv;
}

static apr_status_t check_expiry(struct cep_lookup *lookup, const struct cep_entry *entry,
                                 apr_time_t now)
{
    int64_t expires;
    apr_status_t rv;

    rv = optional_integer(&expires, lookup, entry, "accountExpires");
    /* 0 means never; so does 0x7FFFFFFFFFFFFFFF, which is in the year 30828. */
    if (rv != APR_SUCCESS || expires == 0)
        return rv;
    /* Microseconds since 1970 against units of 100 ns since 1601: compare in seconds. */
    if (expires / 10000000 - FILETIME_EPOCH <= apr_time_sec(now))
        return cep_lookup_fail(lookup, APR_NOTFOUND, "%s has expired (accountExpires)", entry->dn);
    return APR_SUCCESS;
}

apr_status_t cep_account_check(struct cep_lookup *lookup, struct cep_account *account,
                               apr_time_t now)
{
    apr_status_t rv;

    if (account->control & CEP_ACCOUNT_DISABLED)
        return cep_lookup_fail(lookup, APR_NOTFOUND, "%s is disabled", account->entry->dn);
    if (account->control & CEP_ACCOUNT_INTERDOMAIN_TRUST)
        return cep_lookup_fail(lookup, APR_NOTFOUND, "%s stands for a trust, not for a caller",
                               account->entry->dn);
    rv = check_expiry(lookup, account->entry, now);
    if (rv != APR_SUCCESS)
        return rv;
    return check_lockout(lookup, account);
}
