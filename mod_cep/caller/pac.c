/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From the logon information of a PAC, KERB_VALIDATION_INFO of [MS-PAC] 2.5, to the SIDs that a
 * server gives its caller by [MS-KILE] 3.4.5.3. It is all or nothing: one group that cannot be read
 * might be one that is denied.
 */
#include "lookup.h"

#include <string.h>

#include <apr_strings.h>

#include "ndr.h"

/* [MS-PAC] 2.5, UserFlags. */
enum { LOGON_GUEST = 0x1, LOGON_EXTRA_SIDS = 0x20, LOGON_RESOURCE_GROUPS = 0x200 };

/* UserAccountControl has the flags of [MS-SAMR] 2.2.1.12, not those of the attribute. */
enum { ACCOUNT_DISABLED = 0x1, ACCOUNT_INTERDOMAIN_TRUST = 0x40 };

/* [MS-PAC] 2.2.1; the other one is of TOKEN_GROUPS. */
enum { GROUP_ENABLED = 0x4, GROUP_FOR_DENY_ONLY = 0x10 };

enum {
    NAMES_BEFORE_GROUPS = 6, /* EffectiveName to HomeDirectoryDrive */
    NAMES = 8,               /* then LogonServer and LogonDomainName */
    GROUP_LENGTH = 8,
    DOMAIN_SUBAUTHORITIES = 4,
    /* the account, its primary group, and what cep_wellknown_add() adds */
    SIDS_BESIDE_LISTS = 6
};

/* RPC_UNICODE_STRING: lengths in octets. */
struct string {
    uint32_t length, maximum, referent;
};

/* A list of groups: how many, and whether its pointer points to something. */
struct list {
    uint32_t count, referent;
};

/* The members of KERB_VALIDATION_INFO that are needed, in its order. */
struct logon {
    struct string names[NAMES];
    uint32_t user, primary_group;
    struct list groups;
    uint32_t flags;
    uint32_t domain; /* referent of LogonDomainId */
    uint32_t account_control;
    struct list extra;
    uint32_t resource_domain;
    struct list resource_groups;
};

static void skip_numbers(struct cep_ndr *ndr, int count)
{
    while (count-- > 0)
        cep_ndr_u32(ndr);
}

static void read_string(struct cep_ndr *ndr, struct string *string)
{
    string->length = cep_ndr_u16(ndr);
    string->maximum = cep_ndr_u16(ndr);
    string->referent = cep_ndr_u32(ndr);
}

static void read_list(struct cep_ndr *ndr, struct list *list)
{
    list->count = cep_ndr_u32(ndr);
    list->referent = cep_ndr_u32(ndr);
}

/* The structure itself; what its pointers point to comes behind it. */
static void read_structure(struct cep_ndr *ndr, struct logon *logon)
{
    int i;

    if (cep_ndr_u32(ndr) == 0)
        cep_ndr_fail(ndr, "it is a null pointer");
    skip_numbers(ndr, 6 * 2); /* LogonTime to PasswordMustChange: the KDC's business */
    for (i = 0; i < NAMES_BEFORE_GROUPS; i++)
        read_string(ndr, &logon->names[i]);
    cep_ndr_u16(ndr); /* LogonCount */
    cep_ndr_u16(ndr); /* BadPasswordCount */
    logon->user = cep_ndr_u32(ndr);
    logon->primary_group = cep_ndr_u32(ndr);
    read_list(ndr, &logon->groups);
    logon->flags = cep_ndr_u32(ndr);
    cep_ndr_take(ndr, 16); /* UserSessionKey */
    for (i = NAMES_BEFORE_GROUPS; i < NAMES; i++)
        read_string(ndr, &logon->names[i]);
    logon->domain = cep_ndr_u32(ndr);
    skip_numbers(ndr, 2); /* Reserved1 */
    logon->account_control = cep_ndr_u32(ndr);
    skip_numbers(ndr, 7); /* SubAuthStatus to Reserved3 */
    read_list(ndr, &logon->extra);
    logon->resource_domain = cep_ndr_u32(ndr);
    read_list(ndr, &logon->resource_groups);
}

/* What the structure says of the account, and how much is to come. */
static const char *check_structure(const struct logon *logon)
{
    const uint32_t most = CEP_TOKEN_MAX_SIDS - SIDS_BESIDE_LISTS;

    if (logon->user == 0 || logon->primary_group == 0)
        return "it has no user ID or no primary group";
    if (logon->flags & LOGON_GUEST)
        return "it is of a guest who was not asked for a password";
    if (logon->account_control & ACCOUNT_DISABLED)
        return "the account was disabled when the ticket was made";
    if (logon->account_control & ACCOUNT_INTERDOMAIN_TRUST)
        return "the account stands for a trust";
    if (logon->domain == 0)
        return "it has no domain SID";
    if (logon->extra.count && !(logon->flags & LOGON_EXTRA_SIDS))
        return "it has extra SIDs although its flags say that there are none";
    if (logon->resource_groups.count && !(logon->flags & LOGON_RESOURCE_GROUPS))
        return "it has resource groups although its flags say that there are none";
    if (logon->resource_groups.count && logon->resource_domain == 0)
        return "it has resource groups without their domain";
    if (logon->groups.count > most || logon->extra.count > most - logon->groups.count ||
        logon->resource_groups.count > most - logon->groups.count - logon->extra.count)
        return "it has more SIDs than one caller may have; take the account out of some groups";
    return NULL;
}

