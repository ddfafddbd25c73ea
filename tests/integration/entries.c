/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Print what a directory holds, in one canonical form, so that tests can compare sources:
 *
 *   entries --url URL [--url URL]... [--site NAME]
 *           [--bind-dn DN --password-file FILE | --external | --keytab FILE [--principal NAME]]
 *           [--start-tls] [--ca-file FILE] [--timeout MS] [--limit MS] [--repeat N]
 *           [--base DN|templates|cas|oids|identity] [--scope base|one|sub] [--class NAME]
 *           [--match ATTRIBUTE=VALUE | --match-hex ATTRIBUTE=HEX] [--attribute NAME]...
 *
 * Entries, their attributes and values are sorted; DNs are canonical; "name:: " stands before a
 * value in hex. Exit status 0; 1 after an error, which is on standard error; 2 for wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "../../mod_cep/directory/dn.h"
#include "cep_directory.h"

struct request {
    struct cep_directory_config config;
    struct cep_query query;
    apr_array_header_t *attributes; /* const char * */
    const char *base;
    apr_interval_time_t limit;
    long repeat;
};

static void usage(const char *what)
{
    fprintf(stderr, "entries: wrong usage: %s\n", what);
    exit(2);
}

static void fail(const char *error)
{
    fprintf(stderr, "entries: %s\n", error);
    exit(1);
}

static void write_log(void *baton, enum cep_log_level level, apr_status_t rv, const char *message)
{
    (void)baton;
    (void)level;
    (void)rv;
    fprintf(stderr, "log: %s\n", message);
}

static int lower_hex(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_match(struct request *request, const char *argument, int hex, apr_pool_t *pool)
{
    char *name = apr_pstrdup(pool, argument), *value = strchr(name, '='), *out, *at;

    if (!value)
        usage("--match needs ATTRIBUTE=VALUE");
    *value++ = 0;
    request->query.attribute = name;
    request->query.value.data = (unsigned char *)value;
    request->query.value.len = strlen(value);
    if (!hex)
        return;
    for (at = out = value; at[0] && at[1]; at += 2) {
        int high = lower_hex(at[0]), low = lower_hex(at[1]);

        if (high < 0 || low < 0)
            usage("--match-hex needs pairs of 0-9a-f");
        *out++ = (char)(high * 16 + low);
    }
    *out = 0;
    request->query.value.len = (apr_size_t)(out - value);
}

static enum cep_scope read_scope(const char *name)
{
    if (strcmp(name, "base") == 0)
        return CEP_SCOPE_BASE;
    if (strcmp(name, "one") == 0)
        return CEP_SCOPE_ONE;
    if (strcmp(name, "sub") != 0)
        usage("--scope is base, one or sub");
    return CEP_SCOPE_SUBTREE;
}

/* Options without an argument. */
static int read_switch(struct request *request, const char *option)
{
    if (strcmp(option, "--external") == 0)
        request->config.bind = CEP_BIND_EXTERNAL;
    else if (strcmp(option, "--start-tls") == 0)
        request->config.start_tls = 1;
    else
        return 0;
    return 1;
}

static void read_option(struct request *request, const char *option, const char *argument,
                        apr_pool_t *pool)
{
    if (strcmp(option, "--url") == 0) {
        APR_ARRAY_PUSH(request->config.urls, const char *) = argument;
    } else if (strcmp(option, "--site") == 0) {
        request->config.site = argument;
    } else if (strcmp(option, "--bind-dn") == 0) {
        request->config.bind = CEP_BIND_SIMPLE;
        request->config.bind_dn = argument;
    } else if (strcmp(option, "--password-file") == 0) {
        request->config.password_file = argument;
    } else if (strcmp(option, "--keytab") == 0) {
        request->config.bind = CEP_BIND_GSSAPI;
        request->config.keytab = argument;
    } else if (strcmp(option, "--principal") == 0) {
        request->config.principal = argument;
    } else if (strcmp(option, "--ca-file") == 0) {
        request->config.ca_certificate_file = argument;
    } else if (strcmp(option, "--timeout") == 0) {
        request->config.timeout = apr_time_from_msec(apr_atoi64(argument));
    } else if (strcmp(option, "--limit") == 0) {
        request->limit = apr_time_from_msec(apr_atoi64(argument));
    } else if (strcmp(option, "--repeat") == 0) {
        request->repeat = (long)apr_atoi64(argument);
    } else if (strcmp(option, "--base") == 0) {
        request->base = argument;
    } else if (strcmp(option, "--scope") == 0) {
        request->query.scope = read_scope(argument);
    } else if (strcmp(option, "--class") == 0) {
        request->query.object_class = argument;
    } else if (strcmp(option, "--match") == 0) {
        read_match(request, argument, 0, pool);
    } else if (strcmp(option, "--match-hex") == 0) {
        read_match(request, argument, 1, pool);
    } else if (strcmp(option, "--attribute") == 0) {
        APR_ARRAY_PUSH(request->attributes, const char *) = argument;
    } else {
        usage(option);
    }
}

static void read_arguments(struct request *request, int count, const char *const *arguments,
                           apr_pool_t *pool)
{
    int i;

    memset(request, 0, sizeof(*request));
    request->config.name = "test";
    request->config.urls = apr_array_make(pool, 1, sizeof(const char *));
    request->config.realms = apr_array_make(pool, 1, sizeof(const char *));
    request->config.timeout = apr_time_from_sec(5);
    request->config.servers = cep_servers_make(pool);
    request->limit = apr_time_from_sec(60);
    request->repeat = 1;
    request->query.scope = CEP_SCOPE_SUBTREE;
    request->base = "identity";
    request->attributes = apr_array_make(pool, 1, sizeof(const char *));
    for (i = 1; i < count; i++) {
        if (read_switch(request, arguments[i]))
            continue;
        if (i + 1 == count)
            usage(arguments[i]);
        read_option(request, arguments[i], arguments[i + 1], pool);
        i++;
    }
    if (!request->config.urls->nelts)
        usage("--url is missing");
}

/* The containers by short names: [MS-WCCE] 2.2.2.11. */
static void resolve_base(struct request *request, const struct cep_directory_identity *identity,
                         apr_pool_t *pool)
{
    static const struct {
        const char *name, *container, *object_class;
    } symbols[] = {{"templates", "CN=Certificate Templates", "pKICertificateTemplate"},
                   {"cas", "CN=Enrollment Services", "pKIEnrollmentService"},
                   {"oids", "CN=OID", "msPKI-Enterprise-Oid"}};
    size_t i;

    request->query.base = request->base;
    for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        if (strcmp(symbols[i].name, request->base) != 0)
            continue;
        request->query.base =
            apr_pstrcat(pool, symbols[i].container, ",CN=Public Key Services,CN=Services,",
                        identity->configuration_dn, NULL);
        if (!request->query.object_class)
            request->query.object_class = symbols[i].object_class;
    }
}

