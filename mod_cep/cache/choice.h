/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Private to cache/: the rules by which a template is offered. select.c asks them for a request,
 * explain.c tells an administrator which of them speaks against a template.
 */
#ifndef CEP_CHOICE_H
#define CEP_CHOICE_H

#include "image.h"

/* What decides, worked out once for all templates. */
struct cep_choice {
    const struct cep_snapshot *snapshot;
    const struct cep_request *request;
    const struct cep_view *view;
    const unsigned char *shown;  /* by CEPTemplates; NULL: all */
    const unsigned char *wanted; /* by the request's OIDs; NULL: all */
    const apr_uint32_t *held;
    uint32_t client_limit, server_limit; /* in the places of the private key flags */
};

void cep_choice_init(struct cep_choice *choice, const struct cep_snapshot *snapshot,
                     const struct cep_token *token, const struct cep_request *request,
                     const struct cep_view *view, apr_pool_t *pool);

/* All rules together, of template number: 0, CEP_SELECTED, or CEP_PERMITTED too. */
unsigned char cep_choice_of(const struct cep_choice *choice, uint32_t number);

/* Bits of msPKI-Private-Key-Flag, [MS-CRTD] 2.27: the versions that a template needs. */
#define CEP_CLIENT_VERSION       0x0f000000u
#define CEP_CLIENT_VERSION_SHIFT 24
#define CEP_SERVER_VERSION       0x000f0000u
#define CEP_SERVER_VERSION_SHIFT 16

/* What the specification takes for the version of a client, or of a CA, that is not told. */
#define CEP_VERSION_NOT_TOLD 3u

static inline int cep_choice_passes_versions(const struct cep_choice *choice,
                                             const struct image_template *t)
{
    return (t->private_key_flags & CEP_CLIENT_VERSION) <= choice->client_limit &&
           (t->private_key_flags & CEP_SERVER_VERSION) <= choice->server_limit;
}

/* By CEPTemplates. */
static inline int cep_choice_shows(const struct cep_choice *choice, uint32_t number)
{
    return !choice->shown || choice->shown[number];
}

/* The CAs that can be listed with it; without one it is not offered. */
static inline struct image_ref cep_choice_publishers(const struct cep_choice *choice,
                                                     const struct image_template *t)
{
    return choice->view->key_based_renewal ? t->renewal_ca_refs : t->ca_refs;
}

#endif
