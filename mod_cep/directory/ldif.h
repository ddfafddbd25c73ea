/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Private to directory/: LDIF content records (RFC 2849) to entries. A file is read once from its
 * beginning to its end, piece by piece; what stays in memory is where each record stands, so that a
 * large file costs each process a small part of its size.
 */
#ifndef CEP_LDIF_H
#define CEP_LDIF_H

#include <apr_hash.h>

#include "cep_entry.h"

/* ---- ldif.c: text to entries ---- */

/* An entry as it was parsed, and the octets of the text that it was parsed from. */
struct cep_ldif_entry {
    struct cep_entry *entry;
    unsigned line; /* of its "dn:" */
    apr_size_t at, length;
};

/* What is carried from one piece of a text to the next. */
struct cep_ldif_parser {
    const char *name;   /* stands before the line number in errors */
    const char **error; /* gets the sentence, in pool */
    apr_pool_t *pool;
    unsigned line; /* number of the next piece's first line: 1 to begin with */
    int entries;   /* how many there were: 0 to begin with */
    /* Called for each entry, which it may use until it returns. NULL, or what is wrong with it. */
    const char *(*take)(void *baton, const struct cep_ldif_entry *entry);
    void *baton;
};

/*
 * Parse a piece of LDIF that ends behind the last line before an empty one, or where the whole text
 * ends. The piece is changed in place, text[length] must be writable. Entries are in pool, and
 * refer to the piece.
 */
apr_status_t cep_ldif_parse(struct cep_ldif_parser *given, char *text, apr_size_t length,
                            apr_pool_t *pool);

/* ---- ldif_file.c: a file of them ---- */

struct cep_ldif_record {
    const char *dn; /* canonical: dn.h */
    apr_size_t at, length;
    unsigned line; /* of its "dn:" */
};

struct cep_ldif {
    const char *path;
    int fd;
    apr_array_header_t *records; /* struct cep_ldif_record *, in the file's order */
    apr_hash_t *by_dn;           /* canonical DN to struct cep_ldif_record * */
    apr_time_t changed;          /* st_mtim as it was when the file was opened */
    apr_size_t size;
};

/*
 * Open a file of at most CEP_LDIF_MAX_FILE octets and check all of it. take gets each entry once,
 * with the number of its record, and may use it until it returns. Everything lives in pool, which
 * closes the file.
 */
apr_status_t cep_ldif_open(struct cep_ldif **ldif, const char *path,
                           void (*take)(void *baton, int number, const struct cep_entry *entry),
                           void *baton, apr_pool_t *pool, const char **error);

/* Read one entry again, into pool. APR_EBUSY: the file is not what it was when it was opened. */
apr_status_t cep_ldif_read(const struct cep_entry **entry, const struct cep_ldif *ldif,
                           const struct cep_ldif_record *record, apr_pool_t *pool,
                           const char **error);

#endif
