/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The steps from a name to a caller, and what the steps have in common. */
#include "cep_caller.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "lookup.h"

apr_status_t cep_lookup_fail(struct cep_lookup *lookup, apr_status_t rv, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lookup->error = apr_pvsprintf(lookup->pool, format, args);
    va_end(args);
    return rv;
}

static apr_status_t run_query(struct cep_lookup *lookup, const struct cep_query *query,
                              apr_array_header_t **entries)
{
    apr_interval_time_t left = lookup->deadline - cep_monotonic();

    if (left <= 0)
        return cep_lookup_fail(lookup, APR_TIMEUP, "%s did not tell all about the caller in time",
                               lookup->identity->source);
    return cep_directory_query(lookup->directory, query, left, entries, lookup->pool,
                               &lookup->error);
}

apr_status_t cep_lookup_search(struct cep_lookup *lookup, const char *attribute,
                               const struct cep_value *value, const char *const *attributes,
                               apr_array_header_t **entries)
{
    struct cep_query query = {0};
    apr_status_t rv;

    query.base = lookup->identity->domain_dn;
    query.scope = CEP_SCOPE_SUBTREE;
    query.attribute = attribute;
    query.value = *value;
    query.attributes = attributes;
    rv = run_query(lookup, &query, entries);
    /* That the domain is missing says nothing about the caller. */
    return rv == APR_NOTFOUND ? APR_EGENERAL : rv;
}

apr_status_t cep_lookup_read(struct cep_lookup *lookup, const char *dn,
                             const char *const *attributes, const struct cep_entry **entry)
{
    struct cep_query query = {0};
    apr_array_header_t *entries;
    apr_status_t rv;

    query.base = dn;
    query.scope = CEP_SCOPE_BASE;
    query.attributes = attributes;
    rv = run_query(lookup, &query, &entries);
    if (rv != APR_SUCCESS)
        return rv;
    /* Some servers hide an entry that may not be read instead of denying its existence. */
    if (entries->nelts != 1)
        return APR_NOTFOUND;
    *entry = APR_ARRAY_IDX(entries, 0, const struct cep_entry *);
    return APR_SUCCESS;
}

int cep_entry_integer(int64_t *value, const struct cep_entry *entry, const char *attribute)
{
    const char *text = cep_entry_text(entry, attribute);
    char *end;
    long long number;

    if (!text || !(*text == '-' || (*text >= '0' && *text <= '9')))
        return 0;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return 0;
    *value = number;
    return 1;
}

static apr_status_t too_many(struct cep_lookup *lookup, const struct cep_entry *entry)
{
    return cep_lookup_fail(lookup, APR_ENOSPC,
                           "%s has more than %d SIDs; take it out of some groups", entry->dn,
                           CEP_TOKEN_MAX_SIDS);
}

apr_status_t cep_entry_sids(apr_array_header_t *sids, struct cep_lookup *lookup,
                            const struct cep_entry *entry, const char *attribute)
{
    const struct cep_attribute *found = cep_entry_attribute(entry, attribute);
    int i;

    for (i = 0; i < cep_attribute_count(found); i++) {
        const struct cep_value *value = cep_attribute_value(found, i);
        struct cep_sid sid;

        if (!cep_sid_read(&sid, value->data, value->len))
            return cep_lookup_fail(lookup, APR_EGENERAL, "a value of %s of %s is no SID", attribute,
                                   entry->dn);
        if (sids->nelts >= CEP_TOKEN_MAX_SIDS)
            return too_many(lookup, entry);
        APR_ARRAY_PUSH(sids, struct cep_sid) = sid;
    }
    return APR_SUCCESS;
}

/* All SIDs of the account, into a caller. */
static apr_status_t make_caller(struct cep_caller **caller, struct cep_lookup *lookup,
                                const struct cep_account *account)
{
    apr_array_header_t *sids = apr_array_make(lookup->pool, 64, sizeof(struct cep_sid));
    apr_status_t rv;

    APR_ARRAY_PUSH(sids, struct cep_sid) = account->sid;
    rv = cep_entry_sids(sids, lookup, account->entry, "sIDHistory");
    if (rv != APR_SUCCESS)
        return rv;
    rv = cep_groups_find(sids, lookup, account);
    if (rv != APR_SUCCESS)
        return rv;
    cep_wellknown_add(sids, account);
    if (sids->nelts > CEP_TOKEN_MAX_SIDS)
        return too_many(lookup, account->entry);
    *caller = apr_palloc(lookup->pool, sizeof(**caller));
    (*caller)->dn = apr_pstrdup(lookup->pool, account->entry->dn);
    (*caller)->account = apr_pstrdup(lookup->pool, account->name);
    (*caller)->sid = account->sid;
    (*caller)->token = cep_token_make(sids);
    return APR_SUCCESS;
}

