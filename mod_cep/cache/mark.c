/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Has anything changed? Each server counts its changes in its own way, and none counts just those
 * that matter here: in a live domain highestCommittedUSN and contextCSN move with every logon. So
 * when such a number stands still, nothing has changed; when it has moved, every entry is asked for
 * the stamp of its own last change, which is small beside the entries, and shows also those that
 * have gone. What changes without a stamp (inherited permissions: [MS-ADTS] 3.1.1.6.3) waits for
 * the next full read.
 */
#include "config.h"

#include "run.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "cep_digest.h"
#include "image.h"

/* RFC 4533: without it nobody keeps contextCSN, and one that was imported stands still for ever. */
#define CONTROL_SYNC "1.3.6.1.4.1.4203.1.9.1.1"

/* A file that changed this short a time ago may change again within the same tick of its clock. */
#define FILE_SETTLED apr_time_from_sec(2)

/* ---- digests ---- */

/* Each text with its NUL, so that no two rows of texts are the same octets. */
static void put(EVP_MD_CTX *digest, const char *text)
{
    if (text)
        EVP_DigestUpdate(digest, text, strlen(text));
    EVP_DigestUpdate(digest, "", 1);
}

static void put_number(EVP_MD_CTX *digest, apr_uint64_t number)
{
    char text[24];

    apr_snprintf(text, sizeof(text), "%" APR_UINT64_T_FMT, number);
    put(digest, text);
}

static const char *finish(EVP_MD_CTX *digest, apr_pool_t *pool)
{
    unsigned char octets[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    int good = EVP_DigestFinal_ex(digest, octets, &length);

    EVP_MD_CTX_free(digest);
    return good == 1 ? apr_pescape_hex(pool, octets, length, 0) : NULL;
}

static EVP_MD_CTX *begin(void)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    if (digest && EVP_DigestInit_ex(digest, cep_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(digest);
        digest = NULL;
    }
    return digest;
}

static void put_directory(EVP_MD_CTX *digest, const struct cep_directory_config *config)
{
    for (int i = 0; i < config->urls->nelts; i++)
        put(digest, APR_ARRAY_IDX(config->urls, i, const char *));
    put(digest, "");
    /* Another account may see other entries. */
    put_number(digest, config->bind);
    put(digest, config->bind_dn);
    put(digest, config->keytab);
    put(digest, config->principal);
}

const char *cep_mark_config(const struct cep_refresh_plan *plan, apr_pool_t *pool)
{
    EVP_MD_CTX *digest = begin();
    int count = plan->configured_uris ? plan->configured_uris->nelts : 0;

    if (!digest)
        return NULL;
    put(digest, PACKAGE_VERSION); /* another version may render the same entries in another way */
    put_number(digest, CEP_IMAGE_FORMAT);
    put_directory(digest, plan->directory);
    for (int i = 0; i < count; i++) {
        const struct cep_configured_uri *configured =
            &APR_ARRAY_IDX(plan->configured_uris, i, struct cep_configured_uri);

        put(digest, configured->ca);
        put(digest, configured->uri.uri);
        put_number(digest, configured->uri.auth);
        put_number(digest, configured->uri.priority);
        put_number(digest, (configured->uri.renewal_only ? 1u : 0u) |
                               (configured->uri.key_based_renewal ? 2u : 0u));
    }
    return finish(digest, pool);
}

/* ---- stamps ---- */

struct cep_stamps {
    apr_pool_t *pool;
    const char *attribute;
    apr_array_header_t *list; /* of SHA-256 digests */
    int missing;              /* an entry had no stamp */
};

struct stamp {
    unsigned char octets[CEP_DIGEST_LENGTH];
};

struct cep_stamps *cep_stamps_make(const struct cep_directory_identity *identity, apr_pool_t *pool)
{
    struct cep_stamps *stamps = apr_pcalloc(pool, sizeof(*stamps));

    stamps->pool = pool;
    stamps->attribute = identity->active_directory ? "uSNChanged" : "entryCSN";
    stamps->list = apr_array_make(pool, 64, sizeof(struct stamp));
    return stamps;
}

const char *cep_stamps_attribute(const struct cep_stamps *stamps)
{
    return stamps->attribute;
}

void cep_stamps_add(struct cep_stamps *stamps, const struct cep_entry *entry)
{
    const char *value = cep_entry_text(entry, stamps->attribute);
    EVP_MD_CTX *digest = value ? begin() : NULL;

    if (!digest) {
        stamps->missing = 1;
        return;
    }
    put(digest, entry->dn);
    put(digest, value);
    if (EVP_DigestFinal_ex(digest, ((struct stamp *)apr_array_push(stamps->list))->octets, NULL) !=
        1)
        stamps->missing = 1;
    EVP_MD_CTX_free(digest);
}

static int compare_stamps(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct stamp));
}

