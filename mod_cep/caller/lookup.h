/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What the files of this room share: one look-up under way, and its steps. */
#ifndef CEP_CALLER_LOOKUP_H
#define CEP_CALLER_LOOKUP_H

#include <stdint.h>

#include "cep_caller.h"

struct X509_name_st; /* OpenSSL's X509_NAME */

struct cep_lookup {
    struct cep_directory *directory;
    const struct cep_directory_identity *identity;
    const struct cep_directory_config *config;
    apr_time_t deadline; /* of the monotonic clock */
    apr_pool_t *pool;
    const char *error; /* why the last step did not return APR_SUCCESS */
};

/* The flags of userAccountControl that are looked at: [MS-ADTS] 2.2.16. */
enum {
    CEP_ACCOUNT_DISABLED = 0x00000002,
    CEP_ACCOUNT_INTERDOMAIN_TRUST = 0x00000800,
    CEP_ACCOUNT_WORKSTATION_TRUST = 0x00001000,
    CEP_ACCOUNT_SERVER_TRUST = 0x00002000,   /* a domain controller */
    CEP_ACCOUNT_PARTIAL_SECRETS = 0x04000000 /* a read-only domain controller */
};

/* The account and what its entry says. */
struct cep_account {
    const struct cep_entry *entry;
    const char *name; /* sAMAccountName */
    struct cep_sid sid;
    uint32_t control; /* userAccountControl */
};

/* Set lookup->error and hand rv back. */
apr_status_t cep_lookup_fail(struct cep_lookup *lookup, apr_status_t rv, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Entries of the domain whose attribute has the value, within what is left of the time. */
apr_status_t cep_lookup_search(struct cep_lookup *lookup, const char *attribute,
                               const struct cep_value *value, const char *const *attributes,
                               apr_array_header_t **entries);

/* The entry of that DN; APR_NOTFOUND when there is none. */
apr_status_t cep_lookup_read(struct cep_lookup *lookup, const char *dn,
                             const char *const *attributes, const struct cep_entry **entry);

/* ASCII letters of either case are the same, all other octets must be equal. */
int cep_name_equal(const char *a, const char *b);

/*
 * The one entry of the domain whose attribute has that value, exactly; NULL when none has. More
 * than one: APR_NOTFOUND. text says what the value is in messages.
 */
apr_status_t cep_account_search(const struct cep_entry **entry, struct cep_lookup *lookup,
                                const char *attribute, const struct cep_value *value,
                                const char *text);

/*
 * The one entry that name means, as user wrote it. NULL when there is none: lookup->error then says
 * why. APR_NOTFOUND where more than one may be meant.
 */
apr_status_t cep_account_search_name(const struct cep_entry **entry, struct cep_lookup *lookup,
                                     const struct cep_name *name, const char *user);

/* Read what is needed of the account with that DN; APR_NOTFOUND when it is none. */
apr_status_t cep_account_read(struct cep_account *account, struct cep_lookup *lookup,
                              const char *dn);

/* APR_NOTFOUND when the account may not be used now. */
apr_status_t cep_account_check(struct cep_lookup *lookup, struct cep_account *account,
                               apr_time_t now);

/* APR_NOTFOUND unless the certificate can be used now and a CA of NTAuthCertificates issued it. */
apr_status_t cep_certificate_check(struct cep_lookup *lookup,
                                   const struct cep_certificate *certificate, apr_time_t now);

/*
 * The one account that the certificate is mapped to, read; APR_NOTFOUND when there is none. With
 * CEP_MAP_RENEWAL account->entry is NULL where it need not have one.
 */
apr_status_t cep_certificate_map(struct cep_account *account, struct cep_lookup *lookup,
                                 const struct cep_certificate *certificate, unsigned mappings);

/* A name as Windows writes it in altSecurityIdentities, or NULL when that is not known for sure. */
const char *cep_x500_text(const struct X509_name_st *name, apr_pool_t *pool);

/* The value as a number; 0 when there is none or it is no decimal number of 64 bits. */
int cep_entry_integer(int64_t *value, const struct cep_entry *entry, const char *attribute);

/* Append all SIDs of a binary attribute. */
apr_status_t cep_entry_sids(apr_array_header_t *sids, struct cep_lookup *lookup,
                            const struct cep_entry *entry, const char *attribute);

/* Append the SIDs of all groups that the account is in, its primary group included. */
apr_status_t cep_groups_find(apr_array_header_t *sids, struct cep_lookup *lookup,
                             const struct cep_account *account);

/* The walk through memberOf, member and primaryGroupID, where there is no tokenGroups. */
apr_status_t cep_groups_walk(apr_array_header_t *sids, struct cep_lookup *lookup,
                             const struct cep_account *account);

/* Append the SIDs that an authenticated account has without being a member of anything. */
void cep_wellknown_add(apr_array_header_t *sids, const struct cep_account *account);

#endif
