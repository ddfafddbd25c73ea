/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What the files of this room share. Nobody outside the room includes it, but its unit tests. */
#ifndef CEP_POLICY_PARTS_H
#define CEP_POLICY_PARTS_H

#include <apr_hash.h>

#include "cep_octets.h"
#include "cep_policy.h"

/* ---- text.c: foreign text ---- */

/* 1 when data is UTF-8 and holds only characters that XML 1.0 can carry (section 2.2, Char). */
int cep_text_is_xml(const void *data, apr_size_t length);

/* For messages: at most limit octets of data, everything odd replaced by '?'. */
const char *cep_text_printable(apr_pool_t *pool, const void *data, apr_size_t length,
                               apr_size_t limit);

/* Without blanks, tabs and line ends at both ends. The result is not closed by a NUL. */
struct cep_value cep_text_trim(struct cep_value value);

/* 1 when value, trimmed, is a decimal integer of at most 18 digits. */
int cep_text_number(struct cep_value value, apr_int64_t *number);

/* ---- oid.c: dotted decimal ---- */

enum cep_oid_state {
    CEP_OID_GOOD,
    CEP_OID_SYNTAX, /* no OID at all */
    CEP_OID_ARC     /* an OID that Windows clients cannot read: an arc above 2^32-1 */
};

enum cep_oid_state cep_oid_check(const char *text, apr_size_t length);

/* ---- attributes.c: values of an entry, with limits ---- */

/* Findings that several kinds of objects have in common, under the codes of each kind. */
struct cep_reader_codes {
    const char *no_name, *characters, *limit, *several, *number;
    const char *oid_syntax, *oid_arc, *twice, *display_name, *no_descriptor;
};

/* Most findings on one object: an attribute of 4,096 bad values is told by its first ones. */
#define CEP_READER_MAX_FINDINGS 32

struct cep_reader {
    struct cep_policy *policy;
    const struct cep_entry *entry;
    const struct cep_reader_codes *codes;
    enum cep_object_kind kind;
    const char *name;    /* what findings call the object */
    apr_pool_t *scratch; /* gone with the reader */
    int failed;          /* failures so far; not 0: the object must be left out */
    int reported;        /* findings so far */
};

struct cep_reader *cep_reader_open(struct cep_policy *policy, const struct cep_entry *entry,
                                   enum cep_object_kind kind, const struct cep_reader_codes *codes);
void cep_reader_close(struct cep_reader *reader);

