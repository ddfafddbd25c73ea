/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Answers put together from made-up structs, as whoever serves them does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "cep_xcep.h"
#include "xcep_schema.h"
#include "pool.h"

#define NIL(name) "<" name " xsi:nil=\"true\"/>"
#define UTF8      "\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91"
#define SAFE      "&amp;&lt;&gt;&quot;'" UTF8 "\t\n&#13;\xef\xbf\xbd]]&gt;"
#define ODD       "&<>\"'" UTF8 "\t\n\r\x01]]>"

static const struct cep_instance instance = {"{B1B77D6C-2F8E-4F6E-9C50-1B5D7C1C5E01}",
                                             "Contoso enrollment policy", 8};

static apr_array_header_t *texts(const char *first, ...)
{
    apr_array_header_t *array = apr_array_make(pool, 2, sizeof(const char *));
    va_list more;

    va_start(more, first);
    for (; first; first = va_arg(more, const char *))
        APR_ARRAY_PUSH(array, const char *) = first;
    va_end(more);
    return array;
}

/* Ends with -1. */
static apr_array_header_t *numbers(int first, ...)
{
    apr_array_header_t *array = apr_array_make(pool, 2, sizeof(int));
    va_list more;

    va_start(more, first);
    for (; first >= 0; first = va_arg(more, int))
        APR_ARRAY_PUSH(array, int) = first;
    va_end(more);
    return array;
}

static struct cep_value octets(const void *data, size_t length)
{
    struct cep_value value = {data, length};

    return value;
}

/* A template in which everything that may be nil is. */
static struct cep_template *bare_template(void)
{
    struct cep_template *t = apr_pcalloc(pool, sizeof(*t));

    t->cn = "Bare";
    t->display_name = "Bare";
    t->oid = "1.2.3";
    t->schema_version = 1;
    t->validity_seconds = 31536000;
    t->renewal_seconds = 3628800;
    t->minimal_key_length = 2048;
    t->major_revision = 5;
    t->providers = texts(NULL);
    t->superseded = texts(NULL);
    t->ra_ekus = t->ra_policies = t->ekus = t->app_policies = t->cert_policies = texts(NULL);
    t->extensions = apr_array_make(pool, 1, sizeof(struct cep_extension));
    t->policy_ref = 0;
    t->algorithm_ref = t->hash_ref = t->symmetric_ref = CEP_NO_REF;
    t->ra_eku_refs = t->ra_policy_refs = numbers(-1);
    t->oid_refs = numbers(0, -1);
    t->ca_refs = numbers(-1);
    return t;
}

static struct cep_template *full_template(void)
{
    struct cep_template *t = bare_template();
    struct cep_extension *e;

    t->cn = ODD;
    t->schema_version = 4;
    t->validity_seconds = UINT64_MAX;
    t->renewal_seconds = 1;
    t->minimal_key_length = UINT32_MAX;
    t->key_spec = 2;
    t->has_key_usage_property = 1;
    t->key_usage_property = 0;
    t->permissions = "D:P(A;;FA;;;BA)\"&\"";
    t->providers = texts("Microsoft Software Key Storage Provider", ODD, NULL);
    t->minor_revision = UINT32_MAX;
    t->superseded = texts("User", "Web & Server", NULL);
    t->private_key_flags = 0x06050110u;
    t->subject_name_flags = 0xa6000000u;
    t->enrollment_flags = 0x29u;
    t->general_flags = UINT32_MAX;
    t->ra_signatures = 1;
    t->policy_ref = 1;
    t->algorithm_ref = 2;
    t->hash_ref = 3;
    t->symmetric_ref = 4;
    t->symmetric_length = 256;
    t->ra_eku_refs = numbers(5, 6, -1);
    t->ra_policy_refs = numbers(7, -1);
    t->ca_refs = numbers(0, 1, -1);
    e = apr_array_push(t->extensions);
    e->ref = 8;
    e->critical = 1;
    e->value = octets("\x03\x02\x05\xa0", 4);
    e = apr_array_push(t->extensions);
    e->ref = 9;
    e->value = octets(memset(apr_palloc(pool, 1000), 0x30, 1000), 1000);
    return t;
}

