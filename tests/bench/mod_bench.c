/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What answers are measured against, in the same httpd: a module for benchmarks only.
 *
 *   BenchAnswer FILE [tree]  what the two handlers answer with, in a Location
 *   SetHandler bench-ideal   read the body and send the octets: no service can do less
 *   SetHandler bench-parse   the same, and libxml2 reads the body, for nobody: the least that a
 *                            service does who knows what he is asked
 *   SetHandler bench-tree    parse the body into a tree, build the answer element by element with
 *                            libxml2 and write it out: what a service without a cache does, beside
 *                            asking the directory
 *   AuthType Bench           everybody is alice, at no cost: what authentication costs is not
 *                            what is compared
 */
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include <apr_buckets.h>
#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#define BODY_MAX     65536
#define CONTENT_TYPE "application/soap+xml; charset=utf-8"

extern module AP_MODULE_DECLARE_DATA bench_module;

/* The answer taken to pieces, in document order, as a program that builds it has them. */
enum step_kind { STEP_OPEN, STEP_ATTRIBUTE, STEP_NAMESPACE, STEP_TEXT, STEP_CLOSE };

struct step {
    enum step_kind kind;
    const char *name;   /* NULL: of an attribute's or element's default namespace, of text */
    const char *prefix; /* or NULL */
    const char *value;
};

struct answer {
    const char *data;
    apr_size_t length;
    apr_array_header_t *steps; /* struct step */
};

static void *create_dir_config(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(struct answer));
}

static void add(struct answer *answer, enum step_kind kind, const xmlChar *name, const xmlNs *ns,
                const char *value, apr_pool_t *p)
{
    struct step *step = apr_array_push(answer->steps);

    step->kind = kind;
    step->name = name ? apr_pstrdup(p, (const char *)name) : NULL;
    step->prefix = ns && ns->prefix ? apr_pstrdup(p, (const char *)ns->prefix) : NULL;
    step->value = value ? apr_pstrdup(p, value) : NULL;
}

static void add_element(struct answer *answer, const xmlNode *node, apr_pool_t *p)
{
    add(answer, STEP_OPEN, node->name, node->ns, NULL, p);
    for (const xmlNs *ns = node->nsDef; ns; ns = ns->next)
        add(answer, STEP_NAMESPACE, ns->prefix, NULL, (const char *)ns->href, p);
    for (const xmlAttr *a = node->properties; a; a = a->next)
        add(answer, STEP_ATTRIBUTE, a->name, a->ns, (const char *)a->children->content, p);
}

static void take_to_pieces(struct answer *answer, apr_pool_t *p)
{
    xmlDocPtr doc = xmlReadMemory(answer->data, (int)answer->length, NULL, NULL, XML_PARSE_HUGE);
    const xmlNode *node = xmlDocGetRootElement(doc), *root = node;

    answer->steps = apr_array_make(p, 1024, sizeof(struct step));
    while (node) {
        if (node->type == XML_ELEMENT_NODE)
            add_element(answer, node, p);
        else
            add(answer, STEP_TEXT, NULL, NULL, (const char *)node->content, p);
        if (node->children) {
            node = node->children;
            continue;
        }
        while (node) {
            if (node->type == XML_ELEMENT_NODE)
                add(answer, STEP_CLOSE, NULL, NULL, NULL, p);
            if (node == root)
                node = NULL;
            else if (node->next)
                break;
            else
                node = node->parent;
        }
        node = node ? node->next : NULL;
    }
    xmlFreeDoc(doc);
}

static const char *set_answer(cmd_parms *cmd, void *conf, const char *path, const char *tree)
{
    struct answer *answer = conf;
    apr_file_t *file;
    apr_finfo_t info;
    char *data;

    if (apr_file_open(&file, path, APR_FOPEN_READ, APR_OS_DEFAULT, cmd->pool) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS)
        return apr_pstrcat(cmd->pool, path, " cannot be read", NULL);
    data = apr_palloc(cmd->pool, (apr_size_t)info.size + 1);
    if (apr_file_read_full(file, data, (apr_size_t)info.size, &answer->length) != APR_SUCCESS)
        return apr_pstrcat(cmd->pool, path, " cannot be read", NULL);
    apr_file_close(file);
    answer->data = data;
    if (tree)
        take_to_pieces(answer, cmd->pool);
    return NULL;
}

static int read_body(request_rec *r, char *body, apr_size_t *length)
{
    long more;

    *length = 0;
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK)
        return 0;
    if (!ap_should_client_block(r))
        return 1;
    while ((more = ap_get_client_block(r, body + *length, BODY_MAX - *length)) > 0)
        *length += (apr_size_t)more;
    return more == 0;
}

static int send_bucket(request_rec *r, apr_bucket *bucket, apr_size_t length)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    ap_set_content_type(r, CONTENT_TYPE);
    ap_set_content_length(r, (apr_off_t)length);
    APR_BRIGADE_INSERT_TAIL(bb, bucket);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    ap_pass_brigade(r->output_filters, bb);
    return OK;
}

static xmlNsPtr find_namespace(xmlDocPtr doc, xmlNodePtr node, const char *prefix)
{
    return xmlSearchNs(doc, node, (const xmlChar *)prefix);
}

