/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Which element may stand inside which. A new word of the protocol is a row in each table. */
#include "request.h"

#include <string.h>

/*
 * SOAP 1.2 part 1, 5; [MS-XCEP] 3.1.4.1.2.1, 3.1.4.1.3.9, .14, .22. The schema's wildcards are
 * open content: ##any holds our own namespace too, so a name that has no row is passed over there.
 *
 * The schema's sequences are read in any order: each child comes at most once, so order decides
 * nothing. Only Header before Body is held (request.c), for a late header would come after its
 * message has been read.
 */
const struct cep_kind cep_kinds[CEP_EL_COUNT] = {
    [CEP_EL_DOCUMENT] = {CEP_CONTENT_KNOWN, 0, 0, NULL, NULL},
    [CEP_EL_ENVELOPE] = {CEP_CONTENT_KNOWN, 0, 0, "A SOAP 1.2 Envelope holds Header and Body only.",
                         NULL},
    [CEP_EL_HEADER] = {CEP_CONTENT_OPEN, 0, 0, NULL, "The message has two SOAP headers."},
    [CEP_EL_ACTION] = {CEP_CONTENT_TEXT, 0, 0, NULL, "The Action header stands twice."},
    [CEP_EL_MESSAGE_ID] = {CEP_CONTENT_TEXT, 0, 0, NULL, "The MessageID header stands twice."},
    [CEP_EL_TO] = {CEP_CONTENT_ANY, 0, 0, NULL, "The To header stands twice."},
    [CEP_EL_FROM] = {CEP_CONTENT_ANY, 0, 0, NULL, "The From header stands twice."},
    [CEP_EL_REPLY_TO] = {CEP_CONTENT_OPEN, 0, 0, NULL, "The ReplyTo header stands twice."},
    [CEP_EL_FAULT_TO] = {CEP_CONTENT_OPEN, 0, 0, NULL, "The FaultTo header stands twice."},
    [CEP_EL_ADDRESS] = {CEP_CONTENT_TEXT, 0, 0, NULL, "An endpoint reference has two addresses."},
    [CEP_EL_RELATES_TO] = {CEP_CONTENT_ANY, 0, 1, NULL, NULL},
    /* Timestamp, signatures and whatever else: nothing of it is needed over TLS. */
    [CEP_EL_SECURITY] = {CEP_CONTENT_OPEN, 0, 0, NULL, "The Security header stands twice."},
    /* Nonce and Created go with PasswordDigest. */
    [CEP_EL_USERNAME_TOKEN] = {CEP_CONTENT_OPEN, 0, 0, NULL,
                               "The Security header has two UsernameTokens."},
    [CEP_EL_USERNAME] = {CEP_CONTENT_TEXT, 0, 0, NULL, "The UsernameToken has two user names."},
    [CEP_EL_PASSWORD] = {CEP_CONTENT_TEXT, 0, 0, NULL, "The UsernameToken has two passwords."},
    [CEP_EL_BINARY_TOKEN] = {CEP_CONTENT_ANY, 0, 1, NULL, NULL},
    [CEP_EL_ACTIVITY_ID] = {CEP_CONTENT_ANY, 0, 1, NULL, NULL},
    [CEP_EL_BODY] = {CEP_CONTENT_KNOWN, 0, 0,
                     "The SOAP body holds something else than GetPolicies.",
                     "The message has two SOAP bodies."},
    [CEP_EL_GET_POLICIES] = {CEP_CONTENT_KNOWN, 0, 0,
                             "GetPolicies holds the elements client and requestFilter only.",
                             "The SOAP body holds two requests."},
    [CEP_EL_CLIENT] = {CEP_CONTENT_OPEN, 0, 0, NULL, "The client element stands twice."},
    [CEP_EL_LAST_UPDATE] = {CEP_CONTENT_TEXT, 1, 0, NULL, "The lastUpdate element stands twice."},
    [CEP_EL_LANGUAGE] = {CEP_CONTENT_TEXT, 1, 0, NULL,
                         "The preferredLanguage element stands twice."},
    [CEP_EL_FILTER] = {CEP_CONTENT_OPEN, 1, 0, NULL, "The requestFilter element stands twice."},
    [CEP_EL_POLICY_OIDS] = {CEP_CONTENT_KNOWN, 1, 0, "policyOIDs holds oid elements only.",
                            "The policyOIDs element stands twice."},
    [CEP_EL_OID] = {CEP_CONTENT_TEXT, 0, 1, NULL, NULL},
    [CEP_EL_CLIENT_VERSION] = {CEP_CONTENT_TEXT, 1, 0, NULL,
                               "The clientVersion element stands twice."},
    [CEP_EL_SERVER_VERSION] = {CEP_CONTENT_TEXT, 1, 0, NULL,
                               "The serverVersion element stands twice."},
    [CEP_EL_IGNORED] = {CEP_CONTENT_ANY, 0, 1, NULL, NULL},
};

