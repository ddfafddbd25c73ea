/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The grammar of LDIF content records: RFC 2849. */
#include "cep_octets.h"
#include "ldif.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

struct parser {
    struct cep_ldif_parser *given;
    char *text;
    apr_size_t length, at;
    apr_pool_t *pool; /* of the entries */

    char *logical; /* one unfolded line, in place, NUL-terminated */
    apr_size_t logical_at, logical_length;
    unsigned logical_line;

    struct cep_ldif_entry open; /* the record that is being read; entry NULL: none is */
};

static apr_status_t refuse(struct parser *parser, unsigned line, const char *what)
{
    const struct cep_ldif_parser *given = parser->given;

    *given->error = apr_psprintf(given->pool, "%s:%u: %s", given->name, line, what);
    return APR_EGENERAL;
}

/* A physical line: its length without the line end; *next is where the following one begins. */
static apr_size_t physical_line(const struct parser *parser, apr_size_t at, apr_size_t *next)
{
    const char *end = memchr(parser->text + at, '\n', parser->length - at);
    apr_size_t stop = end ? (apr_size_t)(end - parser->text) : parser->length;

    *next = end ? stop + 1 : stop;
    if (stop > at && parser->text[stop - 1] == '\r')
        stop--;
    return stop - at;
}

static int only_blanks(const char *text, apr_size_t length)
{
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return length == 0;
}

/*
 * 1 when the blank line at (length octets) ends a record although it is no empty line: people who
 * edit LDIF leave such lines behind. By RFC 2849 it continues the line before, but a "dn:" right
 * after it would then stand inside a record, which is never valid.
 */
static int blank_line_separates(const struct parser *parser, apr_size_t at, apr_size_t length,
                                apr_size_t next)
{
    return only_blanks(parser->text + at, length) && parser->length - next >= 3 &&
           strncasecmp(parser->text + next, "dn:", 3) == 0;
}

/* Take the next logical line, unfolded in place (RFC 2849 note 2). 0 at the end of the file. */
static int next_logical(struct parser *parser)
{
    apr_size_t length, next, used;

    if (parser->at >= parser->length)
        return 0;
    parser->logical = parser->text + parser->at;
    parser->logical_at = parser->at;
    parser->logical_line = parser->given->line++;
    used = physical_line(parser, parser->at, &next);
    parser->at = next;
    while (used && parser->at < parser->length && parser->text[parser->at] == ' ') {
        length = physical_line(parser, parser->at, &next);
        if (blank_line_separates(parser, parser->at, length, next))
            break;
        memmove(parser->logical + used, parser->text + parser->at + 1, length - 1);
        used += length - 1;
        parser->at = next;
        parser->given->line++;
    }
    parser->logical[used] = 0;
    parser->logical_length = used;
    return 1;
}

/* "name" or "name;option...": RFC 4512 section 2.5. */
static int is_attribute_description(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t length = strspn(name, rest);

    if (!length || (!strchr(letters, name[0]) && (name[0] < '0' || name[0] > '9')))
        return 0;
    for (name += length; *name; name += length) {
        /* Options may hold '=' in AD's "range=0-1499" and '*' in "range=0-*". */
        length = 1 + strcspn(name + 1, "; \t");
        if (*name != ';' || length == 1)
            return 0;
    }
    return 1;
}

/* 1 when the options say that the values are some of several (AD: MS-ADTS 3.1.1.3.1.3.3). */
static int is_partial_range(const char *name)
{
    for (name = strchr(name, ';'); name; name = strchr(name + 1, ';')) {
        if (strncasecmp(name, ";range=", 7) == 0)
            return strncmp(name + 7, "0-*", 3) != 0 || (name[10] && name[10] != ';');
    }
    return 0;
}

/* Split the logical line into name and value; the value is decoded. */
static apr_status_t split_line(struct parser *parser, char **value, apr_size_t *length)
{
    char *line = parser->logical, *colon = strchr(line, ':');
    unsigned number = parser->logical_line, rest;
    int base64;

    if (!colon)
        return refuse(parser, number, "is no \"attribute: value\" line; correct or remove it");
    *colon = 0;
    if (!is_attribute_description(line))
        return refuse(parser, number, "begins with no attribute name; correct or remove it");
    if (colon[1] == '<')
        return refuse(parser, number,
                      "takes its value from a URL (\":<\"), which is not supported; "
                      "write the value itself, in base64 after \"::\"");
    base64 = colon[1] == ':';
    *value = colon + 1 + base64;
    *value += strspn(*value, " ");
    *length = parser->logical_length - (apr_size_t)(*value - line);
    /* A value that ends with a blank has to be in base64: RFC 2849 note 8. */
    while (*length && ((*value)[*length - 1] == ' ' || (*value)[*length - 1] == '\t'))
        --*length;
    if (base64 && !cep_base64_decode((unsigned char *)*value, length, &rest, *value, *length))
        return refuse(parser, number, "has a value that is no base64; export it again");
    (*value)[*length] = 0;
    return APR_SUCCESS;
}

