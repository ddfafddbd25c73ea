/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The parts of a response that are made once per snapshot. Every element of the schema stands in
 * its place, nil when it has no value, and no list is empty: Windows refuses the whole answer
 * otherwise (WS_E_INVALID_FORMAT). [MS-XCEP] 3.1.4.1.3.
 */
#include "cep_xcep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include <apr_encode.h>
#include <apr_strings.h>

struct output {
    apr_pool_t *pool;
    xmlBufferPtr buffer;
    xmlTextWriterPtr writer;
    int open_place; /* octets before it */
    int failed;     /* only for want of memory */
};

static void note(struct output *out, int result)
{
    if (result < 0)
        out->failed = 1;
}

static void begin(struct output *out, const char *name)
{
    note(out, xmlTextWriterStartElement(out->writer, (const xmlChar *)name));
}

static void end(struct output *out)
{
    note(out, xmlTextWriterEndElement(out->writer));
}

/* Raw, for libxml2's own escaping passes control characters on. */
static void put(struct output *out, const char *text)
{
    const char *safe = cep_xcep_escape(text, out->pool);

    note(out, xmlTextWriterWriteRaw(out->writer, (const xmlChar *)safe));
}

static void text(struct output *out, const char *name, const char *value)
{
    begin(out, name);
    put(out, value);
    end(out);
}

static void nil(struct output *out, const char *name)
{
    begin(out, name);
    note(out, xmlTextWriterWriteAttribute(out->writer, (const xmlChar *)"xsi:nil",
                                          (const xmlChar *)"true"));
    end(out);
}

static void text_or_nil(struct output *out, const char *name, const char *value)
{
    if (value && *value)
        text(out, name, value);
    else
        nil(out, name);
}

static void number(struct output *out, const char *name, apr_uint64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRIu64, (uint64_t)value);
    text(out, name, digits);
}

static void reference(struct output *out, const char *name, int ref)
{
    if (ref == CEP_NO_REF)
        nil(out, name);
    else
        number(out, name, (apr_uint64_t)ref);
}

static void boolean(struct output *out, const char *name, int value)
{
    text(out, name, value ? "true" : "false");
}

/* Without line breaks, which cepces would not take out. */
static void binary(struct output *out, const char *name, const struct cep_value *value)
{
    const char *encoded =
        value->data && value->len
            ? apr_pencode_base64_binary(out->pool, value->data, (apr_ssize_t)value->len,
                                        APR_ENCODE_NONE, NULL)
            : NULL;

    text_or_nil(out, name, encoded);
}

/* Close the start tag and remember the place where the caller's text will stand. */
static void leave_open(struct output *out)
{
    put(out, "");
    note(out, xmlTextWriterFlush(out->writer));
    out->open_place = xmlBufferLength(out->buffer);
}

static int count(const apr_array_header_t *array)
{
    return array ? array->nelts : 0;
}

static void texts(struct output *out, const char *list, const char *item,
                  const apr_array_header_t *values)
{
    int i;

    if (!count(values)) {
        nil(out, list);
        return;
    }
    begin(out, list);
    for (i = 0; i < values->nelts; i++)
        text(out, item, APR_ARRAY_IDX(values, i, const char *));
    end(out);
}

