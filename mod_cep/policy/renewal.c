/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Key-based renewal: what a caller may do who proves nothing but that he holds the old key. Such an
 * instance offers what renews certificates, and nothing that makes new ones.
 */
#include "cep_policy.h"

#include <string.h>

#include <apr_strings.h>

/*
 * A certificate enrollment service that is set up for it says so in the fifth line; those with
 * certificate authentication take signed renewals in any case.
 */
static int takes_renewal(const struct cep_enrollment_uri *uri)
{
    return uri->auth == CEP_AUTH_CERTIFICATE || uri->key_based_renewal;
}

static int takes_renewals(const struct cep_enrollment_service *service)
{
    int i;

    for (i = 0; i < service->uris->nelts; i++) {
        if (takes_renewal(&APR_ARRAY_IDX(service->uris, i, const struct cep_enrollment_uri)))
            return 1;
    }
    return 0;
}

/* 1 when the list has that URI for that authentication: renewalOnly does not tell them apart. */
static int has_uri(const apr_array_header_t *uris, const struct cep_enrollment_uri *uri)
{
    const struct cep_enrollment_uri *other;
    int i;

    for (i = 0; i < uris->nelts; i++) {
        other = &APR_ARRAY_IDX(uris, i, const struct cep_enrollment_uri);
        if (other->auth == uri->auth && strcmp(other->uri, uri->uri) == 0)
            return 1;
    }
    return 0;
}

const struct cep_enrollment_service *cep_policy_renewal_service(
    const struct cep_enrollment_service *service, apr_pool_t *pool)
{
    struct cep_enrollment_service *renewal;
    int i;

    if (!takes_renewals(service))
        return NULL;
    renewal = apr_pmemdup(pool, service, sizeof(*service));
    renewal->uris = apr_array_make(pool, service->uris->nelts, sizeof(struct cep_enrollment_uri));
    for (i = 0; i < service->uris->nelts; i++) {
        struct cep_enrollment_uri uri =
            APR_ARRAY_IDX(service->uris, i, const struct cep_enrollment_uri);

        uri.renewal_only = 1;
        if (takes_renewal(&uri) && !has_uri(renewal->uris, &uri))
            APR_ARRAY_PUSH(renewal->uris, struct cep_enrollment_uri) = uri;
    }
    return renewal;
}

const struct cep_template *cep_policy_renewal_template(const struct cep_policy *policy,
                                                       const struct cep_template *tmpl,
                                                       apr_pool_t *pool)
{
    struct cep_template *renewal;
    int i;

    if (!(tmpl->enrollment_flags & CEP_ENROLLMENT_KEY_BASED_RENEWAL))
        return NULL;
    renewal = apr_pmemdup(pool, tmpl, sizeof(*tmpl));
    renewal->ca_refs = apr_array_make(pool, tmpl->ca_refs->nelts + 1, sizeof(int));
    for (i = 0; i < tmpl->ca_refs->nelts; i++) {
        int ref = APR_ARRAY_IDX(tmpl->ca_refs, i, int);

        if (takes_renewals(APR_ARRAY_IDX(policy->services, ref, struct cep_enrollment_service *)))
            APR_ARRAY_PUSH(renewal->ca_refs, int) = ref;
    }
    return renewal->ca_refs->nelts > 0 ? renewal : NULL;
}
