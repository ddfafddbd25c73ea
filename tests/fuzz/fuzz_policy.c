/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Entries of templates, CAs and OID objects, through the whole room of policy/. Whatever they
 * hold, what comes out must keep the promises of cep_policy.h, and must not depend on their order.
 *
 * The input is lines of text. The first octet of a line says what it is, the rest is a value in
 * which %HH stands for an octet:
 *
 *   T C O   begin a template, a CA, an OID object without any attribute
 *   t c o   begin one that gets sound values for all that is not given
 *   U       "ca|uri": a configured enrollment URI
 *   else    a value of the attribute with that letter: see attributes[]
 */
#include <strings.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "../../mod_cep/policy/parts.h"
#include "../unit/hex.h"
#include "../unit/policy_helper.h"
#include "fuzz.h"

#define MAX_ENTRIES 64

/* An Ed25519 certificate for CN=F, valid from the year 2000 to the year 2500. */
static const char certificate_hex[] =
    "3081c53079a003020102020101300506032b6570300c310a300806035504030c01463020170d3030303130313030"
    "303030305a180f32353030303130313030303030305a300c310a300806035504030c0146302a300506032b657003"
    "21003b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29300506032b65700341002b14"
    "304d4ec4f9954bdd9b717e9493fa8a43556067f9b5fa71400334ac4f79e0e4847a04c360f48ae4d099f8a6dcfc5c"
    "01baa1ac9f9b4e976f668bb6cd964b04";

static const struct {
    char letter;
    const char *name;
} attributes[] = {
    {'a', "cn"},
    {'b', "displayName"},
    {'d', "flags"},
    {'e', "revision"},
    {'f', "nTSecurityDescriptor"},
    {'g', "pKIDefaultCSPs"},
    {'h', "pKIDefaultKeySpec"},
    {'i', "pKICriticalExtensions"},
    {'j', "pKIExpirationPeriod"},
    {'k', "pKIOverlapPeriod"},
    {'l', "pKIExtendedKeyUsage"},
    {'m', "pKIKeyUsage"},
    {'n', "pKIMaxIssuingDepth"},
    {'p', "msPKI-Template-Schema-Version"},
    {'q', "msPKI-Template-Minor-Revision"},
    {'r', "msPKI-RA-Signature"},
    {'s', "msPKI-Minimal-Key-Size"},
    {'u', "msPKI-Cert-Template-OID"},
    {'v', "msPKI-Supersede-Templates"},
    {'w', "msPKI-RA-Policies"},
    {'x', "msPKI-RA-Application-Policies"},
    {'y', "msPKI-Certificate-Policy"},
    {'z', "msPKI-Certificate-Application-Policy"},
    {'0', "msPKI-Enrollment-Flag"},
    {'1', "msPKI-Private-Key-Flag"},
    {'2', "msPKI-Certificate-Name-Flag"},
    {'3', "cACertificate"},
    {'4', "certificateTemplates"},
    {'5', "msPKI-Enrollment-Servers"},
    {'6', "msPKI-OIDLocalizedName"},
};

struct item {
    char kind; /* 't', 'c' or 'o' */
    int defaults;
    struct cep_entry *entry;
};

struct input {
    apr_pool_t *pool;
    struct item items[MAX_ENTRIES];
    int count;
    apr_array_header_t *configured;
};

static struct cep_value unescape(apr_pool_t *pool, const unsigned char *data, size_t size)
{
    unsigned char *octets = apr_palloc(pool, size + 1);
    struct cep_value value = {octets, 0};
    size_t i;

    for (i = 0; i < size; i++) {
        if (data[i] == '%' && i + 2 < size &&
            read_hex(octets + value.len, 1, (const char *)data + i + 1))
            i += 2;
        else
            octets[value.len] = data[i];
        value.len++;
    }
    octets[value.len] = '\0';
    return value;
}

static const char *attribute_of(unsigned char letter)
{
    size_t i;

    for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        if (attributes[i].letter == (char)letter)
            return attributes[i].name;
    }
    return NULL;
}

static void begin(struct input *input, char kind, int defaults)
{
    struct item *item = &input->items[input->count];

    if (input->count == MAX_ENTRIES)
        return;
    item->kind = kind;
    item->defaults = defaults;
    item->entry = cep_entry_make(input->pool, apr_psprintf(input->pool, "CN=%d", input->count));
    input->count++;
}

