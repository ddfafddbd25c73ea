/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What stands around the rendered fragments: envelope, headers, the response's own values and the
 * lists' tags. No XML declaration, as WCF sends none: the content type says UTF-8.
 */
#include "request.h"

#include <apr_strings.h>

#define NIL " xsi:nil=\"true\"/>"

/* WS-Addressing 1.0 SOAP binding, 3.1; RelatesTo is what Windows matches its request by. */
const char *cep_envelope_open(const char *action, const char *relates_to, const char *more,
                              apr_pool_t *pool)
{
    return apr_pstrcat(pool,
                       "<s:Envelope xmlns:s=\"" CEP_NS_SOAP12 "\" xmlns:a=\"" CEP_NS_WSA "\">"
                       "<s:Header><a:Action s:mustUnderstand=\"1\">",
                       action, "</a:Action>", relates_to ? "<a:RelatesTo>" : "",
                       relates_to ? cep_xcep_escape(relates_to, pool) : "",
                       relates_to ? "</a:RelatesTo>" : "", more, "</s:Header>", NULL);
}

static const char *friendly_name(const char *name, apr_pool_t *pool)
{
    if (!name)
        return "<policyFriendlyName" NIL;
    return apr_pstrcat(pool, "<policyFriendlyName>", cep_xcep_escape(name, pool),
                       "</policyFriendlyName>", NULL);
}

/* [MS-XCEP] 3.1.4.1.3.23. Changed policies are told by nil, as Microsoft does, never by false. */
const char *cep_xcep_render_head(const struct cep_instance *instance, const char *relates_to,
                                 int not_changed, apr_pool_t *pool)
{
    return apr_pstrcat(
        pool, cep_envelope_open(CEP_XCEP_RESPONSE, relates_to, "", pool),
        "<s:Body xmlns:xsi=\"" CEP_NS_XSI "\">"
        "<GetPoliciesResponse xmlns=\"" CEP_XCEP_NS "\"><response><policyID>",
        cep_xcep_escape(instance->policy_id, pool), "</policyID>",
        friendly_name(instance->friendly_name, pool), "<nextUpdateHours>",
        apr_ltoa(pool, (long)instance->next_update_hours), "</nextUpdateHours>",
        not_changed ? "<policiesNotChanged>true</policiesNotChanged>" : "<policiesNotChanged" NIL,
        NULL);
}

struct cep_value cep_xcep_piece(enum cep_xcep_piece piece)
{
#define PIECE(text)                                                                                \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }
    static const struct cep_value pieces[] = {
        [CEP_PIECE_POLICIES_OPEN] = PIECE("<policies>"),
        [CEP_PIECE_POLICIES_CLOSE] = PIECE("</policies></response>"),
        [CEP_PIECE_POLICIES_NIL] = PIECE("<policies" NIL "</response>"),
        [CEP_PIECE_CAS_OPEN] = PIECE("<cAs>"),
        [CEP_PIECE_CAS_CLOSE] = PIECE("</cAs>"),
        [CEP_PIECE_CAS_NIL] = PIECE("<cAs" NIL),
        [CEP_PIECE_OIDS_OPEN] = PIECE("<oIDs>"),
        [CEP_PIECE_OIDS_CLOSE] = PIECE("</oIDs>"),
        [CEP_PIECE_OIDS_NIL] = PIECE("<oIDs" NIL),
        [CEP_PIECE_END] = PIECE("</GetPoliciesResponse></s:Body></s:Envelope>"),
    };
#undef PIECE

    return pieces[piece];
}
