/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A compiled list asked as a snapshot asks it, for tests that compare it with the plain walk. */
#ifndef CEP_TESTS_COMPILED_H
#define CEP_TESTS_COMPILED_H

#include <stdlib.h>

#include "cep_access.h"

static inline int compiled_grants(const struct cep_compiled *compiled, struct cep_access_list list,
                                  const struct cep_token *token)
{
    /* Of just its size, so that a sanitizer sees a bit beyond it. */
    apr_uint32_t *held = calloc(CEP_HELD_WORDS(compiled->sid_count), sizeof(*held));
    int granted;

    cep_token_hold(held, token, compiled->sids, compiled->sid_count);
    granted = cep_steps_granted(compiled->steps + list.first, list.count, held);
    free(held);
    return granted;
}

#endif
