/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The reader of UsernameToken on any content of a Security header. The input stands inside of one
 * in a request that is good otherwise. A token is taken as a whole or not at all; what is taken is
 * compared with what a tree of libxml2's says.
 */
#include <apr_strings.h>

#include "fuzz_xcep.h"

#define SOAP "http://www.w3.org/2003/05/soap-envelope"
#define WSS  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
#define WSSE WSS "secext-1.0.xsd"

#define LARGEST 60000

static const char before[] =
    "<s:Envelope xmlns:s='" SOAP "'><s:Header><o:Security "
    "s:mustUnderstand='1' xmlns:o='" WSSE "' xmlns:u='" WSS "utility-1.0.xsd'>";
static const char behind[] =
    "</o:Security></s:Header><s:Body><GetPolicies xmlns='" CEP_XCEP_NS "'><client><lastUpdate>"
    "0001-01-01T00:00:00</lastUpdate></client></GetPolicies></s:Body></s:Envelope>";

static xmlNodePtr child(xmlNodePtr node, const char *ns, const char *name)
{
    for (node = node ? node->children : NULL; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && node->ns && !strcmp((const char *)node->name, name) &&
            !strcmp((const char *)node->ns->href, ns))
            return node;
    }
    return NULL;
}

/* The text of an element as the tree has it, without white space around it when trim is set. */
static const char *text_of(xmlNodePtr node, int trim, apr_pool_t *pool)
{
    xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
    char *text = apr_pstrdup(pool, content ? (const char *)content : "");
    size_t length = strlen(text);

    xmlFree(content);
    if (!trim)
        return text;
    while (length && strchr(" \t\r\n", text[length - 1]))
        text[--length] = '\0';
    return text + strspn(text, " \t\r\n");
}

static void compare(const struct cep_username_token *token, const char *message, apr_pool_t *pool)
{
    xmlDocPtr tree = read_tree(message, strlen(message));
    xmlNodePtr root = tree ? xmlDocGetRootElement(tree) : NULL;
    xmlNodePtr node =
        child(child(child(root, SOAP, "Header"), WSSE, "Security"), WSSE, "UsernameToken");

    promise(node != NULL, "the tree has a token, too");
    promise(!strcmp(text_of(child(node, WSSE, "Username"), 1, pool), token->user),
            "both read the same user");
    promise(!strcmp(text_of(child(node, WSSE, "Password"), 0, pool), token->password),
            "both read the same password");
    xmlFreeDoc(tree);
}

static void check_token(struct cep_request *request, const char *message, apr_pool_t *pool)
{
    const struct cep_username_token *token = &request->token;

    promise(!token->user == !token->password, "user and password, or neither");
    promise(!token->user == !!token->problem, "a token, or what is wrong with it");
    if (!token->user)
        return;
    promise(*token->user && strlen(token->user) <= CEP_XCEP_MAX_USER, "a user of some length");
    promise(*token->password && strlen(token->password) <= CEP_XCEP_MAX_PASSWORD,
            "a password of some length");
    compare(token, message, pool);
    cep_xcep_forget(request);
    promise(!request->token.password, "a password can be forgotten");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cep_request *request;
    struct cep_fault fault;
    const char *message;
    apr_pool_t *pool;

    if (size > LARGEST)
        return 0;
    pool = input_pool();
    message =
        apr_pstrcat(pool, before, apr_pstrmemdup(pool, (const char *)data, size), behind, NULL);
    request = read_request(&fault, message, strlen(message), pool);
    if (request)
        check_token(request, message, pool);
    apr_pool_destroy(pool);
    return 0;
}
