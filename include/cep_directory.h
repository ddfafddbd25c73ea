/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From a directory to entries: one interface, two sources (an LDIF file, an LDAP server). What a
 * caller asks is structured, never a filter string, so that both sources mean the same by it and
 * escaping has one place (ldap_search.c).
 */
#ifndef CEP_DIRECTORY_H
#define CEP_DIRECTORY_H

#include <apr_file_info.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "cep_entry.h"
#include "cep_log.h"

enum cep_bind_method {
    CEP_BIND_ANONYMOUS, /* no bind name: what a server without CEPBind gets */
    CEP_BIND_SIMPLE,    /* DN (or AD's user@realm) and a password read from a file */
    CEP_BIND_EXTERNAL,  /* SASL EXTERNAL: the local user on ldapi:// */
    CEP_BIND_GSSAPI     /* SASL GSSAPI by a keytab: sealed, or within TLS and bound to it */
};

/*
 * What a process remembers about the servers of one directory: which of them failed of late, and
 * Kerberos tickets. Safe for all threads; made before a fork, it is each process's own after it,
 * all but the credentials that were refused, which the processes share.
 */
struct cep_servers;
struct cep_servers *cep_servers_make(apr_pool_t *pool);

/* Seconds for which callers pass over a server that has just failed. */
#define CEP_SERVER_PASSED_OVER 2

/* How long credentials that a server has refused are not sent to it again: as long as AD counts
 * wrong passwords by default. Other ones, of a file that has changed, are sent at once. */
#define CEP_REFUSED_WAIT apr_time_from_sec(30 * 60)

/* What a <CEPDirectory> says. Read-only while it is used; may be shared by threads. */
struct cep_directory_config {
    const char *name;         /* the section's name, for messages */
    apr_array_header_t *urls; /* of const char *, in order of preference */
    const char *site;         /* with URLs of domains: AD's name of the site we are in; or NULL */
    enum cep_bind_method bind;
    const char *bind_dn;             /* with CEP_BIND_SIMPLE */
    const char *password_file;       /* with CEP_BIND_SIMPLE; read anew at each bind */
    const char *keytab;              /* with CEP_BIND_GSSAPI */
    const char *principal;           /* with CEP_BIND_GSSAPI; NULL: the keytab's first */
    int start_tls;                   /* with ldap:// only; required, never opportunistic */
    const char *ca_certificate_file; /* PEM; NULL: the system's default */
    apr_interval_time_t timeout; /* for each exchange with a server: connect, TLS, bind, a page */
    apr_array_header_t *realms;  /* of const char *: more names of CEPRealm */
    struct cep_servers *servers; /* NULL: nothing is remembered */
};

/* Limits on what a source may hand in; beyond them the read fails, nothing is cut short. */
#define CEP_DIRECTORY_MAX_ENTRIES 200000              /* of one query's answer */
#define CEP_DIRECTORY_MAX_BYTES   (512 * 1024 * 1024) /* of one query's answer, all values */
#define CEP_DIRECTORY_MAX_PDU     (64 * 1024 * 1024)  /* of one LDAP message */
#define CEP_LDIF_MAX_FILE         (256 * 1024 * 1024)
#define CEP_PASSWORD_FILE_MAX     1024

/* Who the directory says it is; read once when it is opened. Strings are never NULL unless said. */
struct cep_directory_identity {
    const char *configuration_dn; /* base of the forest's configuration partition */
    const char *domain_dn;        /* default naming context, or "" when there is none */
    const char *dns_domain;       /* from domain_dn's DC= parts, lower case, or "" */
    const char *netbios_domain;   /* nETBIOSName of the domain's crossRef, or NULL */
    const char *forest_id;        /* objectGUID of configuration_dn in hex, else its DN in lower
                                     case without blanks around separators */
    int active_directory;         /* the server says that it is AD (supportedCapabilities) */
    const char *source;           /* the URL in use, for messages */
};

enum cep_scope { CEP_SCOPE_BASE, CEP_SCOPE_ONE, CEP_SCOPE_SUBTREE };

/*
 * Entries at base, within scope, of object_class (NULL: any), whose attribute (NULL: no further
 * condition) has value. Equality is without regard to (ASCII) case for text, by DN for the
 * attributes "member", "memberOf" and "nCName", by octets for "objectSid" and "objectGUID".
 */
struct cep_query {
    const char *base; /* "" with CEP_SCOPE_BASE is the root DSE */
    enum cep_scope scope;
    const char *object_class;
    const char *attribute;
    struct cep_value value;
    const char *const *attributes; /* what to return, NULL-terminated; NULL: all. Name constructed
                                      attributes (tokenGroups) and nTSecurityDescriptor */
};