static void print_identity(const struct cep_directory_identity *identity)
{
    printf("configuration_dn: %s\n", identity->configuration_dn);
    printf("domain_dn: %s\n", identity->domain_dn);
    printf("dns_domain: %s\n", identity->dns_domain);
    printf("netbios_domain: %s\n", identity->netbios_domain ? identity->netbios_domain : "(none)");
    printf("forest_id: %s\n", identity->forest_id);
    printf("active_directory: %d\n", identity->active_directory);
}

static int compare_values(const void *a, const void *b)
{
    const struct cep_value *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

    if (order)
        return order;
    return x->len < y->len ? -1 : x->len > y->len;
}

static int compare_attributes(const void *a, const void *b)
{
    const struct cep_attribute *x = a, *y = b;

    return strcasecmp(x->name, y->name);
}

static int compare_entries(const void *a, const void *b)
{
    const struct cep_entry *const *x = a, *const *y = b;

    return strcmp((*x)->dn, (*y)->dn);
}

static int holds_dns(const char *name)
{
    static const char *const names[] = {"member",         "memberOf",          "nCName",
                                        "objectCategory", "distinguishedName", NULL};
    int i;

    for (i = 0; names[i]; i++) {
        if (strcasecmp(names[i], name) == 0)
            return 1;
    }
    return 0;
}

static int is_printable(const struct cep_value *value)
{
    apr_size_t i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] > 0x7e)
            return 0;
    }
    return value->len > 0;
}

static void print_value(const char *name, const struct cep_value *value)
{
    apr_size_t i;

    printf("%s:", name);
    if (is_printable(value)) {
        printf(" %s\n", (const char *)value->data);
        return;
    }
    printf(": ");
    for (i = 0; i < value->len; i++)
        printf("%02x", value->data[i]);
    printf("\n");
}

