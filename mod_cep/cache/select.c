/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Which of a snapshot's policies a caller is offered, and with which rights. */

#include <string.h>

#include "image.h"

/* A version limit as [MS-XCEP] 3.1.4.1.3.22 (v18) has it: 3 when the client says nothing, the
 * server's maximum for 0 and for anything above it. A negative number says nothing. */
static uint32_t version_limit(int has, apr_int32_t version, uint32_t maximum)
{
    if (!has || version < 0)
        return 3;
    if (version == 0 || (uint32_t)version > maximum)
        return maximum;
    return (uint32_t)version;
}

static int passes_versions(uint32_t private_key_flags, const struct cep_request *request)
{
    const uint32_t maximum = CEP_MAX_VERSION_DEFAULT;
    uint32_t client = 3, server = maximum;

    if (request->has_filter) {
        client = version_limit(request->has_client_version, request->client_version, maximum);
        server = version_limit(request->has_server_version, request->server_version, maximum);
    }
    return (private_key_flags & 0x0f000000u) <= client << 24 &&
           (private_key_flags & 0x000f0000u) <= server << 16;
}

static int passes_oids(const char *oid, const struct cep_request *request)
{
    if (!request->has_filter || !request->policy_oids)
        return 1;
    for (int i = 0; i < request->policy_oids->nelts; i++) {
        if (!strcmp(oid, APR_ARRAY_IDX(request->policy_oids, i, const char *)))
            return 1;
    }
    return 0;
}

/* The token as a set of the snapshot's SIDs: looked up once, not for each template. */
static apr_uint32_t *hold(const struct cep_snapshot *snapshot, const struct cep_token *token,
                          apr_pool_t *pool)
{
    apr_uint32_t count = snapshot->header->sids.count;
    apr_uint32_t *held = apr_pcalloc(pool, (CEP_HELD_WORDS(count) + 1) * sizeof(*held));

    cep_token_hold(held, token, snapshot->sids, count);
    return held;
}

static int grants(const struct cep_snapshot *snapshot, struct cep_access_list list,
                  const apr_uint32_t *held)
{
    return cep_steps_granted(snapshot->steps + list.first, list.count, held);
}

/* Mark what the refs name; returns how many were not marked before. */
static int mark(unsigned char *marks, const struct cep_snapshot *snapshot, struct image_ref refs)
{
    const uint32_t *numbers = image_at(snapshot, refs);
    int added = 0;

    for (uint32_t i = 0; i < refs.count; i++) {
        added += !marks[numbers[i]];
        marks[numbers[i]] |= CEP_SELECTED;
    }
    return added;
}

void cep_snapshot_select(struct cep_selection *selection, const struct cep_snapshot *snapshot,
                         const struct cep_token *token, const struct cep_request *request,
                         apr_pool_t *pool)
{
    const struct image_header *header = snapshot->header;
    const apr_uint32_t *held = hold(snapshot, token, pool);

    memset(selection, 0, sizeof(*selection));
    selection->policies = apr_pcalloc(pool, header->templates.count + 1);
    selection->cas = apr_pcalloc(pool, header->cas.count + 1);
    selection->oids = apr_pcalloc(pool, header->oids.count + 1);

    for (uint32_t i = 0; i < header->templates.count; i++) {
        const struct image_template *t = &snapshot->templates[i];

        /* Published by a listed CA, wanted, and the caller has Enroll: DESIGN, section 5. */
        if (t->ca_refs.count == 0 || !passes_versions(t->private_key_flags, request) ||
            !passes_oids(image_at(snapshot, t->oid), request) || !grants(snapshot, t->enroll, held))
            continue;
        selection->policies[i] = CEP_SELECTED;
        if (grants(snapshot, t->autoenroll, held))
            selection->policies[i] |= CEP_PERMITTED;
        selection->policy_count++;
        selection->ca_count += mark(selection->cas, snapshot, t->ca_refs);
        selection->oid_count += mark(selection->oids, snapshot, t->oid_refs);
    }
    for (uint32_t i = 0; i < header->cas.count; i++) {
        if (selection->cas[i] && grants(snapshot, snapshot->cas[i].enroll, held))
            selection->cas[i] |= CEP_PERMITTED;
    }
}