/* A conformant varying array of UTF-16; nothing depends on what it says. */
static void skip_string(struct cep_ndr *ndr, const struct string *string)
{
    uint32_t most, offset, actual;

    if (string->length % 2 != 0 || string->maximum % 2 != 0 || string->length > string->maximum)
        cep_ndr_fail(ndr, "the lengths of a name contradict each other");
    if (string->referent == 0) {
        if (string->length)
            cep_ndr_fail(ndr, "a name is a null pointer");
        return;
    }
    most = cep_ndr_u32(ndr);
    offset = cep_ndr_u32(ndr);
    actual = cep_ndr_u32(ndr);
    if (most != string->maximum / 2 || offset != 0 || actual != string->length / 2)
        cep_ndr_fail(ndr, "the lengths of a name contradict each other");
    cep_ndr_take(ndr, string->length);
}

static void skip_strings(struct cep_ndr *ndr, const struct string *strings, int count)
{
    while (count-- > 0)
        skip_string(ndr, strings++);
}

/* RPC_SID, [MS-DTYP] 2.4.2.3: the number of subauthorities comes before and inside of it. */
static void read_sid(struct cep_ndr *ndr, struct cep_sid *sid)
{
    uint32_t count = cep_ndr_u32(ndr);
    const unsigned char *octets;
    size_t length;

    memset(sid, 0, sizeof(*sid));
    if (count > CEP_SID_MAX_SUBAUTHORITIES)
        cep_ndr_fail(ndr, "a SID has more than 15 subauthorities");
    if (ndr->problem)
        return;
    length = 8 + (size_t)4 * count;
    octets = cep_ndr_take(ndr, length);
    if (octets && !cep_sid_read(sid, octets, length))
        cep_ndr_fail(ndr, "a SID cannot be read");
}

/*
 * S-1-5-21-x-y-z. No domain of Active Directory has another one; and so a RID can never become a
 * well-known SID.
 */
static void read_domain(struct cep_ndr *ndr, struct cep_sid *sid)
{
    static const unsigned char begin[] = {1, DOMAIN_SUBAUTHORITIES, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0};

    read_sid(ndr, sid);
    if (!ndr->problem && memcmp(sid->octets, begin, sizeof(begin)) != 0)
        cep_ndr_fail(ndr, "a domain SID is not of the form S-1-5-21-x-y-z");
}

/* The array's own count must be the structure's. 1 when there are elements to read. */
static int begin_list(struct cep_ndr *ndr, const struct list *list, size_t element)
{
    if (list->referent == 0) {
        if (list->count)
            cep_ndr_fail(ndr, "a list of groups is a null pointer");
        return 0;
    }
    if (cep_ndr_u32(ndr) != list->count)
        cep_ndr_fail(ndr, "a list of groups has another length than it should have");
    if (list->count > (ndr->length - ndr->at) / element)
        cep_ndr_fail(ndr, "it is cut short");
    return !ndr->problem && list->count > 0;
}

/*
 * Windows ignores a group that is not enabled when it checks access, and [MS-KILE] puts it into the
 * token. No KDC makes such a group; who gets one need not guess.
 */
static void check_attributes(struct cep_ndr *ndr, uint32_t attributes)
{
    if (!(attributes & GROUP_ENABLED) || (attributes & GROUP_FOR_DENY_ONLY))
        cep_ndr_fail(ndr, "a group is not enabled");
}

static void add_rid(struct cep_ndr *ndr, apr_array_header_t *sids, const struct cep_sid *domain,
                    uint32_t rid)
{
    struct cep_sid sid;

    if (!cep_sid_append_rid(&sid, domain, rid))
        cep_ndr_fail(ndr, "a SID cannot be read");
    if (!ndr->problem)
        APR_ARRAY_PUSH(sids, struct cep_sid) = sid;
}

/* Where the list's elements are; they are read when their domain is known. */
static size_t skip_groups(struct cep_ndr *ndr, const struct list *list)
{
    size_t begin;

    if (!begin_list(ndr, list, GROUP_LENGTH))
        return ndr->at;
    begin = ndr->at;
    cep_ndr_take(ndr, (size_t)GROUP_LENGTH * list->count);
    return begin;
}