static void print_attribute(const struct cep_attribute *attribute, apr_pool_t *pool)
{
    apr_array_header_t *values = apr_array_copy(pool, attribute->values);
    int i;

    for (i = 0; i < values->nelts; i++) {
        struct cep_value *value = &APR_ARRAY_IDX(values, i, struct cep_value);
        const char *dn =
            holds_dns(attribute->name) ? cep_dn_normalize((const char *)value->data, pool) : NULL;

        if (dn) {
            value->data = (const unsigned char *)dn;
            value->len = strlen(dn);
        }
    }
    qsort(values->elts, (size_t)values->nelts, sizeof(struct cep_value), compare_values);
    for (i = 0; i < values->nelts; i++)
        print_value(attribute->name, &APR_ARRAY_IDX(values, i, struct cep_value));
}

static int is_wanted(const struct request *request, const char *name)
{
    int i;

    for (i = 0; i < request->attributes->nelts; i++) {
        if (strcasecmp(APR_ARRAY_IDX(request->attributes, i, const char *), name) == 0)
            return 1;
    }
    return request->attributes->nelts == 0;
}

static void print_entry(const struct request *request, const struct cep_entry *entry,
                        apr_pool_t *pool)
{
    apr_array_header_t *attributes = apr_array_copy(pool, entry->attributes);
    int i;

    printf("\ndn: %s\n", entry->dn);
    qsort(attributes->elts, (size_t)attributes->nelts, sizeof(struct cep_attribute),
          compare_attributes);
    for (i = 0; i < attributes->nelts; i++) {
        const struct cep_attribute *attribute = &APR_ARRAY_IDX(attributes, i, struct cep_attribute);

        if (is_wanted(request, attribute->name))
            print_attribute(attribute, pool);
    }
}

static void print_entries(const struct request *request, apr_array_header_t *entries,
                          apr_pool_t *pool)
{
    int i;

    for (i = 0; i < entries->nelts; i++) {
        struct cep_entry *copy =
            apr_pmemdup(pool, APR_ARRAY_IDX(entries, i, struct cep_entry *), sizeof(*copy));
        const char *canonical = cep_dn_normalize(copy->dn, pool);

        if (canonical)
            copy->dn = canonical;
        APR_ARRAY_IDX(entries, i, struct cep_entry *) = copy;
    }
    qsort(entries->elts, (size_t)entries->nelts, sizeof(struct cep_entry *), compare_entries);
    printf("# %d entries\n", entries->nelts);
    for (i = 0; i < entries->nelts; i++)
        print_entry(request, APR_ARRAY_IDX(entries, i, struct cep_entry *), pool);
}

static void run(struct request *request, int print, apr_pool_t *pool)
{
    const struct cep_log log = {write_log, NULL};
    const struct cep_directory_identity *identity;
    struct cep_directory *directory;
    apr_array_header_t *entries;
    const char *error;

    if (cep_directory_open(&directory, &request->config, &log, pool, &error) != APR_SUCCESS)
        fail(error);
    identity = cep_directory_identity(directory);
    if (strcmp(request->base, "identity") == 0) {
        if (print)
            print_identity(identity);
        return;
    }
    resolve_base(request, identity, pool);
    if (cep_directory_query(directory, &request->query, request->limit, &entries, pool, &error) !=
        APR_SUCCESS)
        fail(error);
    if (print)
        print_entries(request, entries, pool);
}

int main(int argc, const char *const *argv, const char *const *env)
{
    struct request request;
    apr_pool_t *pool, *round;
    long i;

    if (apr_app_initialize(&argc, &argv, &env) != APR_SUCCESS)
        return 2;
    apr_pool_create(&pool, NULL);
    read_arguments(&request, argc, argv, pool);
    if (request.attributes->nelts) {
        *(const char **)apr_array_push(request.attributes) = NULL;
        request.attributes->nelts--;
        request.query.attributes = (const char *const *)request.attributes->elts;
    }
    for (i = 0; i < request.repeat; i++) {
        apr_pool_create(&round, pool);
        run(&request, i == 0, round);
        apr_pool_destroy(round);
    }
    apr_terminate();
    return 0;
}
