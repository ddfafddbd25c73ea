/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Which of a snapshot's policies a caller is offered, and with which rights. */

#include <string.h>

#include "choice.h"

/*
 * One limit as [MS-XCEP] 3.1.4.1.3.22 (v18) has it: the server's maximum for 0 and for anything
 * above it. A negative number says nothing.
 */
static uint32_t version_limit(int has, apr_int32_t version, uint32_t not_told, uint32_t maximum)
{
    uint32_t limit = has && version >= 0 ? (uint32_t)version : not_told;

    return limit == 0 || limit > maximum ? maximum : limit;
}

/* Likewise for both; without a filter only the client's version is 3. */
static void set_version_limits(struct cep_choice *choice)
{
    const struct cep_request *request = choice->request;
    const uint32_t maximum = choice->view->max_version;
    uint32_t client = choice->view->lenient ? 0 : CEP_VERSION_NOT_TOLD;
    uint32_t server = choice->view->lenient || !request->has_filter ? 0 : CEP_VERSION_NOT_TOLD;

    client = version_limit(request->has_filter && request->has_client_version,
                           request->client_version, client, maximum);
    server = version_limit(request->has_filter && request->has_server_version,
                           request->server_version, server, maximum);
    choice->client_limit = client << CEP_CLIENT_VERSION_SHIFT;
    choice->server_limit = server << CEP_SERVER_VERSION_SHIFT;
}

/* Mark the template that has the OID, if one does. */
static void want_one(unsigned char *wanted, const struct cep_snapshot *snapshot, const char *oid)
{
    const uint32_t *numbers = image_at(snapshot, snapshot->header->by_oid);
    uint32_t low = 0, high = snapshot->header->by_oid.count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(image_template_oid(snapshot, numbers[middle]), oid);

        if (order == 0) {
            wanted[numbers[middle]] = 1;
            return;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
}

/* Per template 1 where the filter names its OID; NULL: no filter does. */
static const unsigned char *want(const struct cep_snapshot *snapshot,
                                 const struct cep_request *request, apr_pool_t *pool)
{
    unsigned char *wanted;

    if (!request->has_filter || !request->policy_oids)
        return NULL;
    wanted = apr_pcalloc(pool, (apr_size_t)snapshot->header->templates.count + 1);
    for (int i = 0; i < request->policy_oids->nelts; i++)
        want_one(wanted, snapshot, APR_ARRAY_IDX(request->policy_oids, i, const char *));
    return wanted;
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

static int grants(const struct cep_choice *choice, struct cep_access_list list)
{
    return cep_steps_granted(choice->snapshot->steps + list.first, list.count, choice->held);
}

/*
 * What the caller may do with a template: 0, CEP_SELECTED, or CEP_PERMITTED too. For key-based
 * renewal the old key is all that is asked ([MS-WCCE] 3.2.2.6.2.1.4.5.6): the caller need not have
 * an account.
 */
static unsigned char rights_to(const struct cep_choice *choice, const struct image_template *t)
{
    if (choice->view->key_based_renewal)
        return CEP_SELECTED | CEP_PERMITTED;
    if (!grants(choice, t->enroll))
        return 0;
    if (grants(choice, t->autoenroll))
        return CEP_SELECTED | CEP_PERMITTED;
    return choice->view->autoenroll_only ? 0 : CEP_SELECTED;
}

/* Published by a listed CA, shown, wanted, and within the caller's rights. */
unsigned char cep_choice_of(const struct cep_choice *choice, uint32_t number)
{
    const struct image_template *t = &choice->snapshot->templates[number];

    if (cep_choice_publishers(choice, t).count == 0 || !cep_choice_shows(choice, number) ||
        !cep_choice_passes_versions(choice, t) || (choice->wanted && !choice->wanted[number]))
        return 0;
    return rights_to(choice, t);
}

void cep_choice_init(struct cep_choice *choice, const struct cep_snapshot *snapshot,
                     const struct cep_token *token, const struct cep_request *request,
                     const struct cep_view *view, apr_pool_t *pool)
{
    choice->snapshot = snapshot;
    choice->request = request;
    choice->view = view;
    choice->held = hold(snapshot, token, pool);
    choice->shown = view->templates ? cep_view_shown(snapshot, view) : NULL;
    choice->wanted = want(snapshot, request, pool);
    set_version_limits(choice);
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
                         const struct cep_view *view, apr_pool_t *pool)
{
    const struct image_header *header = snapshot->header;
    struct cep_choice choice;

    cep_choice_init(&choice, snapshot, token, request, view, pool);
    memset(selection, 0, sizeof(*selection));
    selection->renewal = view->key_based_renewal;
    selection->policies = apr_pcalloc(pool, header->templates.count + 1);
    selection->cas = apr_pcalloc(pool, header->cas.count + 1);
    selection->oids = apr_pcalloc(pool, header->oids.count + 1);

    for (uint32_t i = 0; i < header->templates.count; i++) {
        const struct image_template *t = &snapshot->templates[i];

        selection->policies[i] = cep_choice_of(&choice, i);
        if (!selection->policies[i])
            continue;
        selection->policy_count++;
        selection->ca_count += mark(selection->cas, snapshot, cep_choice_publishers(&choice, t));
        selection->oid_count += mark(selection->oids, snapshot, t->oid_refs);
    }
    for (uint32_t i = 0; i < header->cas.count; i++) {
        if (selection->cas[i] &&
            (view->key_based_renewal || grants(&choice, snapshot->cas[i].enroll)))
            selection->cas[i] |= CEP_PERMITTED;
    }
}
