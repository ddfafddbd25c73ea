/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Entries to feed a policy with, and ways to look at what became of them. */
#ifndef POLICY_HELPER_H
#define POLICY_HELPER_H

#include <string.h>

#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include "cep_policy.h"

/* One value of an attribute; length 0 means that value is text. A NULL value takes the default
 * of that attribute away. */
struct given {
    const char *attribute;
    const char *value;
    apr_size_t length;
};

#define OCTETS(literal) (literal), sizeof(literal) - 1

/* Behind what is given. */
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, 0                                                                              \
    }

/* Where templates of schema version 3 and later keep names of algorithms, in triplets. */
#define CNG "msPKI-RA-Application-Policies"

#define ONE_YEAR  OCTETS("\x00\x40\x39\x87\x2e\xe1\xfe\xff")
#define SIX_WEEKS OCTETS("\x00\x80\xa6\x0a\xff\xde\xff\xff")
#define DESCRIPTOR                                                                                 \
    OCTETS("\x01\x00\x04\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00")
#define BASE_OID    "1.3.6.1.4.1.311.21.8.1.2.3"
#define TEMPLATE_DN "CN=%s,CN=Certificate Templates,CN=Public Key Services"
#define CA_DN       "CN=%s,CN=Enrollment Services,CN=Public Key Services"

/* An object with one fault: the code it is told under, and whether it is left out. */
struct odd_row {
    const char *finding;
    int left_out;
    struct given given[4];
};

/* A sound template of schema version 2; what a test gives replaces the default of its attribute. */
static const struct given template_defaults[] = {
    {"objectClass", "pKICertificateTemplate", 0},
    {"cn", "Base", 0},
    {"displayName", "Base template", 0},
    {"flags", "131680", 0},
    {"revision", "100", 0},
    {"nTSecurityDescriptor", DESCRIPTOR},
    {"pKIDefaultCSPs", "1,Microsoft RSA SChannel Cryptographic Provider", 0},
    {"pKIDefaultKeySpec", "1", 0},
    {"pKICriticalExtensions", "2.5.29.15", 0},
    {"pKIExpirationPeriod", ONE_YEAR},
    {"pKIOverlapPeriod", SIX_WEEKS},
    {"pKIExtendedKeyUsage", "1.3.6.1.5.5.7.3.2", 0},
    {"pKIKeyUsage", OCTETS("\xa0\x00")},
    {"pKIMaxIssuingDepth", "0", 0},
    {"msPKI-Template-Schema-Version", "2", 0},
    {"msPKI-Template-Minor-Revision", "3", 0},
    {"msPKI-RA-Signature", "0", 0},
    {"msPKI-Minimal-Key-Size", "2048", 0},
    {"msPKI-Cert-Template-OID", BASE_OID, 0},
    {"msPKI-Certificate-Application-Policy", "1.3.6.1.5.5.7.3.2", 0},
    {"msPKI-Enrollment-Flag", "32", 0},
    {"msPKI-Private-Key-Flag", "16842752", 0},
    {"msPKI-Certificate-Name-Flag", "402653184", 0},
    END,
};

static const struct given ca_defaults[] = {
    {"objectClass", "pKIEnrollmentService", 0},
    {"cn", "Test CA", 0},
    {"displayName", "Test CA", 0},
    {"flags", "10", 0},
    {"nTSecurityDescriptor", DESCRIPTOR},
    {"certificateTemplates", "Base", 0},
    {"msPKI-Enrollment-Servers", "1\n2\n0\nhttps://ca.example/CES\n0", 0},
    END,
};

static const struct given oid_defaults[] = {
    {"objectClass", "msPKI-Enterprise-Oid", 0},
    {"cn", "1.ABC", 0},
    {"flags", "3", 0},
    {"displayName", "Own purpose", 0},
    {"msPKI-Cert-Template-OID", "1.2.3.4.5", 0},
    END,
};

static inline int is_given(const struct given *given, const char *attribute)
{
    for (; given && given->attribute; given++) {
        if (strcmp(given->attribute, attribute) == 0)
            return 1;
    }
    return 0;
}

static inline void add_given(struct cep_entry *entry, apr_pool_t *pool, const struct given *given)
{
    if (given->value)
        cep_entry_add(entry, pool, given->attribute, given->value,
                      given->length ? given->length : strlen(given->value));
}

