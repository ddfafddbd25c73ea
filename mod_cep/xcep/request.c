/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading one request with libxml2's SAX2 interface: no tree, no entities, nothing fetched. Every
 * setting belongs to the one parser context, for other modules in the process use libxml2 too.
 * The first breach stops the parser.
 */
#include "request.h"

#include <limits.h>
#include <string.h>

#include <libxml/parser.h>

#include <openssl/crypto.h>

#include <apr_strings.h>

#define OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC)

#if LIBXML_VERSION >= 21200
typedef const xmlError *error_pointer;
#else
typedef xmlError *error_pointer;
#endif

void cep_reader_refuse(struct cep_reader *reader, enum cep_fault_code code, const char *reason)
{
    if (reader->refused)
        return;
    reader->refused = 1;
    reader->fault->code = code;
    reader->fault->reason = reason;
}

static void refuse(struct cep_reader *reader, const char *reason)
{
    cep_reader_refuse(reader, CEP_FAULT_SENDER, reason);
}

/* Below o:Security it is the credential that cannot be read: WS-Security 1.0, 12. */
static int inside_security(const struct cep_reader *reader)
{
    return reader->depth >= 3 && reader->frames[3].element == CEP_EL_SECURITY;
}

/* What stands here must not stand here. */
static void refuse_here(struct cep_reader *reader, const char *reason)
{
    cep_reader_refuse(
        reader, inside_security(reader) ? CEP_FAULT_INVALID_SECURITY : CEP_FAULT_SENDER, reason);
}

/* XML 1.0 section 2.3 */
static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *cep_trim(char *text)
{
    char *end;

    while (is_blank(*text))
        text++;
    for (end = text + strlen(text); end > text && is_blank(end[-1]); end--)
        ;
    *end = '\0';
    return text;
}

int cep_boolean_parse(const char *text)
{
    if (!strcmp(text, "1") || !strcmp(text, "true"))
        return 1;
    return !strcmp(text, "0") || !strcmp(text, "false") ? 0 : -1;
}

/* SAX2 hands over five pointers for each: name, prefix, namespace, value, end of the value. */
const char *cep_attribute_find(const struct cep_attributes *attributes, const char *ns,
                               const char *name, apr_pool_t *pool)
{
    const unsigned char *const *at = attributes->list;
    int i;

    for (i = 0; i < attributes->count; i++, at += 5) {
        int same_ns = at[2] && ns ? !strcmp((const char *)at[2], ns) : !at[2] && !ns;

        if (same_ns && !strcmp((const char *)at[0], name))
            return cep_trim(apr_pstrmemdup(pool, (const char *)at[3], (size_t)(at[4] - at[3])));
    }
    return NULL;
}

static int within_limits(struct cep_reader *reader, int namespaces, int attributes)
{
    reader->namespaces += namespaces;
    if (++reader->elements > CEP_XCEP_MAX_ELEMENTS)
        refuse(reader, "The message has too many elements.");
    else if (reader->depth >= CEP_XCEP_MAX_DEPTH)
        refuse(reader, "The elements of the message are nested too deep.");
    else if (attributes > CEP_XCEP_MAX_ATTRIBUTES)
        refuse(reader, "An element of the message has too many attributes.");
    else if (reader->namespaces > CEP_XCEP_MAX_NAMESPACES)
        refuse(reader, "The message declares too many namespaces.");
    return !reader->refused;
}

/* The element that begins inside parent; CEP_EL_COUNT when the message is refused for it. */
static enum cep_element element_begins(struct cep_reader *reader, const struct cep_frame *parent,
                                       const char *ns, const char *name,
                                       const struct cep_attributes *attributes)
{
    const struct cep_kind *kind = &cep_kinds[parent->element];
    enum cep_element element;

    if (kind->content == CEP_CONTENT_ANY)
        return CEP_EL_IGNORED;
    if (parent->nil || kind->content == CEP_CONTENT_TEXT) {
        refuse_here(reader, parent->nil ? "An element that is nil has content."
                                        : "An element stands where only text may.");
        return CEP_EL_COUNT;
    }
    element = cep_vocabulary_find(parent->element, ns, name);
    if (parent->element == CEP_EL_HEADER)
        return cep_header_begins(reader, element, ns, name, attributes) ? element : CEP_EL_IGNORED;
    if (element != CEP_EL_COUNT)
        return element;
    if (kind->content == CEP_CONTENT_OPEN)
        return CEP_EL_IGNORED;
    if (parent->element == CEP_EL_DOCUMENT) /* SOAP 1.2 part 1, 5.4.7 */
        cep_reader_refuse(reader, CEP_FAULT_VERSION_MISMATCH,
                          "The message is no SOAP 1.2 envelope.");
    else
        refuse(reader, kind->stranger);
    return CEP_EL_COUNT;
}

