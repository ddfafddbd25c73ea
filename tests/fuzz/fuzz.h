/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What every fuzz target has: its entry points, promises, and memory for one input. */
#ifndef CEP_FUZZ_H
#define CEP_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_pools.h>

/* Once, before the first input; a target need not have it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void promise(int held, const char *what)
{
    if (!held) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

/* To be destroyed when the input is done with. */
static inline apr_pool_t *input_pool(void)
{
    static apr_pool_t *root;
    apr_pool_t *pool;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&pool, root);
    return pool;
}

/* With a NUL behind it, in memory of just that length, so that a sanitizer sees its end; free(). */
static inline char *input_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    promise(text != NULL, "memory");
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
