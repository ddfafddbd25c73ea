/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * SOAP headers: who they are aimed at, which must be understood, and WS-Addressing 1.0. A fault
 * found here waits until the header ends, because the MessageID that the answer has to repeat may
 * stand behind the header block that is wrong.
 */
#include "request.h"

#include <string.h>

#include <apr_strings.h>

#define ROLE_NEXT     CEP_NS_SOAP12 "/role/next"
#define ROLE_RECEIVER CEP_NS_SOAP12 "/role/ultimateReceiver"
#define ANONYMOUS     CEP_NS_WSA "/anonymous"

void cep_header_refuse(struct cep_reader *reader, enum cep_fault_code code, const char *reason)
{
    if (reader->header_fault.code != CEP_FAULT_NONE)
        return;
    reader->header_fault.code = code;
    reader->header_fault.reason = reason;
}

/* SOAP 1.2 part 1, 2.2 and 5.2.2: no role is the ultimate receiver's. */
static int aimed_at_us(const struct cep_attributes *attributes, apr_pool_t *pool)
{
    const char *role = cep_attribute_find(attributes, CEP_NS_SOAP12, "role", pool);

    return !role || !*role || !strcmp(role, ROLE_NEXT) || !strcmp(role, ROLE_RECEIVER);
}

/* SOAP 1.2 part 1, 5.2.3. -1: the attribute has another value than xs:boolean allows. */
static int must_understand(const struct cep_attributes *attributes, apr_pool_t *pool)
{
    const char *value = cep_attribute_find(attributes, CEP_NS_SOAP12, "mustUnderstand", pool);

    return value ? cep_boolean_parse(value) : 0;
}

/* SOAP 1.2 part 1, 5.4.8. The name is repeated in the answer, so only up to a length. */
static void not_understood(struct cep_reader *reader, const char *ns, const char *name)
{
    if (reader->header_fault.code != CEP_FAULT_NONE)
        return;
    cep_header_refuse(reader, CEP_FAULT_MUST_UNDERSTAND,
                      "One or more mandatory SOAP header blocks not understood.");
    if (strlen(name) <= CEP_XCEP_MAX_ECHO && (!ns || strlen(ns) <= CEP_XCEP_MAX_ECHO)) {
        reader->header_fault.not_understood_ns = ns ? apr_pstrdup(reader->pool, ns) : NULL;
        reader->header_fault.not_understood_name = apr_pstrdup(reader->pool, name);
    }
}

int cep_header_begins(struct cep_reader *reader, enum cep_element element, const char *ns,
                      const char *name, const struct cep_attributes *attributes)
{
    int must;

    if (!aimed_at_us(attributes, reader->pool))
        return 0;
    must = must_understand(attributes, reader->pool);
    if (must < 0)
        cep_header_refuse(reader, CEP_FAULT_SENDER, "A mustUnderstand attribute is no boolean.");
    if (element != CEP_EL_COUNT)
        return 1;
    if (must == 1)
        not_understood(reader, ns, name);
    return 0;
}

static void action_ends(struct cep_reader *reader, const char *text)
{
    if (!strcmp(text, CEP_XCEP_ACTION))
        return;
    if (reader->header_fault.code == CEP_FAULT_NONE && strlen(text) <= CEP_XCEP_MAX_ECHO)
        reader->header_fault.problem_action = apr_pstrdup(reader->pool, text);
    cep_header_refuse(reader, CEP_FAULT_ACTION_NOT_SUPPORTED,
                      "The [action] cannot be processed at the receiver.");
}

static void message_id_ends(struct cep_reader *reader, const char *text)
{
    if (strlen(text) > CEP_XCEP_MAX_MESSAGE_ID)
        cep_header_refuse(reader, CEP_FAULT_SENDER, "The MessageID header is too long.");
    else if (*text && !reader->request->message_id)
        reader->request->message_id = apr_pstrdup(reader->pool, text);
}

/* We answer on the connection that asked, and never open another one. */
static void only_anonymous(struct cep_reader *reader)
{
    cep_header_refuse(reader, CEP_FAULT_ONLY_ANONYMOUS,
                      "Answers are sent to the anonymous address only.");
}

void cep_header_ends(struct cep_reader *reader, const struct cep_frame *frame, const char *text)
{
    switch (frame->element) {
    case CEP_EL_ACTION: action_ends(reader, text); break;
    case CEP_EL_MESSAGE_ID: message_id_ends(reader, text); break;
    case CEP_EL_ADDRESS:
        if (strcmp(text, ANONYMOUS) != 0)
            only_anonymous(reader);
        break;
    case CEP_EL_REPLY_TO:
    case CEP_EL_FAULT_TO:
        if (!CEP_SEEN(frame, CEP_EL_ADDRESS))
            only_anonymous(reader);
        break;
    case CEP_EL_HEADER:
        if (reader->header_fault.code != CEP_FAULT_NONE) {
            *reader->fault = reader->header_fault;
            reader->refused = 1;
        }
        break;
    default: break;
    }
}