/* GROUP_MEMBERSHIP, [MS-PAC] 2.2.2. */
static void read_groups(struct cep_ndr *ndr, size_t begin, const struct list *list,
                        const struct cep_sid *domain, apr_array_header_t *sids)
{
    size_t end = ndr->at;
    uint32_t i;

    ndr->at = begin;
    for (i = 0; i < list->count && !ndr->problem; i++) {
        uint32_t rid = cep_ndr_u32(ndr);

        check_attributes(ndr, cep_ndr_u32(ndr));
        add_rid(ndr, sids, domain, rid);
    }
    ndr->at = end;
}

/* KERB_SID_AND_ATTRIBUTES, [MS-PAC] 2.2.1: first all pointers, then the SIDs. */
static void read_extra(struct cep_ndr *ndr, const struct list *list, apr_array_header_t *sids)
{
    struct cep_sid sid;
    uint32_t i;

    if (!begin_list(ndr, list, GROUP_LENGTH))
        return;
    for (i = 0; i < list->count && !ndr->problem; i++) {
        if (cep_ndr_u32(ndr) == 0)
            cep_ndr_fail(ndr, "an extra SID is a null pointer");
        check_attributes(ndr, cep_ndr_u32(ndr));
    }
    for (i = 0; i < list->count && !ndr->problem; i++) {
        read_sid(ndr, &sid);
        if (!ndr->problem)
            APR_ARRAY_PUSH(sids, struct cep_sid) = sid;
    }
}

/* What the pointers point to, in the order of the pointers: C706 14.3.12.3. */
static void read_referents(struct cep_ndr *ndr, const struct logon *logon, struct cep_sid *domain,
                           apr_array_header_t *sids)
{
    struct cep_sid resource_domain = {{0}, 0};
    size_t groups, resource_groups;

    skip_strings(ndr, logon->names, NAMES_BEFORE_GROUPS);
    groups = skip_groups(ndr, &logon->groups);
    skip_strings(ndr, logon->names + NAMES_BEFORE_GROUPS, NAMES - NAMES_BEFORE_GROUPS);
    read_domain(ndr, domain);
    add_rid(ndr, sids, domain, logon->user);
    add_rid(ndr, sids, domain, logon->primary_group);
    read_groups(ndr, groups, &logon->groups, domain, sids);
    read_extra(ndr, &logon->extra, sids);
    if (logon->resource_domain)
        read_domain(ndr, &resource_domain);
    resource_groups = skip_groups(ndr, &logon->resource_groups);
    read_groups(ndr, resource_groups, &logon->resource_groups, &resource_domain, sids);
}

const char *cep_pac_sids(apr_array_header_t *sids, const void *data, apr_size_t length)
{
    struct cep_account account = {0};
    struct logon logon = {0};
    struct cep_sid domain;
    int first = sids->nelts;
    struct cep_ndr ndr;

    cep_ndr_open(&ndr, data, length);
    read_structure(&ndr, &logon);
    if (!ndr.problem)
        ndr.problem = check_structure(&logon);
    if (!ndr.problem)
        read_referents(&ndr, &logon, &domain, sids);
    cep_ndr_close(&ndr);
    if (ndr.problem)
        return ndr.problem;
    /*
     * The KDC puts S-1-5-9 into the PAC of a domain controller. It must not be derived from the
     * account's flags here: a KDC of another forest could say of anybody that he is one.
     */
    account.sid = APR_ARRAY_IDX(sids, first, struct cep_sid);
    cep_wellknown_add(sids, &account);
    return NULL;
}

apr_status_t cep_caller_from_ticket(struct cep_caller **caller, const char *name, const char *json,
                                    apr_pool_t *pool, const char **error)
{
    apr_array_header_t *sids;
    struct cep_value logon;
    const char *problem;

    *caller = NULL;
    *error = NULL;
    problem = cep_name_attribute_find(&logon, name, json, CEP_PAC_LOGON_INFO, pool);
    if (problem) {
        *error = problem;
        return APR_EINVAL;
    }
    if (!logon.data)
        return APR_NOTFOUND;
    sids = apr_array_make(pool, 64, sizeof(struct cep_sid));
    problem = cep_pac_sids(sids, logon.data, logon.len);
    if (problem) {
        *error = apr_psprintf(pool, "the logon information in its PAC cannot be used: %s", problem);
        return APR_EINVAL;
    }
    *caller = apr_palloc(pool, sizeof(**caller));
    (*caller)->dn = "";
    (*caller)->account = apr_pstrdup(pool, name);
    (*caller)->sid = APR_ARRAY_IDX(sids, 0, struct cep_sid); /* the account's comes first */
    (*caller)->token = cep_token_make(sids);
    return APR_SUCCESS;
}
