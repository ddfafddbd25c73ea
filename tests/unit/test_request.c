/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What a GetPolicies request may be, and what is answered to everything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include <apr_strings.h>

#include "cep_xcep.h"
#include "pool.h"

#define SOAP   "http://www.w3.org/2003/05/soap-envelope"
#define WSA    "http://www.w3.org/2005/08/addressing"
#define WSSE   "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define ID     "urn:uuid:11111111-2222-3333-4444-555555555555"
#define ACTION "<a:Action s:mustUnderstand=\"1\">" CEP_XCEP_ACTION "</a:Action>"
#define MSGID  "<a:MessageID>" ID "</a:MessageID>"
#define CLIENT                                                                                     \
    "<client><lastUpdate xsi:nil=\"true\"/><preferredLanguage xsi:nil=\"true\"/></client>"
#define FILTER "<requestFilter xsi:nil=\"true\"/>"
#define OPEN                                                                                       \
    "<s:Envelope xmlns:s=\"" SOAP "\" xmlns:a=\"" WSA "\" xmlns:x=\"" CEP_XCEP_NS                  \
    "\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:o=\"" WSSE                   \
    "\" xmlns:u=\"urn:example:unknown\">"
#define CLOSE "</s:Envelope>"

static const char *in_body(const char *header, const char *body)
{
    return apr_pstrcat(pool, OPEN "<s:Header>", header, "</s:Header><s:Body>", body,
                       "</s:Body>" CLOSE, NULL);
}

static const char *get_policies(const char *content)
{
    return in_body(ACTION MSGID, apr_pstrcat(pool, "<GetPolicies xmlns=\"" CEP_XCEP_NS "\">",
                                             content, "</GetPolicies>", NULL));
}

static const char *with_header(const char *header)
{
    return in_body(header,
                   "<GetPolicies xmlns=\"" CEP_XCEP_NS "\">" CLIENT FILTER "</GetPolicies>");
}

static const char *with_client(const char *content)
{
    return get_policies(apr_pstrcat(pool, "<client>", content, "</client>" FILTER, NULL));
}

static const char *with_filter(const char *content)
{
    return get_policies(
        apr_pstrcat(pool, CLIENT "<requestFilter>", content, "</requestFilter>", NULL));
}

/* An allocation of exactly that size, so that a sanitizer sees a read beyond it. */
static int parse_octets(struct cep_request **request, struct cep_fault *fault, const char *data,
                        size_t length)
{
    char *exact = malloc(length ? length : 1);
    int result;

    assert_non_null(exact);
    memcpy(exact, data, length);
    memset(fault, 0xff, sizeof(*fault));
    result = cep_xcep_parse(request, fault, exact, length, pool);
    free(exact);
    if (result) {
        assert_non_null(*request);
    } else {
        assert_null(*request);
        assert_int_not_equal(fault->code, CEP_FAULT_NONE);
        assert_non_null(fault->reason);
    }
    return result;
}

static struct cep_request *take(const char *message)
{
    struct cep_request *request;
    struct cep_fault fault;

    if (!parse_octets(&request, &fault, message, strlen(message)))
        fail_msg("refused (%s): %.600s", fault.reason, message);
    return request;
}

static struct cep_fault refuse(const char *message, enum cep_fault_code code)
{
    struct cep_request *request;
    struct cep_fault fault;

    if (parse_octets(&request, &fault, message, strlen(message)))
        fail_msg("accepted: %.600s", message);
    if (fault.code != code)
        fail_msg("fault %d (%s) instead of %d: %.600s", (int)fault.code, fault.reason, (int)code,
                 message);
    return fault;
}

static void refuse_because(const char *message, const char *reason)
{
    struct cep_fault fault = refuse(message, CEP_FAULT_SENDER);

    if (!strstr(fault.reason, reason))
        fail_msg("'%s' instead of '%s': %.600s", fault.reason, reason, message);
}

/* count times text. */
static char *repeat(const char *text, size_t count)
{
    size_t length = strlen(text), i;
    char *result = apr_palloc(pool, length * count + 1);

    for (i = 0; i < count; i++)
        memcpy(result + i * length, text, length);
    result[length * count] = '\0';
    return result;
}

static void a_plain_request_is_read(void **state)
{
    const struct cep_request *r = take(get_policies(CLIENT FILTER));

    (void)state;
    assert_string_equal(r->message_id, ID);
    assert_false(r->has_last_update);
    assert_null(r->language);
    assert_false(r->has_filter);
    assert_null(r->policy_oids);
    assert_false(r->has_client_version);
    assert_false(r->has_server_version);
}

static void every_value_is_read(void **state)
{
    const struct cep_request *r =
        take(get_policies("<client><lastUpdate> 2026-01-15T10:00:00.25Z\n</lastUpdate>"
                          "<preferredLanguage>\tde-CH </preferredLanguage></client>"
                          "<requestFilter><policyOIDs><oid> 1.2.3 </oid><oid>1.2.4</oid>"
                          "<oid>1.2.3</oid></policyOIDs><clientVersion> 4 </clientVersion>"
                          "<serverVersion>-2147483648</serverVersion></requestFilter>"));

    (void)state;
    assert_true(r->has_last_update);
    assert_true(r->last_update == (apr_time_t)1768471200250000);
    assert_string_equal(r->language, "de-CH");
    assert_true(r->has_filter);
    assert_int_equal(r->policy_oids->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(r->policy_oids, 0, const char *), "1.2.3");
    assert_string_equal(APR_ARRAY_IDX(r->policy_oids, 1, const char *), "1.2.4");
    assert_true(r->has_client_version);
    assert_int_equal(r->client_version, 4);
    assert_true(r->has_server_version);
    assert_true(r->server_version == APR_INT32_MIN);
}