struct cep_directory; /* an opened source. Not thread safe: one thread at a time */

/*
 * Open the first URL of config that answers, bind, and read the identity. Every network wait is
 * bounded by config->timeout; the whole call by (number of servers x 4 x timeout). Closed by
 * destroying pool, or by cep_directory_close() before that.
 * Returns APR_SUCCESS; else a status, and *error a sentence that names each URL tried and what is
 * wrong with it (in pool, without a code and without a secret).
 */
apr_status_t cep_directory_open(struct cep_directory **directory,
                                const struct cep_directory_config *config,
                                const struct cep_log *log, apr_pool_t *pool, const char **error);

/*
 * The same for who waits for it: the whole call ends within limit, and servers that have just
 * failed are passed over (config->servers).
 */
apr_status_t cep_directory_open_within(struct cep_directory **directory,
                                       const struct cep_directory_config *config,
                                       apr_interval_time_t limit, const struct cep_log *log,
                                       apr_pool_t *pool, const char **error);

/*
 * The servers of config in the order in which they are to be asked: for who has to begin anew with
 * the next one when a server fails after it was opened. Domains are looked up in the DNS now.
 */
struct cep_candidates;
struct cep_candidates *cep_directory_candidates(const struct cep_directory_config *config,
                                                const struct cep_log *log, apr_pool_t *pool);

/*
 * cep_directory_open() with the servers that have not been tried yet, so that each is tried once.
 * With none left, *error names all that were tried, those that were given up too.
 */
apr_status_t cep_directory_open_next(struct cep_directory **directory,
                                     struct cep_candidates *candidates, apr_pool_t *pool,
                                     const char **error);

/* Close the server that was opened: it was of no use. why: the sentence that a query gave. */
void cep_directory_give_up(struct cep_directory *directory, struct cep_candidates *candidates,
                           apr_status_t status, const char *why);

void cep_directory_close(struct cep_directory *directory);

const struct cep_directory_identity *cep_directory_identity(const struct cep_directory *directory);

/*
 * Run a query to its end, all pages, ranged values completed (attr;range=0-1499). All or nothing:
 * a size limit, a referral as the only answer, a dropped connection or a limit above is an error.
 * *entries: array of struct cep_entry *, in pool. limit bounds the whole query; each page is
 * bounded by the configuration's timeout too. Returns APR_SUCCESS (also with no entries),
 * APR_NOTFOUND when base does not exist, APR_TIMEUP, APR_EBUSY when an LDIF file changes while it
 * is read, or another status; *error as above. After any error but APR_NOTFOUND the directory must
 * be closed: cep_directory_usable() is 0. So it is some time before the credentials expire that it
 * was opened with; a query under way then is not harmed.
 */
apr_status_t cep_directory_query(struct cep_directory *directory, const struct cep_query *query,
                                 apr_interval_time_t limit, apr_array_header_t **entries,
                                 apr_pool_t *pool, const char **error);

/*
 * The same, entry by entry: take is called for each of them as it comes and may use it until it
 * returns, so that a large answer is never in memory as a whole. After an error some entries may
 * have been taken: what was made of them is to be thrown away.
 */
apr_status_t cep_directory_each(struct cep_directory *directory, const struct cep_query *query,
                                apr_interval_time_t limit,
                                void (*take)(void *baton, const struct cep_entry *entry),
                                void *baton, apr_pool_t *pool, const char **error);

int cep_directory_usable(const struct cep_directory *directory);

/* The clock of deadlines, in microseconds: one that nobody can set. */
apr_time_t cep_monotonic(void);

/* 1 when a and b name the same entry: case, blanks around ',' '=' '+' and hex escapes aside. */
int cep_dn_equal(const char *a, const char *b);

/* 1 when dn is base or stands below it. */
int cep_dn_is_within(const char *dn, const char *base);

/*
 * Check one URL of CEPURL without touching the network: NULL when it is well formed
 * (ldap://host[:port], ldaps://host[:port], ldap:///DC=corp,DC=example and the same with ldaps,
 * ldapi://[path], file:path), else what is wrong.
 * Host lists, DNs, scopes and filters inside the URL are refused.
 */
const char *cep_directory_check_url(const char *url, apr_pool_t *pool);

/*
 * Check that the keytab can be read and has the principal (NULL: any), without touching the
 * network. NULL when it does, else what is wrong.
 */
const char *cep_directory_check_keytab(const char *path, const char *principal, apr_pool_t *pool);

/* 1 for a well formed ldap:///DC=corp,DC=example or ldaps:///..., whose servers the DNS names. */
int cep_directory_url_is_domain(const char *url, apr_pool_t *pool);

/* The path of a file: URL, or NULL for another kind. */
const char *cep_directory_url_path(const char *url);

#endif