static void configure(struct input *input, const char *text)
{
    const char *bar = strchr(text, '|');
    struct cep_configured_uri line = {NULL, {CEP_AUTH_KERBEROS, NULL, 1, 0, 0}};

    line.ca = bar ? apr_pstrmemdup(input->pool, text, (apr_size_t)(bar - text)) : text;
    line.uri.uri = bar ? bar + 1 : "";
    if (input->configured->nelts < MAX_ENTRIES)
        APR_ARRAY_PUSH(input->configured, struct cep_configured_uri) = line;
}

static void take_line(struct input *input, const unsigned char *line, size_t size)
{
    static const char kinds[] = "TCOtco";
    const char *kind = size ? memchr(kinds, line[0], sizeof(kinds) - 1) : NULL;
    const char *name = size ? attribute_of(line[0]) : NULL;
    struct cep_value value;

    if (kind) {
        begin(input, kinds[(kind - kinds) % 3 + 3], kind - kinds >= 3);
        return;
    }
    if (size == 0)
        return;
    value = unescape(input->pool, line + 1, size - 1);
    if (line[0] == 'U')
        configure(input, (const char *)value.data);
    else if (name && input->count > 0)
        cep_entry_add(input->items[input->count - 1].entry, input->pool, name, value.data,
                      value.len);
}

static void add_default(struct cep_entry *entry, apr_pool_t *pool, const char *name,
                        const void *data, apr_size_t length)
{
    if (!cep_entry_attribute(entry, name))
        cep_entry_add(entry, pool, name, data, length);
}

/* Names and OIDs of their own, so that sound entries do not push each other out. */
static void complete(struct input *input, struct item *item, int number)
{
    const struct given *given = item->kind == 't'   ? template_defaults
                                : item->kind == 'c' ? ca_defaults
                                                    : oid_defaults;
    const char *cn = apr_psprintf(input->pool, "N%d", number);
    const char *oid = apr_psprintf(input->pool, "1.3.6.1.4.1.311.21.8.1.%d", number);
    unsigned char der[sizeof(certificate_hex) / 2];

    if (!item->defaults)
        return;
    add_default(item->entry, input->pool, "cn", cn, strlen(cn));
    if (item->kind == 't')
        add_default(item->entry, input->pool, "msPKI-Cert-Template-OID", oid, strlen(oid));
    promise(read_hex(der, sizeof(der), certificate_hex), "the certificate is hex");
    if (item->kind == 'c')
        add_default(item->entry, input->pool, "cACertificate", der, sizeof(der));
    for (; given->attribute; given++)
        add_default(item->entry, input->pool, given->attribute, given->value,
                    given->length ? given->length : strlen(given->value));
}

static apr_status_t release(void *data)
{
    free(data);
    return APR_SUCCESS;
}

/* Values in memory of their own size, so that a sanitizer sees what is read beyond their NUL. */
static void isolate(struct input *input, struct cep_entry *entry)
{
    int i, j;

    for (i = 0; i < entry->attributes->nelts; i++) {
        apr_array_header_t *values =
            APR_ARRAY_IDX(entry->attributes, i, struct cep_attribute).values;

        for (j = 0; j < values->nelts; j++) {
            struct cep_value *value = &APR_ARRAY_IDX(values, j, struct cep_value);
            unsigned char *copy = malloc(value->len + 1);

            promise(copy != NULL, "memory");
            memcpy(copy, value->data, value->len + 1);
            apr_pool_cleanup_register(input->pool, copy, release, apr_pool_cleanup_null);
            value->data = copy;
        }
    }
}

static struct cep_policy *run(const struct input *input, int backwards)
{
    struct cep_policy *policy =
        cep_policy_make(input->pool, apr_time_from_sec(1780000000),
                        input->configured->nelts ? input->configured : NULL);
    int i;

    for (i = 0; i < input->count; i++) {
        const struct item *item = &input->items[backwards ? input->count - 1 - i : i];

        if (item->kind == 't')
            cep_policy_add_template(policy, item->entry);
        else if (item->kind == 'c')
            cep_policy_add_service(policy, item->entry);
        else
            cep_policy_add_oid(policy, item->entry);
    }
    cep_policy_finish(policy);
    return policy;
}

static void check_text(const char *text, int may_be_empty)
{
    promise(text != NULL, "text is there");
    promise(may_be_empty || *text, "text is not empty");
    promise(cep_text_is_xml(text, strlen(text)), "text fits into XML");
}

static void check_texts(const apr_array_header_t *list)
{
    int i;

    promise(list != NULL, "list is there");
    for (i = 0; i < list->nelts; i++)
        check_text(APR_ARRAY_IDX(list, i, const char *), 0);
}

