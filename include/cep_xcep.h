/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The protocol: read a GetPolicies request, write a GetPoliciesResponse in fragments, write
 * faults. [MS-XCEP] 2.2, 3.1.4.1; SOAP 1.2; WS-Addressing 1.0. The only room with libxml2.
 */
#ifndef CEP_XCEP_H
#define CEP_XCEP_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "cep_policy.h"

#define CEP_XCEP_NS           "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
#define CEP_XCEP_ACTION       CEP_XCEP_NS "/IPolicy/GetPolicies"
#define CEP_XCEP_RESPONSE     CEP_XCEP_NS "/IPolicy/GetPoliciesResponse"
#define CEP_SOAP_CONTENT_TYPE "application/soap+xml; charset=utf-8"

/* Limits of a request, beside the body's size (server/). Tested at the limit and one above. */
#define CEP_XCEP_MAX_DEPTH      32 /* elements inside elements */
#define CEP_XCEP_MAX_ELEMENTS   1024
#define CEP_XCEP_MAX_ATTRIBUTES 32    /* of one element, namespace declarations aside */
#define CEP_XCEP_MAX_NAMESPACES 64    /* declarations in the whole message */
#define CEP_XCEP_MAX_TEXT       16384 /* octets of one element's text */
#define CEP_XCEP_MAX_OIDS       256   /* policyOIDs of a filter */
#define CEP_XCEP_MAX_MESSAGE_ID 1024  /* octets; a longer one is a fault */
#define CEP_XCEP_MAX_EQUALS     1024  /* '=' between two '<': bounds the parser's work in one tag */
#define CEP_XCEP_MAX_USER       512   /* octets of o:Username, white space around it aside */
#define CEP_XCEP_MAX_PASSWORD   1024  /* octets of o:Password */

/*
 * What the o:Security header says of the caller (WSS UsernameToken Profile 1.0). It is a
 * credential for AuthType CEP only; where httpd authenticates otherwise nobody looks at it.
 */
struct cep_username_token {
    const char *user;    /* "CORP\\alice", never empty; NULL: problem says why there is none */
    char *password;      /* never empty; cep_xcep_forget() wipes it */
    const char *problem; /* reason of an InvalidSecurity fault, or NULL */
};

/* A GetPolicies message. Strings live in the pool given; "" or NULL as said. */
struct cep_request {
    const char *message_id; /* a:MessageID, white space stripped, or NULL */
    int has_last_update;    /* 0: nil */
    apr_time_t last_update; /* UTC; no zone in the text means UTC; before 1970 is negative */
    const char *language;   /* preferredLanguage, or NULL */
    int has_filter;         /* 0: requestFilter nil or absent */
    apr_array_header_t *policy_oids;            /* const char *; NULL: no filter by OID */
    int has_client_version, has_server_version; /* 0: nil or absent */
    apr_int32_t client_version, server_version;
    struct cep_username_token token;
};

/* SOAP faults that this service sends: protocol, section on faults. */
enum cep_fault_code {
    CEP_FAULT_NONE,
    CEP_FAULT_VERSION_MISMATCH,      /* s:VersionMismatch: not SOAP 1.2 */
    CEP_FAULT_MUST_UNDERSTAND,       /* s:MustUnderstand: detail names the header */
    CEP_FAULT_ACTION_NOT_SUPPORTED,  /* s:Sender / a:ActionNotSupported */
    CEP_FAULT_INVALID_SECURITY,      /* s:Sender / o:InvalidSecurity */
    CEP_FAULT_FAILED_AUTHENTICATION, /* s:Sender / o:FailedAuthentication */
    CEP_FAULT_SENDER,                /* s:Sender: the request is no GetPolicies */
    CEP_FAULT_RECEIVER,              /* s:Receiver / InternalServiceFault: we cannot answer now */
    CEP_FAULT_ONLY_ANONYMOUS         /* s:Sender / a:OnlyAnonymousAddressSupported */
};

struct cep_fault {
    enum cep_fault_code code;
    const char *reason;     /* English sentence for the client; tells nothing about accounts */
    const char *relates_to; /* the request's MessageID, or NULL */
    /* with CEP_FAULT_MUST_UNDERSTAND: the header's name */
    const char *not_understood_ns, *not_understood_name;
    const char *problem_action; /* with CEP_FAULT_ACTION_NOT_SUPPORTED: the action sent, or NULL */
};

