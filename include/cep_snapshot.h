/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A snapshot: everything an answer needs, rendered once, in one block of octets that knows no
 * pointers. It is built by the refresh, kept in a file, mapped read-only by every process,
 * verified once per mapping and trusted from then on. The same directory content gives the same
 * octets on every machine of one byte order: no time, process or address goes in.
 */
#ifndef CEP_SNAPSHOT_H
#define CEP_SNAPSHOT_H

#include <apr_pools.h>

#include "cep_access.h"
#include "cep_directory.h"
#include "cep_policy.h"
#include "cep_view.h"
#include "cep_xcep.h"

#define CEP_SNAPSHOT_MAX  0x7fffffffu /* octets of an image */
#define CEP_DIGEST_LENGTH 32          /* SHA-256 */

/* Lay out a finished policy. *image is in pool. APR_ENOSPC: it does not fit in an image. */
apr_status_t cep_snapshot_build(struct cep_value *image, const struct cep_policy *policy,
                                const struct cep_directory_identity *identity, apr_pool_t *pool);

struct cep_snapshot; /* a verified view; read-only, for any number of threads */

/*
 * Verify an image: magic, format, length, digest, every offset and number. The image must stay
 * where it is, unchanged, as long as the snapshot is used. Returns the view in pool, or NULL and
 * *error, a sentence without the file's name.
 */
const struct cep_snapshot *cep_snapshot_open(const void *image, apr_size_t length, apr_pool_t *pool,
                                             const char **error);

/* SHA-256 of the content: equal content, equal digest. CEP_DIGEST_LENGTH octets. */
const unsigned char *cep_snapshot_digest(const struct cep_snapshot *snapshot);

int cep_snapshot_template_count(const struct cep_snapshot *snapshot);
int cep_snapshot_ca_count(const struct cep_snapshot *snapshot);
int cep_snapshot_oid_count(const struct cep_snapshot *snapshot);

/* The identity's forest_id: what policyID derives from. */
const char *cep_snapshot_forest_id(const struct cep_snapshot *snapshot);

/* cep_view_policy_id() for its forest, made once for each view; as long as the snapshot is used. */
const char *cep_snapshot_policy_id(const struct cep_snapshot *snapshot,
                                   const struct cep_view *view);

/* All certificates of the CAs, DER in the image: struct cep_value. */
apr_array_header_t *cep_snapshot_ca_certificates(const struct cep_snapshot *snapshot,
                                                 apr_pool_t *pool);

int cep_snapshot_finding_count(const struct cep_snapshot *snapshot);
struct cep_finding cep_snapshot_finding(const struct cep_snapshot *snapshot, int i);

/* ---- which of the policies, with which rights: [MS-XCEP] 3.1.4.1.3.22 and DESIGN 6 ---- */

struct cep_selection {
    unsigned char *policies; /* per template: 0, or CEP_SELECTED bits */
    unsigned char *cas;      /* per CA */
    unsigned char *oids;     /* per OID row */
    int policy_count, ca_count, oid_count;
    int renewal; /* 1: of the rendering for key-based renewal */
};

#define CEP_SELECTED  1
#define CEP_PERMITTED 2 /* a template's autoEnroll, a CA's enrollPermission */

/*
 * The templates that the token may enroll for, the request's filter lets through and the view
 * shows, with the CAs that publish them and the OIDs that they use. A view for key-based renewal
 * asks the token for no right.
 */
void cep_snapshot_select(struct cep_selection *selection, const struct cep_snapshot *snapshot,
                         const struct cep_token *token, const struct cep_request *request,
                         const struct cep_view *view, apr_pool_t *pool);

#endif