/* What is said twice could be read differently by whoever stands before us: refused. */
static void note_child(struct cep_reader *reader, struct cep_frame *parent,
                       enum cep_element element)
{
    const struct cep_kind *kind = &cep_kinds[element];

    if (CEP_SEEN(parent, element) && !kind->repeatable) {
        if (element == CEP_EL_SECURITY || inside_security(reader))
            cep_header_refuse(reader, CEP_FAULT_INVALID_SECURITY, kind->again);
        else if (parent->element == CEP_EL_HEADER)
            cep_header_refuse(reader, CEP_FAULT_SENDER, kind->again);
        else
            refuse(reader, kind->again);
    }
    if (element == CEP_EL_HEADER && CEP_SEEN(parent, CEP_EL_BODY))
        refuse(reader, "The SOAP header stands behind the body.");
    parent->seen |= (apr_uint32_t)1 << element;
}

/* xsi:nil: XML Schema part 1, 2.6.2. It counts where the request's own elements begin. */
static int is_nil(struct cep_reader *reader, enum cep_element element,
                  const struct cep_attributes *attributes)
{
    const char *value;
    int nil;

    if (element < CEP_EL_GET_POLICIES || element == CEP_EL_IGNORED)
        return 0;
    value = cep_attribute_find(attributes, CEP_NS_XSI, "nil", reader->pool);
    nil = value ? cep_boolean_parse(value) : 0;
    if (nil < 0)
        refuse(reader, "An xsi:nil attribute is no boolean.");
    else if (nil && !cep_kinds[element].nillable)
        refuse(reader, element == CEP_EL_CLIENT ? "The client element is nil."
                                                : "An element is nil that may not be.");
    return nil == 1;
}

static void stop_when_refused(struct cep_reader *reader)
{
    if (reader->refused)
        xmlStopParser(reader->parser);
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted, const xmlChar **list)
{
    struct cep_reader *reader = data;
    struct cep_attributes attributes = {(const unsigned char *const *)list, attribute_count};
    struct cep_frame *parent = &reader->frames[reader->depth];
    enum cep_element element = CEP_EL_COUNT;

    (void)prefix, (void)namespaces, (void)defaulted;
    if (reader->ill_formed) /* of its namespaces, which does not stop the parser */
        refuse(reader, "The message is not well-formed XML.");
    else if (within_limits(reader, namespace_count, attribute_count))
        element = element_begins(reader, parent, (const char *)ns, (const char *)name, &attributes);
    if (element != CEP_EL_COUNT) {
        struct cep_frame *frame = &reader->frames[++reader->depth];

        memset(frame, 0, sizeof(*frame));
        frame->element = element;
        frame->nil = is_nil(reader, element, &attributes);
        note_child(reader, parent, element);
        cep_security_begins(reader, element, &attributes);
        reader->text_length = 0;
    }
    stop_when_refused(reader);
}

static void on_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns)
{
    struct cep_reader *reader = data;
    const struct cep_frame *frame = &reader->frames[reader->depth];
    const char *text = "";

    (void)name, (void)prefix, (void)ns;
    if (reader->refused)
        return;
    if (cep_kinds[frame->element].content == CEP_CONTENT_TEXT) {
        reader->text[reader->text_length] = '\0';
        /* A password's blanks are its own. */
        text = frame->element == CEP_EL_PASSWORD ? reader->text : cep_trim(reader->text);
    }
    reader->depth--;
    cep_security_ends(reader, frame, text);
    cep_header_ends(reader, frame, text);
    cep_getpolicies_ends(reader, frame, text);
    stop_when_refused(reader);
}

static int is_white(const char *text, apr_size_t length)
{
    for (; length; length--, text++) {
        if (!is_blank(*text))
            return 0;
    }
    return 1;
}

static void on_text(void *data, const xmlChar *text, int length)
{
    struct cep_reader *reader = data;
    struct cep_frame *frame = &reader->frames[reader->depth];
    enum cep_content content = cep_kinds[frame->element].content;
    apr_size_t size = length > 0 ? (apr_size_t)length : 0;

    if (reader->refused)
        return;
    if (size > CEP_XCEP_MAX_TEXT - frame->text_length) {
        refuse(reader, "An element of the message has too much text.");
    } else {
        frame->text_length += size;
        if (content == CEP_CONTENT_TEXT && !frame->nil) {
            memcpy(reader->text + reader->text_length, text, size);
            reader->text_length += size;
        } else if (content != CEP_CONTENT_ANY && !is_white((const char *)text, size)) {
            refuse_here(reader, frame->nil ? "An element that is nil has content."
                                           : "Text stands where only elements may.");
        }
    }
    stop_when_refused(reader);
}

/*
 * The push parser leaves line ends in sections as they came: XML 1.0 section 2.11. Once a piece was
 * refused, the text is gone with the parser's input.
 */