/* Report; the object is left out. */
void cep_reader_fail(struct cep_reader *reader, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Report; the object stays. */
void cep_reader_note(struct cep_reader *reader, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A value in a form that fits into a message. */
const char *cep_reader_show(struct cep_reader *reader, struct cep_value value);

/* The only value, or NULL when absent; several values or an overlong one fail. */
const struct cep_value *cep_reader_single(struct cep_reader *reader, const char *attribute);

/* All values, or NULL when absent; more than limit values fail. */
const struct cep_attribute *cep_reader_several(struct cep_reader *reader, const char *attribute,
                                               int limit);

/*
 * An integer in least..2^32-1, or absent when the attribute is not there. Anything else fails.
 * AD keeps unsigned numbers in signed attributes: see cep_reader_flags().
 */
apr_int64_t cep_reader_integer(struct cep_reader *reader, const char *attribute, apr_int64_t least,
                               apr_int64_t absent);

/* 32 bits, whether the directory writes them signed or unsigned; 0 when absent. */
apr_uint32_t cep_reader_flags(struct cep_reader *reader, const char *attribute);

/* The cn. NULL, and failed, when it is missing, overlong or nothing that XML can carry. */
const char *cep_reader_cn(struct cep_reader *reader);

/* displayName, or instead when it is absent or useless (which is reported). */
const char *cep_reader_display_name(struct cep_reader *reader, const char *instead);

/* nTSecurityDescriptor as it is; data is NULL, and reported, when absent. */
struct cep_value cep_reader_descriptor(struct cep_reader *reader);

/* Append the OID in value to list (const char *), unless it is there; what is no OID fails. */
void cep_reader_add_oid(struct cep_reader *reader, const char *attribute, struct cep_value value,
                        apr_array_header_t *list, apr_hash_t *seen);

/* All values of an attribute that holds OIDs, in the directory's order, each once. */
apr_array_header_t *cep_reader_oids(struct cep_reader *reader, const char *attribute);

/* All values that are names: blank, odd, overlong and repeated ones are skipped and reported. */
apr_array_header_t *cep_reader_names(struct cep_reader *reader, const char *attribute, int limit,
                                     const char *code);

/* A copy in pool, closed by a NUL: the contract of struct cep_value. */
struct cep_value cep_value_copy(apr_pool_t *pool, const void *data, apr_size_t length);

/* ---- period.c ---- */

/* Seconds of an 8-octet period; NULL, or why it is none. */
const char *cep_period_read(const struct cep_value *value, apr_uint64_t *seconds);

/* ---- triplets.c: Name`Type`Value` ---- */

struct cep_property {
    const char *name;
    const char *type;
    const char *value;
};

/* Most properties in one text; [MS-CRTD] 2.23.2 knows seven. */
#define CEP_TRIPLETS_MAX 64

/* An array of struct cep_property; *complete is 0 when the text ends inside a property. */
apr_array_header_t *cep_triplets_parse(const char *text, int *complete, apr_pool_t *pool);

/* ---- algorithms.c ---- */

enum cep_algorithm_use { CEP_ALGORITHM_ASYMMETRIC, CEP_ALGORITHM_HASH, CEP_ALGORITHM_SYMMETRIC };

struct cep_algorithm {
    enum cep_algorithm_use use;
    const char *name;  /* as templates write it */
    apr_uint32_t bits; /* key length that this OID means, 0: any */
    const char *oid;   /* NULL: known, and has none */
};

/* NULL when the name is unknown. bits matters to symmetric algorithms alone. */
const struct cep_algorithm *cep_algorithm_find(enum cep_algorithm_use use, const char *name,
                                               apr_uint32_t bits);

/* ---- cng.c, providers.c, extensions.c: parts of a template ---- */

/* msPKI-RA-Application-Policies in both syntaxes: algorithms, key usage, ..., ra_ekus. */
void cep_template_read_properties(struct cep_template *tmpl, struct cep_reader *reader);

/* pKIDefaultCSPs, in order. */
void cep_template_read_providers(struct cep_template *tmpl, struct cep_reader *reader);

/* What the extensions are made from, beside the template. */
struct cep_extension_source {
    struct cep_value key_usage; /* pKIKeyUsage; data NULL: none */
    apr_int64_t path_length;    /* -1: no constraint */
    apr_hash_t *critical;       /* OIDs of pKICriticalExtensions */
};

/* NULL, or the OID of the extension that could not be encoded. Fills tmpl->extensions. */
const char *cep_extensions_make(struct cep_template *tmpl,
                                const struct cep_extension_source *source, apr_pool_t *pool);

/* NULL, or why these octets are no key usage; *length is what is left without empty octets. */
const char *cep_key_usage_check(const struct cep_value *value, apr_size_t *length);

/* ---- ca_certificate.c, enrollment_uri.c: parts of a CA ---- */

/* The certificate to offer; data NULL, and failed, when there is none. */
struct cep_value cep_service_certificate(struct cep_reader *reader,
                                         apr_array_header_t *certificates);

/* Enrollment URIs, configured ones before those of the directory; failed when there is none. */
apr_array_header_t *cep_service_uris(struct cep_reader *reader, const char *cn);

/* NULL when uri is an https URI that our answers can carry, else why it is not. */
const char *cep_uri_check(const char *uri);

/* ---- oid_names.c, oid_table.c ---- */

/* Windows' or OpenSSL's name of an OID, at last the OID itself. */
const char *cep_oid_name(const char *value, enum cep_oid_group group);

/* Number the OIDs of all templates; policy->oids is sorted. */
void cep_oid_table_make(struct cep_policy *policy, apr_pool_t *scratch);

/* ---- join.c ---- */

void cep_join_sort(struct cep_policy *policy, apr_pool_t *scratch);
void cep_join_templates(struct cep_policy *policy, apr_pool_t *scratch);

#endif
