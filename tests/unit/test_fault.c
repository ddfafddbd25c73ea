/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* SOAP 1.2 faults: codes, actions and headers case by case. */
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

#define WSA  "http://www.w3.org/2005/08/addressing"
#define WSSE "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define WCF  "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher"

static const char *render(const struct cep_fault *fault)
{
    const char *message = cep_xcep_render_fault(fault, pool);

    xmlFreeDoc(parse_valid(message));
    return message;
}

static void must_contain(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not stand in: %s", part, text);
}

static void each_fault_has_its_code_and_action(void **state)
{
    static const struct {
        enum cep_fault_code code;
        const char *action;
        const char *expected;
    } cases[] = {
        {CEP_FAULT_VERSION_MISMATCH, WSA "/soap/fault",
         "<s:Code><s:Value>s:VersionMismatch</s:Value></s:Code>"},
        {CEP_FAULT_MUST_UNDERSTAND, WSA "/soap/fault",
         "<s:Code><s:Value>s:MustUnderstand</s:Value></s:Code>"},
        {CEP_FAULT_ACTION_NOT_SUPPORTED, WSA "/fault",
         "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:ActionNotSupported</s:Value>"
         "</s:Subcode></s:Code>"},
        {CEP_FAULT_INVALID_SECURITY, WSA "/soap/fault",
         "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:o=\"" WSSE
         "\">o:InvalidSecurity</s:Value></s:Subcode></s:Code>"},
        {CEP_FAULT_FAILED_AUTHENTICATION, WSA "/soap/fault",
         "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:o=\"" WSSE
         "\">o:FailedAuthentication</s:Value></s:Subcode></s:Code>"},
        {CEP_FAULT_SENDER, WSA "/soap/fault", "<s:Code><s:Value>s:Sender</s:Value></s:Code>"},
        {CEP_FAULT_RECEIVER, WCF "/fault",
         "<s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value xmlns:w=\"" WCF
         "\">w:InternalServiceFault</s:Value></s:Subcode></s:Code>"},
        {CEP_FAULT_ONLY_ANONYMOUS, WSA "/fault",
         "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:InvalidAddressingHeader"
         "</s:Value><s:Subcode><s:Value>a:OnlyAnonymousAddressSupported</s:Value></s:Subcode>"
         "</s:Subcode></s:Code>"},
        {CEP_FAULT_NONE, WSA "/soap/fault", "<s:Code><s:Value>s:Receiver</s:Value></s:Code>"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cep_fault fault = {cases[i].code, "Why not.", "urn:uuid:1", NULL, NULL, NULL};
        const char *message = render(&fault);

        must_contain(message, apr_pstrcat(pool, "<s:Header><a:Action s:mustUnderstand=\"1\">",
                                          cases[i].action,
                                          "</a:Action><a:RelatesTo>urn:uuid:1"
                                          "</a:RelatesTo>",
                                          NULL));
        must_contain(message, cases[i].expected);
        must_contain(message, "</s:Code><s:Reason><s:Text xml:lang=\"en-US\">Why not.</s:Text>"
                              "</s:Reason></s:Fault></s:Body></s:Envelope>");
    }
}

static void relates_to_and_reason_may_be_absent(void **state)
{
    int code;

    (void)state;
    for (code = CEP_FAULT_NONE; code <= CEP_FAULT_ONLY_ANONYMOUS; code++) {
        struct cep_fault fault = {(enum cep_fault_code)code, NULL, NULL, NULL, NULL, NULL};
        const char *message = render(&fault);

        assert_null(strstr(message, "RelatesTo"));
        assert_null(strstr(message, "><</"));
        assert_null(strstr(message, "\"></s:Text>"));
    }
}

static void a_version_mismatch_names_the_version(void **state)
{
    struct cep_fault fault = {CEP_FAULT_VERSION_MISMATCH, NULL, NULL, NULL, NULL, NULL};

    (void)state;
    must_contain(render(&fault), "</a:Action><s:Upgrade><s:SupportedEnvelope qname=\"s:Envelope\"/>"
                                 "</s:Upgrade></s:Header>");
    fault.code = CEP_FAULT_SENDER;
    assert_null(strstr(render(&fault), "Upgrade"));
}

static void the_header_not_understood_is_named(void **state)
{
    struct cep_fault fault = {CEP_FAULT_MUST_UNDERSTAND, NULL, "id", "urn:a", "Name", NULL};

    (void)state;
    must_contain(render(&fault), "</a:RelatesTo><s:NotUnderstood qname=\"x:Name\" "
                                 "xmlns:x=\"urn:a\"/></s:Header>");
    fault.not_understood_ns = "urn:\"<&>'\t\n\r\x01\xff";
    fault.not_understood_name = "N\xc3\xa4me";
    must_contain(render(&fault),
                 "<s:NotUnderstood qname=\"x:N\xc3\xa4me\" xmlns:x=\"urn:&quot;&lt;&amp;&gt;'&#9;"
                 "&#10;&#13;\xef\xbf\xbd\xef\xbf\xbd\"/>");
    fault.not_understood_ns = NULL;
    must_contain(render(&fault), "<s:NotUnderstood qname=\"N\xc3\xa4me\"/>");
    fault.not_understood_ns = "";
    must_contain(render(&fault), "<s:NotUnderstood qname=\"N\xc3\xa4me\"/>");
    fault.not_understood_name = NULL;
    assert_null(strstr(render(&fault), "NotUnderstood"));
    fault.not_understood_name = "Name";
    fault.code = CEP_FAULT_SENDER;
    assert_null(strstr(render(&fault), "NotUnderstood"));
}

static void the_action_not_supported_is_named(void **state)
{
    struct cep_fault fault = {CEP_FAULT_ACTION_NOT_SUPPORTED, NULL, NULL, NULL, NULL, "urn:<&>"};

    (void)state;
    must_contain(render(&fault), "</s:Reason><s:Detail><a:ProblemAction><a:Action>urn:&lt;&amp;&gt;"
                                 "</a:Action></a:ProblemAction></s:Detail></s:Fault>");
    fault.code = CEP_FAULT_SENDER;
    assert_null(strstr(render(&fault), "Detail"));
}

static void text_is_escaped(void **state)
{
    struct cep_fault fault = {
        CEP_FAULT_SENDER, "a<b>&\"\r\x02\xc3", "</a:RelatesTo>&", NULL, NULL, NULL};

    (void)state;
    must_contain(render(&fault), "<a:RelatesTo>&lt;/a:RelatesTo&gt;&amp;</a:RelatesTo>");
    must_contain(render(&fault), ">a&lt;b&gt;&amp;&quot;&#13;\xef\xbf\xbd\xef\xbf\xbd</s:Text>");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(each_fault_has_its_code_and_action),   TEST(relates_to_and_reason_may_be_absent),
        TEST(a_version_mismatch_names_the_version), TEST(the_header_not_understood_is_named),
        TEST(the_action_not_supported_is_named),    TEST(text_is_escaped),
    };
    int failed;

    cep_xcep_init();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    xmlSchemaFree(strict_schema);
    return failed;
}
