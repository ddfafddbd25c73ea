/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The values of a GetPolicies message: [MS-XCEP] 3.1.4.1.2.1, 3.1.4.1.3.9, .14, .22. */
#include "request.h"

#include <string.h>

#include <apr_strings.h>

/* xs:int: an optional sign and digits, 32 bits. */
static int parse_int(apr_int32_t *result, const char *text)
{
    int negative = *text == '-';
    apr_int64_t value = 0;

    if (*text == '-' || *text == '+')
        text++;
    if (!*text)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        value = value * 10 + (*text - '0');
        if (value > (apr_int64_t)APR_INT32_MAX + negative)
            return 0;
    }
    *result = (apr_int32_t)(negative ? -value : value);
    return 1;
}

static void last_update_ends(struct cep_reader *reader, const char *text)
{
    if (!cep_datetime_parse(&reader->request->last_update, text))
        cep_reader_refuse(reader, CEP_FAULT_SENDER, "lastUpdate is no valid date and time.");
    else
        reader->request->has_last_update = 1;
}

static void version_ends(struct cep_reader *reader, const char *text, int *has,
                         apr_int32_t *version)
{
    if (!parse_int(version, text))
        cep_reader_refuse(reader, CEP_FAULT_SENDER,
                          "clientVersion or serverVersion is no 32-bit integer.");
    else
        *has = 1;
}

/*
 * An OID that is none selects nothing, as one that no template has; each must be unique by
 * [MS-XCEP] 3.1.4.1.3.14, and the same filter said twice is the same filter.
 */
static void oid_ends(struct cep_reader *reader, const char *text)
{
    apr_array_header_t *oids = reader->request->policy_oids;
    int i;

    if (++reader->oids > CEP_XCEP_MAX_OIDS) {
        cep_reader_refuse(reader, CEP_FAULT_SENDER, "policyOIDs holds too many OIDs.");
        return;
    }
    if (!oids)
        oids = reader->request->policy_oids = apr_array_make(reader->pool, 4, sizeof(char *));
    for (i = 0; i < oids->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(oids, i, const char *), text))
            return;
    }
    APR_ARRAY_PUSH(oids, const char *) = apr_pstrdup(reader->pool, text);
}

/* [MS-XCEP] 3.1.4.1.2.1: no client, a nil one or one without a value must be a fault. */
static void client_ends(struct cep_reader *reader, const struct cep_frame *frame)
{
    if (!CEP_SEEN(frame, CEP_EL_LAST_UPDATE) && !CEP_SEEN(frame, CEP_EL_LANGUAGE))
        cep_reader_refuse(reader, CEP_FAULT_SENDER,
                          "The client element holds neither lastUpdate nor preferredLanguage.");
}

static void filter_ends(struct cep_reader *reader, const struct cep_frame *frame)
{
    /* An empty filter is none: [MS-XCEP] 3.1.4.1.2.1. */
    reader->request->has_filter = CEP_SEEN(frame, CEP_EL_POLICY_OIDS) ||
                                  CEP_SEEN(frame, CEP_EL_CLIENT_VERSION) ||
                                  CEP_SEEN(frame, CEP_EL_SERVER_VERSION);
}

static void value_ends(struct cep_reader *reader, enum cep_element element, const char *text)
{
    struct cep_request *request = reader->request;

    switch (element) {
    case CEP_EL_LAST_UPDATE: last_update_ends(reader, text); break;
    case CEP_EL_LANGUAGE:
        /* A language that is none is one that we do not have: the default serves. */
        if (cep_language_is_tag(text))
            request->language = apr_pstrdup(reader->pool, text);
        break;
    case CEP_EL_OID: oid_ends(reader, text); break;
    case CEP_EL_CLIENT_VERSION:
        version_ends(reader, text, &request->has_client_version, &request->client_version);
        break;
    case CEP_EL_SERVER_VERSION:
        version_ends(reader, text, &request->has_server_version, &request->server_version);
        break;
    default: break;
    }
}

void cep_getpolicies_ends(struct cep_reader *reader, const struct cep_frame *frame,
                          const char *text)
{
    if (frame->nil)
        return;
    switch (frame->element) {
    case CEP_EL_CLIENT: client_ends(reader, frame); break;
    case CEP_EL_FILTER: filter_ends(reader, frame); break;
    case CEP_EL_GET_POLICIES:
        if (!CEP_SEEN(frame, CEP_EL_CLIENT))
            cep_reader_refuse(reader, CEP_FAULT_SENDER, "The client element is missing.");
        break;
    case CEP_EL_BODY:
        if (!CEP_SEEN(frame, CEP_EL_GET_POLICIES))
            cep_reader_refuse(reader, CEP_FAULT_SENDER, "The SOAP body holds no GetPolicies.");
        break;
    case CEP_EL_ENVELOPE:
        if (!CEP_SEEN(frame, CEP_EL_BODY))
            cep_reader_refuse(reader, CEP_FAULT_SENDER, "The message has no SOAP body.");
        else
            reader->complete = 1;
        break;
    default: value_ends(reader, frame->element, text); break;
    }
}
