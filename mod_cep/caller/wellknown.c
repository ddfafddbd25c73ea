/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * SIDs of [MS-DTYP] 2.4.2.4 that Windows adds to the token of an account that authenticated over
 * the network. They stand in no directory.
 */
#include "lookup.h"

#include <string.h>

#define RID_GUEST 501

static void add(apr_array_header_t *sids, const char *text)
{
    struct cep_sid sid;

    if (cep_sid_parse(&sid, text))
        APR_ARRAY_PUSH(sids, struct cep_sid) = sid;
}

/* S-1-5-21-x-y-z-501 */
static int is_guest(const struct cep_sid *sid)
{
    struct cep_sid guest;

    return sid->octets[1] == 5 && cep_sid_with_rid(&guest, sid, RID_GUEST) &&
           cep_sid_compare(&guest, sid) == 0;
}

/* Somebody from another organization, let in by selective authentication. Only a KDC says so. */
static int is_other_organization(const apr_array_header_t *sids)
{
    struct cep_sid other;
    int i;

    if (!cep_sid_parse(&other, "S-1-5-1000"))
        return 0;
    for (i = 0; i < sids->nelts; i++) {
        if (cep_sid_compare(&APR_ARRAY_IDX(sids, i, struct cep_sid), &other) == 0)
            return 1;
    }
    return 0;
}

void cep_wellknown_add(apr_array_header_t *sids, const struct cep_account *account)
{
    if (!is_other_organization(sids))
        add(sids, "S-1-5-15"); /* This Organization */
    add(sids, "S-1-1-0");      /* Everyone */
    add(sids, "S-1-5-2");      /* Network */
    /* Neither guests nor anonymous callers are. */
    if (!is_guest(&account->sid))
        add(sids, "S-1-5-11"); /* Authenticated Users */
    /* Enterprise Domain Controllers: without the read-only ones, which have another flag. */
    if (account->control & CEP_ACCOUNT_SERVER_TRUST)
        add(sids, "S-1-5-9");
}
