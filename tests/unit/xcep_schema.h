/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* For tests: is a whole message valid against the strict schema in tests/schema? */
#ifndef CEP_TEST_XCEP_SCHEMA_H
#define CEP_TEST_XCEP_SCHEMA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

static xmlSchemaPtr strict_schema;

static void load_strict_schema(void)
{
    const char *directory = getenv("CEP_SRCDIR");
    char path[4096];
    xmlSchemaParserCtxtPtr parser;

    snprintf(path, sizeof(path), "%s/tests/schema/soap12-xcep-strict.xsd",
             directory ? directory : ".");
    parser = xmlSchemaNewParserCtxt(path);
    strict_schema = parser ? xmlSchemaParse(parser) : NULL;
    xmlSchemaFreeParserCtxt(parser);
    if (!strict_schema)
        fail_msg("%s cannot be read; CEP_SRCDIR names the project's directory", path);
}

/* The message as a tree, which the caller frees. */
static xmlDocPtr parse_valid(const char *message)
{
    xmlSchemaValidCtxtPtr validator;
    xmlDocPtr tree = xmlReadMemory(message, (int)strlen(message), NULL, "UTF-8",
                                   XML_PARSE_NONET | XML_PARSE_NOERROR);
    int result;

    if (!tree)
        fail_msg("not well-formed: %.2000s", message);
    if (!strict_schema)
        load_strict_schema();
    validator = xmlSchemaNewValidCtxt(strict_schema);
    result = xmlSchemaValidateDoc(validator, tree); /* what is wrong goes to standard error */
    xmlSchemaFreeValidCtxt(validator);
    if (result != 0)
        fail_msg("not valid (%d): %.4000s", result, message);
    return tree;
}

#endif