/* Other prefixes, other order, CDATA, comments, white space, an XML declaration, a BOM. */
static void other_spellings_mean_the_same(void **state)
{
    static const char *const cases[] = {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" OPEN "<s:Header>" MSGID "</s:Header>"
        "<s:Body><x:GetPolicies><x:client><x:lastUpdate>2026-01-15T10:00:00Z</x:lastUpdate>"
        "</x:client></x:GetPolicies></s:Body>" CLOSE,

        "<?xml version='1.0' encoding = 'utf-8' standalone='yes' ?>" OPEN "<s:Header>" MSGID
        "</s:Header><s:Body><x:GetPolicies><x:client><x:lastUpdate>2026-01-15T10:00:00Z"
        "</x:lastUpdate></x:client></x:GetPolicies></s:Body>" CLOSE,

        "\xef\xbb\xbf" OPEN "<s:Header>" MSGID "</s:Header><s:Body><x:GetPolicies><x:client>"
        "<x:lastUpdate>2026-01-15T10:00:00Z</x:lastUpdate></x:client></x:GetPolicies>"
        "</s:Body>" CLOSE,

        "<!-- c -->" OPEN "\r\n <s:Header>\t<a:MessageID>\r\n urn:uuid:11111111-2222<!-- c -->"
        "-3333-4444-<![CDATA[5555555]]>&#x35;5555\r\n</a:MessageID> </s:Header>\r\n<s:Body>\r\n"
        "<x:GetPolicies>\n<x:requestFilter\n xsi:nil = ' 1 '>\n</x:requestFilter><x:client>\n"
        "<x:preferredLanguage xsi:nil='false'/>\n<x:lastUpdate xsi:nil='0'>"
        "2026-01-15T11:00:00+01:00 </x:lastUpdate></x:client>\n</x:GetPolicies></s:Body>\n" CLOSE
        "<!-- end -->\n",

        "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"" SOAP "\" xmlns:ns1=\"" CEP_XCEP_NS
        "\" xmlns:ns2=\"" WSA "\"><SOAP-ENV:Header><ns2:MessageID>" ID
        "</ns2:MessageID></SOAP-ENV:Header><SOAP-ENV:Body SOAP-ENV:encodingStyle='urn:x'>"
        "<ns1:GetPolicies><ns1:client><ns1:lastUpdate>2026-01-15T10:00:00Z</ns1:lastUpdate>"
        "</ns1:client></ns1:GetPolicies></SOAP-ENV:Body></SOAP-ENV:Envelope>",

        /* One prefix, bound anew at every level. */
        "<p:Envelope xmlns:p=\"" SOAP "\"><p:Header><p:MessageID xmlns:p=\"" WSA "\">" ID
        "</p:MessageID></p:Header><p:Body><p:GetPolicies xmlns:p=\"" CEP_XCEP_NS
        "\"><p:client><p:lastUpdate>2026-01-15T10:00:00Z</p:lastUpdate></p:client>"
        "</p:GetPolicies></p:Body></p:Envelope>",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct cep_request *r = take(cases[i]);

        assert_string_equal(r->message_id, ID);
        assert_true(r->has_last_update && r->last_update == (apr_time_t)1768471200000000);
        assert_false(r->has_filter);
    }
}

/* The schema's wildcards: client and requestFilter; passed over with all their content. */
static void unknown_elements_are_passed_over_where_the_schema_has_wildcards(void **state)
{
#define STRANGE                                                                                    \
    "<u:more u:a='1'>text<lastUpdate>never</lastUpdate><client/><s:Body><x:GetPolicies/>"          \
    "</s:Body></u:more><clientInfo/>"
    const struct cep_request *r =
        take(get_policies("<client>" STRANGE "<lastUpdate>2026-01-15T10:00:00Z</lastUpdate>" STRANGE
                          "</client><requestFilter>" STRANGE
                          "<clientVersion>5</clientVersion>" STRANGE "</requestFilter>"));
#undef STRANGE

    (void)state;
    assert_true(r->has_last_update && r->last_update == (apr_time_t)1768471200000000);
    assert_true(r->has_client_version && r->client_version == 5);
    assert_true(r->has_filter);
}

static void a_filter_may_be_partial_or_empty(void **state)
{
    const struct cep_request *r;

    (void)state;
    r = take(get_policies(CLIENT));
    assert_false(r->has_filter);
    r = take(get_policies(CLIENT "<requestFilter/>"));
    assert_false(r->has_filter);
    r = take(with_filter("<u:x/>"));
    assert_false(r->has_filter);
    r = take(with_filter("<policyOIDs xsi:nil='true'/><clientVersion xsi:nil='true'/>"
                         "<serverVersion xsi:nil='true'/>"));
    assert_true(r->has_filter);
    assert_null(r->policy_oids);
    assert_false(r->has_client_version || r->has_server_version);
    r = take(with_filter("<policyOIDs/>"));
    assert_true(r->has_filter);
    assert_null(r->policy_oids);
    r = take(with_filter("<policyOIDs><oid/></policyOIDs>"));
    assert_int_equal(r->policy_oids->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(r->policy_oids, 0, const char *), "");
    r = take(with_filter("<serverVersion>0</serverVersion>"));
    assert_true(r->has_filter && r->has_server_version && r->server_version == 0);
    assert_false(r->has_client_version);
}

