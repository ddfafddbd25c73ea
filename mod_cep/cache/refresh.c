/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* One run: directory, entries, policy, image, published snapshot. */

#include "cep_refresh.h"

#include <string.h>

#include <apr_strings.h>

#define PUBLIC_KEY_SERVICES "CN=Public Key Services,CN=Services,"

/* The three containers: protocol, section on containers ([MS-WCCE] 2.2.2.11). */
struct container {
    const char *rdn;
    const char *object_class;
    const char *const *attributes;
    void (*add)(struct cep_policy *policy, const struct cep_entry *entry);
    int required;
    const char *what;
};

static const struct container containers[] = {
    {"CN=Certificate Templates,", "pKICertificateTemplate", cep_template_attributes,
     cep_policy_add_template, 1, "certificate templates"},
    {"CN=Enrollment Services,", "pKIEnrollmentService", cep_enrollment_service_attributes,
     cep_policy_add_service, 1, "certification authorities"},
    {"CN=OID,", "msPKI-Enterprise-Oid", cep_enterprise_oid_attributes, cep_policy_add_oid, 0,
     "names of object identifiers"},
};

static apr_status_t read_container(const struct container *container,
                                   struct cep_directory *directory, struct cep_policy *policy,
                                   apr_interval_time_t limit, apr_pool_t *pool, const char **error)
{
    const struct cep_directory_identity *identity = cep_directory_identity(directory);
    struct cep_query query = {
        .base = apr_pstrcat(pool, container->rdn, PUBLIC_KEY_SERVICES, identity->configuration_dn,
                            NULL),
        .scope = CEP_SCOPE_SUBTREE,
        .object_class = container->object_class,
        .attributes = container->attributes,
    };
    apr_array_header_t *entries;
    apr_status_t rv = cep_directory_query(directory, &query, limit, &entries, pool, error);

    if (rv == APR_NOTFOUND && !container->required) {
        cep_policy_report(policy, CEP_OBJECT_DIRECTORY, "CEP0511", query.base, 0,
                          "the directory has no such container, or the account of CEPBind may not "
                          "see it: there are no %s",
                          container->what);
        return APR_SUCCESS;
    }
    if (rv == APR_NOTFOUND)
        *error = apr_psprintf(pool,
                              "%s has no container %s, or the account of CEPBind may not see it: "
                              "there are no %s to read",
                              identity->source, query.base, container->what);
    if (rv != APR_SUCCESS)
        return rv;
    for (int i = 0; i < entries->nelts; i++)
        container->add(policy, APR_ARRAY_IDX(entries, i, const struct cep_entry *));
    return APR_SUCCESS;
}

/* Report what an access check will refuse, with the reason that it will have. */
static void check_descriptor(struct cep_policy *policy, enum cep_object_kind kind, const char *name,
                             const struct cep_value *descriptor)
{
    const char *reason;

    if (!descriptor->data)
        return; /* absent: policy/ has reported it */
    reason = cep_sd_check(descriptor->data, descriptor->len);
    if (reason)
        cep_policy_report(policy, kind, "CEP0401", name, kind == CEP_OBJECT_TEMPLATE,
                          "its nTSecurityDescriptor grants nothing to anybody: %s", reason);
}

static void check_descriptors(struct cep_policy *policy)
{
    for (int i = 0; i < policy->templates->nelts; i++) {
        const struct cep_template *t =
            APR_ARRAY_IDX(policy->templates, i, const struct cep_template *);

        check_descriptor(policy, CEP_OBJECT_TEMPLATE, t->cn, &t->security_descriptor);
    }
    for (int i = 0; i < policy->services->nelts; i++) {
        const struct cep_enrollment_service *s =
            APR_ARRAY_IDX(policy->services, i, const struct cep_enrollment_service *);

        check_descriptor(policy, CEP_OBJECT_CA, s->cn, &s->security_descriptor);
    }
    if (policy->templates->nelts == 0)
        cep_policy_report(policy, CEP_OBJECT_DIRECTORY, "CEP0512", "Certificate Templates", 0,
                          "the directory holds no template that can be offered, so every answer is "
                          "empty; see that CEPBind's account may read the templates");
    else if (policy->services->nelts == 0)
        cep_policy_report(policy, CEP_OBJECT_DIRECTORY, "CEP0513", "Enrollment Services", 0,
                          "the directory holds no CA that can be offered, so every answer is "
                          "empty; give the CAs enrollment URIs or use CEPEnrollmentURI");
}