/* The element that is open behind the step. */
static xmlNodePtr do_step(xmlDocPtr doc, xmlNodePtr open, const struct step *step)
{
    const xmlChar *name = (const xmlChar *)step->name, *value = (const xmlChar *)step->value;
    xmlNodePtr node;

    switch (step->kind) {
    case STEP_OPEN:
        node = xmlNewDocNode(doc, NULL, name, NULL);
        if (open)
            xmlAddChild(open, node);
        else
            xmlDocSetRootElement(doc, node);
        return node;
    case STEP_NAMESPACE: xmlNewNs(open, value, name); return open;
    case STEP_ATTRIBUTE:
        xmlNewNsProp(open, find_namespace(doc, open, step->prefix), name, value);
        return open;
    case STEP_TEXT: xmlAddChild(open, xmlNewDocText(doc, value)); return open;
    default: return open->parent;
    }
}

static void build(xmlDocPtr doc, const struct answer *answer)
{
    const struct step *step = (const struct step *)(const void *)answer->steps->elts;
    const struct step *end = step + answer->steps->nelts;
    xmlNodePtr open = NULL;
    const char *prefix = NULL;

    for (; step < end; step++) {
        open = do_step(doc, open, step);
        if (step->kind == STEP_OPEN)
            prefix = step->prefix;
        /* An element's namespace may be declared on itself, so it is set behind its declarations.
         */
        if (step + 1 < end && (step->kind == STEP_OPEN || step->kind == STEP_NAMESPACE) &&
            step[1].kind != STEP_NAMESPACE)
            xmlSetNs(open, find_namespace(doc, open, prefix));
    }
}

static void free_text(void *text)
{
    xmlFree(text);
}

static int answer_by_tree(request_rec *r, const struct answer *answer, const char *body,
                          apr_size_t length)
{
    xmlDocPtr request = xmlReadMemory(body, (int)length, NULL, NULL, XML_PARSE_NONET);
    xmlDocPtr doc;
    xmlChar *text;
    int size;

    if (!request)
        return HTTP_BAD_REQUEST;
    xmlFreeDoc(request);
    doc = xmlNewDoc((const xmlChar *)"1.0");
    build(doc, answer);
    xmlDocDumpMemoryEnc(doc, &text, &size, "UTF-8");
    xmlFreeDoc(doc);
    return send_bucket(r,
                       apr_bucket_heap_create((const char *)text, (apr_size_t)size, free_text,
                                              r->connection->bucket_alloc),
                       (apr_size_t)size);
}

/* 1 when it is well-formed. */
static int parse(const char *body, apr_size_t length)
{
    xmlSAXHandler nobody = {.initialized = XML_SAX2_MAGIC};
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&nobody, NULL, NULL, 0, NULL);
    int good;

    if (!parser)
        return 0;
    xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    good = xmlParseChunk(parser, body, (int)length, 1) == 0;
    xmlFreeParserCtxt(parser);
    return good;
}

static int is_handler(const request_rec *r, const char *name)
{
    return r->handler && !strcmp(r->handler, name);
}

static int handler(request_rec *r)
{
    const struct answer *answer = ap_get_module_config(r->per_dir_config, &bench_module);
    int tree = is_handler(r, "bench-tree"), parsed = is_handler(r, "bench-parse");
    apr_size_t length;
    char *body;

    if ((!tree && !parsed && !is_handler(r, "bench-ideal")) || !answer->data)
        return DECLINED;
    body = apr_palloc(r->pool, BODY_MAX);
    if (!read_body(r, body, &length))
        return HTTP_BAD_REQUEST;
    if (tree)
        return answer_by_tree(r, answer, body, length);
    if (parsed && !parse(body, length))
        return HTTP_BAD_REQUEST;
    return send_bucket(
        r, apr_bucket_immortal_create(answer->data, answer->length, r->connection->bucket_alloc),
        answer->length);
}

static int check_authn(request_rec *r)
{
    const char *type = ap_auth_type(r);

    if (!type || strcmp(type, "Bench"))
        return DECLINED;
    r->user = apr_pstrdup(r->pool, "alice");
    r->ap_auth_type = apr_pstrdup(r->pool, "Bench");
    return OK;
}

/*
 * No file is sought for what is no file: an ideal handler spares that as well. At this hook core
 * has put back what the locations say, and walks them again behind it, from a cache then.
 */
static int map_to_storage(request_rec *r)
{
    const struct answer *answer;

    if (ap_location_walk(r) != OK)
        return DECLINED;
    answer = ap_get_module_config(r->per_dir_config, &bench_module);
    r->per_dir_config = r->server->lookup_defaults;
    return answer->data ? OK : DECLINED;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    (void)p;
    (void)s;
    xmlInitParser();
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_authn(check_authn, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

static const command_rec directives[] = {
    AP_INIT_TAKE12("BenchAnswer", set_answer, NULL, ACCESS_CONF, "what is answered: a file"),
    {.name = NULL}};

module AP_MODULE_DECLARE_DATA bench_module = {
    STANDARD20_MODULE_STUFF, create_dir_config, NULL, NULL, NULL, directives, register_hooks, 0};