static void check_oids(const apr_array_header_t *list)
{
    int i;

    check_texts(list);
    for (i = 0; i < list->nelts; i++) {
        const char *oid = APR_ARRAY_IDX(list, i, const char *);

        promise(cep_oid_check(oid, strlen(oid)) == CEP_OID_GOOD, "OID is good");
    }
}

static void check_ref(const struct cep_policy *policy, int ref, const char *value,
                      enum cep_oid_group group)
{
    if (!value) {
        promise(ref == CEP_NO_REF, "no OID, no reference");
        return;
    }
    promise(ref >= 0 && ref < policy->oid_table->nelts, "reference is within the table");
    promise(strcmp(row_at(policy, ref)->value, value) == 0, "reference has the OID");
    promise(row_at(policy, ref)->group == group, "reference has the group");
}

static void check_refs(const struct cep_policy *policy, const apr_array_header_t *refs,
                       const apr_array_header_t *oids, enum cep_oid_group group)
{
    int i;

    promise(refs->nelts == oids->nelts, "one reference for each OID");
    for (i = 0; i < refs->nelts; i++)
        check_ref(policy, APR_ARRAY_IDX(refs, i, int), APR_ARRAY_IDX(oids, i, const char *), group);
}

static void check_ascending(const apr_array_header_t *refs, int limit)
{
    int i, last = -1;

    for (i = 0; i < refs->nelts; i++) {
        promise(APR_ARRAY_IDX(refs, i, int) > last, "references ascend");
        last = APR_ARRAY_IDX(refs, i, int);
    }
    promise(last < limit, "last reference is within limits");
}

static void check_extensions(const struct cep_policy *policy, const struct cep_template *tmpl)
{
    int i;

    for (i = 0; i < tmpl->extensions->nelts; i++) {
        const struct cep_extension *extension =
            &APR_ARRAY_IDX(tmpl->extensions, i, struct cep_extension);
        const unsigned char *at = extension->value.data;
        ASN1_TYPE *type = d2i_ASN1_TYPE(NULL, &at, (long)extension->value.len);

        promise(type && at == extension->value.data + extension->value.len, "extension is DER");
        ASN1_TYPE_free(type);
        check_ref(policy, extension->ref, extension->oid, CEP_OID_EXTENSION);
    }
}

static void check_values(const struct cep_template *tmpl)
{
    check_text(tmpl->dn, 1);
    check_text(tmpl->cn, 0);
    check_text(tmpl->display_name, 0);
    promise(cep_oid_check(tmpl->oid, strlen(tmpl->oid)) == CEP_OID_GOOD, "template OID is good");
    promise(tmpl->schema_version >= 1 && tmpl->schema_version <= 4, "schema version");
    promise(tmpl->validity_seconds > 0 && tmpl->renewal_seconds > 0, "periods are positive");
    promise(tmpl->minimal_key_length > 0, "key length is positive");
    promise(tmpl->key_spec <= 2, "key spec");
    promise(tmpl->major_revision > 0, "revision is positive");
    promise(!(tmpl->enrollment_flags & CEP_ENROLLMENT_AUTO_ENROLLMENT), "hidden flag");
    promise(!tmpl->permissions || *tmpl->permissions, "permissions");
    promise(!tmpl->symmetric == !tmpl->symmetric_oid, "symmetric algorithm has an OID");
    promise(!tmpl->symmetric == (tmpl->symmetric_length == 0), "and a length");
    check_texts(tmpl->providers);
    check_texts(tmpl->superseded);
    check_oids(tmpl->ra_ekus);
    check_oids(tmpl->ra_policies);
    check_oids(tmpl->ekus);
    check_oids(tmpl->app_policies);
    check_oids(tmpl->cert_policies);
}

static void check_template(const struct cep_policy *policy, const struct cep_template *tmpl,
                           char *used)
{
    int i;

    check_values(tmpl);
    check_ref(policy, tmpl->policy_ref, tmpl->oid, CEP_OID_TEMPLATE);
    check_ref(policy, tmpl->algorithm_ref, tmpl->algorithm_oid, CEP_OID_PUBLIC_KEY);
    check_ref(policy, tmpl->hash_ref, tmpl->hash_oid, CEP_OID_HASH);
    check_ref(policy, tmpl->symmetric_ref, tmpl->symmetric_oid, CEP_OID_ENCRYPTION);
    check_refs(policy, tmpl->ra_eku_refs, tmpl->ra_ekus, CEP_OID_EKU);
    check_refs(policy, tmpl->ra_policy_refs, tmpl->ra_policies, CEP_OID_POLICY);
    check_extensions(policy, tmpl);
    check_ascending(tmpl->oid_refs, policy->oid_table->nelts);
    check_ascending(tmpl->ca_refs, policy->services->nelts);
    for (i = 0; i < tmpl->oid_refs->nelts; i++)
        used[APR_ARRAY_IDX(tmpl->oid_refs, i, int)] = 1;
}

