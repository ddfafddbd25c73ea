/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Searching an LDAP server: all pages, all values, all or nothing. */

#include <string.h>

#include <apr_strings.h>

#include "ldap_source.h"

#define PAGE_SIZE            500
#define SD_FLAGS_OID         "1.2.840.113556.1.4.801"
#define LARGEST_TIME_LIMIT   3600 /* seconds, told to the server with each search */
#define OVERHEAD_OF_A_VALUE  32   /* octets of our own memory, counted against the limit */
#define OVERHEAD_OF_AN_ENTRY 512

/* Owner, group and DACL, without the SACL, which ordinary accounts may not read: [MS-ADTS]
 * 3.1.1.3.4.1.11. */
static const char sd_flags_value[] = {0x30, 0x03, 0x02, 0x01, 0x07};

/* Values that came in part: AD's "member;range=0-1499", [MS-ADTS] 3.1.1.3.1.3.3. */
struct range {
    struct cep_entry *entry;
    const char *attribute; /* without options */
    apr_uint32_t next;     /* first value still to be read */
};

struct search {
    struct ldap_source *source;
    const struct cep_query *query;
    const char *step; /* for messages */
    apr_time_t deadline;
    apr_pool_t *pool;
    const char **error;
    void (*take)(void *baton, const struct cep_entry *entry); /* NULL: all are kept */
    void *baton;
    apr_pool_t *entry_pool;      /* of what is in entries */
    apr_array_header_t *entries; /* struct cep_entry *, not taken yet */
    apr_array_header_t *ranges;  /* struct range */
    int count;                   /* entries so far */
    apr_uint64_t octets;
};

static apr_status_t search_fails(const struct search *search, const char *what)
{
    *search->error = apr_pstrcat(search->pool, search->step, ": ", what, NULL);
    return APR_EGENERAL;
}

static apr_status_t count_octets(struct search *search, apr_uint64_t octets)
{
    search->octets += octets;
    if (search->octets <= CEP_DIRECTORY_MAX_BYTES)
        return APR_SUCCESS;
    return search_fails(search, apr_psprintf(search->pool,
                                             "the answer is larger than %d octets, which is more "
                                             "than is read",
                                             CEP_DIRECTORY_MAX_BYTES));
}

static int is_attribute_name(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-.")];
}

/* RFC 4515 section 3. */
static const char *escape(const struct cep_value *value, apr_pool_t *pool)
{
    struct berval in = {value->len, apr_pmemdup(pool, value->data, value->len)}, out = {0, NULL};
    const char *text = NULL;

    if (ldap_bv2escaped_filter_value(&in, &out) == 0)
        text = apr_pstrmemdup(pool, out.bv_val ? out.bv_val : "", out.bv_len);
    ldap_memfree(out.bv_val);
    return text;
}

/* The filter for query, or NULL when a name in it is no name of a class or attribute. */
static const char *make_filter(const struct cep_query *query, apr_pool_t *pool)
{
    const char *by_class = "(objectClass=*)", *value;

    if (query->object_class) {
        if (!is_attribute_name(query->object_class))
            return NULL;
        by_class = apr_pstrcat(pool, "(objectClass=", query->object_class, ")", NULL);
    }
    if (!query->attribute)
        return by_class;
    if (!is_attribute_name(query->attribute) || query->value.len > CEP_DIRECTORY_MAX_PDU / 4)
        return NULL;
    value = escape(&query->value, pool);
    return value ? apr_pstrcat(pool, "(&", by_class, "(", query->attribute, "=", value, "))", NULL)
                 : NULL;
}

/*
 * Read the option "range=first-last" or "range=first-*". Returns 1 when more values are to come,
 * 0 when these were all or there is no such option, -1 when it makes no sense.
 */