static apr_status_t open_record(struct parser *parser, const char *dn, apr_size_t length)
{
    struct cep_value value = {(const unsigned char *)dn, length};
    struct cep_entry *entry;

    if (!cep_value_is_text(&value))
        return refuse(parser, parser->logical_line,
                      "has a DN that is not UTF-8; save the file as UTF-8");
    entry = apr_palloc(parser->pool, sizeof(*entry));
    entry->dn = dn;
    entry->attributes = apr_array_make(parser->pool, 32, sizeof(struct cep_attribute));
    parser->open.entry = entry;
    parser->open.line = parser->logical_line;
    parser->open.at = parser->logical_at;
    parser->given->entries++;
    return APR_SUCCESS;
}

/* The record ends before the octet at end of the text. */
static apr_status_t close_record(struct parser *parser, apr_size_t end)
{
    const struct cep_ldif_parser *given = parser->given;
    struct cep_ldif_entry entry = parser->open;
    const char *wrong;

    if (!entry.entry)
        return APR_SUCCESS;
    parser->open.entry = NULL;
    entry.length = end - entry.at;
    wrong = given->take(given->baton, &entry);
    return wrong ? refuse(parser, entry.line, wrong) : APR_SUCCESS;
}

/* The first line of a record. */
static apr_status_t begin_record(struct parser *parser, const char *value, apr_size_t length)
{
    const char *name = parser->logical;

    if (strcasecmp(name, "version") == 0) {
        if (parser->given->entries)
            return refuse(parser, parser->logical_line,
                          "is a \"version:\" line after the first entry; remove it");
        if (strcmp(value, "1") != 0)
            return refuse(parser, parser->logical_line,
                          "names an LDIF version other than 1; export as version 1");
        return APR_SUCCESS;
    }
    if (strcasecmp(name, "dn") == 0)
        return open_record(parser, value, length);
    return refuse(parser, parser->logical_line,
                  "begins an entry, but is no \"dn:\" line (ldapsearch: export with -LLL)");
}

static apr_status_t continue_record(struct parser *parser, const char *value, apr_size_t length)
{
    struct cep_value octets = {(const unsigned char *)value, length};
    char *name = parser->logical;

    if (strcasecmp(name, "dn") == 0)
        return refuse(parser, parser->logical_line,
                      "is a second \"dn:\" in one entry; put an empty line before it");
    if (strcasecmp(name, "changetype") == 0 || strcasecmp(name, "control") == 0)
        return refuse(parser, parser->logical_line,
                      "makes this a change record, but entries are needed: export with ldapsearch "
                      "-LLL, or remove the \"changetype: add\" lines that ldifde writes");
    if (is_partial_range(name))
        return refuse(parser, parser->logical_line,
                      "holds only a part of the values (\";range=\"); export all of them");
    name[strcspn(name, ";")] = 0;
    cep_entry_refer(parser->open.entry, parser->pool, name, octets);
    return APR_SUCCESS;
}

static apr_status_t take_line(struct parser *parser)
{
    apr_status_t status;
    apr_size_t length;
    char *value;

    if (only_blanks(parser->logical, parser->logical_length))
        return close_record(parser, parser->logical_at);
    if (parser->logical[0] == '#')
        return APR_SUCCESS;
    if (parser->logical[0] == ' ')
        return refuse(parser, parser->logical_line,
                      "begins with a blank, but there is no line before it to continue");
    status = split_line(parser, &value, &length);
    if (status != APR_SUCCESS)
        return status;
    return parser->open.entry ? continue_record(parser, value, length)
                              : begin_record(parser, value, length);
}

static unsigned lines_between(const char *text, const char *end)
{
    unsigned lines = 0;

    for (; text < end; text++)
        lines += *text == '\n';
    return lines;
}

apr_status_t cep_ldif_parse(struct cep_ldif_parser *given, char *text, apr_size_t length,
                            apr_pool_t *pool)
{
    struct parser parser = {.given = given, .text = text, .length = length, .pool = pool};
    const char *nul = length ? memchr(text, 0, length) : NULL;
    apr_status_t status = APR_SUCCESS;

    if (nul)
        return refuse(&parser, given->line + lines_between(text, nul),
                      "holds a NUL octet; save the file as UTF-8 (not UTF-16), "
                      "binary values in base64");
    if (given->line == 1 && length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        parser.at = 3; /* a byte order mark, as Windows' editors leave it */
    while (status == APR_SUCCESS && next_logical(&parser))
        status = take_line(&parser);
    return status == APR_SUCCESS ? close_record(&parser, length) : status;
}
