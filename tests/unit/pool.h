/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A pool for the tests of one program: set-up and tear-down of a group, or of each test. */
#ifndef CEP_TEST_POOL_H
#define CEP_TEST_POOL_H

#include <apr_general.h>
#include <apr_pools.h>

static apr_pool_t *pool;

static int make_pool(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int drop_pool(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

#endif