static struct cep_enrollment_service *service(void)
{
    struct cep_enrollment_service *s = apr_pcalloc(pool, sizeof(*s));
    struct cep_enrollment_uri *u;

    s->cn = "CA";
    s->certificate = octets("\x30\x03\x02\x01\x01", 5);
    s->uris = apr_array_make(pool, 2, sizeof(*u));
    u = apr_array_push(s->uris);
    u->auth = CEP_AUTH_KERBEROS;
    u->uri = "https://ca.example.test/CA_CES_Kerberos/service.svc/CES?a=1&b=2";
    u->priority = 1;
    u = apr_array_push(s->uris);
    u->auth = CEP_AUTH_CERTIFICATE;
    u->uri = "https://ca.example.test/CA_CES_Certificate/service.svc/CES";
    u->priority = UINT32_MAX;
    u->renewal_only = 1;
    return s;
}

static const char *fragment_text(struct cep_fragment fragment, const char *open_place)
{
    assert_int_equal(strlen((const char *)fragment.head.data), fragment.head.len);
    assert_int_equal(strlen((const char *)fragment.tail.data), fragment.tail.len);
    return apr_pstrcat(pool, fragment.head.data, open_place, fragment.tail.data, NULL);
}

static const char *piece(enum cep_xcep_piece which)
{
    struct cep_value value = cep_xcep_piece(which);

    assert_int_equal(strlen((const char *)value.data), value.len);
    return (const char *)value.data;
}

static const char *oids(int count, const char *name)
{
    const char *result = "";
    int i;

    for (i = 0; i < count; i++) {
        struct cep_oid_row row = {NULL, CEP_OID_EXTENSION, NULL, NULL};

        row.value = apr_psprintf(pool, "1.2.3.%d", i);
        row.group = (enum cep_oid_group)(i % 9 + 1);
        row.name = name;
        result = apr_pstrcat(
            pool, result,
            fragment_text(cep_xcep_render_oid(&row, i, pool), cep_xcep_escape(name, pool)), NULL);
    }
    return result;
}

static const char *answer(const char *policies, const char *cas, const char *oid_rows)
{
    return apr_pstrcat(pool, cep_xcep_render_head(&instance, "urn:uuid:1", 0, pool),
                       policies ? piece(CEP_PIECE_POLICIES_OPEN) : piece(CEP_PIECE_POLICIES_NIL),
                       policies ? policies : "", policies ? piece(CEP_PIECE_POLICIES_CLOSE) : "",
                       cas ? piece(CEP_PIECE_CAS_OPEN) : piece(CEP_PIECE_CAS_NIL), cas ? cas : "",
                       cas ? piece(CEP_PIECE_CAS_CLOSE) : "",
                       oid_rows ? piece(CEP_PIECE_OIDS_OPEN) : piece(CEP_PIECE_OIDS_NIL),
                       oid_rows ? oid_rows : "", oid_rows ? piece(CEP_PIECE_OIDS_CLOSE) : "",
                       piece(CEP_PIECE_END), NULL);
}

static void must_contain(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not stand in: %.6000s", part, text);
}

static void a_whole_answer_is_valid(void **state)
{
    const char *policies =
        apr_pstrcat(pool, fragment_text(cep_xcep_render_policy(bare_template(), pool), "false"),
                    fragment_text(cep_xcep_render_policy(full_template(), pool), "true"), NULL);
    const char *cas =
        apr_pstrcat(pool, fragment_text(cep_xcep_render_ca(service(), 0, pool), "true"),
                    fragment_text(cep_xcep_render_ca(service(), 1, pool), "false"), NULL);
    const char *message = answer(policies, cas, oids(10, ODD));

    (void)state;
    xmlFreeDoc(parse_valid(message));
    assert_null(strstr(message, "> <"));
    assert_null(strstr(message, ">\n"));
    assert_null(strstr(message, "<?"));
    must_contain(message, "<s:Header><a:Action s:mustUnderstand=\"1\">" CEP_XCEP_RESPONSE
                          "</a:Action><a:RelatesTo>urn:uuid:1</a:RelatesTo></s:Header>");
    must_contain(message, "<response><policyID>{B1B77D6C-2F8E-4F6E-9C50-1B5D7C1C5E01}</policyID>"
                          "<policyFriendlyName>Contoso enrollment policy</policyFriendlyName>"
                          "<nextUpdateHours>8</nextUpdateHours>" NIL(
                              "policiesNotChanged") "<policies><policy>");
}