/* All of the directory as an image, or nothing. */
static apr_status_t read_image(struct cep_value *image, struct cep_refresh_result *result,
                               const struct cep_directory_config *config,
                               const apr_array_header_t *configured_uris, const struct cep_log *log,
                               apr_pool_t *pool, const char **error)
{
    struct cep_policy *policy = cep_policy_make(pool, apr_time_now(), configured_uris);
    struct cep_directory *directory;
    apr_status_t rv = cep_directory_open(&directory, config, log, pool, error);

    if (rv != APR_SUCCESS)
        return rv;
    result->source = cep_directory_identity(directory)->source;
    for (apr_size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++) {
        rv = read_container(&containers[i], directory, policy,
                            config->timeout * CEP_REFRESH_TIMEOUTS / 3, pool, error);
        if (rv != APR_SUCCESS)
            goto done;
    }
    cep_policy_finish(policy);
    check_descriptors(policy);
    result->templates = policy->templates->nelts;
    result->cas = policy->services->nelts;
    result->findings = policy->findings->nelts;
    rv = cep_snapshot_build(image, policy, cep_directory_identity(directory), pool);
    if (rv != APR_SUCCESS)
        *error = "the policy is too large for a snapshot";
done:
    cep_directory_close(directory);
    return rv;
}

/* read_image(), and for an LDIF file the copy that callers are looked up in. */
static apr_status_t read_source(struct cep_value *image, struct cep_refresh_result *result,
                                const struct cep_directory_config *config,
                                const apr_array_header_t *configured_uris,
                                const struct cep_store *store, const struct cep_log *log,
                                apr_pool_t *pool, const char **error)
{
    const char *ldif = cep_directory_url_path(APR_ARRAY_IDX(config->urls, 0, const char *));
    apr_finfo_t state = {.size = -1};
    apr_status_t rv;

    if (ldif)
        apr_stat(&state, ldif, CEP_STORE_FILE_STATE, pool);
    rv = read_image(image, result, config, configured_uris, log, pool, error);
    if (rv == APR_SUCCESS && ldif)
        rv = cep_store_keep_entries(store, ldif, &state, pool, error);
    return rv;
}

apr_status_t cep_refresh_run(struct cep_refresh_result *result,
                             const struct cep_directory_config *config,
                             const apr_array_header_t *configured_uris,
                             const struct cep_store *store, const struct cep_log *log,
                             apr_pool_t *pool, const char **error)
{
    const struct cep_snapshot *fresh, *old;
    struct cep_reader *reader;
    struct cep_value image;
    apr_time_t confirmed;
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    rv = cep_store_lock(store, pool, error);
    if (rv != APR_SUCCESS)
        return rv;
    rv = read_source(&image, result, config, configured_uris, store, log, pool, error);
    if (rv != APR_SUCCESS)
        return rv;
    fresh = cep_snapshot_open(image.data, image.len, pool, error);
    if (!fresh)
        return APR_EGENERAL;

    /* Readers complain about an unusable file themselves; here it is just about to be replaced. */
    reader = cep_reader_make(pool, store, NULL);
    old = reader ? cep_reader_acquire(reader, pool, &confirmed) : NULL;
    if (old && !memcmp(cep_snapshot_digest(old), cep_snapshot_digest(fresh), CEP_DIGEST_LENGTH))
        return cep_store_confirm(store, pool, error);
    result->changed = 1;
    return cep_store_publish(store, &image, pool, error);
}

void cep_refresh_tell(const struct cep_snapshot *snapshot, const char *directory,
                      const struct cep_log *log)
{
    static const char *const kinds[] = {"template", "CA", "OID", "container"};

    for (int i = 0; i < cep_snapshot_finding_count(snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(snapshot, i);

        cep_log(log, cep_finding_level(&finding), 0, "%s: directory %s, %s \"%s\"%s: %s",
                finding.code, directory, kinds[finding.kind], finding.name,
                finding.left_out ? " is left out" : "", finding.text);
    }
}
