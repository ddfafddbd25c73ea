/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A client's certificate, and altSecurityIdentities of two accounts, through the rooms of caller/
 * that read and map it. The directory is in memory; signatures play no part.
 *
 * The input is lines of text, a NUL, and the certificate in DER. A line is
 *
 *   A text, B text   a value of altSecurityIdentities of that account
 *   M digits         the mappings that are switched on, CEP_MAP_* added up
 *
 * Beside that, A is alice (S-1-5-21-1-2-3-1104, alice@corp.example) and B a computer
 * (S-1-5-21-1-2-3-1105, ws01.corp.example).
 */
#include <apr_strings.h>

#include <openssl/err.h>

#include "../../mod_cep/caller/lookup.h"
#include "fuzz.h"

#define BASE "DC=corp,DC=example"

/* Values of one account; more are left out. */
#define MAX_VALUES 8

struct cep_directory {
    struct cep_directory_identity identity;
    struct cep_entry *entries[2];
};

/* --- the directory --- */

const struct cep_directory_identity *cep_directory_identity(const struct cep_directory *directory)
{
    return &directory->identity;
}

static int has_value(const struct cep_entry *entry, const char *name, const struct cep_value *value)
{
    const struct cep_attribute *attribute = cep_entry_attribute(entry, name);
    int i;

    for (i = 0; i < cep_attribute_count(attribute); i++) {
        const struct cep_value *own = cep_attribute_value(attribute, i);

        if (strcmp(name, "objectSid") == 0
                ? own->len == value->len && memcmp(own->data, value->data, own->len) == 0
                : cep_name_equal((const char *)own->data, (const char *)value->data))
            return 1;
    }
    return 0;
}

apr_status_t cep_directory_query(struct cep_directory *directory, const struct cep_query *query,
                                 apr_interval_time_t limit, apr_array_header_t **entries,
                                 apr_pool_t *pool, const char **error)
{
    int i;

    (void)limit;
    (void)error;
    *entries = apr_array_make(pool, 2, sizeof(struct cep_entry *));
    for (i = 0; i < 2; i++) {
        struct cep_entry *entry = directory->entries[i];

        if (query->attribute ? has_value(entry, query->attribute, &query->value)
                             : strcmp(query->base, entry->dn) == 0)
            APR_ARRAY_PUSH(*entries, struct cep_entry *) = entry;
    }
    return APR_SUCCESS;
}

static struct cep_entry *make_account(apr_pool_t *pool, const char *name, const char *object_class,
                                      const char *sid_text, const char *attribute,
                                      const char *value)
{
    struct cep_entry *entry = cep_entry_make(pool, apr_pstrcat(pool, "CN=", name, "," BASE, NULL));
    struct cep_sid sid;

    cep_sid_parse(&sid, sid_text);
    cep_entry_add(entry, pool, "objectClass", object_class, strlen(object_class));
    cep_entry_add(entry, pool, "sAMAccountName", name, strlen(name));
    cep_entry_add(entry, pool, "userAccountControl", "512", 3);
    cep_entry_add(entry, pool, "objectSid", sid.octets, sid.length);
    cep_entry_add(entry, pool, attribute, value, strlen(value));
    return entry;
}

static void make_directory(struct cep_directory *directory, apr_pool_t *pool)
{
    memset(directory, 0, sizeof(*directory));
    directory->identity.domain_dn = BASE;
    directory->identity.configuration_dn = "CN=Configuration," BASE;
    directory->identity.dns_domain = "corp.example";
    directory->identity.source = "memory";
    directory->entries[0] = make_account(pool, "alice", "user", "S-1-5-21-1-2-3-1104",
                                         "userPrincipalName", "alice@corp.example");
    directory->entries[1] = make_account(pool, "ws01$", "computer", "S-1-5-21-1-2-3-1105",
                                         "dNSHostName", "ws01.corp.example");
}

/* The lines in front; returns where the certificate begins. */
static size_t read_lines(struct cep_directory *directory, unsigned *mappings, apr_pool_t *pool,
                         const unsigned char *data, size_t size)
{
    const unsigned char *nul = memchr(data, 0, size);
    const char *text, *end;
    int values = 0;

    *mappings = 15;
    if (!nul)
        return size;
    for (text = (const char *)data; *text; text = *end ? end + 1 : end) {
        struct cep_value value = {(const unsigned char *)text + 1, 0};

        end = text + strcspn(text, "\n");
        value.len = (apr_size_t)(end - text);
        if (*text == 'M') {
            *mappings = (unsigned)strtoul(text + 1, NULL, 10) & 15;
        } else if ((*text == 'A' || *text == 'B') && value.len > 1 && values++ < MAX_VALUES) {
            cep_entry_add(directory->entries[*text - 'A'], pool, "altSecurityIdentities", text + 1,
                          value.len - 1);
        }
    }
    return (size_t)(nul - data) + 1;
}

/* --- promises --- */

static int is_plain(const char *text)
{
    struct cep_value value = {(const unsigned char *)text, strlen(text)};
    size_t i;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] == 0x7f)
            return 0;
    }
    return value.len > 0 && cep_value_is_text(&value);
}

