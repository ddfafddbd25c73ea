/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The groups of an account: tokenGroups where there is such a thing, else a walk (walk.c). All or
 * nothing, because a group that is missing may be one that is denied.
 */
#include "lookup.h"

apr_status_t cep_groups_find(apr_array_header_t *sids, struct cep_lookup *lookup,
                             const struct cep_account *account)
{
    const struct cep_entry *entry = account->entry;
    struct cep_sid primary;
    int64_t rid;

    if (!cep_entry_attribute(entry, "tokenGroups")) {
        /* AD leaves it out when it cannot reach a global catalog, or when it may not be read. */
        if (lookup->identity->active_directory)
            return cep_lookup_fail(lookup, APR_EGENERAL,
                                   "%s does not tell the tokenGroups of %s; grant the directory's "
                                   "account Read of it (property set Remote Access Information), "
                                   "and see that a global catalog can be reached",
                                   lookup->identity->source, entry->dn);
        return cep_groups_walk(sids, lookup, account);
    }
    /* tokenGroups has it already in AD ([MS-DRSR] 4.1.8.3); elsewhere who knows. */
    if (cep_entry_integer(&rid, entry, "primaryGroupID") && rid > 0 && rid <= UINT32_MAX &&
        cep_sid_with_rid(&primary, &account->sid, (unsigned long)rid))
        APR_ARRAY_PUSH(sids, struct cep_sid) = primary;
    return cep_entry_sids(sids, lookup, entry, "tokenGroups");
}