static void an_empty_answer_is_valid(void **state)
{
    const char *message = answer(NULL, NULL, NULL);

    (void)state;
    xmlFreeDoc(parse_valid(message));
    must_contain(message, NIL("policiesNotChanged") NIL("policies") "</response>" NIL("cAs")
                              NIL("oIDs") "</GetPoliciesResponse></s:Body></s:Envelope>");
}

static void unchanged_policies_are_said_so(void **state)
{
    const char *message = apr_pstrcat(pool, cep_xcep_render_head(&instance, NULL, 1, pool),
                                      piece(CEP_PIECE_POLICIES_NIL), piece(CEP_PIECE_CAS_NIL),
                                      piece(CEP_PIECE_OIDS_NIL), piece(CEP_PIECE_END), NULL);

    (void)state;
    xmlFreeDoc(parse_valid(message));
    must_contain(message, "<policiesNotChanged>true</policiesNotChanged>" NIL("policies"));
    assert_null(strstr(message, "RelatesTo"));
}

static void the_head_escapes_what_it_is_given(void **state)
{
    const struct cep_instance odd = {ODD, NULL, UINT32_MAX};
    const char *message = apr_pstrcat(pool, cep_xcep_render_head(&odd, ODD, 0, pool),
                                      piece(CEP_PIECE_POLICIES_NIL), piece(CEP_PIECE_CAS_NIL),
                                      piece(CEP_PIECE_OIDS_NIL), piece(CEP_PIECE_END), NULL);

    (void)state;
    xmlFreeDoc(parse_valid(message));
    must_contain(message, "<a:RelatesTo>" SAFE "</a:RelatesTo>");
    must_contain(message,
                 "<policyID>" SAFE "</policyID>" NIL(
                     "policyFriendlyName") "<nextUpdateHours>4294967295</nextUpdateHours>");
}

static void a_bare_policy_has_every_element(void **state)
{
    const char *text = fragment_text(cep_xcep_render_policy(bare_template(), pool), "false");

    (void)state;
    assert_string_equal(
        text,
        "<policy><policyOIDReference>0</policyOIDReference>" NIL(
            "cAs") "<attributes>"
                   "<commonName>Bare</commonName><policySchema>1</"
                   "policySchema><certificateValidity>"
                   "<validityPeriodSeconds>31536000</"
                   "validityPeriodSeconds><renewalPeriodSeconds>3628800"
                   "</renewalPeriodSeconds></certificateValidity><permission><enroll>true</enroll>"
                   "<autoEnroll>false</autoEnroll></"
                   "permission><privateKeyAttributes><minimalKeyLength>2048"
                   "</minimalKeyLength>" NIL("keySpec") NIL("keyUsageProperty") NIL("permissions")
                       NIL("algorithmOIDReference") NIL(
                           "cryptoProviders") "</privateKeyAttributes><revision>"
                                              "<majorRevision>5</majorRevision><minorRevision>0</"
                                              "minorRevision></revision>" NIL(
                                                  "supersededPolicies") "<privateKeyFlags>0</"
                                                                        "privateKeyFlags><"
                                                                        "subjectNameFlags>0"
                                                                        "</"
                                                                        "subjectNameFlags><"
                                                                        "enrollmentFlags>0</"
                                                                        "enrollmentFlags><"
                                                                        "generalFlags>0</"
                                                                        "generalFlags>" NIL(
                                                                            "hashAlgorithmOIDRefere"
                                                                            "nce")
                                                                            NIL("rARequirements")
                                                                                NIL("keyArchivalAtt"
                                                                                    "ributes")
                                                                                    NIL("extension"
                                                                                        "s") "</"
                                                                                             "attri"
                                                                                             "butes"
                                                                                             "></"
                                                                                             "polic"
                                                                                             "y>");
}