static void check_service(const struct cep_enrollment_service *service)
{
    const unsigned char *at = service->certificate.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)service->certificate.len);
    int i;

    promise(x509 && at == service->certificate.data + service->certificate.len, "certificate");
    X509_free(x509);
    check_text(service->cn, 0);
    check_text(service->display_name, 0);
    check_texts(service->templates);
    promise(service->uris->nelts > 0, "a CA has a URI");
    for (i = 0; i < service->uris->nelts; i++) {
        const struct cep_enrollment_uri *uri =
            &APR_ARRAY_IDX(service->uris, i, struct cep_enrollment_uri);

        check_text(uri->uri, 0);
        promise(strncasecmp(uri->uri, "https://", 8) == 0, "URI is https");
        promise(uri->auth == 1 || uri->auth == 2 || uri->auth == 4 || uri->auth == 8,
                "authentication");
    }
}

static void check_table(const struct cep_policy *policy, apr_pool_t *pool, const char *used)
{
    apr_hash_t *seen = apr_hash_make(pool);
    int i;

    for (i = 0; i < policy->oid_table->nelts; i++) {
        const struct cep_oid_row *row = row_at(policy, i);
        const char *key = apr_psprintf(pool, "%d %s %s", (int)row->group, row->value, row->name);

        promise(!apr_hash_get(seen, key, APR_HASH_KEY_STRING), "rows differ");
        apr_hash_set(seen, key, APR_HASH_KEY_STRING, row);
        check_text(row->name, 0);
        promise(row->localized != NULL, "localized names are a list");
        promise(used[i], "a template uses the row");
    }
}

static void check_policy(const struct cep_policy *policy, apr_pool_t *pool)
{
    char *used = apr_pcalloc(pool, (apr_size_t)policy->oid_table->nelts + 1);
    apr_hash_t *oids = apr_hash_make(pool), *names = apr_hash_make(pool);
    int i;

    for (i = 0; i < policy->templates->nelts; i++) {
        const struct cep_template *tmpl = template_at(policy, i);
        const char *folded = cep_text_fold(pool, tmpl->cn);

        check_template(policy, tmpl, used);
        promise(!apr_hash_get(oids, tmpl->oid, APR_HASH_KEY_STRING), "template OIDs differ");
        promise(!apr_hash_get(names, folded, APR_HASH_KEY_STRING), "template names differ");
        apr_hash_set(oids, tmpl->oid, APR_HASH_KEY_STRING, tmpl);
        apr_hash_set(names, folded, APR_HASH_KEY_STRING, tmpl);
    }
    for (i = 0; i < policy->services->nelts; i++)
        check_service(service_at(policy, i));
    check_table(policy, pool, used);
    for (i = 0; i < policy->findings->nelts; i++) {
        const struct cep_finding *f = &APR_ARRAY_IDX(policy->findings, i, struct cep_finding);

        check_text(f->name, 1);
        check_text(f->text, 0);
        promise(strncmp(f->code, "CEP03", 5) == 0, "findings have a code");
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    apr_pool_t *pool = input_pool();
    struct input *input = apr_pcalloc(pool, sizeof(*input));
    const struct cep_policy *policy;
    const char *forwards;
    int i;

    input->pool = pool;
    input->configured = apr_array_make(pool, 4, sizeof(struct cep_configured_uri));
    while (size > 0) {
        const unsigned char *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;

        take_line(input, data, length);
        data += length + (end ? 1 : 0);
        size -= length + (end ? 1 : 0);
    }
    for (i = 0; i < input->count; i++)
        complete(input, &input->items[i], i);
    for (i = 0; i < input->count; i++)
        isolate(input, input->items[i].entry);
    policy = run(input, 0);
    check_policy(policy, pool);
    promise(ERR_peek_error() == 0, "OpenSSL's error queue is left as it was");
    forwards = dump_policy(policy, pool);
    promise(strcmp(forwards, dump_policy(run(input, 1), pool)) == 0, "order does not matter");
    apr_pool_destroy(pool);
    return 0;
}
