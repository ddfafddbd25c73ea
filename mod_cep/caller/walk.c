/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The groups of an account where nobody computes tokenGroups: follow memberOf, member and
 * primaryGroupID to the end, as [MS-DRSR] 4.1.8.3 does. A work list, no recursion; each group is
 * looked at once, so that a cycle ends.
 *
 * Only security groups count, and only they lead on: the closure is taken in the graph of the
 * groups that match ([MS-DRSR] 4.1.8.2.6). So nesting through a distribution group gives nothing.
 */
#include "lookup.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#define GROUP_TYPE_SECURITY_ENABLED          0x80000000u /* [MS-ADTS] 2.2.12 */
#define RID_ENTERPRISE_READ_ONLY_CONTROLLERS 498         /* [MS-ADTS] 6.1.1.6.14 */

static const char *const group_attributes[] = {"objectClass", "objectSid", "sIDHistory",
                                               "groupType",   "memberOf",  NULL};

/* A group that is known to have the account, directly or not. */
struct node {
    const char *dn;
    const struct cep_entry *entry; /* NULL: known by name only, to be read */
};

struct walk {
    struct cep_lookup *lookup;
    const struct cep_account *account;
    apr_array_header_t *sids;
    apr_array_header_t *nodes; /* struct node: done up to the one at hand, then to do */
    apr_hash_t *seen;          /* DNs of nodes, in lower case */
};

