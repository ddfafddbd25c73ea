/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What mod_auth_gssapi writes into GSS_NAME_ATTRS_JSON, and nothing else that JSON allows:
 *
 *   {"name":"alice@REALM","attributes":{
 *     "urn:x":{"authenticated":true,"complete":true,"values":[{"raw":"QUJD","display":null}]},
 *     ... }}
 *
 * without the blanks. raw is base64 or null, display a string or null. The name stands there
 * without any escaping, so it is not parsed but compared with what it must be: nobody can write
 * attributes into it. In display values a backslash may be followed by anything; they are passed
 * over.
 */
#include "cep_caller.h"
#include "cep_octets.h"

#include <string.h>

#define BROKEN "the list of its name attributes is not as mod_auth_gssapi writes it"

struct reader {
    const char *at, *end;
};

/* A string as it stands between its quotes. */
struct span {
    const char *text;
    apr_size_t length;
};

struct attribute {
    struct span name, raw; /* raw of the last value; text is NULL for null */
    int authenticated, complete, values;
};

static int skip(struct reader *reader, const char *text, apr_size_t length)
{
    if ((apr_size_t)(reader->end - reader->at) < length || memcmp(reader->at, text, length) != 0)
        return 0;
    reader->at += length;
    return 1;
}

static int skip_text(struct reader *reader, const char *text)
{
    return skip(reader, text, strlen(text));
}

static int read_string(struct reader *reader, struct span *span)
{
    if (!skip_text(reader, "\""))
        return 0;
    span->text = reader->at;
    while (reader->at < reader->end && *reader->at != '"')
        reader->at += (*reader->at == '\\' && reader->end - reader->at > 1) ? 2 : 1;
    span->length = (apr_size_t)(reader->at - span->text);
    return skip_text(reader, "\"");
}

static int read_string_or_null(struct reader *reader, struct span *span)
{
    span->text = NULL;
    span->length = 0;
    return skip_text(reader, "null") || read_string(reader, span);
}

static int read_flag(struct reader *reader, int *flag)
{
    *flag = skip_text(reader, "true");
    return *flag || skip_text(reader, "false");
}

static int read_values(struct reader *reader, struct attribute *attribute)
{
    struct span display;

    attribute->values = 0;
    do {
        if (!skip_text(reader, "{\"raw\":") || !read_string_or_null(reader, &attribute->raw) ||
            !skip_text(reader, ",\"display\":") || !read_string_or_null(reader, &display) ||
            !skip_text(reader, "}"))
            return 0;
        attribute->values++;
    } while (skip_text(reader, ","));
    return 1;
}

static int read_attribute(struct reader *reader, struct attribute *attribute)
{
    return read_string(reader, &attribute->name) && skip_text(reader, ":{\"authenticated\":") &&
           read_flag(reader, &attribute->authenticated) && skip_text(reader, ",\"complete\":") &&
           read_flag(reader, &attribute->complete) && skip_text(reader, ",\"values\":[") &&
           read_values(reader, attribute) && skip_text(reader, "]}");
}

/* Unused bits are 0. Empty is nothing of worth either. */
static int decode(struct cep_value *value, const struct span *text, apr_pool_t *pool)
{
    unsigned char *octets = apr_palloc(pool, text->length / 4 * 3 + 1);
    unsigned rest;

    value->data = octets;
    return cep_base64_decode(octets, &value->len, &rest, text->text, text->length) && rest == 0 &&
           value->len > 0;
}

/* Only one value that the acceptor's own key vouches for is worth anything. */
static const char *take_value(struct cep_value *value, const struct attribute *attribute,
                              apr_pool_t *pool)
{
    if (!attribute->authenticated)
        return "its PAC is not signed with this service's key (\"authenticated\":false)";
    if (!attribute->complete || attribute->values != 1)
        return "its PAC is not complete, or is there several times";
    if (!attribute->raw.text || !decode(value, &attribute->raw, pool)) {
        value->data = NULL;
        return BROKEN;
    }
    return NULL;
}

static int is_named(const struct attribute *attribute, const char *name)
{
    return attribute->name.length == strlen(name) &&
           memcmp(attribute->name.text, name, attribute->name.length) == 0;
}

/* All attributes, to the end of the text; *found is the one with the name. */
static const char *read_attributes(struct reader *reader, const char *name, struct attribute *found)
{
    struct attribute attribute;
    int count = 0;

    if (skip_text(reader, "}}"))
        return reader->at == reader->end ? NULL : BROKEN;
    do {
        if (!read_attribute(reader, &attribute))
            return BROKEN;
        if (is_named(&attribute, name)) {
            *found = attribute;
            count++;
        }
    } while (skip_text(reader, ","));
    if (!skip_text(reader, "}}") || reader->at != reader->end)
        return BROKEN;
    return count > 1 ? "its PAC is there several times" : NULL;
}

const char *cep_name_attribute_find(struct cep_value *value, const char *name, const char *json,
                                    const char *attribute, apr_pool_t *pool)
{
    struct attribute found = {{NULL, 0}, {NULL, 0}, 0, 0, 0};
    struct reader reader;
    const char *problem;
    apr_size_t length = strnlen(json, CEP_NAME_ATTRIBUTES_MAX + 1);

    value->data = NULL;
    value->len = 0;
    if (length > CEP_NAME_ATTRIBUTES_MAX)
        return "the list of its name attributes is too long";
    reader.at = json;
    reader.end = json + length;
    if (!skip_text(&reader, "{\"name\":\"") || !skip_text(&reader, name) ||
        !skip_text(&reader, "\",\"attributes\":{"))
        return BROKEN;
    problem = read_attributes(&reader, attribute, &found);
    if (problem || !found.name.text)
        return problem;
    return take_value(value, &found, pool);
}