static void references(struct output *out, const char *list, const char *item,
                       const apr_array_header_t *refs)
{
    int i;

    if (!count(refs)) {
        nil(out, list);
        return;
    }
    begin(out, list);
    for (i = 0; i < refs->nelts; i++)
        reference(out, item, APR_ARRAY_IDX(refs, i, int));
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.8. */
static void put_validity(struct output *out, const struct cep_template *t)
{
    begin(out, "certificateValidity");
    number(out, "validityPeriodSeconds", t->validity_seconds);
    number(out, "renewalPeriodSeconds", t->renewal_seconds);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.11. Only templates with Enroll are listed: autoEnroll is what differs. */
static void put_permission(struct output *out)
{
    begin(out, "permission");
    boolean(out, "enroll", 1);
    begin(out, "autoEnroll");
    leave_open(out);
    end(out);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.20. */
static void put_private_key(struct output *out, const struct cep_template *t)
{
    begin(out, "privateKeyAttributes");
    number(out, "minimalKeyLength", t->minimal_key_length);
    if (t->key_spec)
        number(out, "keySpec", t->key_spec);
    else
        nil(out, "keySpec");
    if (t->has_key_usage_property)
        number(out, "keyUsageProperty", t->key_usage_property);
    else
        nil(out, "keyUsageProperty");
    text_or_nil(out, "permissions", t->permissions);
    reference(out, "algorithmOIDReference", t->algorithm_ref);
    texts(out, "cryptoProviders", "provider", t->providers);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.24. */
static void put_revision(struct output *out, const struct cep_template *t)
{
    begin(out, "revision");
    number(out, "majorRevision", t->major_revision);
    number(out, "minorRevision", t->minor_revision);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.21. */
static void put_ra_requirements(struct output *out, const struct cep_template *t)
{
    if (!t->ra_signatures) {
        nil(out, "rARequirements");
        return;
    }
    begin(out, "rARequirements");
    number(out, "rASignatures", t->ra_signatures);
    references(out, "rAEKUs", "oIDReference", t->ra_eku_refs);
    references(out, "rAPolicies", "oIDReference", t->ra_policy_refs);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.15. */
static void put_key_archival(struct output *out, const struct cep_template *t)
{
    if (t->symmetric_ref == CEP_NO_REF || !t->symmetric_length) {
        nil(out, "keyArchivalAttributes");
        return;
    }
    begin(out, "keyArchivalAttributes");
    reference(out, "symmetricAlgorithmOIDReference", t->symmetric_ref);
    number(out, "symmetricAlgorithmKeyLength", t->symmetric_length);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.12, .13. */
static void put_extensions(struct output *out, const struct cep_template *t)
{
    int i;

    if (!count(t->extensions)) {
        nil(out, "extensions");
        return;
    }
    begin(out, "extensions");
    for (i = 0; i < t->extensions->nelts; i++) {
        const struct cep_extension *e = &APR_ARRAY_IDX(t->extensions, i, struct cep_extension);

        begin(out, "extension");
        reference(out, "oIDReference", e->ref);
        boolean(out, "critical", e->critical);
        binary(out, "value", &e->value);
        end(out);
    }
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.1. */
static void put_attributes(struct output *out, const struct cep_template *t)
{
    begin(out, "attributes");
    text(out, "commonName", t->cn);
    number(out, "policySchema", t->schema_version);
    put_validity(out, t);
    put_permission(out);
    put_private_key(out, t);
    put_revision(out, t);
    texts(out, "supersededPolicies", "commonName", t->superseded);
    number(out, "privateKeyFlags", t->private_key_flags);
    number(out, "subjectNameFlags", t->subject_name_flags);
    number(out, "enrollmentFlags", t->enrollment_flags);
    number(out, "generalFlags", t->general_flags);
    reference(out, "hashAlgorithmOIDReference", t->hash_ref);
    put_ra_requirements(out, t);
    put_key_archival(out, t);
    put_extensions(out, t);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.7. */
static void put_policy(struct output *out, const void *object, int unused)
{
    const struct cep_template *t = object;

    (void)unused;
    begin(out, "policy");
    reference(out, "policyOIDReference", t->policy_ref);
    references(out, "cAs", "cAReference", t->ca_refs);
    put_attributes(out, t);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.5, .6. */
static void put_uris(struct output *out, const apr_array_header_t *uris)
{
    int i;

    begin(out, "uris");
    for (i = 0; i < count(uris); i++) {
        const struct cep_enrollment_uri *u = &APR_ARRAY_IDX(uris, i, struct cep_enrollment_uri);

        begin(out, "cAURI");
        number(out, "clientAuthentication", u->auth);
        text(out, "uri", u->uri);
        number(out, "priority", u->priority);
        boolean(out, "renewalOnly", u->renewal_only);
        end(out);
    }
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.2. */
static void put_ca(struct output *out, const void *object, int ref)
{
    const struct cep_enrollment_service *service = object;

    begin(out, "cA");
    put_uris(out, service->uris);
    binary(out, "certificate", &service->certificate);
    begin(out, "enrollPermission");
    leave_open(out);
    end(out);
    reference(out, "cAReferenceID", ref);
    end(out);
}

/* [MS-XCEP] 3.1.4.1.3.16. The name may be in the caller's language, so it is left open. */
static void put_oid(struct output *out, const void *object, int ref)
{
    const struct cep_oid_row *row = object;

    begin(out, "oID");
    text(out, "value", row->value);
    number(out, "group", row->group);
    reference(out, "oIDReferenceID", ref);
    begin(out, "defaultName");
    leave_open(out);
    end(out);
    end(out);
}

static struct cep_value copy(const xmlChar *data, int length, apr_pool_t *pool)
{
    struct cep_value value;

    value.len = (apr_size_t)length;
    value.data = (unsigned char *)apr_pstrmemdup(pool, (const char *)data, value.len);
    return value;
}

/* Want of memory ends the process here as it does in every pool: half an answer is worse. */
static void give_up(apr_pool_t *pool)
{
    apr_abortfunc_t abort_function = apr_pool_abort_get(pool);

    if (abort_function)
        abort_function(APR_ENOMEM);
}

static struct cep_fragment render(void (*put_object)(struct output *, const void *, int),
                                  const void *object, int ref, apr_pool_t *pool)
{
    struct cep_fragment fragment;
    struct output out = {0};
    const xmlChar *data;

    memset(&fragment, 0, sizeof(fragment));
    if (apr_pool_create(&out.pool, pool) != APR_SUCCESS) /* for what only the rendering needs */
        return fragment;
    out.failed = 1;
    out.buffer = xmlBufferCreate();
    if (!out.buffer)
        goto done;
    out.writer = xmlNewTextWriterMemory(out.buffer, 0);
    if (!out.writer)
        goto done;
    out.failed = 0;
    put_object(&out, object, ref);
    note(&out, xmlTextWriterFlush(out.writer));
    if (out.failed)
        goto done;
    data = xmlBufferContent(out.buffer);
    fragment.head = copy(data, out.open_place, pool);
    fragment.tail = copy(data + out.open_place, xmlBufferLength(out.buffer) - out.open_place, pool);

done:
    if (out.writer)
        xmlFreeTextWriter(out.writer);
    if (out.buffer)
        xmlBufferFree(out.buffer);
    apr_pool_destroy(out.pool);
    if (out.failed)
        give_up(pool);
    return fragment;
}

struct cep_fragment cep_xcep_render_policy(const struct cep_template *tmpl, apr_pool_t *pool)
{
    return render(put_policy, tmpl, 0, pool);
}

struct cep_fragment cep_xcep_render_ca(const struct cep_enrollment_service *service, int ref,
                                       apr_pool_t *pool)
{
    return render(put_ca, service, ref, pool);
}

struct cep_fragment cep_xcep_render_oid(const struct cep_oid_row *row, int ref, apr_pool_t *pool)
{
    return render(put_oid, row, ref, pool);
}