static int read_range(const char *description, apr_uint32_t expected, apr_uint32_t *next)
{
    const char *option = strstr(description, ";range="), *at;
    apr_uint64_t number[2] = {0, 0};
    int i;

    if (!option)
        return expected ? -1 : 0;
    at = option + strlen(";range=");
    for (i = 0; i < 2; i++, at++) {
        if (i == 1 && at[0] == '*' && (!at[1] || at[1] == ';'))
            return number[0] == expected ? 0 : -1;
        if (*at < '0' || *at > '9')
            return -1;
        for (; *at >= '0' && *at <= '9' && number[i] < APR_UINT32_MAX; at++)
            number[i] = number[i] * 10 + (apr_uint64_t)(*at - '0');
        if (i == 0 && *at != '-')
            return -1;
    }
    if (number[0] != expected || number[1] < number[0] || number[1] >= APR_UINT32_MAX)
        return -1;
    *next = (apr_uint32_t)number[1] + 1;
    return 1;
}

/* Take the values of one attribute in. continued: the range that they continue, or NULL. */
static apr_status_t take_values(struct search *search, struct cep_entry *entry,
                                const char *description, const struct berval *values,
                                struct range *continued)
{
    apr_uint32_t next = 0;
    int more = read_range(description, continued ? continued->next : 0, &next);
    size_t i;

    if (more < 0)
        return search_fails(
            search, apr_psprintf(search->pool, "the server sent \"%s\" out of order", description));
    for (i = 0; values && values[i].bv_val; i++) {
        apr_status_t status = count_octets(search, values[i].bv_len + OVERHEAD_OF_A_VALUE);

        if (status != APR_SUCCESS)
            return status;
        cep_entry_add(entry, search->entry_pool, description, values[i].bv_val, values[i].bv_len);
    }
    if (more && !i)
        return search_fails(search, "the server sent a part of an attribute without a value");
    if (continued) {
        continued->next = next; /* 0: complete */
    } else if (more) {
        struct range *range = apr_array_push(search->ranges);

        range->entry = entry;
        range->attribute = apr_pstrmemdup(search->pool, description, strcspn(description, ";"));
        range->next = next;
    }
    return APR_SUCCESS;
}

/* Take all attributes of message in; with continued, only the rest of that attribute. */
static apr_status_t take_attributes(struct search *search, LDAPMessage *message, BerElement *ber,
                                    struct cep_entry *entry, struct range *continued)
{
    apr_status_t status = APR_SUCCESS;
    struct berval name, *values;
    int rc;

    while (status == APR_SUCCESS) {
        values = NULL;
        rc = ldap_get_attribute_ber(search->source->ld, message, ber, &name, &values);
        if (rc != LDAP_SUCCESS || !name.bv_val) {
            if (values)
                ber_memfree(values);
            return rc == LDAP_SUCCESS ? APR_SUCCESS
                                      : search_fails(search, "an entry cannot be decoded");
        }
        if (strlen(name.bv_val) != name.bv_len || !name.bv_len)
            status = search_fails(search, "an attribute's name is empty or holds a NUL octet");
        else if (!continued || (strncasecmp(name.bv_val, continued->attribute,
                                            strlen(continued->attribute)) == 0 &&
                                name.bv_val[strlen(continued->attribute)] == ';'))
            status = take_values(search, entry, name.bv_val, values, continued);
        if (values)
            ber_memfree(values);
    }
    return status;
}

/* Take one entry in: a new one, or the rest of continued->entry. */
static apr_status_t take_entry(struct search *search, LDAPMessage *message, struct range *continued)
{
    struct cep_entry *entry;
    apr_status_t status;
    BerElement *ber = NULL;
    struct berval dn;

    if (ldap_get_dn_ber(search->source->ld, message, &ber, &dn) != LDAP_SUCCESS)
        return search_fails(search, "an entry cannot be decoded");
    if (continued) {
        entry = continued->entry;
        status = APR_SUCCESS;
    } else {
        entry = cep_entry_make(search->entry_pool, dn.bv_val ? dn.bv_val : "");
        APR_ARRAY_PUSH(search->entries, struct cep_entry *) = entry;
        status = count_octets(search, dn.bv_len + OVERHEAD_OF_AN_ENTRY);
        if (strlen(entry->dn) != dn.bv_len)
            status = search_fails(search, "a DN holds a NUL octet");
        else if (++search->count > CEP_DIRECTORY_MAX_ENTRIES)
            status = search_fails(search, "there are more entries than are read");
    }
    if (status == APR_SUCCESS)
        status = take_attributes(search, message, ber, entry, continued);
    ber_free(ber, 0);
    return status;
}