static void on_section(void *data, const xmlChar *text, int length)
{
    const struct cep_reader *reader = data;
    const xmlChar *end = text + length;

    while (text < end && !reader->refused) {
        const xmlChar *stop = memchr(text, '\r', (size_t)(end - text)), *next = end;

        if (stop)
            next = stop + (end - stop > 1 && stop[1] == '\n' ? 2 : 1);
        on_text(data, text, (int)((stop ? stop : end) - text));
        if (stop)
            on_text(data, (const xmlChar *)"\n", 1);
        text = next;
    }
}

static void on_doctype(void *data, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    (void)name, (void)external, (void)system;
    refuse(data, "A message may not have a document type declaration.");
    stop_when_refused(data);
}

static void on_instruction(void *data, const xmlChar *target, const xmlChar *text)
{
    (void)target, (void)text;
    refuse(data, "A message may not have processing instructions.");
    stop_when_refused(data);
}

static void on_reference(void *data, const xmlChar *name)
{
    (void)name;
    refuse(data, "A message may not refer to entities.");
    stop_when_refused(data);
}

/* Not for stopping: the parser may be anywhere. It ends by itself where XML is broken. */
static void on_error(void *data, error_pointer error)
{
    struct cep_reader *reader = data;

    /* A namespace's name needs not be a URI, and many are not. */
    if (error && error->level >= XML_ERR_ERROR && error->code != XML_WAR_NS_URI)
        reader->ill_formed = 1;
}

/* Callbacks that are NULL are those that only a tree or a DTD would need. */
static const xmlSAXHandler handler = {
    .internalSubset = on_doctype,
    .processingInstruction = on_instruction,
    .reference = on_reference,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_section,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .serror = on_error,
    .initialized = XML_SAX2_MAGIC,
};

/*
 * The parser that is fed, though there is one piece only: the other one looks whether more can be
 * read whenever it is near the end, which is most of the time in a message of a thousand octets.
 */
static void read_body(struct cep_reader *reader, const char *body, apr_size_t length)
{
    xmlSAXHandler callbacks = handler; /* copied, but not declared const */
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&callbacks, reader, NULL, 0, NULL);

    if (!parser) {
        cep_reader_refuse(reader, CEP_FAULT_RECEIVER, "The service is out of memory.");
        return;
    }
    reader->parser = parser;
    /* No encoding is named, for then libxml2 would convert UTF-8 to UTF-8. Of the encodings that it
     * would guess, none but UTF-8 is left by cep_encoding_check(). */
    xmlCtxtUseOptions(parser, OPTIONS);
    xmlParseChunk(parser, body, (int)length, 1);
    if (!parser->wellFormed || reader->ill_formed || !reader->complete)
        refuse(reader, "The message is not well-formed XML.");
    xmlFreeParserCtxt(parser);
}

/*
 * What no callback can stop is the parser's own work inside one start tag, which is quadratic in
 * the number of attributes before libxml2 2.12: ten seconds for 1 MB. A start tag holds no '<',
 * so its attributes cannot be more than the '=' up to the next one.
 */
static int floods_parser(const char *body, apr_size_t length)
{
    const char *end = body + length, *sign;
    int equals = 0;

    while ((sign = memchr(body, '=', (size_t)(end - body)))) {
        if (memchr(body, '<', (size_t)(sign - body)))
            equals = 0;
        if (++equals > CEP_XCEP_MAX_EQUALS)
            return 1;
        body = sign + 1;
    }
    return 0;
}

/* The reason why the octets must not reach the parser, or NULL; *skip of them are left out. */
static const char *check_octets(const char *body, apr_size_t length, apr_size_t *skip)
{
    if (length > INT_MAX)
        return "The message is too long.";
    if (floods_parser(body, length))
        return "An element of the message has too many attributes.";
    return cep_encoding_check(body, length, skip);
}

int cep_xcep_parse(struct cep_request **request, struct cep_fault *fault, const char *body,
                   apr_size_t length, apr_pool_t *pool)
{
    struct cep_reader *reader = apr_palloc(pool, sizeof(*reader));
    const char *reason;
    apr_size_t skip = 0;

    memset(reader, 0, offsetof(struct cep_reader, text));
    memset(fault, 0, sizeof(*fault));
    *request = NULL;
    reader->pool = pool;
    reader->fault = fault;
    reader->request = apr_pcalloc(pool, sizeof(*reader->request));
    reader->request->token.problem = "The message has no Security header with a UsernameToken.";
    reason = check_octets(body, length, &skip);
    if (reason)
        refuse(reader, reason);
    else
        read_body(reader, body + skip, length - skip);
    if (reader->secret)
        OPENSSL_cleanse(reader->text, sizeof(reader->text));
    if (reader->refused) {
        fault->relates_to = reader->request->message_id;
        cep_xcep_forget(reader->request);
        return 0;
    }
    *request = reader->request;
    return 1;
}

void cep_xcep_init(void)
{
    xmlInitParser();
}
