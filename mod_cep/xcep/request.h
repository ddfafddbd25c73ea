/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What the files of this room share while one request is read. request.c steers the parser and
 * holds the limits, vocabulary.c knows which element may stand where, headers.c, security.c and
 * getpolicies.c judge what they say.
 */
#ifndef CEP_XCEP_REQUEST_H
#define CEP_XCEP_REQUEST_H

#include "cep_octets.h"
#include "cep_xcep.h"

#define CEP_NS_SOAP12   "http://www.w3.org/2003/05/soap-envelope"
#define CEP_NS_WSA      "http://www.w3.org/2005/08/addressing"
#define CEP_NS_XSI      "http://www.w3.org/2001/XMLSchema-instance"
#define CEP_NS_WSS_BASE "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
#define CEP_NS_WSSE     CEP_NS_WSS_BASE "secext-1.0.xsd"
#define CEP_NS_USERNAME                                                                            \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
#define CEP_NS_WCF                                                                                 \
    "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher"
#define CEP_NS_DIAG "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"

/* Longest text of a request that a fault repeats beside MessageID. */
#define CEP_XCEP_MAX_ECHO 1024

/* Elements with a meaning. Everything below one that is passed over is CEP_EL_IGNORED. */
enum cep_element {
    CEP_EL_DOCUMENT,
    CEP_EL_ENVELOPE,
    CEP_EL_HEADER,
    CEP_EL_ACTION,
    CEP_EL_MESSAGE_ID,
    CEP_EL_TO,
    CEP_EL_FROM,
    CEP_EL_REPLY_TO,
    CEP_EL_FAULT_TO,
    CEP_EL_ADDRESS,
    CEP_EL_RELATES_TO,
    CEP_EL_SECURITY,
    CEP_EL_USERNAME_TOKEN,
    CEP_EL_USERNAME,
    CEP_EL_PASSWORD,
    CEP_EL_BINARY_TOKEN,
    CEP_EL_ACTIVITY_ID,
    CEP_EL_BODY,
    CEP_EL_GET_POLICIES,
    CEP_EL_CLIENT,
    CEP_EL_LAST_UPDATE,
    CEP_EL_LANGUAGE,
    CEP_EL_FILTER,
    CEP_EL_POLICY_OIDS,
    CEP_EL_OID,
    CEP_EL_CLIENT_VERSION,
    CEP_EL_SERVER_VERSION,
    CEP_EL_IGNORED,
    CEP_EL_COUNT
};

enum cep_content {
    CEP_CONTENT_KNOWN, /* known elements only */
    CEP_CONTENT_OPEN,  /* known elements, and others that are passed over: xs:any, lax */
    CEP_CONTENT_TEXT,  /* text only; it is collected */
    CEP_CONTENT_ANY    /* passed over with everything inside */
};

struct cep_kind {
    enum cep_content content;
    int nillable;
    int repeatable;
    const char *stranger; /* reason of the fault when an unknown element stands inside */
    const char *again;    /* reason of the fault when it stands there a second time */
};

extern const struct cep_kind cep_kinds[CEP_EL_COUNT];

/* The element of that name inside parent, or CEP_EL_COUNT when there is none. */
enum cep_element cep_vocabulary_find(enum cep_element parent, const char *ns, const char *name);

/* An element that is open at the moment. */
struct cep_frame {
    enum cep_element element;
    int nil;
    apr_uint32_t seen;      /* bit n: element n stands inside */
    apr_size_t text_length; /* octets of its own text */
};

#define CEP_SEEN(frame, child) (((frame)->seen >> (child)) & 1u)

struct cep_reader {
    apr_pool_t *pool;
    void *parser; /* xmlParserCtxtPtr */
    struct cep_request *request;
    struct cep_fault *fault;
    struct cep_fault header_fault; /* kept until the header ends: MessageID may follow */
    int refused;                   /* fault is decided */
    int ill_formed;                /* the parser complained */
    int complete;                  /* the envelope has been closed */
    int secret;                    /* a password has been in text */
    int elements;
    int namespaces;
    int oids;
    int depth;                                       /* frames[depth] is the innermost */
    struct cep_frame frames[CEP_XCEP_MAX_DEPTH + 1]; /* frames[0] is the document */
    apr_size_t text_length;
    char text[CEP_XCEP_MAX_TEXT + 1]; /* of the innermost element when its content is text */
};

/* The attributes of one element, as libxml2's SAX2 interface hands them over. */
struct cep_attributes {
    const unsigned char *const *list;
    int count;
};

/* Decide the answer; later ones do not count. reason lives as long as the process or the pool. */
void cep_reader_refuse(struct cep_reader *reader, enum cep_fault_code code, const char *reason);

/*
 * The value without white space around it, in pool, or NULL when there is no such attribute.
 * ns NULL: one without a namespace.
 */
const char *cep_attribute_find(const struct cep_attributes *attributes, const char *ns,
                               const char *name, apr_pool_t *pool);

/* xs:boolean without white space around it: 1, 0, or -1 when it is none. */
int cep_boolean_parse(const char *text);

/* Cut the white space of XML off both ends, in place. */
char *cep_trim(char *text);

/*
 * A header block begins. 0: it is aimed at someone else or unknown, pass over it. Keeps a fault
 * in header_fault when it is unknown and has to be understood.
 */
int cep_header_begins(struct cep_reader *reader, enum cep_element element, const char *ns,
                      const char *name, const struct cep_attributes *attributes);

/* Keep the first fault of the header. */
void cep_header_refuse(struct cep_reader *reader, enum cep_fault_code code, const char *reason);

/* An element inside of the Security header begins, or ends. */
void cep_security_begins(struct cep_reader *reader, enum cep_element element,
                         const struct cep_attributes *attributes);
void cep_security_ends(struct cep_reader *reader, const struct cep_frame *frame, const char *text);

/* An element of the header, or of GetPolicies, ends; text is its text, trimmed but for a password.
 */
void cep_header_ends(struct cep_reader *reader, const struct cep_frame *frame, const char *text);
void cep_getpolicies_ends(struct cep_reader *reader, const struct cep_frame *frame,
                          const char *text);

/*
 * NULL when the body may be handed to a parser of UTF-8, *skip octets (a byte order mark) left
 * out; else the reason for the fault.
 */
const char *cep_encoding_check(const char *body, apr_size_t length, apr_size_t *skip);

/* cep_xcep_escape() for the value of an attribute: TAB and LF as references too. */
const char *cep_escape_attribute(const char *text, apr_pool_t *pool);

/* Envelope and header up to </s:Header>; more: further header blocks as XML, or "". */
const char *cep_envelope_open(const char *action, const char *relates_to, const char *more,
                              apr_pool_t *pool);

#endif