const char *cep_stamps_digest(struct cep_stamps *stamps)
{
    EVP_MD_CTX *digest = stamps->missing ? NULL : begin();

    if (!digest)
        return NULL;
    qsort(stamps->list->elts, (size_t)stamps->list->nelts, sizeof(struct stamp), compare_stamps);
    EVP_DigestUpdate(digest, stamps->list->elts,
                     (size_t)stamps->list->nelts * sizeof(struct stamp));
    return finish(digest, stamps->pool);
}

static void add_stamp(void *stamps, const struct cep_entry *entry)
{
    cep_stamps_add(stamps, entry);
}

apr_status_t cep_stamps_ask(struct cep_stamps *stamps, struct cep_directory *directory,
                            apr_interval_time_t limit, apr_pool_t *pool, const char **error)
{
    const char *const attributes[] = {stamps->attribute, NULL};
    const apr_time_t deadline = cep_monotonic() + limit;

    for (int i = 0; i < CEP_CONTAINERS; i++) {
        struct cep_query query = {
            .base = cep_container_base(&cep_containers[i], cep_directory_identity(directory), pool),
            .scope = CEP_SCOPE_SUBTREE,
            .object_class = cep_containers[i].object_class,
            .attributes = attributes,
        };
        apr_status_t rv = cep_directory_each(directory, &query, deadline - cep_monotonic(),
                                             add_stamp, stamps, pool, error);

        /* One that is missing has no entries; whether that may be is for the full read to say. */
        if (rv != APR_SUCCESS && rv != APR_NOTFOUND)
            return rv;
    }
    return APR_SUCCESS;
}

/* ---- who was read, and up to where ---- */

void cep_mark_file(struct cep_mark *mark, const char *url, const apr_finfo_t *state, apr_time_t now,
                   apr_pool_t *pool)
{
    mark->server = url;
    mark->position = NULL;
    if (state->size < 0 || state->ctime > now - FILE_SETTLED || state->mtime > now - FILE_SETTLED)
        return;
    mark->position =
        apr_psprintf(pool,
                     "file of %" APR_OFF_T_FMT " octets, mtime %" APR_TIME_T_FMT
                     ", ctime %" APR_TIME_T_FMT ", inode %" APR_UINT64_T_FMT,
                     state->size, state->mtime, state->ctime, (apr_uint64_t)state->inode);
}