static const struct {
    enum cep_element parent;
    const char *ns;
    const char *name;
    enum cep_element element;
} words[] = {
    {CEP_EL_DOCUMENT, CEP_NS_SOAP12, "Envelope", CEP_EL_ENVELOPE},
    {CEP_EL_ENVELOPE, CEP_NS_SOAP12, "Header", CEP_EL_HEADER},
    {CEP_EL_ENVELOPE, CEP_NS_SOAP12, "Body", CEP_EL_BODY},
    {CEP_EL_HEADER, CEP_NS_WSA, "Action", CEP_EL_ACTION},
    {CEP_EL_HEADER, CEP_NS_WSA, "MessageID", CEP_EL_MESSAGE_ID},
    {CEP_EL_HEADER, CEP_NS_WSA, "To", CEP_EL_TO},
    {CEP_EL_HEADER, CEP_NS_WSA, "From", CEP_EL_FROM},
    {CEP_EL_HEADER, CEP_NS_WSA, "ReplyTo", CEP_EL_REPLY_TO},
    {CEP_EL_HEADER, CEP_NS_WSA, "FaultTo", CEP_EL_FAULT_TO},
    {CEP_EL_HEADER, CEP_NS_WSA, "RelatesTo", CEP_EL_RELATES_TO},
    {CEP_EL_HEADER, CEP_NS_WSSE, "Security", CEP_EL_SECURITY},
    {CEP_EL_SECURITY, CEP_NS_WSSE, "UsernameToken", CEP_EL_USERNAME_TOKEN},
    {CEP_EL_SECURITY, CEP_NS_WSSE, "BinarySecurityToken", CEP_EL_BINARY_TOKEN},
    {CEP_EL_USERNAME_TOKEN, CEP_NS_WSSE, "Username", CEP_EL_USERNAME},
    {CEP_EL_USERNAME_TOKEN, CEP_NS_WSSE, "Password", CEP_EL_PASSWORD},
    {CEP_EL_HEADER, CEP_NS_DIAG, "ActivityId", CEP_EL_ACTIVITY_ID},
    {CEP_EL_REPLY_TO, CEP_NS_WSA, "Address", CEP_EL_ADDRESS},
    {CEP_EL_FAULT_TO, CEP_NS_WSA, "Address", CEP_EL_ADDRESS},
    {CEP_EL_BODY, CEP_XCEP_NS, "GetPolicies", CEP_EL_GET_POLICIES},
    {CEP_EL_GET_POLICIES, CEP_XCEP_NS, "client", CEP_EL_CLIENT},
    {CEP_EL_GET_POLICIES, CEP_XCEP_NS, "requestFilter", CEP_EL_FILTER},
    {CEP_EL_CLIENT, CEP_XCEP_NS, "lastUpdate", CEP_EL_LAST_UPDATE},
    {CEP_EL_CLIENT, CEP_XCEP_NS, "preferredLanguage", CEP_EL_LANGUAGE},
    {CEP_EL_FILTER, CEP_XCEP_NS, "policyOIDs", CEP_EL_POLICY_OIDS},
    {CEP_EL_FILTER, CEP_XCEP_NS, "clientVersion", CEP_EL_CLIENT_VERSION},
    {CEP_EL_FILTER, CEP_XCEP_NS, "serverVersion", CEP_EL_SERVER_VERSION},
    {CEP_EL_POLICY_OIDS, CEP_XCEP_NS, "oid", CEP_EL_OID},
};

_Static_assert(CEP_EL_COUNT <= 32, "struct cep_frame has 32 bits for the children seen");

enum cep_element cep_vocabulary_find(enum cep_element parent, const char *ns, const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        /* Names differ in their first letters, namespaces in their last. */
        if (words[i].parent == parent && !strcmp(words[i].name, name) && ns &&
            !strcmp(words[i].ns, ns))
            return words[i].element;
    }
    return CEP_EL_COUNT;
}
