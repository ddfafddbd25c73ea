/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "value_index.h"

#include <stdlib.h>

/* FNV-1a. Two values of one hash cost a look at one more record. */
static apr_uint64_t hash_of(int attribute, const struct cep_value *value)
{
    apr_uint64_t hash = APR_UINT64_C(0xcbf29ce484222325) ^ (apr_uint64_t)attribute;

    for (apr_size_t i = 0; i < value->len; i++)
        hash = (hash * APR_UINT64_C(0x100000001b3)) ^ value->data[i];
    return hash * APR_UINT64_C(0x100000001b3);
}

static apr_status_t free_rows(void *data)
{
    struct cep_value_index *index = data;

    free(index->rows);
    index->rows = NULL;
    index->count = index->size = 0;
    return APR_SUCCESS;
}

/* The rows are no pool's: there every size that they have outgrown would stay. */
struct cep_value_index *cep_value_index_make(apr_pool_t *pool)
{
    struct cep_value_index *index = apr_pcalloc(pool, sizeof(*index));

    apr_pool_cleanup_register(pool, index, free_rows, apr_pool_cleanup_null);
    return index;
}

void cep_value_index_add(struct cep_value_index *index, int attribute,
                         const struct cep_value *value, int record)
{
    struct cep_index_row row = {hash_of(attribute, value), record};

    if (index->count == index->size) {
        apr_size_t size = index->size ? index->size * 2 : 1024;
        struct cep_index_row *rows =
            size > index->size ? reallocarray(index->rows, size, sizeof(*rows)) : NULL;

        if (!rows) {
            index->failed = 1;
            return;
        }
        index->rows = rows;
        index->size = size;
    }
    index->rows[index->count++] = row;
    index->sorted = 0;
}

static int compare(const void *a, const void *b)
{
    const struct cep_index_row *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

/* The first row that is not below hash. */
static apr_size_t lower_bound(const struct cep_value_index *index, apr_uint64_t hash)
{
    apr_size_t low = 0, high = index->count;

    while (low < high) {
        apr_size_t middle = low + (high - low) / 2;

        if (index->rows[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct cep_index_row *cep_value_index_find(struct cep_value_index *index, int attribute,
                                                 const struct cep_value *value, apr_size_t *count)
{
    apr_uint64_t hash = hash_of(attribute, value);
    apr_size_t first, last;

    if (!index->sorted && index->count > 1)
        qsort(index->rows, index->count, sizeof(*index->rows), compare);
    index->sorted = 1;
    first = last = lower_bound(index, hash);
    while (last < index->count && index->rows[last].hash == hash)
        last++;
    *count = last - first;
    return index->rows + first;
}
