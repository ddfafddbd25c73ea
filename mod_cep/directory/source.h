/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: what the two kinds of sources (file.c, ldap.c) offer to directory.c. */
#ifndef CEP_SOURCE_H
#define CEP_SOURCE_H

#include <sys/stat.h>

#include "cep_directory.h"

/* Times named deadline are those of cep_monotonic(). This one: deadline, or limit from now when
 * that is earlier. */
apr_time_t cep_earlier(apr_time_t deadline, apr_interval_time_t limit);

/*
 * What a source kind does. The opaque source lives in the pool that it was opened with and is
 * closed by that pool's destruction. Errors are sentences without the URL in front.
 */
struct cep_source_kind {
    apr_status_t (*open)(void **source, const struct cep_directory_config *config, const char *url,
                         apr_time_t deadline, apr_pool_t *pool, const char **error);

    /* cep_directory_query() with a deadline instead of a limit. */
    apr_status_t (*query)(void *source, const struct cep_query *query, apr_time_t deadline,
                          apr_array_header_t **entries, apr_pool_t *pool, const char **error);

    /* cep_directory_each() with a deadline instead of a limit. */
    apr_status_t (*each)(void *source, const struct cep_query *query, apr_time_t deadline,
                         void (*take)(void *baton, const struct cep_entry *entry), void *baton,
                         apr_pool_t *pool, const char **error);

    /*
     * The configuration partition where the root DSE (NULL when there is none) names none.
     * APR_NOTFOUND when there is none to be found either; *error says where one was looked for.
     */
    apr_status_t (*find_configuration)(void *source, const struct cep_entry *root,
                                       apr_time_t deadline, const char **dn, apr_pool_t *pool,
                                       const char **error);

    /* 0 once the source has to be opened anew, because what it was opened with expires. */
    int (*is_current)(void *source);
};

extern const struct cep_source_kind cep_source_file;
extern const struct cep_source_kind cep_source_ldap;

/* Read who the directory is: root DSE, configuration partition, crossRef. */
apr_status_t cep_identify(struct cep_directory_identity *identity,
                          const struct cep_source_kind *kind, void *source, apr_time_t deadline,
                          apr_pool_t *pool, const char **error);

/* How the values of an attribute are compared. */
enum cep_match {
    CEP_MATCH_TEXT,  /* without regard to ASCII case */
    CEP_MATCH_DN,    /* cep_dn_equal() */
    CEP_MATCH_OCTETS /* octet by octet */
};
enum cep_match cep_attribute_match(const char *name);

enum cep_url_kind { CEP_URL_LDAP, CEP_URL_LDAPS, CEP_URL_LDAPI, CEP_URL_FILE };

struct cep_url {
    enum cep_url_kind kind;
    const char *host;   /* without brackets; NULL with ldapi://, file: and a domain */
    const char *domain; /* of ldap:///DC=corp,DC=example: its servers are found by the DNS */
    unsigned port;      /* the scheme's own when the URL names none */
    const char *path;   /* of ldapi:// and file: */
};

/* Read url. Returns NULL, or what is wrong with it. */
const char *cep_url_parse(struct cep_url *parsed, const char *url, apr_pool_t *pool);

/*
 * Open a regular file of at most max octets for reading. A FIFO or a device is refused without
 * waiting for it.
 */
apr_status_t cep_open_file(int *fd, struct stat *info, const char *path, apr_size_t max,
                           apr_pool_t *pool, const char **error);

/*
 * Read a whole regular file of at most max octets; data[len] is NUL.
 */
apr_status_t cep_read_file(const char *path, apr_size_t max, char **data, apr_size_t *len,
                           apr_pool_t *pool, const char **error);

#endif