/* Defaults, then what is given; both end with a NULL attribute. */
static inline struct cep_entry *make_entry(apr_pool_t *pool, const char *dn,
                                           const struct given *defaults, const struct given *given)
{
    struct cep_entry *entry = cep_entry_make(pool, dn);
    const struct given *next;

    for (next = defaults; next->attribute; next++) {
        if (!is_given(given, next->attribute))
            add_given(entry, pool, next);
    }
    for (next = given; next && next->attribute; next++)
        add_given(entry, pool, next);
    return entry;
}

static inline void add_template(struct cep_policy *policy, const char *dn,
                                const struct given *given)
{
    cep_policy_add_template(policy, make_entry(policy->pool, dn, template_defaults, given));
}

/* A template of that name and OID, all else as in the defaults. */
static inline void add_named_template(struct cep_policy *policy, const char *cn, const char *oid)
{
    const struct given given[] = {
        {"cn", cn, 0}, {"displayName", cn, 0}, {"msPKI-Cert-Template-OID", oid, 0}, END};

    add_template(policy, apr_psprintf(policy->pool, TEMPLATE_DN, cn), given);
}

/* A CA needs a certificate: der. */
static inline void add_ca(struct cep_policy *policy, const char *dn, const struct given *given,
                          struct cep_value der)
{
    struct cep_entry *entry = make_entry(policy->pool, dn, ca_defaults, given);

    if (der.data)
        cep_entry_add(entry, policy->pool, "cACertificate", der.data, der.len);
    cep_policy_add_service(policy, entry);
}

static inline void add_oid(struct cep_policy *policy, const char *dn, const struct given *given)
{
    cep_policy_add_oid(policy, make_entry(policy->pool, dn, oid_defaults, given));
}

static inline struct cep_template *template_at(const struct cep_policy *policy, int i)
{
    return APR_ARRAY_IDX(policy->templates, i, struct cep_template *);
}

static inline struct cep_enrollment_service *service_at(const struct cep_policy *policy, int i)
{
    return APR_ARRAY_IDX(policy->services, i, struct cep_enrollment_service *);
}

static inline const struct cep_oid_row *row_at(const struct cep_policy *policy, int i)
{
    return &APR_ARRAY_IDX(policy->oid_table, i, struct cep_oid_row);
}

/* The first finding under that code, or NULL. */
static inline const struct cep_finding *finding_of(const struct cep_policy *policy,
                                                   const char *code)
{
    int i;

    for (i = 0; i < policy->findings->nelts; i++) {
        const struct cep_finding *finding = &APR_ARRAY_IDX(policy->findings, i, struct cep_finding);

        if (strcmp(finding->code, code) == 0)
            return finding;
    }
    return NULL;
}

/* That is the one finding; with NULL: there is none. */
static inline int only_finding_is(const struct cep_policy *policy, const char *code)
{
    if (!code)
        return policy->findings->nelts == 0;
    return policy->findings->nelts == 1 && finding_of(policy, code);
}

static inline const char *hex_of(apr_pool_t *pool, struct cep_value value)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = apr_palloc(pool, 2 * value.len + 1);
    apr_size_t i;

    for (i = 0; i < value.len; i++) {
        hex[2 * i] = digits[value.data[i] >> 4];
        hex[2 * i + 1] = digits[value.data[i] & 15];
    }
    hex[2 * value.len] = '\0';
    return hex;
}

static inline const char *join_text(apr_pool_t *pool, const apr_array_header_t *list)
{
    return list->nelts ? apr_array_pstrcat(pool, list, '|') : "";
}

static inline const char *join_numbers(apr_pool_t *pool, const apr_array_header_t *list)
{
    apr_array_header_t *texts = apr_array_make(pool, list->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < list->nelts; i++)
        APR_ARRAY_PUSH(texts, const char *) = apr_psprintf(pool, "%d", APR_ARRAY_IDX(list, i, int));
    return join_text(pool, texts);
}