/* One entry by its DN; NULL when there is none that may be seen. */
static apr_status_t read_entry(const struct cep_entry **entry, struct cep_directory *directory,
                               const char *dn, const char *const *attributes, apr_time_t deadline,
                               apr_pool_t *pool, const char **error)
{
    struct cep_query query = {.base = dn, .scope = CEP_SCOPE_BASE, .attributes = attributes};
    apr_array_header_t *entries;
    apr_status_t rv =
        cep_directory_query(directory, &query, deadline - cep_monotonic(), &entries, pool, error);

    *entry = NULL;
    if (rv == APR_SUCCESS && entries->nelts > 0)
        *entry = APR_ARRAY_IDX(entries, 0, const struct cep_entry *);
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

/*
 * A controller is its nTDSDSA object; one that was restored from a backup counts anew under another
 * invocationId ([MS-ADTS] 3.1.1.1.9).
 */
static apr_status_t mark_controller(struct cep_mark *mark, const struct cep_entry *root,
                                    struct cep_directory *directory, apr_time_t deadline,
                                    apr_pool_t *pool, const char **error)
{
    static const char *const attributes[] = {"invocationId", NULL};
    const char *service = cep_entry_text(root, "dsServiceName");
    const char *usn = cep_entry_text(root, "highestCommittedUSN");
    const struct cep_value *invocation;
    const struct cep_entry *entry;
    apr_status_t rv;

    if (!service || !usn)
        return APR_SUCCESS;
    rv = read_entry(&entry, directory, service, attributes, deadline, pool, error);
    if (rv != APR_SUCCESS)
        return rv;
    invocation = entry ? cep_entry_value(entry, "invocationId") : NULL;
    mark->server = apr_pstrcat(pool, service, " ",
                               invocation && invocation->len
                                   ? apr_pescape_hex(pool, invocation->data, invocation->len, 0)
                                   : "",
                               NULL);
    if (invocation)
        mark->position = apr_pstrcat(pool, "highestCommittedUSN ", usn, NULL);
    return APR_SUCCESS;
}

static int has_text(const struct cep_entry *entry, const char *name, const char *text)
{
    const struct cep_attribute *attribute = cep_entry_attribute(entry, name);

    for (int i = 0; i < cep_attribute_count(attribute); i++) {
        if (!strcmp((const char *)cep_attribute_value(attribute, i)->data, text))
            return 1;
    }
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* contextCSN has one value for each server that takes changes, in any order. */
static const char *join_values(const struct cep_attribute *attribute, apr_pool_t *pool)
{
    apr_array_header_t *values = apr_array_make(pool, 2, sizeof(const char *));

    for (int i = 0; i < cep_attribute_count(attribute); i++)
        APR_ARRAY_PUSH(values, const char *) =
            (const char *)cep_attribute_value(attribute, i)->data;
    qsort(values->elts, (size_t)values->nelts, sizeof(const char *), compare_texts);
    return apr_array_pstrcat(pool, values, ' ');
}

static apr_status_t mark_openldap(struct cep_mark *mark, const struct cep_entry *root,
                                  struct cep_directory *directory, apr_time_t deadline,
                                  apr_pool_t *pool, const char **error)
{
    static const char *const attributes[] = {"contextCSN", NULL};
    const struct cep_directory_identity *identity = cep_directory_identity(directory);
    const struct cep_attribute *contexts = cep_entry_attribute(root, "namingContexts");
    const struct cep_entry *entry;

    mark->server = identity->source;
    if (!has_text(root, "supportedControl", CONTROL_SYNC))
        return APR_SUCCESS;
    for (int i = 0; i < cep_attribute_count(contexts); i++) {
        const char *dn = (const char *)cep_attribute_value(contexts, i)->data;
        apr_status_t rv;

        if (!cep_dn_is_within(identity->configuration_dn, dn))
            continue;
        rv = read_entry(&entry, directory, dn, attributes, deadline, pool, error);
        if (rv != APR_SUCCESS)
            return rv;
        if (entry && cep_entry_attribute(entry, "contextCSN"))
            mark->position =
                apr_pstrcat(pool, "contextCSN ",
                            join_values(cep_entry_attribute(entry, "contextCSN"), pool), NULL);
    }
    return APR_SUCCESS;
}

apr_status_t cep_mark_server(struct cep_mark *mark, struct cep_directory *directory,
                             apr_interval_time_t limit, apr_pool_t *pool, const char **error)
{
    static const char *const attributes[] = {"dsServiceName", "highestCommittedUSN",
                                             "namingContexts", "supportedControl", NULL};
    const apr_time_t deadline = cep_monotonic() + limit;
    const struct cep_entry *root;
    apr_status_t rv;

    mark->server = mark->position = NULL;
    rv = read_entry(&root, directory, "", attributes, deadline, pool, error);
    if (rv != APR_SUCCESS || !root)
        return rv;
    return cep_directory_identity(directory)->active_directory
               ? mark_controller(mark, root, directory, deadline, pool, error)
               : mark_openldap(mark, root, directory, deadline, pool, error);
}