static void versions_are_32_bit_integers(void **state)
{
    static const struct {
        const char *text;
        int ok;
        apr_int32_t value;
    } cases[] = {
        {"0", 1, 0},
        {"+6", 1, 6},
        {"-1", 1, -1},
        {"-0", 1, 0},
        {"0000000000000000000000006", 1, 6},
        {"\n6\t", 1, 6},
        {"2147483647", 1, APR_INT32_MAX},
        {"2147483648", 0, 0},
        {"-2147483648", 1, APR_INT32_MIN},
        {"-2147483649", 0, 0},
        {"99999999999999999999999999", 0, 0},
        {"", 0, 0},
        {"-", 0, 0},
        {"+", 0, 0},
        {"+-1", 0, 0},
        {"6.0", 0, 0},
        {"0x6", 0, 0},
        {"6 6", 0, 0},
        {"six", 0, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *message = with_filter(
            apr_pstrcat(pool, "<clientVersion>", cases[i].text, "</clientVersion>", NULL));

        if (cases[i].ok)
            assert_int_equal(take(message)->client_version, cases[i].value);
        else
            refuse_because(message, "clientVersion");
    }
    refuse_because(with_filter("<serverVersion>x</serverVersion>"), "serverVersion");
}

static void a_language_that_is_none_is_no_language(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {{"en", "en"},     {"en-US", "en-US"}, {"x-abcdefgh-1", "x-abcdefgh-1"},
                 {"", NULL},       {"en_US", NULL},    {"en-", NULL},
                 {"-en", NULL},    {"1033", NULL},     {"abcdefghi", NULL},
                 {"en--US", NULL}, {"d\xc3\xa9", NULL}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct cep_request *r = take(with_client(
            apr_pstrcat(pool, "<preferredLanguage>", cases[i].text, "</preferredLanguage>", NULL)));

        if (cases[i].expected)
            assert_string_equal(r->language, cases[i].expected);
        else
            assert_null(r->language);
    }
}

static void client_must_say_something(void **state)
{
    (void)state;
    refuse_because(get_policies(""), "client element is missing");
    refuse_because(get_policies(FILTER), "client element is missing");
    refuse_because(get_policies("<client/>" FILTER), "client element holds neither");
    refuse_because(get_policies("<client> <!-- --> </client>" FILTER), "holds neither");
    refuse_because(get_policies("<client xsi:nil='true'/>" FILTER), "client element is nil");
    refuse_because(with_client("<osVersion>10</osVersion>"), "holds neither");
    refuse_because(get_policies("<Client/>" FILTER), "client and requestFilter only");
    take(with_client("<preferredLanguage xsi:nil='true'/>"));
}

static void last_update_must_be_a_time(void **state)
{
    (void)state;
    refuse_because(with_client("<lastUpdate/>"), "lastUpdate");
    refuse_because(with_client("<lastUpdate>20090-03-15-T09:38:46</lastUpdate>"), "lastUpdate");
    refuse_because(with_client("<lastUpdate nil='true'/>"), "lastUpdate");
    refuse_because(with_client("<lastUpdate xsi:nil='false'/>"), "lastUpdate");
    assert_true(take(with_client("<lastUpdate>0001-01-01T00:00:00</lastUpdate>"))->last_update < 0);
}

static void nil_is_empty(void **state)
{
    static const char *const cases[] = {
        "<client><lastUpdate xsi:nil='true'>2026-01-15T10:00:00Z</lastUpdate></client>",
        "<client><lastUpdate xsi:nil='true'><u:x/></lastUpdate></client>",
        CLIENT "<requestFilter xsi:nil='1'><policyOIDs/></requestFilter>",
        CLIENT "<requestFilter xsi:nil='1'><u:x/></requestFilter>",
        CLIENT "<requestFilter xsi:nil='1'>x</requestFilter>",
        CLIENT "<requestFilter><policyOIDs xsi:nil='1'><oid>1</oid></policyOIDs></requestFilter>",
        CLIENT "<requestFilter><policyOIDs><oid xsi:nil='1'/></policyOIDs></requestFilter>",
        CLIENT "<requestFilter xsi:nil='yes'/>",
        CLIENT "<requestFilter xsi:nil=''/>",
        CLIENT "<requestFilter xsi:nil='TRUE'/>",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse_because(get_policies(cases[i]), "nil");
    refuse_because(in_body(MSGID, "<x:GetPolicies xsi:nil='1'>" CLIENT "</x:GetPolicies>"), "nil");
    take(get_policies("<client><lastUpdate xsi:nil=' true '> <!-- --> </lastUpdate></client>"));
}

static void what_stands_in_the_wrong_place_is_refused(void **state)
{
    static const struct {
        const char *message;
        const char *reason;
    } cases[] = {
        {OPEN CLOSE, "no SOAP body"},
        {OPEN "<s:Header/>" CLOSE, "no SOAP body"},
        {OPEN "<s:Body/>" CLOSE, "no GetPolicies"},
        {OPEN "<s:Body> </s:Body>" CLOSE, "no GetPolicies"},
        {OPEN "<s:Body>text</s:Body>" CLOSE, "Text stands"},
        {OPEN "text<s:Body/>" CLOSE, "Text stands"},
        {OPEN "<s:Header>text</s:Header><s:Body/>" CLOSE, "Text stands"},
        {OPEN "<s:Header/><s:Header/><s:Body/>" CLOSE, "two SOAP headers"},
        {OPEN "<s:Body><x:GetPolicies>"
              "<x:client><x:lastUpdate xsi:nil='1'/></x:client>"
              "</x:GetPolicies></s:Body><s:Header/>" CLOSE,
         "header stands behind"},
        {OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"
              "</x:GetPolicies></s:Body><s:Body/>" CLOSE,
         "two SOAP bodies"},
        {OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"
              "</x:GetPolicies><x:GetPolicies/></s:Body>" CLOSE,
         "two requests"},
        {OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"
              "</x:GetPolicies><u:x/></s:Body>" CLOSE,
         "something else"},
        {OPEN "<u:x/><s:Body/>" CLOSE, "Header and Body only"},
        {OPEN "<Body/>" CLOSE, "Header and Body only"},
        {OPEN "<s:Body><x:getPolicies/></s:Body>" CLOSE, "something else"},
        {OPEN "<s:Body><GetPolicies/></s:Body>" CLOSE, "something else"},
        {OPEN "<s:Body><u:GetPolicies/></s:Body>" CLOSE, "something else"},
        {OPEN "<s:Body><s:Fault/></s:Body>" CLOSE, "something else"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse_because(cases[i].message, cases[i].reason);
    refuse_because(get_policies(CLIENT CLIENT FILTER), "client element stands twice");
    refuse_because(get_policies(CLIENT FILTER FILTER), "requestFilter element stands twice");
    refuse_because(get_policies(CLIENT FILTER "<u:x/>"), "client and requestFilter only");
    refuse_because(get_policies(CLIENT FILTER "text"), "Text stands");
    refuse_because(with_client("<lastUpdate xsi:nil='1'/><lastUpdate xsi:nil='1'/>"), "twice");
    refuse_because(with_client("<preferredLanguage/><preferredLanguage/>"), "twice");
    refuse_because(with_client("<lastUpdate><u:x/>2026-01-15T10:00:00Z</lastUpdate>"), "only text");
    refuse_because(with_client("<lastUpdate xsi:nil='1'/>x"), "Text stands");
    refuse_because(with_filter("<policyOIDs/><policyOIDs/>"), "twice");
    refuse_because(with_filter("<policyOIDs><OID>1.2.3</OID></policyOIDs>"), "oid elements only");
    refuse_because(with_filter("<policyOIDs>1.2.3</policyOIDs>"), "Text stands");
    refuse_because(with_filter("<clientVersion>1</clientVersion><clientVersion>1</clientVersion>"),
                   "twice");
    refuse_because(with_filter("<serverVersion>1</serverVersion><serverVersion>2</serverVersion>"),
                   "twice");
}

static void only_soap_12_is_spoken(void **state)
{
    (void)state;
    refuse("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/>"
           "</s:Envelope>",
           CEP_FAULT_VERSION_MISMATCH);
    refuse("<Envelope><Body/></Envelope>", CEP_FAULT_VERSION_MISMATCH);
    refuse("<envelope xmlns='" SOAP "'/>", CEP_FAULT_VERSION_MISMATCH);
    refuse("<GetPolicies xmlns='" CEP_XCEP_NS "'>" FILTER "</GetPolicies>",
           CEP_FAULT_VERSION_MISMATCH);
    refuse("<GetPolicies xmlns='" CEP_XCEP_NS "'/>", CEP_FAULT_VERSION_MISMATCH);
    refuse("<html/>", CEP_FAULT_VERSION_MISMATCH);
}

static void broken_xml_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "x",
        "<",
        "<s:Envelope",
        OPEN,
        OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"
             "</x:GetPolicies></s:Body>",
        OPEN "<s:Body></s:Header>" CLOSE,
        OPEN "<s:Header><u:x u:a='1' u:a='2'/></s:Header>" CLOSE,
        OPEN "<s:Header><u:x a='&lt'/></s:Header>" CLOSE,
        OPEN "<s:Header><u:x a=1/></s:Header>" CLOSE,
        OPEN "<s:Header><v:x/></s:Header><s:Body><x:GetPolicies><x:client><x:lastUpdate "
             "xsi:nil='1'/></x:client></x:GetPolicies></s:Body>" CLOSE,
        OPEN "<s:Header><u:x v:a='1'/></s:Header><s:Body><x:GetPolicies><x:client><x:lastUpdate "
             "xsi:nil='1'/></x:client></x:GetPolicies></s:Body>" CLOSE,
        OPEN "<s:Header>&#0;</s:Header>" CLOSE,
        OPEN "<s:Header>&#x1;</s:Header>" CLOSE,
        OPEN "<s:Header>\x01</s:Header>" CLOSE,
        OPEN "<s:Header><u:x>]]></u:x></s:Header>" CLOSE,
        OPEN "<s:Header><!-- -- --></s:Header>" CLOSE,
        "<?xml version='1.0'?><?xml version='1.0'?>" OPEN CLOSE,
        "<?xml encoding='UTF-8'?>" OPEN CLOSE,
        OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"
             "</x:GetPolicies></s:Body>" CLOSE "<u/>",
        OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"
             "</x:GetPolicies></s:Body>" CLOSE "x",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(cases[i], CEP_FAULT_SENDER);
}

static void doctype_entities_and_instructions_are_refused(void **state)
{
#define REST                                                                                       \
    OPEN "<s:Body><x:GetPolicies><x:client><x:lastUpdate xsi:nil='1'/></x:client>"                 \
         "</x:GetPolicies></s:Body>" CLOSE
    static const char *const doctypes[] = {
        "<!DOCTYPE s:Envelope>" REST,
        "<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'>" REST,
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" REST,
        "<!DOCTYPE x PUBLIC 'a' 'b'>" REST,
        "<!DOCTYPE x [<!ENTITY a 'b'>]>" REST,
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        "<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/passwd'>%a;]>" REST,
        "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]>"
        "<x>&c;</x>",
        "<!DOCTYPE x [<!ATTLIST x a CDATA 'default'>]>" REST,
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(doctypes) / sizeof(doctypes[0]); i++)
        refuse_because(doctypes[i], "document type");
    refuse(with_header("<u:x>&a;</u:x>"), CEP_FAULT_SENDER);
    refuse(with_header("<u:x a='&a;'/>"), CEP_FAULT_SENDER);
    refuse(with_client("<lastUpdate>&nbsp;</lastUpdate>"), CEP_FAULT_SENDER);
    refuse_because("<?a b?>" REST, "processing instruction");
    refuse_because(REST "<?a b?>", "processing instruction");
    refuse_because("<?xml-stylesheet href='x'?>" REST, "processing instruction");
    refuse_because(with_header("<u:x><?a?></u:x>"), "processing instruction");
    refuse_because(with_client("<lastUpdate><?a?></lastUpdate>"), "processing instruction");
    take(with_header("<u:x a='&lt;&gt;&amp;&apos;&quot;&#65;'>&lt;&#65;</u:x>"));
#undef REST
}

static void put_utf16(char *to, const char *text, int high)
{
    for (; *text; text++, to += 2) {
        to[high] = *text;
        to[!high] = '\0';
    }
}

static void only_utf8_is_read(void **state)
{
    static const char *const declarations[] = {
        "<?xml version='1.0' encoding='UTF-16'?>",
        "<?xml version='1.0' encoding='utf-16le'?>",
        "<?xml version='1.0' encoding='ISO-8859-1'?>",
        "<?xml version='1.0' encoding='US-ASCII'?>",
        "<?xml version='1.0' encoding='UTF-7'?>",
        "<?xml version='1.0' encoding='IBM037'?>",
        "<?xml version='1.0' encoding='UTF-8x'?>",
        "<?xml version=\"1.0\"\n encoding\t=\r\n\"windows-1252\" standalone='yes'?>",
        "\xef\xbb\xbf<?xml version='1.0' encoding='UTF-16'?>",
    };
    static const char *const texts[] = {
        "\xff",
        "\x80",
        "\xc0\x80",
        "\xc3",
        "\xc3\x28",
        "\xe2\x82",
        "\xe0\x80\xaf",
        "\xed\xa0\x80",
        "\xf0\x80\x80\xaf",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xf5\x80\x80\x80",
    };
    const char *plain = get_policies(CLIENT FILTER);
    size_t length = strlen(plain), i;
    char *wide = apr_pcalloc(pool, 2 * length + 2);
    struct cep_request *request;
    struct cep_fault fault;
    int high, mark;

    (void)state;
    for (i = 0; i < sizeof(declarations) / sizeof(declarations[0]); i++)
        refuse_because(apr_pstrcat(pool, declarations[i], plain, NULL), "encoding");
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        refuse_because(with_header(apr_pstrcat(pool, "<u:x>", texts[i], "</u:x>", NULL)), "UTF-8");
        refuse_because(with_header(apr_pstrcat(pool, "<!--", texts[i], "-->", NULL)), "UTF-8");
    }
    for (high = 0; high < 2; high++) {
        for (mark = 0; mark < 2; mark++) {
            memcpy(wide, high ? "\xfe\xff" : "\xff\xfe", 2);
            put_utf16(wide + 2, plain, high);
            assert_false(parse_octets(&request, &fault, mark ? wide : wide + 2,
                                      2 * length + (mark ? 2 : 0)));
            assert_string_equal(fault.reason, "The message is not in UTF-8.");
        }
    }
    refuse(apr_pstrcat(pool, "\xff\xfe", plain, NULL), CEP_FAULT_SENDER);
    assert_false(parse_octets(&request, &fault, "a\0b", 3));
    take(with_header("<u:x>\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91</u:x>"));
}

static void limits_hold_at_the_limit_and_one_above(void **state)
{
    int over;

    (void)state;
    for (over = 0; over < 2; over++) {
        size_t more = (size_t)over;
        const char *cases[6];
        int i, count = 0;

        /* Envelope, Header and so on count too. */
        cases[count++] =
            with_header(apr_pstrcat(pool, repeat("<u:x>", CEP_XCEP_MAX_DEPTH - 2 + more),
                                    repeat("</u:x>", CEP_XCEP_MAX_DEPTH - 2 + more), NULL));
        cases[count++] = with_header(repeat("<u:x/>", CEP_XCEP_MAX_ELEMENTS - 8 + more));
        cases[count++] =
            with_client(apr_pstrcat(pool, "<lastUpdate xsi:nil='1'/><u:x>",
                                    repeat("t", CEP_XCEP_MAX_TEXT + more), "</u:x>", NULL));
        cases[count++] = with_client(apr_pstrcat(pool, "<lastUpdate>2026-01-15T10:00:00Z",
                                                 repeat(" ", CEP_XCEP_MAX_TEXT - 20 + more),
                                                 "</lastUpdate>", NULL));
        cases[count++] = with_filter(
            apr_pstrcat(pool, "<policyOIDs>", repeat("<oid>1.2.3</oid>", CEP_XCEP_MAX_OIDS + more),
                        "</policyOIDs>", NULL));
        cases[count++] = with_filter(apr_pstrcat(
            pool, "<policyOIDs>", repeat(" ", CEP_XCEP_MAX_TEXT + more), "</policyOIDs>", NULL));
        for (i = 0; i < count; i++) {
            if (over)
                refuse_because(cases[i], i == 0   ? "nested"
                                         : i == 1 ? "elements"
                                         : i == 4 ? "OIDs"
                                                  : "text");
            else
                take(cases[i]);
        }
    }
}

/* " prefix0='x' prefix1='x' ..." */
static char *numbered(const char *prefix, int count, const char *value)
{
    char *result = apr_pstrdup(pool, "");
    int i;

    for (i = 0; i < count; i++)
        result = apr_psprintf(pool, "%s %s%d='%s%d'", result, prefix, i, value, i);
    return result;
}

static void attributes_and_namespaces_are_limited(void **state)
{
    int over;

    (void)state;
    for (over = 0; over < 2; over++) {
        const char *attributes = numbered("a", CEP_XCEP_MAX_ATTRIBUTES + over, "");
        /* OPEN has six declarations, GetPolicies one more. */
        const char *one = numbered("xmlns:n", CEP_XCEP_MAX_NAMESPACES - 7 + over, "urn:");
        const char *flood = apr_pstrcat(pool, "<u:x", attributes, "/>", NULL);
        const char *wide = apr_pstrcat(pool, "<u:x", one, "/>", NULL);
        const char *many =
            repeat("<u:x xmlns:n='urn:n'/>", (size_t)(CEP_XCEP_MAX_NAMESPACES - 7 + over));
        const char *both = apr_pstrcat(pool, "<u:x", numbered("a", CEP_XCEP_MAX_ATTRIBUTES, ""),
                                       numbered("xmlns:n", 20, "urn:"), "/>", NULL);

        take(with_header(both));
        if (over) {
            refuse_because(with_header(flood), "attributes");
            refuse_because(with_header(wide), "namespaces");
            refuse_because(with_header(many), "namespaces");
        } else {
            take(with_header(flood));
            take(with_header(wide));
            take(with_header(many));
        }
    }
}

static void a_flood_of_attributes_does_not_reach_the_parser(void **state)
{
    const char *flood = apr_pstrcat(pool, "<x ", repeat(" a='", 1 << 20), NULL);

    (void)state;
    take(with_header(apr_pstrcat(pool, "<u:x>", repeat("=", CEP_XCEP_MAX_EQUALS), "</u:x>", "<!--",
                                 repeat("=", CEP_XCEP_MAX_EQUALS), "-->", NULL)));
    refuse_because(with_header(apr_pstrcat(pool, "<u:x>", repeat("=", CEP_XCEP_MAX_EQUALS + 1),
                                           "</u:x>", NULL)),
                   "attributes");
    refuse_because(flood, "attributes");
}

static void message_id_is_kept_trimmed_and_limited(void **state)
{
    char *text = repeat("i", CEP_XCEP_MAX_MESSAGE_ID + 1);
    struct cep_fault fault;

    (void)state;
    fault = refuse(with_header(apr_psprintf(pool, "<a:MessageID>%s</a:MessageID>", text)),
                   CEP_FAULT_SENDER);
    assert_null(fault.relates_to);
    text[CEP_XCEP_MAX_MESSAGE_ID] = '\0';
    assert_string_equal(
        take(with_header(apr_psprintf(pool, "<a:MessageID>\r\n%s\t</a:MessageID>", text)))
            ->message_id,
        text);
    assert_string_equal(
        take(with_header("<a:MessageID>&lt;&amp;\xc3\xa9</a:MessageID>"))->message_id,
        "<&\xc3\xa9");
    assert_null(take(with_header("<a:MessageID> </a:MessageID>"))->message_id);
    assert_null(take(with_header(""))->message_id);
    assert_null(take(with_header("<MessageID>x</MessageID>"))->message_id);
    assert_null(take(with_header("<a:MessageID s:role='urn:x'>x</a:MessageID>"))->message_id);
    assert_null(take(with_header("<u:x>" MSGID "</u:x>"))->message_id);
    refuse_because(with_header(MSGID MSGID), "MessageID header stands twice");
}

static void action_must_be_get_policies_when_there_is_one(void **state)
{
    struct cep_fault fault;

    (void)state;
    take(with_header(""));
    take(with_header("<a:Action>\r\n" CEP_XCEP_ACTION "\r\n</a:Action>"));
    take(with_header("<a:Action s:role='" SOAP "/role/none'>urn:other</a:Action>"));
    fault =
        refuse(with_header("<a:Action>urn:other</a:Action>" MSGID), CEP_FAULT_ACTION_NOT_SUPPORTED);
    assert_string_equal(fault.problem_action, "urn:other");
    assert_string_equal(fault.relates_to, ID);
    fault = refuse(with_header("<a:Action/>"), CEP_FAULT_ACTION_NOT_SUPPORTED);
    fault =
        refuse(with_header(apr_pstrcat(pool, "<a:Action>", repeat("a", 1025), "</a:Action>", NULL)),
               CEP_FAULT_ACTION_NOT_SUPPORTED);
    assert_null(fault.problem_action);
    refuse(with_header("<a:Action>" CEP_XCEP_RESPONSE "</a:Action>"),
           CEP_FAULT_ACTION_NOT_SUPPORTED);
    refuse(with_header("<a:Action><u:x/></a:Action>"), CEP_FAULT_SENDER);
    refuse_because(with_header(ACTION ACTION), "Action header stands twice");
}

static void answers_go_to_the_anonymous_address_only(void **state)
{
    static const char *const good[] = {
        "<a:ReplyTo><a:Address> " WSA "/anonymous\n</a:Address></a:ReplyTo>",
        "<a:FaultTo><a:Address>" WSA "/anonymous</a:Address></a:FaultTo>",
        "<a:ReplyTo><a:Address>" WSA "/anonymous</a:Address><a:ReferenceParameters><u:x>1</u:x>"
        "</a:ReferenceParameters><a:Metadata/></a:ReplyTo>",
        "<a:ReplyTo s:role='urn:x'><a:Address>urn:x</a:Address></a:ReplyTo>",
        "<a:From><a:Address>urn:x</a:Address></a:From>",
    };
    static const char *const bad[] = {
        "<a:ReplyTo><a:Address>http://127.0.0.1/</a:Address></a:ReplyTo>",
        "<a:ReplyTo><a:Address>" WSA "/none</a:Address></a:ReplyTo>",
        "<a:ReplyTo><a:Address/></a:ReplyTo>",
        "<a:ReplyTo/>",
        "<a:FaultTo/>",
        "<a:ReplyTo><u:x><a:Address>" WSA "/anonymous</a:Address></u:x></a:ReplyTo>",
        "<a:FaultTo><a:Address>http://127.0.0.1/</a:Address></a:FaultTo>",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        take(with_header(good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cep_fault fault =
            refuse(with_header(apr_pstrcat(pool, bad[i], MSGID, NULL)), CEP_FAULT_ONLY_ANONYMOUS);

        assert_string_equal(fault.relates_to, ID);
    }
    refuse_because(with_header(apr_pstrcat(pool, good[0], good[0], NULL)), "ReplyTo header stands");
    refuse(with_header("<a:ReplyTo><a:Address>" WSA "/anonymous</a:Address><a:Address>" WSA
                       "/anonymous</a:Address></a:ReplyTo>"),
           CEP_FAULT_SENDER);
}

static void headers_that_must_be_understood(void **state)
{
    static const char *const good[] = {
        "<u:x/>",
        "<u:x s:mustUnderstand='0'/>",
        "<u:x s:mustUnderstand='false'/>",
        "<u:x mustUnderstand='1'/>",
        "<u:x u:mustUnderstand='1'/>",
        "<u:x><u:y s:mustUnderstand='1'/></u:x>",
        "<u:x s:mustUnderstand='1' s:role='" SOAP "/role/none'/>",
        "<u:x s:mustUnderstand='1' s:role='urn:proxy'/>",
        "<u:x s:mustUnderstand='maybe' s:role='urn:proxy'/>",
        "<a:To s:mustUnderstand='1'>https://cep.example.test/</a:To>",
        "<a:RelatesTo s:mustUnderstand='1'>x</a:RelatesTo><a:RelatesTo>y</a:RelatesTo>",
        "<a:From s:mustUnderstand='1'/>",
        "<o:Security s:mustUnderstand='1'><o:UsernameToken><o:Username>a</o:Username>"
        "</o:UsernameToken></o:Security>",
        "<d:ActivityId xmlns:d='http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics' "
        "s:mustUnderstand='true' CorrelationId='1'>2</d:ActivityId>",
        "<o:Security/><o:Security s:role='urn:proxy'/>",
        "<n:x xmlns:n='no URI %' s:mustUnderstand='0'/>",
    };
    static const char *const bad[] = {
        "<u:x s:mustUnderstand='1'/>",
        "<u:x s:mustUnderstand=' true '/>",
        "<u:x s:mustUnderstand='1' s:role=''/>",
        "<u:x s:mustUnderstand='1' s:role=' " SOAP "/role/next '/>",
        "<u:x s:mustUnderstand='1' s:role='" SOAP "/role/ultimateReceiver'/>",
        "<u:x q:mustUnderstand='1' xmlns:q='" SOAP "'><u:y/></u:x>",
    };
    struct cep_fault fault;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        take(with_header(good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault =
            refuse(with_header(apr_pstrcat(pool, bad[i], MSGID, NULL)), CEP_FAULT_MUST_UNDERSTAND);
        assert_string_equal(fault.not_understood_ns, "urn:example:unknown");
        assert_string_equal(fault.not_understood_name, "x");
        assert_string_equal(fault.relates_to, ID);
    }
    fault = refuse(with_header("<a:Unknown s:mustUnderstand='1'/>"), CEP_FAULT_MUST_UNDERSTAND);
    assert_string_equal(fault.not_understood_ns, WSA);
    fault = refuse(with_header("<none s:mustUnderstand='1'/>"), CEP_FAULT_MUST_UNDERSTAND);
    assert_null(fault.not_understood_ns);
    assert_string_equal(fault.not_understood_name, "none");
    fault = refuse(with_header(apr_psprintf(pool, "<l:x xmlns:l='%s' s:mustUnderstand='1'/>",
                                            repeat("u", 1025))),
                   CEP_FAULT_MUST_UNDERSTAND);
    assert_null(fault.not_understood_name);
    refuse_because(with_header("<u:x s:mustUnderstand='yes'/>"), "mustUnderstand");
    refuse_because(with_header("<a:To s:mustUnderstand='2'/>"), "mustUnderstand");
    refuse(with_header("<o:Security/><o:Security/>"), CEP_FAULT_INVALID_SECURITY);
}

#define TYPE   "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#"
#define SECURE "<o:Security s:mustUnderstand='1'>"

static const char *inside_token(const char *inside)
{
    return apr_pstrcat(pool, SECURE "<o:UsernameToken>", inside, "</o:UsernameToken></o:Security>",
                       NULL);
}

static void token_is(const char *inside, const char *user, const char *password)
{
    struct cep_username_token read = take(with_header(inside_token(inside)))->token;

    assert_null(read.problem);
    assert_string_equal(read.user, user);
    assert_string_equal(read.password, password);
}

static void no_token(const char *header, const char *problem)
{
    struct cep_username_token read = take(with_header(header))->token;

    assert_null(read.user);
    assert_null(read.password);
    assert_non_null(strstr(read.problem, problem));
}

static void username_tokens(void **state)
{
    struct cep_request *request;
    char *password;

    (void)state;
    token_is("<o:Username>CORP\\a</o:Username><o:Password>b</o:Password>", "CORP\\a", "b");
    token_is("<o:Password Type='" TYPE "PasswordText'> b&lt;<![CDATA[ ]]>\n</o:Password>"
             "<o:Username>\n a b\t</o:Username>",
             "a b", " b< \n");
    token_is("<o:Username>a</o:Username><o:Password>\r\n1\r2&#13;<![CDATA[\r\n3\r4\n\r\r\n5\r]]>"
             "</o:Password>",
             "a", "\n1\n2\r\n3\n4\n\n\n5\n");
    token_is("<o:Username>a</o:Username><o:Password o:Type='" TYPE "PasswordText'>b</o:Password>"
             "<o:Nonce>x</o:Nonce><u:Created>never</u:Created><o:Nonce>y</o:Nonce>",
             "a", "b");
    request = take(with_header(SECURE "<u:Timestamp/><o:UsernameToken><o:Username>a</o:Username>"
                                      "<o:Password>secret</o:Password></o:UsernameToken>"
                                      "<u:other/></o:Security>"));
    password = request->token.password;
    cep_xcep_forget(request);
    assert_null(request->token.password);
    assert_memory_equal(password, "\0\0\0\0\0\0", 6);
}

static void username_tokens_that_cannot_be_used(void **state)
{
#define NAME "<o:Username>a</o:Username>"
    static const char *const refused[] = {"<o:UsernameToken/><o:UsernameToken/>",
                                          "<o:UsernameToken><o:Password/><o:Password/>"
                                          "</o:UsernameToken>",
                                          "<o:UsernameToken><o:Username/><o:Username/>"
                                          "</o:UsernameToken>",
                                          "<o:UsernameToken><o:Username><o:x/></o:Username>"
                                          "</o:UsernameToken>",
                                          "text"};

    (void)state;
    no_token("", "no Security header");
    no_token(SECURE "</o:Security>", "no UsernameToken");
    no_token("<o:Security s:role='urn:x'><o:UsernameToken/></o:Security>", "no Security header");
    no_token(SECURE "<o:BinarySecurityToken>x</o:BinarySecurityToken></o:Security>",
             "BinarySecurityToken");
    no_token(SECURE "<o:UsernameToken>" NAME "<o:Password>b</o:Password></o:UsernameToken>"
                    "<o:BinarySecurityToken/></o:Security>",
             "BinarySecurityToken");
    no_token(inside_token(""), "no user name");
    no_token(inside_token(NAME), "no password");
    no_token(inside_token(NAME "<Password>b</Password>"), "no password");
    no_token(inside_token("<o:Username> </o:Username><o:Password>b</o:Password>"), "name is empty");
    no_token(inside_token(NAME "<o:Password/>"), "password is empty");
    no_token(inside_token(NAME "<o:Password Type='" TYPE "PasswordDigest'>b</o:Password>"),
             "PasswordDigest is not supported");
    no_token(inside_token(NAME "<o:Password Type='" TYPE "PasswordText' o:Type='x'>b"
                               "</o:Password>"),
             "Type of the password is not known");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        refuse(with_header(apr_pstrcat(pool, SECURE, refused[i], "</o:Security>", NULL)),
               CEP_FAULT_INVALID_SECURITY);
}

static const char *name_and_password(const char *name, const char *password)
{
    return apr_pstrcat(pool, "<o:Username>", name, "</o:Username><o:Password>", password,
                       "</o:Password>", NULL);
}

static void limits_of_username_tokens(void **state)
{
    const char *longest_user = repeat("u", CEP_XCEP_MAX_USER);
    const char *longest_password = repeat("p", CEP_XCEP_MAX_PASSWORD);

    (void)state;
    token_is(name_and_password(longest_user, "b"), longest_user, "b");
    no_token(inside_token(name_and_password(repeat("u", CEP_XCEP_MAX_USER + 1), "b")),
             "user name is too long");
    token_is(name_and_password("a", longest_password), "a", longest_password);
    no_token(inside_token(name_and_password("a", repeat("p", CEP_XCEP_MAX_PASSWORD + 1))),
             "password is too long");
}

static void the_first_fault_of_the_header_is_answered_with_relates_to(void **state)
{
    struct cep_fault fault;

    (void)state;
    fault = refuse(with_header("<u:x s:mustUnderstand='1'/><a:Action>urn:other</a:Action>" MSGID),
                   CEP_FAULT_MUST_UNDERSTAND);
    assert_string_equal(fault.relates_to, ID);
    fault =
        refuse(with_header("<a:Action>urn:other</a:Action>" MSGID "<u:x s:mustUnderstand='1'/>"),
               CEP_FAULT_ACTION_NOT_SUPPORTED);
    assert_string_equal(fault.relates_to, ID);
    assert_null(fault.not_understood_name);
    /* Hostile content is not waited for. */
    fault = refuse(with_header("<u:x s:mustUnderstand='1'/><?a?>" MSGID), CEP_FAULT_SENDER);
    assert_null(fault.relates_to);
    /* Faults of the body have it. */
    fault = refuse(get_policies(FILTER), CEP_FAULT_SENDER);
    assert_string_equal(fault.relates_to, ID);
    fault = refuse(in_body(MSGID, ""), CEP_FAULT_SENDER);
    assert_string_equal(fault.relates_to, ID);
    fault = refuse(OPEN "<s:Header>" MSGID "</s:Header><s:Body><x:GetPol", CEP_FAULT_SENDER);
    assert_string_equal(fault.relates_to, ID);
}

/* A good request cut off anywhere, or with one octet changed, must not be taken or crash. */
static void damaged_requests_are_refused(void **state)
{
    const char *good =
        get_policies("<client><lastUpdate>2026-01-15T10:00:00Z</lastUpdate><preferredLanguage "
                     "xsi:nil='true'/></client><requestFilter><policyOIDs><oid>1.2</oid>"
                     "</policyOIDs><clientVersion>4</clientVersion></requestFilter>");
    size_t length = strlen(good), i;
    char *damaged = apr_pstrdup(pool, good);
    struct cep_request *request;
    struct cep_fault fault;

    (void)state;
    for (i = 0; i < length; i++) {
        apr_pool_t *outer = pool;

        apr_pool_create(&pool, outer);
        assert_false(parse_octets(&request, &fault, good, i));
        damaged[i] = '<';
        if (good[i] != '<')
            assert_false(parse_octets(&request, &fault, damaged, length));
        damaged[i] = '\0';
        assert_false(parse_octets(&request, &fault, damaged, length));
        damaged[i] = good[i];
        apr_pool_destroy(pool);
        pool = outer;
    }
}

static int foreign_calls;

static void __attribute__((format(printf, 2, 3))) foreign_error(void *data, const char *format, ...)
{
    (void)data, (void)format;
    foreign_calls++;
}

static xmlParserInputPtr foreign_loader(const char *url, const char *id, xmlParserCtxtPtr parser)
{
    (void)url, (void)id, (void)parser;
    foreign_calls++;
    return NULL;
}

/* mod_proxy_html and others share libxml2 with us: their handlers stay, and hear nothing. */
static void other_users_of_libxml2_are_left_alone(void **state)
{
    static const char *const cases[] = {
        "<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'><x/>",
        "<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/passwd'>%a;]><x/>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        "<x",
        "<x a='1' a='2'/>",
        "<p:x/>",
        "\xff\xfe<\0x",
        "\xff",
        "<x>\xc3(</x>",
        "<?xml version='1.0' encoding='EBCDIC-US'?><x/>",
        "<?xml version='1.1'?><x/>",
        "<x xmlns='relative'/>",
        "<x xmlns:xml='urn:x'/>",
        "<x xml:space='x'/>",
        OPEN "<s:Header><u:x>&a;</u:x></s:Header>" CLOSE,
        OPEN "<s:Body></u>" CLOSE,
    };
    struct cep_request *request;
    struct cep_fault fault;
    xmlExternalEntityLoader loader = xmlGetExternalEntityLoader();
    size_t i;

    (void)state;
    xmlSetGenericErrorFunc(NULL, foreign_error);
    xmlSetExternalEntityLoader(foreign_loader);
    foreign_calls = 0;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_false(parse_octets(&request, &fault, cases[i], strlen(cases[i])));
    take(get_policies(CLIENT FILTER));
    assert_int_equal(foreign_calls, 0);
    assert_ptr_equal(xmlGetExternalEntityLoader(), foreign_loader);
    assert_ptr_equal(xmlGenericError, foreign_error);
    assert_null(xmlStructuredError);
    xmlSetGenericErrorFunc(NULL, NULL);
    xmlSetExternalEntityLoader(loader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(a_plain_request_is_read),
        TEST(every_value_is_read),
        TEST(other_spellings_mean_the_same),
        TEST(unknown_elements_are_passed_over_where_the_schema_has_wildcards),
        TEST(a_filter_may_be_partial_or_empty),
        TEST(versions_are_32_bit_integers),
        TEST(a_language_that_is_none_is_no_language),
        TEST(client_must_say_something),
        TEST(last_update_must_be_a_time),
        TEST(nil_is_empty),
        TEST(what_stands_in_the_wrong_place_is_refused),
        TEST(only_soap_12_is_spoken),
        TEST(broken_xml_is_refused),
        TEST(doctype_entities_and_instructions_are_refused),
        TEST(only_utf8_is_read),
        TEST(limits_hold_at_the_limit_and_one_above),
        TEST(attributes_and_namespaces_are_limited),
        TEST(a_flood_of_attributes_does_not_reach_the_parser),
        TEST(message_id_is_kept_trimmed_and_limited),
        TEST(action_must_be_get_policies_when_there_is_one),
        TEST(answers_go_to_the_anonymous_address_only),
        TEST(headers_that_must_be_understood),
        TEST(username_tokens),
        TEST(username_tokens_that_cannot_be_used),
        TEST(limits_of_username_tokens),
        TEST(the_first_fault_of_the_header_is_answered_with_relates_to),
        TEST(damaged_requests_are_refused),
        TEST(other_users_of_libxml2_are_left_alone),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