/*
 * Read the answer to the search id. References to other servers are passed over: what they hold is
 * not asked for here, and following them would hand the bind to whatever host they name.
 */
static apr_status_t read_answer(struct search *search, int id, struct range *continued,
                                struct berval *cookie)
{
    apr_status_t status = APR_SUCCESS;

    while (status == APR_SUCCESS) {
        LDAPMessage *message = cep_ldap_next_message(search->source, id);

        if (!message)
            return cep_ldap_fail_handle(search->source, search->step, search->pool, search->error);
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT)
            return cep_ldap_take_result(search->source, search->step, message, cookie, search->pool,
                                        search->error);
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_ENTRY)
            status = take_entry(search, message, continued);
        ldap_msgfree(message);
    }
    return status;
}

static int asks_for(const char *const *attributes, const char *name)
{
    for (; attributes && *attributes; attributes++) {
        if (strcasecmp(*attributes, name) == 0)
            return 1;
    }
    return 0;
}

/*
 * Seconds told to the server, so that it stops working for us, too, when we have gone. Rounded up,
 * and one more: Samba compares clock times in whole seconds, so that to it a second is over after a
 * millisecond when the clock turns meanwhile.
 */
static time_t time_limit(apr_time_t deadline)
{
    apr_interval_time_t left = deadline - cep_monotonic();
    apr_time_t seconds = left > 0 ? apr_time_sec(left) + 2 : 2;

    return seconds < LARGEST_TIME_LIMIT ? (time_t)seconds : LARGEST_TIME_LIMIT;
}

/* One search request: a page, or the rest of a range. cookie NULL: without paging. */
static apr_status_t search_once(struct search *search, const char *base, enum cep_scope scope,
                                const char *filter, char **attributes, struct range *continued,
                                struct berval *cookie)
{
    static const int scopes[] = {[CEP_SCOPE_BASE] = LDAP_SCOPE_BASE,
                                 [CEP_SCOPE_ONE] = LDAP_SCOPE_ONELEVEL,
                                 [CEP_SCOPE_SUBTREE] = LDAP_SCOPE_SUBTREE};
    struct ldap_source *source = search->source;
    char sd_oid[] = SD_FLAGS_OID, sd_value[sizeof(sd_flags_value)];
    LDAPControl sd = {sd_oid, {sizeof(sd_value), sd_value}, 0}, *page = NULL;
    LDAPControl *controls[3] = {NULL, NULL, NULL};
    struct timeval limit = {0, 0};
    int count = 0, id = 0, rc = LDAP_SUCCESS;
    apr_status_t status;

    cep_ldap_arm(source, search->deadline);
    memcpy(sd_value, sd_flags_value, sizeof(sd_value));
    /* Not critical: OpenLDAP, which does not know it, hands the attribute out all the same. */
    if (asks_for(search->query->attributes, "nTSecurityDescriptor"))
        controls[count++] = &sd;
    if (cookie)
        rc = ldap_create_page_control(source->ld, PAGE_SIZE, cookie, 0, &page);
    if (rc != LDAP_SUCCESS)
        return search_fails(search, ldap_err2string(rc));
    controls[count] = page;
    limit.tv_sec = time_limit(source->deadline);
    rc = ldap_search_ext(source->ld, base, scopes[scope], filter, attributes, 0, controls, NULL,
                         &limit, LDAP_NO_LIMIT, &id);
    if (cookie)
        *cookie = (struct berval){0, NULL};
    if (rc == LDAP_SUCCESS)
        status = read_answer(search, id, continued, cookie);
    else
        status = cep_ldap_fail_handle(source, search->step, search->pool, search->error);
    if (page)
        ldap_control_free(page);
    return status;
}

