/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Private to directory/: which records of a file may hold a value. Values are not kept, only their
 * hashes: who finds a record looks at it to be sure. 16 octets for each value.
 */
#ifndef CEP_VALUE_INDEX_H
#define CEP_VALUE_INDEX_H

#include "cep_entry.h"

struct cep_index_row {
    apr_uint64_t hash;
    int record;
};

struct cep_value_index {
    struct cep_index_row *rows;
    apr_size_t count, size;
    int sorted, failed; /* failed: out of memory, some rows are missing */
};

/* An empty one in pool, which frees it. */
struct cep_value_index *cep_value_index_make(apr_pool_t *pool);

/* value of that attribute, a number of the caller's, is in the record. */
void cep_value_index_add(struct cep_value_index *index, int attribute,
                         const struct cep_value *value, int record);

/* The rows of that value, in the order of records; a record may stand in it twice. */
const struct cep_index_row *cep_value_index_find(struct cep_value_index *index, int attribute,
                                                 const struct cep_value *value, apr_size_t *count);

#endif
