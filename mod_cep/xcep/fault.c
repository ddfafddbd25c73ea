/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* SOAP 1.2 faults. Codes and actions are what Microsoft's own service sends where that is known. */
#include "request.h"

#include <apr_strings.h>

#define ACTION_SOAP       CEP_NS_WSA "/soap/fault"
#define ACTION_ADDRESSING CEP_NS_WSA "/fault"
#define ACTION_DISPATCHER CEP_NS_WCF "/fault"

#define SUBCODE(value) "<s:Subcode><s:Value>" value "</s:Value></s:Subcode>"
#define SECURITY(value)                                                                            \
    "<s:Subcode><s:Value xmlns:o=\"" CEP_NS_WSSE "\">o:" value "</s:Value></s:Subcode>"

/* code and subcode are XML; reason is for a fault without one. */
struct rendering {
    const char *action;
    const char *code;
    const char *subcode;
    const char *reason;
};

static const struct rendering renderings[] = {
    /* A fault without a code is a mistake of ours. */
    [CEP_FAULT_NONE] = {ACTION_SOAP, "s:Receiver", "", "The request cannot be answered."},
    [CEP_FAULT_VERSION_MISMATCH] = {ACTION_SOAP, "s:VersionMismatch", "",
                                    "The message is no SOAP 1.2 envelope."},
    [CEP_FAULT_MUST_UNDERSTAND] = {ACTION_SOAP, "s:MustUnderstand", "",
                                   "One or more mandatory SOAP header blocks not understood."},
    /* WS-Addressing 1.0 SOAP binding, 6.4.2. */
    [CEP_FAULT_ACTION_NOT_SUPPORTED] = {ACTION_ADDRESSING, "s:Sender",
                                        SUBCODE("a:ActionNotSupported"),
                                        "The [action] cannot be processed at the receiver."},
    /* WS-Security 1.0, section 12. */
    [CEP_FAULT_INVALID_SECURITY] = {ACTION_SOAP, "s:Sender", SECURITY("InvalidSecurity"),
                                    "The Security header cannot be read."},
    [CEP_FAULT_FAILED_AUTHENTICATION] = {ACTION_SOAP, "s:Sender", SECURITY("FailedAuthentication"),
                                         "At least one security token in the message could not be "
                                         "validated."},
    [CEP_FAULT_SENDER] = {ACTION_SOAP, "s:Sender", "", "The request is no GetPolicies message."},
    /* [MS-WSTEP] 4.1.4.2 shows WCF's own. */
    [CEP_FAULT_RECEIVER] = {ACTION_DISPATCHER, "s:Receiver",
                            "<s:Subcode><s:Value xmlns:w=\"" CEP_NS_WCF "\">w:InternalServiceFault"
                            "</s:Value></s:Subcode>",
                            "The service cannot answer at the moment."},
    /* WS-Addressing 1.0 SOAP binding, 6.4.1.7: a subcode of InvalidAddressingHeader. */
    [CEP_FAULT_ONLY_ANONYMOUS] = {ACTION_ADDRESSING, "s:Sender",
                                  "<s:Subcode><s:Value>a:InvalidAddressingHeader</s:Value>" SUBCODE(
                                      "a:OnlyAnonymousAddressSupported") "</s:Subcode>",
                                  "Answers are sent to the anonymous address only."},
};

/* SOAP 1.2 part 1, 5.4.7 and 5.4.8: header blocks that explain the fault. */
static const char *explaining_headers(const struct cep_fault *fault, apr_pool_t *pool)
{
    if (fault->code == CEP_FAULT_VERSION_MISMATCH)
        return "<s:Upgrade><s:SupportedEnvelope qname=\"s:Envelope\"/></s:Upgrade>";
    if (fault->code != CEP_FAULT_MUST_UNDERSTAND || !fault->not_understood_name)
        return "";
    if (!fault->not_understood_ns || !*fault->not_understood_ns)
        return apr_pstrcat(pool, "<s:NotUnderstood qname=\"",
                           cep_escape_attribute(fault->not_understood_name, pool), "\"/>", NULL);
    return apr_pstrcat(
        pool, "<s:NotUnderstood qname=\"x:", cep_escape_attribute(fault->not_understood_name, pool),
        "\" xmlns:x=\"", cep_escape_attribute(fault->not_understood_ns, pool), "\"/>", NULL);
}

static const char *detail(const struct cep_fault *fault, apr_pool_t *pool)
{
    if (fault->code != CEP_FAULT_ACTION_NOT_SUPPORTED || !fault->problem_action)
        return "";
    return apr_pstrcat(pool, "<s:Detail><a:ProblemAction><a:Action>",
                       cep_xcep_escape(fault->problem_action, pool),
                       "</a:Action></a:ProblemAction></s:Detail>", NULL);
}

const char *cep_xcep_render_fault(const struct cep_fault *fault, apr_pool_t *pool)
{
    const struct rendering *r = &renderings[fault->code];
    const char *reason = fault->reason ? fault->reason : r->reason;

    return apr_pstrcat(
        pool,
        cep_envelope_open(r->action, fault->relates_to, explaining_headers(fault, pool), pool),
        "<s:Body><s:Fault><s:Code><s:Value>", r->code, "</s:Value>", r->subcode,
        "</s:Code><s:Reason><s:Text xml:lang=\"en-US\">", cep_xcep_escape(reason, pool),
        "</s:Text></s:Reason>", detail(fault, pool), "</s:Fault></s:Body></s:Envelope>", NULL);
}

const char *cep_xcep_fault_name(enum cep_fault_code code)
{
    static const char *const names[] = {
        [CEP_FAULT_NONE] = "Receiver",
        [CEP_FAULT_VERSION_MISMATCH] = "VersionMismatch",
        [CEP_FAULT_MUST_UNDERSTAND] = "MustUnderstand",
        [CEP_FAULT_ACTION_NOT_SUPPORTED] = "ActionNotSupported",
        [CEP_FAULT_INVALID_SECURITY] = "InvalidSecurity",
        [CEP_FAULT_FAILED_AUTHENTICATION] = "FailedAuthentication",
        [CEP_FAULT_SENDER] = "Sender",
        [CEP_FAULT_RECEIVER] = "InternalServiceFault",
        [CEP_FAULT_ONLY_ANONYMOUS] = "OnlyAnonymousAddressSupported",
    };

    return names[code];
}