/* libldap takes the names without const, but only reads them. */
static char **attribute_list(const char *const *attributes, apr_pool_t *pool)
{
    char **list;
    int count = 0, i;

    if (!attributes)
        return NULL;
    while (attributes[count])
        count++;
    list = apr_pcalloc(pool, sizeof(*list) * ((size_t)count + 2));
    for (i = 0; i < count; i++)
        list[i] = apr_pstrdup(pool, attributes[i]);
    if (!count)
        list[0] = apr_pstrdup(pool, LDAP_NO_ATTRS);
    return list;
}

/* After all pages, so that no other search comes between two of them. */
static apr_status_t complete_ranges(struct search *search)
{
    apr_status_t status = APR_SUCCESS;
    int i;

    for (i = 0; i < search->ranges->nelts && status == APR_SUCCESS; i++) {
        struct range range = APR_ARRAY_IDX(search->ranges, i, struct range);

        while (status == APR_SUCCESS && range.next) {
            char *attributes[2] = {NULL, NULL};
            apr_uint32_t before = range.next;

            attributes[0] = apr_psprintf(search->pool, "%s;range=%u-*", range.attribute, before);
            status = search_once(search, range.entry->dn, CEP_SCOPE_BASE, "(objectClass=*)",
                                 attributes, &range, NULL);
            if (status == APR_SUCCESS && range.next == before)
                status =
                    search_fails(search, apr_psprintf(search->pool,
                                                      "the server did not send the values of %s "
                                                      "from the %u. on; did the entry change?",
                                                      range.attribute, before));
        }
        if (status == APR_NOTFOUND) /* the base does exist: this is another entry that has gone */
            status = APR_EGENERAL;
    }
    return status;
}

/* Let the entries go that have come, and their memory. */
static void hand_over(struct search *search)
{
    int i;

    if (!search->take)
        return;
    for (i = 0; i < search->entries->nelts; i++)
        search->take(search->baton, APR_ARRAY_IDX(search->entries, i, struct cep_entry *));
    apr_array_clear(search->entries);
    apr_pool_clear(search->entry_pool);
}

/* The whole search. From the first entry that lacks values on, entries wait for its completion. */
static apr_status_t run_search(struct search *search)
{
    const struct cep_query *query = search->query;
    const char *filter = make_filter(query, search->pool);
    char **attributes = attribute_list(query->attributes, search->pool);
    struct berval cookie = {0, NULL};
    apr_status_t status;

    search->step = *query->base ? apr_psprintf(search->pool, "searching \"%s\"", query->base)
                                : "reading the root DSE";
    search->entries = apr_array_make(search->pool, 8, sizeof(struct cep_entry *));
    search->ranges = apr_array_make(search->pool, 1, sizeof(struct range));
    if (!filter)
        return search_fails(search, "the query names a class or attribute that cannot exist");
    do {
        status = search_once(search, query->base, query->scope, filter, attributes, NULL,
                             query->scope == CEP_SCOPE_BASE ? NULL : &cookie);
        if (status == APR_SUCCESS && !search->ranges->nelts)
            hand_over(search);
    } while (status == APR_SUCCESS && cookie.bv_len);
    if (status == APR_SUCCESS)
        status = complete_ranges(search);
    if (status == APR_SUCCESS)
        hand_over(search);
    return status;
}

apr_status_t cep_ldap_query(void *opaque, const struct cep_query *query, apr_time_t deadline,
                            apr_array_header_t **entries, apr_pool_t *pool, const char **error)
{
    struct search search = {.source = opaque, .query = query, .deadline = deadline, .pool = pool};
    apr_status_t status;

    search.error = error;
    search.entry_pool = pool;
    status = run_search(&search);
    *entries = search.entries;
    return status;
}

apr_status_t cep_ldap_each(void *opaque, const struct cep_query *query, apr_time_t deadline,
                           void (*take)(void *baton, const struct cep_entry *entry), void *baton,
                           apr_pool_t *pool, const char **error)
{
    struct search search = {.source = opaque, .query = query, .deadline = deadline, .pool = pool};
    apr_status_t status;

    search.error = error;
    search.take = take;
    search.baton = baton;
    apr_pool_create(&search.entry_pool, pool);
    status = run_search(&search);
    apr_pool_destroy(search.entry_pool);
    return status;
}
