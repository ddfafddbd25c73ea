/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From entries to policy: certificate templates, enrollment services (CAs) and enterprise OIDs as
 * plain structs, every value already in the form that MS-XCEP carries. [MS-CRTD] 2, [MS-WCCE]
 * 2.2.2.11, [MS-XCEP] 3.1.4.1.3.
 */
#ifndef CEP_POLICY_H
#define CEP_POLICY_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "cep_entry.h"
#include "cep_log.h"

/* Groups of OIDs: [MS-XCEP] 3.1.4.1.3.16. */
enum cep_oid_group {
    CEP_OID_HASH = 1,
    CEP_OID_ENCRYPTION = 2,
    CEP_OID_PUBLIC_KEY = 3,
    CEP_OID_SIGNING = 4,
    CEP_OID_RDN = 5,
    CEP_OID_EXTENSION = 6,
    CEP_OID_EKU = 7,
    CEP_OID_POLICY = 8,
    CEP_OID_TEMPLATE = 9
};

/* Bits of msPKI-Enrollment-Flag, msPKI-Private-Key-Flag, flags: [MS-CRTD] 2.26, 2.27, 2.4. */
#define CEP_ENROLLMENT_AUTO_ENROLLMENT      0x00000020u
#define CEP_ENROLLMENT_PREVIOUS_APPROVAL    0x00000040u
#define CEP_ENROLLMENT_ADD_OCSP_NOCHECK     0x00001000u
#define CEP_ENROLLMENT_BASIC_CONSTRAINTS_EE 0x00008000u
#define CEP_ENROLLMENT_KEY_BASED_RENEWAL    0x00010000u
#define CEP_KEY_USE_LEGACY_PROVIDER         0x00000100u
#define CEP_GENERAL_IS_CA                   0x00000080u
#define CEP_GENERAL_IS_CROSS_CA             0x00000800u
#define CEP_CA_NO_TEMPLATE_SUPPORT          0x00000001u

/* Limits on one object; an object beyond them is left out and reported. */
#define CEP_POLICY_MAX_NAME      1024  /* octets of a cn, display name, provider */
#define CEP_POLICY_MAX_VALUES    4096  /* values of one attribute */
#define CEP_POLICY_MAX_TEMPLATES 65536 /* the same of a CA's certificateTemplates */
#define CEP_POLICY_MAX_TEXT      65536 /* octets of any other text value, URI included */

#define CEP_NO_REF (-1) /* an OID reference that is nil */

struct cep_extension {
    const char *oid;
    int ref; /* group 6 */
    int critical;
    struct cep_value value; /* DER */
};

/* One pKICertificateTemplate. Arrays are never NULL; empty means nil in XCEP. */
struct cep_template {
    const char *dn;
    const char *cn;
    const char *display_name; /* cn when the directory has none */
    const char *oid;          /* dotted decimal, every arc <= 2^32-1 */
    unsigned schema_version;  /* 1 to 4 */
    apr_uint64_t validity_seconds;
    apr_uint64_t renewal_seconds;
    apr_uint32_t minimal_key_length;
    unsigned key_spec; /* 1, 2, or 0 for nil */
    int has_key_usage_property;
    apr_uint32_t key_usage_property;
    const char *permissions;   /* SDDL, or NULL */
    const char *algorithm;     /* CNG name ("ECDSA_P256"), or NULL */
    const char *algorithm_oid; /* NULL when the name is absent or unknown */
    const char *hash;
    const char *hash_oid;
    const char *symmetric; /* with symmetric_length: key archival, or both unset */
    const char *symmetric_oid;
    apr_uint32_t symmetric_length; /* bits */
    apr_array_header_t *providers; /* const char *, in the numbered order, without the number */
    apr_uint32_t major_revision;
    apr_uint32_t minor_revision;
    apr_array_header_t *superseded; /* const char * */
    apr_uint32_t private_key_flags;
    apr_uint32_t subject_name_flags;
    apr_uint32_t enrollment_flags; /* without CEP_ENROLLMENT_AUTO_ENROLLMENT: DESIGN, case list */
    apr_uint32_t general_flags;
    apr_uint32_t ra_signatures;           /* 0: rARequirements is nil */
    apr_array_header_t *ra_ekus;          /* const char *, OIDs, group 7 */
    apr_array_header_t *ra_policies;      /* const char *, OIDs, group 8 */
    apr_array_header_t *ekus;             /* const char *, OIDs named in the extensions, group 7 */
    apr_array_header_t *app_policies;     /* const char *, the same, group 7 */
    apr_array_header_t *cert_policies;    /* const char *, the same, group 8 */
    apr_array_header_t *extensions;       /* struct cep_extension, in the order of protocol */
    struct cep_value security_descriptor; /* as read; data NULL when absent */

    /* Set by cep_policy_finish(). */
    int policy_ref, algorithm_ref, hash_ref, symmetric_ref;
    apr_array_header_t *ra_eku_refs, *ra_policy_refs; /* int */
    apr_array_header_t *oid_refs; /* int, ascending: all OID table rows that this template uses */
    apr_array_header_t *ca_refs;  /* int, ascending: CAs that publish it (index in services) */
};

/* Client authentication of an enrollment URI: [MS-XCEP] 3.1.4.1.3.5. */
enum cep_client_auth {
    CEP_AUTH_ANONYMOUS = 1,
    CEP_AUTH_KERBEROS = 2,
    CEP_AUTH_USERNAME = 4,
    CEP_AUTH_CERTIFICATE = 8
};

struct cep_enrollment_uri {
    enum cep_client_auth auth;
    const char *uri;
    apr_uint32_t priority;
    int renewal_only;
    int key_based_renewal;
};

