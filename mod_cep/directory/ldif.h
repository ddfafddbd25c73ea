/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: LDIF content records (RFC 2849) to entries. */
#ifndef CEP_LDIF_H
#define CEP_LDIF_H

#include "cep_entry.h"

struct cep_ldif_entry {
    struct cep_entry *entry;
    const char *dn; /* canonical: dn.h */
    unsigned line;  /* of its "dn:" */
};

/*
 * Parse length octets of LDIF; text is changed in place and text[length] must be writable. name
 * stands before the line number in errors. *entries: struct cep_ldif_entry in the file's order;
 * they refer to the text, which must live as long as pool, where the rest of them is.
 */
apr_status_t cep_ldif_parse(apr_array_header_t **entries, const char *name, char *text,
                            apr_size_t length, apr_pool_t *pool, const char **error);

/* The same from a file of at most CEP_LDIF_MAX_FILE octets. */
apr_status_t cep_ldif_read(apr_array_header_t **entries, const char *path, apr_pool_t *pool,
                           const char **error);

#endif