/*
 * Read one message of length octets, UTF-8. No DOM is built and nothing is fetched, expanded or
 * kept; DOCTYPE, entities, processing instructions and other encodings are refused. On success 1;
 * else 0 and *fault says what to answer (relates_to set when MessageID was read before). Call
 * xmlInitParser() through cep_xcep_init() once per process before threads use this.
 */
int cep_xcep_parse(struct cep_request **request, struct cep_fault *fault, const char *body,
                   apr_size_t length, apr_pool_t *pool);
void cep_xcep_init(void);

/* Wipe the password of a request. */
void cep_xcep_forget(struct cep_request *request);

/*
 * xs:dateTime without white space around it, to microseconds since 1970, UTC. No zone means UTC.
 * Years 0001 to 9999; no 24:00:00 and no leap second; digits beyond microseconds are cut. 1, or 0
 * when text is no such time.
 */
int cep_datetime_parse(apr_time_t *result, const char *text);

/*
 * XML text with one boolean left open: head + ("true" | "false") + tail. A template's open place
 * is permission/autoEnroll, a CA's is enrollPermission: all else is equal for all callers, so it
 * is rendered once per snapshot. The default namespace is CEP_XCEP_NS, prefix xsi is declared
 * around.
 */
struct cep_fragment {
    struct cep_value head;
    struct cep_value tail;
};

/* <policy> of a finished template; ca_refs are the snapshot's CA numbers. */
struct cep_fragment cep_xcep_render_policy(const struct cep_template *tmpl, apr_pool_t *pool);

/* <cA> with its number. */
struct cep_fragment cep_xcep_render_ca(const struct cep_enrollment_service *service, int reference,
                                       apr_pool_t *pool);

/* <oID>: head up to defaultName's text, tail after it (the open place is the escaped name). */
struct cep_fragment cep_xcep_render_oid(const struct cep_oid_row *row, int reference,
                                        apr_pool_t *pool);

/* text with &, <, >, ", CR and control characters made safe for element content; in pool, or
 * text itself where nothing has to be done. */
const char *cep_xcep_escape(const char *text, apr_pool_t *pool);

/* What an instance says about itself in each answer. */
struct cep_instance {
    const char *policy_id;
    const char *friendly_name;      /* NULL: nil */
    apr_uint32_t next_update_hours; /* >= 1 */
};

/* Envelope, headers and response up to (not with) the policies element. */
const char *cep_xcep_render_head(const struct cep_instance *instance, const char *relates_to,
                                 int not_changed, apr_pool_t *pool);

/*
 * The fixed pieces between the fragments, so that whoever assembles knows no XML: an answer is
 * head, POLICIES_OPEN, policies..., POLICIES_CLOSE, CAS_OPEN, CAs..., CAS_CLOSE, OIDS_OPEN,
 * OIDs..., OIDS_CLOSE, END; an empty list is its _NIL piece instead.
 */
enum cep_xcep_piece {
    CEP_PIECE_POLICIES_OPEN,
    CEP_PIECE_POLICIES_CLOSE, /* closes response too */
    CEP_PIECE_POLICIES_NIL,   /* likewise */
    CEP_PIECE_CAS_OPEN,
    CEP_PIECE_CAS_CLOSE,
    CEP_PIECE_CAS_NIL,
    CEP_PIECE_OIDS_OPEN,
    CEP_PIECE_OIDS_CLOSE,
    CEP_PIECE_OIDS_NIL,
    CEP_PIECE_END
};
struct cep_value cep_xcep_piece(enum cep_xcep_piece piece);

/* A whole fault message. */
const char *cep_xcep_render_fault(const struct cep_fault *fault, apr_pool_t *pool);

/* The word for logs: the subcode's name, or the code's when there is none. */
const char *cep_xcep_fault_name(enum cep_fault_code code);

/* The description of the service at that URL: [MS-XCEP] 6.1, with a binding to SOAP 1.2. */
const char *cep_xcep_render_wsdl(const char *address, apr_pool_t *pool);

/* The schema of its messages: [MS-XCEP] 6.2. */
const char *cep_xcep_render_schema(apr_pool_t *pool);

#endif