static void a_full_policy_has_every_value(void **state)
{
    static const char *const parts[] = {
        "<policy><policyOIDReference>1</policyOIDReference><cAs><cAReference>0</cAReference>"
        "<cAReference>1</cAReference></cAs><attributes><commonName>" SAFE "</commonName>"
        "<policySchema>4</policySchema><certificateValidity><validityPeriodSeconds>"
        "18446744073709551615</validityPeriodSeconds><renewalPeriodSeconds>1"
        "</renewalPeriodSeconds></certificateValidity><permission><enroll>true</enroll>"
        "<autoEnroll>true</autoEnroll></permission><privateKeyAttributes><minimalKeyLength>"
        "4294967295</minimalKeyLength><keySpec>2</keySpec><keyUsageProperty>0</keyUsageProperty>"
        "<permissions>D:P(A;;FA;;;BA)&quot;&amp;&quot;</permissions><algorithmOIDReference>2"
        "</algorithmOIDReference><cryptoProviders><provider>Microsoft Software Key Storage "
        "Provider</provider><provider>" SAFE "</provider></cryptoProviders>"
        "</privateKeyAttributes><revision><majorRevision>5</majorRevision><minorRevision>"
        "4294967295</minorRevision></revision><supersededPolicies><commonName>User</commonName>"
        "<commonName>Web &amp; Server</commonName></supersededPolicies><privateKeyFlags>"
        "100991248</privateKeyFlags><subjectNameFlags>2785017856</subjectNameFlags>"
        "<enrollmentFlags>41</enrollmentFlags><generalFlags>4294967295</generalFlags>"
        "<hashAlgorithmOIDReference>3</hashAlgorithmOIDReference><rARequirements><rASignatures>1"
        "</rASignatures><rAEKUs><oIDReference>5</oIDReference><oIDReference>6</oIDReference>"
        "</rAEKUs><rAPolicies><oIDReference>7</oIDReference></rAPolicies></rARequirements>"
        "<keyArchivalAttributes><symmetricAlgorithmOIDReference>4"
        "</symmetricAlgorithmOIDReference><symmetricAlgorithmKeyLength>256"
        "</symmetricAlgorithmKeyLength></keyArchivalAttributes><extensions><extension>"
        "<oIDReference>8</oIDReference><critical>true</critical><value>AwIFoA==</value>"
        "</extension><extension><oIDReference>9</oIDReference><critical>false</critical><value>"
        "MDAwMDAw",
        "MDAwMA==</value></extension></extensions></attributes></policy>",
    };
    const char *text = fragment_text(cep_xcep_render_policy(full_template(), pool), "true");

    (void)state;
    assert_memory_equal(text, parts[0], strlen(parts[0]));
    assert_string_equal(text + strlen(text) - strlen(parts[1]), parts[1]);
    assert_null(strstr(strstr(text, "MDAw"), "\n")); /* 1,336 characters in one line */
}

static void ra_requirements_may_lack_either_list(void **state)
{
    struct cep_template *t = bare_template();

    (void)state;
    t->ra_signatures = 2;
    must_contain(fragment_text(cep_xcep_render_policy(t, pool), "true"),
                 "<rARequirements><rASignatures>2</rASignatures>" NIL("rAEKUs")
                     NIL("rAPolicies") "</rARequirements>");
    t->ra_signatures = 0;
    t->ra_eku_refs = numbers(1, -1);
    must_contain(fragment_text(cep_xcep_render_policy(t, pool), "true"), NIL("rARequirements"));
}