/* A DN that is spelled in several ways is looked at several times; the token has each SID once. */
static const char *dn_key(const char *dn, apr_pool_t *pool)
{
    char *key = apr_pstrdup(pool, dn), *c;

    for (c = key; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    return key;
}

static apr_status_t push(struct walk *walk, const char *dn, const struct cep_entry *entry)
{
    const char *key = dn_key(dn, walk->lookup->pool);
    struct node *node;

    if (apr_hash_get(walk->seen, key, APR_HASH_KEY_STRING))
        return APR_SUCCESS;
    if (walk->nodes->nelts >= CEP_CALLER_MAX_GROUPS)
        return cep_lookup_fail(walk->lookup, APR_ENOSPC, "%s is in more than %d groups",
                               walk->account->entry->dn, CEP_CALLER_MAX_GROUPS);
    node = apr_array_push(walk->nodes);
    node->dn = dn;
    node->entry = entry;
    apr_hash_set(walk->seen, key, APR_HASH_KEY_STRING, key);
    return APR_SUCCESS;
}

/* Entries of the domain whose attribute has the value, as further groups. */
static apr_status_t push_matches(struct walk *walk, const char *attribute,
                                 const struct cep_value *value, int *count)
{
    apr_array_header_t *entries;
    apr_status_t rv;
    int i;

    rv = cep_lookup_search(walk->lookup, attribute, value, group_attributes, &entries);
    if (rv != APR_SUCCESS)
        return rv;
    *count = entries->nelts;
    for (i = 0; i < entries->nelts && rv == APR_SUCCESS; i++) {
        const struct cep_entry *entry = APR_ARRAY_IDX(entries, i, const struct cep_entry *);

        rv = push(walk, entry->dn, entry);
    }
    return rv;
}

/* What an entry is a direct member of: by the groups' word, and by its own. */
static apr_status_t push_parents(struct walk *walk, const struct cep_entry *entry)
{
    const struct cep_attribute *member_of = cep_entry_attribute(entry, "memberOf");
    struct cep_value dn;
    apr_status_t rv;
    int i, count;

    dn.data = (const unsigned char *)entry->dn;
    dn.len = strlen(entry->dn);
    rv = push_matches(walk, "member", &dn, &count);
    for (i = 0; i < cep_attribute_count(member_of) && rv == APR_SUCCESS; i++) {
        const struct cep_value *value = cep_attribute_value(member_of, i);

        if (!cep_value_is_text(value) || value->len == 0)
            return cep_lookup_fail(walk->lookup, APR_EGENERAL, "a memberOf of %s is no DN",
                                   entry->dn);
        rv = push(walk, (const char *)value->data, NULL);
    }
    return rv;
}

/* A group of the account's own domain, by its SID. */
static apr_status_t push_rid(struct walk *walk, unsigned long rid, int required)
{
    char text[CEP_SID_TEXT_MAX];
    struct cep_value value;
    struct cep_sid sid;
    apr_status_t rv;
    int count = 0;

    if (!cep_sid_with_rid(&sid, &walk->account->sid, rid))
        return cep_lookup_fail(walk->lookup, APR_EGENERAL, "the objectSid of %s is in no domain",
                               walk->account->entry->dn);
    value.data = sid.octets;
    value.len = sid.length;
    rv = push_matches(walk, "objectSid", &value, &count);
    if (rv != APR_SUCCESS || count == 1 || (count == 0 && !required))
        return rv;
    return cep_lookup_fail(walk->lookup, APR_EGENERAL,
                           "%s %s the objectSid %s, the primary group of %s; without it the "
                           "caller's groups are not known whole",
                           walk->lookup->identity->source,
                           count ? "has several entries with" : "has no entry with",
                           cep_sid_format(&sid, text), walk->account->entry->dn);
}

static apr_status_t push_primary_group(struct walk *walk)
{
    const struct cep_entry *entry = walk->account->entry;
    int64_t rid;

    if (!cep_entry_attribute(entry, "primaryGroupID"))
        return APR_SUCCESS;
    if (!cep_entry_integer(&rid, entry, "primaryGroupID") || rid <= 0 || rid > UINT32_MAX)
        return cep_lookup_fail(walk->lookup, APR_EGENERAL, "the primaryGroupID of %s is no RID",
                               entry->dn);
    return push_rid(walk, (unsigned long)rid, 1);
}

/* Read-only domain controllers are in this group without being its members. [MS-DRSR] 4.1.8.3. */
static apr_status_t push_read_only_controllers(struct walk *walk)
{
    const uint32_t wanted = CEP_ACCOUNT_WORKSTATION_TRUST | CEP_ACCOUNT_PARTIAL_SECRETS;

    if ((walk->account->control & wanted) != wanted)
        return APR_SUCCESS;
    return push_rid(walk, RID_ENTERPRISE_READ_ONLY_CONTROLLERS, 0);
}

static apr_status_t read_group(struct walk *walk, struct node *node)
{
    apr_status_t rv;

    rv = cep_lookup_read(walk->lookup, node->dn, group_attributes, &node->entry);
    if (rv == APR_NOTFOUND)
        return cep_lookup_fail(walk->lookup, APR_EGENERAL,
                               "the group %s, of which %s is a member, is not in %s; without it "
                               "the caller's groups are not known whole: export it too, or take "
                               "the membership out",
                               node->dn, walk->account->entry->dn, walk->lookup->identity->source);
    return rv;
}

/* *counts: 0 for a distribution group, and for what is no Windows group at all. */
static apr_status_t classify(struct walk *walk, const struct cep_entry *entry, int *counts)
{
    int sids = cep_attribute_count(cep_entry_attribute(entry, "objectSid"));
    int64_t type;

    *counts = 0;
    if (sids == 0 && !cep_entry_has_class(entry, "group"))
        return APR_SUCCESS; /* such as groupOfNames: no access list can name it */
    if (sids != 1) {
        return cep_lookup_fail(walk->lookup, APR_EGENERAL,
                               "the group %s has no readable objectSid; let the directory's "
                               "account read it",
                               entry->dn);
    }
    if (cep_entry_attribute(entry, "groupType")) {
        if (!cep_entry_integer(&type, entry, "groupType"))
            return cep_lookup_fail(walk->lookup, APR_EGENERAL, "the groupType of %s is no number",
                                   entry->dn);
        *counts = ((uint32_t)type & GROUP_TYPE_SECURITY_ENABLED) != 0;
        return APR_SUCCESS;
    }
    *counts = 1;
    return APR_SUCCESS;
}

static apr_status_t visit(struct walk *walk, int place)
{
    struct node *node = &APR_ARRAY_IDX(walk->nodes, place, struct node);
    const struct cep_entry *entry;
    apr_status_t rv = APR_SUCCESS;
    int counts;

    if (!node->entry)
        rv = read_group(walk, node);
    if (rv != APR_SUCCESS)
        return rv;
    entry = node->entry; /* the list of nodes moves when it grows */
    rv = classify(walk, entry, &counts);
    if (rv != APR_SUCCESS || !counts)
        return rv;
    rv = cep_entry_sids(walk->sids, walk->lookup, entry, "objectSid");
    if (rv == APR_SUCCESS)
        rv = cep_entry_sids(walk->sids, walk->lookup, entry, "sIDHistory");
    if (rv != APR_SUCCESS)
        return rv;
    return push_parents(walk, entry);
}

apr_status_t cep_groups_walk(apr_array_header_t *sids, struct cep_lookup *lookup,
                             const struct cep_account *account)
{
    struct walk walk = {0};
    apr_status_t rv;
    int place;

    walk.lookup = lookup;
    walk.account = account;
    walk.sids = sids;
    walk.nodes = apr_array_make(lookup->pool, 16, sizeof(struct node));
    walk.seen = apr_hash_make(lookup->pool);
    rv = push_primary_group(&walk);
    if (rv == APR_SUCCESS)
        rv = push_read_only_controllers(&walk);
    if (rv == APR_SUCCESS)
        rv = push_parents(&walk, account->entry);
    for (place = 0; rv == APR_SUCCESS && place < walk.nodes->nelts; place++)
        rv = visit(&walk, place);
    return rv;
}