/* For key-based renewal: without SIDs, so that nothing else can be had by it. */
static struct cep_caller *make_renewer(const struct cep_lookup *lookup,
                                       const struct cep_account *account,
                                       const struct cep_certificate *certificate)
{
    struct cep_caller *caller = cep_caller_without_account(certificate->label, lookup->pool);

    if (account->entry) {
        caller->dn = apr_pstrdup(lookup->pool, account->entry->dn);
        caller->account = apr_pstrdup(lookup->pool, account->name);
        caller->sid = account->sid;
    }
    return caller;
}

static apr_status_t name_account(struct cep_account *account, struct cep_lookup *lookup,
                                 const char *user)
{
    const struct cep_entry *found;
    struct cep_name name;
    const char *problem;
    apr_status_t rv;

    problem = cep_name_parse(&name, user, lookup->pool);
    if (problem)
        return cep_lookup_fail(lookup, APR_NOTFOUND, "%s", problem);
    rv = cep_account_search_name(&found, lookup, &name, user);
    if (rv != APR_SUCCESS)
        return rv;
    return found ? cep_account_read(account, lookup, found->dn) : APR_NOTFOUND;
}

static apr_status_t certificate_account(struct cep_account *account, struct cep_lookup *lookup,
                                        const struct cep_certificate *certificate,
                                        unsigned mappings)
{
    apr_status_t rv;

    if (!(mappings & CEP_MAP_RENEWAL)) {
        rv = cep_certificate_check(lookup, certificate, apr_time_now());
        if (rv != APR_SUCCESS)
            return rv;
    }
    return cep_certificate_map(account, lookup, certificate, mappings);
}

/* By name, or (user NULL) by certificate; from the account on there is one way. */
static apr_status_t find(struct cep_caller **caller, struct cep_lookup *lookup, const char *user,
                         const struct cep_certificate *certificate, unsigned mappings)
{
    struct cep_account account = {0};
    apr_status_t rv;

    if (*lookup->identity->domain_dn == '\0')
        return cep_lookup_fail(lookup, APR_EGENERAL,
                               "%s has no domain naming context in which to look accounts up",
                               lookup->identity->source);
    if (user)
        rv = name_account(&account, lookup, user);
    else
        rv = certificate_account(&account, lookup, certificate, mappings);
    if (rv == APR_SUCCESS && account.entry)
        rv = cep_account_check(lookup, &account, apr_time_now());
    if (rv != APR_SUCCESS)
        return rv;
    if (certificate && (mappings & CEP_MAP_RENEWAL)) {
        *caller = make_renewer(lookup, &account, certificate);
        return APR_SUCCESS;
    }
    return make_caller(caller, lookup, &account);
}

struct cep_caller *cep_caller_without_account(const char *name, apr_pool_t *pool)
{
    struct cep_caller *caller = apr_pcalloc(pool, sizeof(*caller));

    caller->dn = "";
    caller->account = apr_pstrdup(pool, name);
    caller->token = cep_token_make(apr_array_make(pool, 1, sizeof(struct cep_sid)));
    return caller;
}

static void begin(struct cep_lookup *lookup, struct cep_directory *directory,
                  const struct cep_directory_config *config, apr_interval_time_t limit,
                  apr_pool_t *pool)
{
    memset(lookup, 0, sizeof(*lookup));
    lookup->directory = directory;
    lookup->identity = cep_directory_identity(directory);
    lookup->config = config;
    lookup->deadline = cep_monotonic() + limit;
    lookup->pool = pool;
}

apr_status_t cep_caller_find(struct cep_caller **caller, struct cep_directory *directory,
                             const struct cep_directory_config *config, const char *user,
                             apr_interval_time_t limit, apr_pool_t *pool, const char **error)
{
    struct cep_lookup lookup;
    apr_status_t rv;

    *caller = NULL;
    begin(&lookup, directory, config, limit, pool);
    rv = find(caller, &lookup, user, NULL, 0);
    *error = rv == APR_SUCCESS ? NULL : lookup.error;
    return rv;
}

apr_status_t cep_caller_find_certificate(struct cep_caller **caller,
                                         struct cep_directory *directory,
                                         const struct cep_directory_config *config,
                                         const struct cep_certificate *certificate,
                                         unsigned mappings, apr_interval_time_t limit,
                                         apr_pool_t *pool, const char **error)
{
    struct cep_lookup lookup;
    apr_status_t rv;

    *caller = NULL;
    begin(&lookup, directory, config, limit, pool);
    rv = find(caller, &lookup, NULL, certificate, mappings);
    *error = rv == APR_SUCCESS ? NULL : lookup.error;
    return rv;
}
