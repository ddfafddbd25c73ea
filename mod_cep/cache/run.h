/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to cache/: what the files share that make up one run of a refresh. */
#ifndef CEP_RUN_H
#define CEP_RUN_H

#include "cep_refresh.h"

/* ---- containers.c: what is read of a directory ---- */

#define CEP_CONTAINERS 3

struct cep_container {
    const char *rdn; /* below CN=Public Key Services of the configuration partition */
    const char *object_class;
    const char *const *attributes;
    void (*add)(struct cep_policy *policy, const struct cep_entry *entry);
    int required;
    const char *what;
};
extern const struct cep_container cep_containers[CEP_CONTAINERS];

/* Where its entries are, in pool. */
const char *cep_container_base(const struct cep_container *container,
                               const struct cep_directory_identity *identity, apr_pool_t *pool);

/* ---- mark.c: by what the next run knows what this one has read ---- */

/* All in hex or plain text without control characters; NULL where a thing is not known. */
struct cep_mark {
    const char *config;   /* digest of the configuration and version that the snapshot depends on */
    const char *snapshot; /* digest of the snapshot that was in force afterwards */
    const char *server;   /* who was read: what others say is never compared with it */
    const char *position; /* of the server's changes before the read; equal: nothing has changed */
    const char *stamps;   /* digest over all entries read, with the stamp of each one's last change;
                             equal: none of them has changed, come or gone */
    apr_time_t expires;   /* from then on the same entries may give another policy; 0: never */
};

const char *cep_mark_config(const struct cep_refresh_plan *plan, apr_pool_t *pool);

/* server and position of an LDIF file; position NULL when it changed so lately that a further
 * change need not show in its times. */
void cep_mark_file(struct cep_mark *mark, const char *url, const apr_finfo_t *state, apr_time_t now,
                   apr_pool_t *pool);

/* server and position of an opened LDAP server; what it does not tell stays NULL. */
apr_status_t cep_mark_server(struct cep_mark *mark, struct cep_directory *directory,
                             apr_interval_time_t limit, apr_pool_t *pool, const char **error);

struct cep_stamps; /* the stamps of entries that come in any order */

struct cep_stamps *cep_stamps_make(const struct cep_directory_identity *identity, apr_pool_t *pool);
void cep_stamps_add(struct cep_stamps *stamps, const struct cep_entry *entry);
/* Their digest, or NULL when an entry had none. */
const char *cep_stamps_digest(struct cep_stamps *stamps);
/* The attribute that is a stamp on this server. */
const char *cep_stamps_attribute(const struct cep_stamps *stamps);
/* Ask for the stamps of all that a full read reads. */
apr_status_t cep_stamps_ask(struct cep_stamps *stamps, struct cep_directory *directory,
                            apr_interval_time_t limit, apr_pool_t *pool, const char **error);

/* ---- state.c: the file beside the snapshot ---- */

struct cep_saved_state {
    struct cep_refresh_state state;
    struct cep_mark mark;
};

/* All zeros, and a status, when there is no record that can be used. */
apr_status_t cep_state_load(struct cep_saved_state *record, const struct cep_store *store,
                            apr_pool_t *pool);
/* The store's lock must be held. */
apr_status_t cep_state_save(const struct cep_saved_state *record, const struct cep_store *store,
                            apr_pool_t *pool, const char **error);

/* ---- schedule.c: when to run again ---- */

/*
 * failures: in a row, 0 after a success. serving: 1 while callers are answered from a policy that
 * is not too old. expires: of the mark. random: any number.
 */
apr_interval_time_t cep_schedule_next(const struct cep_refresh_plan *plan, apr_uint32_t failures,
                                      int serving, apr_time_t now, apr_time_t expires,
                                      apr_uint32_t random);

#endif