static inline void dump_template(apr_array_header_t *lines, apr_pool_t *pool,
                                 const struct cep_template *t)
{
    int i;

    APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
        pool, "T %s %s %s %s v%u %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT " k%u s%u u%d/%x %s",
        t->dn, t->cn, t->display_name, t->oid, t->schema_version, t->validity_seconds,
        t->renewal_seconds, t->minimal_key_length, t->key_spec, t->has_key_usage_property,
        t->key_usage_property, t->permissions ? t->permissions : "-");
    APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
        pool, " a%d h%d s%d/%u p%d csp %s r%u.%u sup %s %x %x %x %x", t->algorithm_ref, t->hash_ref,
        t->symmetric_ref, t->symmetric_length, t->policy_ref, join_text(pool, t->providers),
        t->major_revision, t->minor_revision, join_text(pool, t->superseded), t->private_key_flags,
        t->subject_name_flags, t->enrollment_flags, t->general_flags);
    APR_ARRAY_PUSH(lines, const char *) =
        apr_psprintf(pool, " ra%u %s %s refs %s cas %s sd %s", t->ra_signatures,
                     join_numbers(pool, t->ra_eku_refs), join_numbers(pool, t->ra_policy_refs),
                     join_numbers(pool, t->oid_refs), join_numbers(pool, t->ca_refs),
                     hex_of(pool, t->security_descriptor));
    for (i = 0; i < t->extensions->nelts; i++) {
        const struct cep_extension *e = &APR_ARRAY_IDX(t->extensions, i, struct cep_extension);

        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool, " E %s %d %d %s", e->oid, e->ref,
                                                           e->critical, hex_of(pool, e->value));
    }
}

static inline void dump_service(apr_array_header_t *lines, apr_pool_t *pool,
                                const struct cep_enrollment_service *s)
{
    int i;

    APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
        pool, "C %s %s %s %s %s sd %s", s->dn, s->cn, s->display_name, hex_of(pool, s->certificate),
        join_text(pool, s->templates), hex_of(pool, s->security_descriptor));
    for (i = 0; i < s->uris->nelts; i++) {
        const struct cep_enrollment_uri *u = &APR_ARRAY_IDX(s->uris, i, struct cep_enrollment_uri);

        APR_ARRAY_PUSH(lines, const char *) =
            apr_psprintf(pool, " U %u %d %s %d %d", u->priority, (int)u->auth, u->uri,
                         u->renewal_only, u->key_based_renewal);
    }
}

static inline void dump_localized(apr_array_header_t *lines, apr_pool_t *pool,
                                  const apr_array_header_t *names)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        const struct cep_localized_name *n = &APR_ARRAY_IDX(names, i, struct cep_localized_name);

        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool, " L %u %s", n->lcid, n->name);
    }
}

/* Everything that a finished policy says, as text: equal texts are equal policies. */
static inline const char *dump_policy(const struct cep_policy *policy, apr_pool_t *pool)
{
    apr_array_header_t *lines = apr_array_make(pool, 64, sizeof(const char *));
    int i;

    for (i = 0; i < policy->templates->nelts; i++)
        dump_template(lines, pool, template_at(policy, i));
    for (i = 0; i < policy->services->nelts; i++)
        dump_service(lines, pool, service_at(policy, i));
    for (i = 0; i < policy->oids->nelts; i++) {
        const struct cep_enterprise_oid *o =
            APR_ARRAY_IDX(policy->oids, i, struct cep_enterprise_oid *);

        APR_ARRAY_PUSH(lines, const char *) =
            apr_psprintf(pool, "O %s %u %s", o->oid, o->kind, o->display_name);
        dump_localized(lines, pool, o->localized);
    }
    for (i = 0; i < policy->oid_table->nelts; i++) {
        const struct cep_oid_row *row = row_at(policy, i);

        APR_ARRAY_PUSH(lines, const char *) =
            apr_psprintf(pool, "R %d %s %d %s", i, row->value, (int)row->group, row->name);
        dump_localized(lines, pool, row->localized);
    }
    for (i = 0; i < policy->findings->nelts; i++) {
        const struct cep_finding *f = &APR_ARRAY_IDX(policy->findings, i, struct cep_finding);

        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(pool, "F %d %s %s %d %s", (int)f->kind,
                                                           f->code, f->name, f->left_out, f->text);
    }
    return lines->nelts ? apr_array_pstrcat(pool, lines, '\n') : "";
}

#endif