static void check_certificate(const struct cep_certificate *certificate)
{
    int i;

    promise(certificate->x509 != NULL && certificate->label != NULL, "it is a certificate");
    promise(is_plain(certificate->label), "the label is a line");
    promise(certificate->altsecid_count >= 2 &&
                certificate->altsecid_count <= CEP_CERTIFICATE_MAX_ALTSECIDS,
            "the number of strings");
    for (i = 0; i < certificate->altsecid_count; i++) {
        promise(is_plain(certificate->altsecids[i]), "altSecurityIdentities are text");
        promise(strncmp(certificate->altsecids[i], "X509:<I>", 8) == 0 ||
                    strncmp(certificate->altsecids[i], "X509:<SKI>", 10) == 0 ||
                    strncmp(certificate->altsecids[i], "X509:<SHA1-PUKEY>", 17) == 0,
                "strong forms only");
    }
    promise(!certificate->upn ||
                (is_plain(certificate->upn) && strlen(certificate->upn) <= CEP_CALLER_MAX_NAME),
            "the UPN is text");
    promise((certificate->dns_count > 0) == (certificate->dns_name != NULL), "DNS names");
    promise(!certificate->dns_name || is_plain(certificate->dns_name), "the DNS name is text");
    promise(!certificate->has_sid ||
                cep_sid_length(certificate->sid.octets, certificate->sid.length) ==
                    certificate->sid.length,
            "the SID is one");
}

static int is_named_by_altsecid(const struct cep_certificate *certificate,
                                const struct cep_entry *entry)
{
    int i;

    for (i = 0; i < certificate->altsecid_count; i++) {
        struct cep_value value = {(const unsigned char *)certificate->altsecids[i], 0};

        if (has_value(entry, "altSecurityIdentities", &value))
            return 1;
    }
    return 0;
}

static int is_named_strongly(const struct cep_certificate *certificate, unsigned mappings,
                             const struct cep_entry *entry)
{
    struct cep_value sid = {certificate->sid.octets, certificate->sid.length};

    return ((mappings & CEP_MAP_SID) && certificate->has_sid &&
            has_value(entry, "objectSid", &sid)) ||
           ((mappings & CEP_MAP_ALTSECID) && is_named_by_altsecid(certificate, entry));
}

static int is_named_weakly(const struct cep_certificate *certificate, unsigned mappings,
                           const struct cep_entry *entry)
{
    struct cep_value dns = {(const unsigned char *)certificate->dns_name, 0};

    return ((mappings & CEP_MAP_UPN) && certificate->upn &&
            strchr(certificate->upn, '@') != NULL) ||
           ((mappings & CEP_MAP_DNS) && certificate->dns_count == 1 &&
            has_value(entry, "dNSHostName", &dns));
}

/* Written anew, and not as mapping.c does it. */
static void check_mapping(struct cep_directory *directory, unsigned mappings,
                          const struct cep_certificate *certificate, apr_pool_t *pool)
{
    struct cep_directory_config config = {0};
    struct cep_lookup lookup = {0};
    struct cep_account account;
    apr_status_t rv;
    int strong[2], i;

    config.realms = apr_array_make(pool, 1, sizeof(const char *));
    lookup.directory = directory;
    lookup.identity = &directory->identity;
    lookup.config = &config;
    lookup.deadline = INT64_MAX;
    lookup.pool = pool;
    rv = cep_certificate_map(&account, &lookup, certificate, mappings);
    promise(rv == APR_SUCCESS || rv == APR_NOTFOUND, "an account or nobody");
    promise(rv == APR_SUCCESS || lookup.error != NULL, "nobody has a reason");
    for (i = 0; i < 2; i++)
        strong[i] = is_named_strongly(certificate, mappings, directory->entries[i]);
    if (!(mappings & (CEP_MAP_UPN | CEP_MAP_DNS)))
        promise((rv == APR_SUCCESS) == (strong[0] != strong[1]), "one account is found");
    if (rv != APR_SUCCESS)
        return;
    i = account.entry == directory->entries[1];
    promise(account.entry == directory->entries[i], "the account is of the directory");
    promise(!strong[!i], "two accounts are nobody");
    promise(strong[i] || is_named_weakly(certificate, mappings, directory->entries[i]),
            "the certificate names the account");
    promise(strong[i] || !certificate->has_sid ||
                cep_sid_compare(&certificate->sid, &account.sid) == 0,
            "a SID does not contradict");
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct cep_certificate *certificate = NULL;
    struct cep_directory directory;
    const char *problem;
    unsigned mappings;
    apr_pool_t *pool = input_pool();
    size_t begin;

    make_directory(&directory, pool);
    begin = read_lines(&directory, &mappings, pool, data, size);
    problem = cep_certificate_read(&certificate, data + begin, size - begin, pool);
    promise((problem == NULL) == (certificate != NULL), "a certificate or a problem");
    promise(ERR_peek_error() == 0, "OpenSSL's errors are cleared");
    if (certificate) {
        check_certificate(certificate);
        check_mapping(&directory, mappings, certificate, pool);
    }
    apr_pool_destroy(pool);
    return 0;
}