/* One pKIEnrollmentService: a CA. */
struct cep_enrollment_service {
    const char *dn;
    const char *cn;
    const char *display_name;
    struct cep_value certificate;     /* DER: the valid one with the latest notBefore */
    apr_array_header_t *certificates; /* struct cep_value: all, expired ones too, by their octets */
    apr_array_header_t *uris;         /* struct cep_enrollment_uri, by priority, auth, uri; >= 1 */
    apr_array_header_t *templates;    /* const char *: certificateTemplates */
    struct cep_value security_descriptor;
};

struct cep_localized_name {
    apr_uint32_t lcid;
    const char *name;
};

/* One msPKI-Enterprise-Oid. */
struct cep_enterprise_oid {
    const char *oid;
    const char *display_name;
    apr_uint32_t kind;             /* flags: 1 template, 2 issuance policy, 3 application policy */
    apr_array_header_t *localized; /* struct cep_localized_name: msPKI-OIDLocalizedName */
};

/* One row of the OID table; its place in cep_policy.oid_table is its reference number. */
struct cep_oid_row {
    const char *value;
    enum cep_oid_group group;
    const char *name;              /* defaultName, never empty */
    apr_array_header_t *localized; /* struct cep_localized_name, may be empty */
};

/* 1 for letters, then parts of letters and digits, one to eight each: xs:language, RFC 5646. */
int cep_language_is_tag(const char *text);

/* How well a name's language fits the one that a client asked for. */
enum cep_language_match {
    CEP_LANGUAGE_OTHER, /* or unknown */
    CEP_LANGUAGE_SAME,  /* the same language of another region */
    CEP_LANGUAGE_WIDER, /* the language that was asked for, of any region: RFC 4647 3.4 */
    CEP_LANGUAGE_EXACT
};

/* tag: of preferredLanguage ("de-CH", "de"), or NULL. [MS-LCID] 2.2. */
enum cep_language_match cep_language_match(const char *tag, apr_uint32_t lcid);

/* The same for a language that is named by a tag as well. */
enum cep_language_match cep_language_match_tag(const char *tag, const char *other);

/* The same text for all spellings that differ in case alone (Latin, Greek, Cyrillic letters). */
const char *cep_text_fold(apr_pool_t *pool, const char *text);

enum cep_object_kind { CEP_OBJECT_TEMPLATE, CEP_OBJECT_CA, CEP_OBJECT_OID, CEP_OBJECT_DIRECTORY };

/* What an administrator should know about one object: in the log, on the status page, in tests. */
struct cep_finding {
    enum cep_object_kind kind;
    const char *code; /* "CEP0301", see docs/messages.md */
    const char *name; /* cn, or the DN when there is no cn */
    const char *text; /* a sentence without code and name: what, and what to do */
    int left_out;     /* 1: the object is not offered; 0: offered, with a correction */
};

/* CEPEnrollmentURI: gives or replaces the URIs of a CA. */
struct cep_configured_uri {
    const char *ca; /* cn, compared without regard to case */
    struct cep_enrollment_uri uri;
};

/* The policy of a directory at one moment. Everything lives in pool. */
struct cep_policy {
    apr_pool_t *pool;
    apr_time_t now;     /* which CA certificates are valid is decided at this time */
    apr_time_t expires; /* the same entries may give another policy from then on; 0: never */
    apr_array_header_t *templates; /* struct cep_template *, by cn: case first aside, then octets */
    apr_array_header_t *services;  /* struct cep_enrollment_service *, likewise */
    apr_array_header_t *oids;      /* struct cep_enterprise_oid *, by oid */
    apr_array_header_t *oid_table; /* struct cep_oid_row, after cep_policy_finish() */
    apr_array_header_t *findings;  /* struct cep_finding */
    const apr_array_header_t *configured_uris; /* struct cep_configured_uri */
};

/* configured_uris may be NULL. */
struct cep_policy *cep_policy_make(apr_pool_t *pool, apr_time_t now,
                                   const apr_array_header_t *configured_uris);

/* The attributes to ask for, NULL-terminated, by object. */
extern const char *const cep_template_attributes[];
extern const char *const cep_enrollment_service_attributes[];
extern const char *const cep_enterprise_oid_attributes[];

/*
 * Take one entry in, or leave it out and say why in findings; never an error, never a crash,
 * whatever the entry holds. Nothing of the entry is referred to afterwards.
 */
void cep_policy_add_template(struct cep_policy *policy, const struct cep_entry *entry);
void cep_policy_add_service(struct cep_policy *policy, const struct cep_entry *entry);
void cep_policy_add_oid(struct cep_policy *policy, const struct cep_entry *entry);

/*
 * When all entries are in: sort, drop duplicates, join CAs and templates, number the OID table.
 * The result depends on the set of entries alone, not on their order.
 */
void cep_policy_finish(struct cep_policy *policy);

/*
 * What key-based renewal leaves of a finished policy's object: a copy in pool that shares all else
 * with the object, or NULL when nothing is left. Of a CA the URIs that take renewals which the old
 * key authenticates, said to take renewals only; of a template, the CAs that have such a URI.
 */
const struct cep_enrollment_service *cep_policy_renewal_service(
    const struct cep_enrollment_service *service, apr_pool_t *pool);
const struct cep_template *cep_policy_renewal_template(const struct cep_policy *policy,
                                                       const struct cep_template *tmpl,
                                                       apr_pool_t *pool);

void cep_policy_report(struct cep_policy *policy, enum cep_object_kind kind, const char *code,
                       const char *name, int left_out, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* How loud a finding is to be said: CEP_LOG_WARNING, or CEP_LOG_INFO when nothing is lost by it. */
enum cep_log_level cep_finding_level(const struct cep_finding *finding);

#endif