static void the_open_places_are_where_they_are_said_to_be(void **state)
{
    const struct cep_oid_row row = {"1.3.6.1.5.5.7.3.2", CEP_OID_EKU, "name", NULL};
    struct cep_fragment f;

    (void)state;
    f = cep_xcep_render_policy(bare_template(), pool);
    assert_true(!strcmp((const char *)f.head.data + f.head.len - 12, "<autoEnroll>"));
    assert_memory_equal(f.tail.data, "</autoEnroll></permission>", 26);
    f = cep_xcep_render_ca(service(), 7, pool);
    assert_string_equal((const char *)f.head.data,
                        "<cA><uris><cAURI><clientAuthentication>2</clientAuthentication><uri>"
                        "https://ca.example.test/CA_CES_Kerberos/service.svc/CES?a=1&amp;b=2</uri>"
                        "<priority>1</priority><renewalOnly>false</renewalOnly></cAURI><cAURI>"
                        "<clientAuthentication>8</clientAuthentication><uri>"
                        "https://ca.example.test/CA_CES_Certificate/service.svc/CES</uri>"
                        "<priority>4294967295</priority><renewalOnly>true</renewalOnly></cAURI>"
                        "</uris><certificate>MAMCAQE=</certificate><enrollPermission>");
    assert_string_equal((const char *)f.tail.data,
                        "</enrollPermission><cAReferenceID>7</cAReferenceID></cA>");
    f = cep_xcep_render_oid(&row, 3, pool);
    assert_string_equal((const char *)f.head.data,
                        "<oID><value>1.3.6.1.5.5.7.3.2</value><group>7</group><oIDReferenceID>3"
                        "</oIDReferenceID><defaultName>");
    assert_string_equal((const char *)f.tail.data, "</defaultName></oID>");
}

static void the_same_object_gives_the_same_octets(void **state)
{
    const char *first = fragment_text(cep_xcep_render_policy(full_template(), pool), "true");

    (void)state;
    assert_string_equal(first,
                        fragment_text(cep_xcep_render_policy(full_template(), pool), "true"));
}

static void text_is_escaped(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"&<>\"'", "&amp;&lt;&gt;&quot;'"},
        {"&amp;", "&amp;amp;"},
        {"]]>", "]]&gt;"},
        {"a\tb\nc\rd\r\n", "a\tb\nc&#13;d&#13;\n"},
        {"\x01\x08\x0b\x0c\x0e\x1f", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                     "\xef\xbf\xbd"},
        {"\x7f\xc2\x80\xc2\x9f", "\x7f\xc2\x80\xc2\x9f"},
        {"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd", "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd"},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\xef\xbf\xbe", "\xef\xbf\xbd"},
        {"\xef\xbf\xbf", "\xef\xbf\xbd"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\x80", "\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc3(", "\xef\xbf\xbd("},
        {"\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *escaped = cep_xcep_escape(cases[i].text, pool);

        if (strcmp(escaped, cases[i].expected) != 0)
            fail_msg("case %d gives '%s'", (int)i, escaped);
    }
}

/* Every octet, alone and in pairs, gives XML that reads back as itself or as U+FFFD. */
static void no_octet_breaks_the_answer(void **state)
{
    int a, b;

    (void)state;
    for (a = 1; a < 256; a++) {
        apr_pool_t *outer = pool;

        apr_pool_create(&pool, outer);
        for (b = 0; b < 256; b++) {
            const char text[] = {(char)a, (char)b, '\0'};
            const char *xml = apr_pstrcat(pool, "<x>", cep_xcep_escape(text, pool), "</x>", NULL);
            xmlDocPtr tree = xmlReadMemory(xml, (int)strlen(xml), NULL, "UTF-8", XML_PARSE_NONET);
            xmlChar *content;

            if (!tree)
                fail_msg("octets %02x %02x", (unsigned)a, (unsigned)b);
            content = xmlNodeGetContent(xmlDocGetRootElement(tree));
            if (strcmp((const char *)content, text) != 0)
                assert_non_null(strstr((const char *)content, "\xef\xbf\xbd"));
            xmlFree(content);
            xmlFreeDoc(tree);
        }
        apr_pool_destroy(pool);
        pool = outer;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_answer_is_valid),
        TEST(an_empty_answer_is_valid),
        TEST(unchanged_policies_are_said_so),
        TEST(the_head_escapes_what_it_is_given),
        TEST(a_bare_policy_has_every_element),
        TEST(a_full_policy_has_every_value),
        TEST(ra_requirements_may_lack_either_list),
        TEST(the_open_places_are_where_they_are_said_to_be),
        TEST(the_same_object_gives_the_same_octets),
        TEST(text_is_escaped),
        TEST(no_octet_breaks_the_answer),
    };
    int failed;

    cep_xcep_init();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    xmlSchemaFree(strict_schema);
    return failed;
}
