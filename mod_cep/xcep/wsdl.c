/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What ?wsdl and ?xsd answer. [MS-XCEP] 6.1 has types, messages and port type; binding and service
 * are ours, for without them no tool can call the service. The schema stands inside, so that one
 * document is enough and nothing has to be fetched by another name.
 */
#include "request.h"

#include <apr_strings.h>

#define NS_WSDL   "http://schemas.xmlsoap.org/wsdl/"
#define NS_SOAP   "http://schemas.xmlsoap.org/wsdl/soap12/"
#define NS_WSAW   "http://www.w3.org/2006/05/addressing/wsdl"
#define TRANSPORT "http://schemas.xmlsoap.org/soap/http"

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static const char *const schema_lines[] = {
#include "mod_cep/xcep/enrollmentpolicy.inc"
};

static const char opening[] =
    DECLARATION "<wsdl:definitions name=\"PolicyService\" targetNamespace=\"" CEP_XCEP_NS "\"\n"
                "    xmlns:wsdl=\"" NS_WSDL "\" xmlns:soap12=\"" NS_SOAP "\"\n"
                "    xmlns:wsaw=\"" NS_WSAW "\"\n"
                "    xmlns:xcep=\"" CEP_XCEP_NS "\">\n"
                "<wsdl:types>\n";

static const char messages[] =
    "</wsdl:types>\n"
    "<wsdl:message name=\"IPolicy_GetPolicies_InputMessage\">\n"
    "  <wsdl:part name=\"request\" element=\"xcep:GetPolicies\"/>\n"
    "</wsdl:message>\n"
    "<wsdl:message name=\"IPolicy_GetPolicies_OutputMessage\">\n"
    "  <wsdl:part name=\"response\" element=\"xcep:GetPoliciesResponse\"/>\n"
    "</wsdl:message>\n"
    "<wsdl:portType name=\"IPolicy\">\n"
    "  <wsdl:operation name=\"GetPolicies\">\n"
    "    <wsdl:input wsaw:Action=\"" CEP_XCEP_ACTION "\"\n"
    "        message=\"xcep:IPolicy_GetPolicies_InputMessage\"/>\n"
    "    <wsdl:output wsaw:Action=\"" CEP_XCEP_RESPONSE "\"\n"
    "        message=\"xcep:IPolicy_GetPolicies_OutputMessage\"/>\n"
    "  </wsdl:operation>\n"
    "</wsdl:portType>\n";

static const char binding[] = "<wsdl:binding name=\"PolicyBinding\" type=\"xcep:IPolicy\">\n"
                              "  <wsaw:UsingAddressing/>\n"
                              "  <soap12:binding style=\"document\" transport=\"" TRANSPORT "\"/>\n"
                              "  <wsdl:operation name=\"GetPolicies\">\n"
                              "    <soap12:operation soapAction=\"" CEP_XCEP_ACTION "\"/>\n"
                              "    <wsdl:input><soap12:body use=\"literal\"/></wsdl:input>\n"
                              "    <wsdl:output><soap12:body use=\"literal\"/></wsdl:output>\n"
                              "  </wsdl:operation>\n"
                              "</wsdl:binding>\n"
                              "<wsdl:service name=\"PolicyService\">\n"
                              "  <wsdl:port name=\"PolicyPort\" binding=\"xcep:PolicyBinding\">\n"
                              "    <soap12:address location=\"";

static const char closing[] = "\"/>\n"
                              "  </wsdl:port>\n"
                              "</wsdl:service>\n"
                              "</wsdl:definitions>\n";

static const char *schema(apr_pool_t *pool)
{
    const int count = (int)(sizeof(schema_lines) / sizeof(schema_lines[0]));
    apr_array_header_t *lines = apr_array_make(pool, count, sizeof(char *));
    int i;

    for (i = 0; i < count; i++)
        APR_ARRAY_PUSH(lines, const char *) = schema_lines[i];
    return apr_array_pstrcat(pool, lines, 0);
}

const char *cep_xcep_render_wsdl(const char *address, apr_pool_t *pool)
{
    return apr_pstrcat(pool, opening, schema(pool), messages, binding,
                       cep_escape_attribute(address, pool), closing, NULL);
}

const char *cep_xcep_render_schema(apr_pool_t *pool)
{
    return apr_pstrcat(pool, DECLARATION, schema(pool), NULL);
}
