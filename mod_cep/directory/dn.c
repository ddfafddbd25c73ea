/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "dn.h"

#include <string.h>

#include <apr_strings.h>

#include "cep_directory.h"
#include "cep_octets.h"

/*
 * A DN (RFC 4514) is read as a stream of octets of types and values, all ASCII letters in lower
 * case, with marks between them. Comparing two streams needs no memory and no recursion, whatever
 * a directory or a request hands in. The order of the parts of a multi-valued RDN counts; AD has
 * no such RDNs.
 */
enum {
    MARK_EQUALS = 256, /* between type and value */
    MARK_PLUS,         /* between the parts of an RDN */
    MARK_COMMA,        /* between RDNs */
    MARK_END,
    MARK_MALFORMED
};

enum part {
    PART_FIRST, /* before the first type: the empty DN may end here */
    PART_TYPE_START,
    PART_TYPE,
    PART_VALUE
};

struct dn_reader {
    const char *at;
    enum part part;
    size_t blanks; /* unescaped blanks inside a value, still to hand out */
};

static void start(struct dn_reader *reader, const char *dn)
{
    reader->at = dn;
    reader->part = PART_FIRST;
    reader->blanks = 0;
}

/* Not tolower(): the locale must not change what a DN is. */
static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static int is_type_character(int c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static void skip_blanks(struct dn_reader *reader)
{
    while (*reader->at == ' ')
        reader->at++;
}

static int next_of_type(struct dn_reader *reader)
{
    int at_start = reader->part != PART_TYPE;

    if (at_start) {
        skip_blanks(reader);
        if (!*reader->at)
            return reader->part == PART_FIRST ? MARK_END : MARK_MALFORMED;
        reader->part = PART_TYPE;
    }
    if (is_type_character((unsigned char)*reader->at))
        return lower((unsigned char)*reader->at++);
    skip_blanks(reader);
    if (at_start || *reader->at != '=')
        return MARK_MALFORMED;
    reader->at++;
    skip_blanks(reader);
    reader->part = PART_VALUE;
    return MARK_EQUALS;
}

/* RFC 4514 section 2.4: a backslash and a special character, or and two hex digits. */
static int next_escaped(struct dn_reader *reader)
{
    int first = (unsigned char)reader->at[1], high = cep_hex_digit(reader->at[1]), low;

    if (high < 0) {
        if (!first || !strchr(" \"#+,;<=>\\", first))
            return MARK_MALFORMED;
        reader->at += 2;
        return first;
    }
    low = cep_hex_digit(reader->at[2]);
    if (low < 0)
        return MARK_MALFORMED;
    reader->at += 3;
    return lower(high * 16 + low);
}

static int next_of_value(struct dn_reader *reader)
{
    size_t blanks;

    if (reader->blanks) {
        reader->blanks--;
        return ' ';
    }
    blanks = strspn(reader->at, " ");
    if (blanks && reader->at[blanks] && !strchr(",+", reader->at[blanks])) {
        reader->at += blanks;
        reader->blanks = blanks - 1;
        return ' ';
    }
    reader->at += blanks;
    switch (*reader->at) {
    case 0: return MARK_END;
    case '\\': return next_escaped(reader);
    case ',':
    case '+': reader->part = PART_TYPE_START; return *reader->at++ == ',' ? MARK_COMMA : MARK_PLUS;
    default: return lower((unsigned char)*reader->at++);
    }
}

/* The next octet (0 to 255) or mark. MARK_END and MARK_MALFORMED are the last. */
static int next(struct dn_reader *reader)
{
    return reader->part == PART_VALUE ? next_of_value(reader) : next_of_type(reader);
}

static int same_rest(struct dn_reader *a, struct dn_reader *b)
{
    int octet;

    do {
        octet = next(a);
        if (octet != next(b) || octet == MARK_MALFORMED)
            return 0;
    } while (octet != MARK_END);
    return 1;
}

/* Number of RDNs, or -1 when dn is malformed. */
static long count_rdns(const char *dn)
{
    struct dn_reader reader;
    long count = *dn ? 1 : 0;
    int octet;

    start(&reader, dn);
    while ((octet = next(&reader)) != MARK_END) {
        if (octet == MARK_MALFORMED)
            return -1;
        count += octet == MARK_COMMA;
    }
    return reader.part == PART_FIRST ? 0 : count;
}

int cep_dn_equal(const char *a, const char *b)
{
    struct dn_reader x, y;

    start(&x, a);
    start(&y, b);
    return same_rest(&x, &y);
}

int cep_dn_is_within(const char *dn, const char *base)
{
    struct dn_reader x, y;
    long above, below = count_rdns(dn);

    above = count_rdns(base);
    if (above < 0 || below < above)
        return 0;
    if (above == 0)
        return 1;
    start(&x, dn);
    for (; below > above; below--) {
        while (next(&x) != MARK_COMMA)
            ;
    }
    start(&y, base);
    return same_rest(&x, &y);
}

static char *put_octet(char *out, int octet, int escaped)
{
    static const char hex[] = "0123456789abcdef";

    if (!escaped && octet >= 0x20 && octet != 0x7f && !strchr(",+\\", octet)) {
        *out++ = (char)octet;
        return out;
    }
    *out++ = '\\';
    *out++ = hex[octet >> 4];
    *out++ = hex[octet & 15];
    return out;
}

/* A blank at the end of a value was an escaped one and has to stay so. */
static char *end_value(char *out, const char *value)
{
    return out > value && out[-1] == ' ' ? put_octet(out - 1, ' ', 1) : out;
}

const char *cep_dn_normalize(const char *dn, apr_pool_t *pool)
{
    struct dn_reader reader;
    size_t length = strlen(dn);
    char *canonical, *out, *value;
    int octet;

    /* An octet of dn becomes three at most, the marks one. */
    if (length > CEP_LDIF_MAX_FILE)
        return NULL;
    canonical = out = value = apr_palloc(pool, 3 * length + 1);
    start(&reader, dn);
    while ((octet = next(&reader)) != MARK_END) {
        switch (octet) {
        case MARK_MALFORMED: return NULL;
        case MARK_EQUALS:
            *out++ = '=';
            value = out;
            break;
        case MARK_PLUS:
        case MARK_COMMA:
            out = end_value(out, value);
            *out++ = octet == MARK_PLUS ? '+' : ',';
            break;
        default: out = put_octet(out, octet, octet == ' ' && out == value); break;
        }
    }
    out = end_value(out, value);
    *out = 0;
    return canonical;
}

const char *cep_dn_parent(const char *canonical)
{
    const char *comma = strchr(canonical, ',');

    if (!*canonical)
        return NULL;
    return comma ? comma + 1 : canonical + strlen(canonical);
}

int cep_dn_canonical_within(const char *canonical, const char *base)
{
    size_t length = strlen(canonical), above = strlen(base);

    if (above == 0)
        return 1;
    if (length < above || strcmp(canonical + length - above, base) != 0)
        return 0;
    return length == above || canonical[length - above - 1] == ',';
}

const char *cep_dn_without_first(const char *dn)
{
    struct dn_reader reader;
    int octet;

    start(&reader, dn);
    do {
        octet = next(&reader);
        if (octet == MARK_END || octet == MARK_MALFORMED)
            return "";
    } while (octet != MARK_COMMA);
    skip_blanks(&reader);
    return reader.at;
}

const char *cep_dn_dns_name(const char *dn, apr_pool_t *pool)
{
    const char *rdn = cep_dn_normalize(dn, pool);
    const char *name = "";

    for (; rdn && *rdn; rdn = cep_dn_parent(rdn)) {
        size_t length = strcspn(rdn, ",");

        if (strncmp(rdn, "dc=", 3) == 0)
            name = apr_pstrcat(pool, name, *name ? "." : "",
                               apr_pstrmemdup(pool, rdn + 3, length - 3), NULL);
    }
    return name;
}
