/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "../../mod_cep/policy/parts.h"
#include "pool.h"

struct row {
    const char *text;
    const char *properties; /* "name type value;" for each */
    int complete;
};

static const struct row rows[] = {
    {"", "", 1},
    {"   ", "", 1},
    {"A`DWORD`2`", "A DWORD 2;", 1},
    {"A`DWORD`2", "A DWORD 2;", 1}, /* the last accent is missing in real templates */
    {"A`DWORD`2`  ", "A DWORD 2;", 1},
    {"A`DWORD`2`B`PZPWSTR`x y`", "A DWORD 2;B PZPWSTR x y;", 1},
    {" A ` DWORD ` 2 `\r\n B`PZPWSTR`v", "A DWORD 2;B PZPWSTR v;", 1},
    {"A`PZPWSTR``", "A PZPWSTR ;", 1},
    {"A`PZPWSTR`", "A PZPWSTR ;", 1},
    {"```", "  ;", 1},
    {"A", "", 0},
    {"A`", "", 0},
    {"A`DWORD", "", 0},
    {"A`DWORD`2`B", "A DWORD 2;", 0},
    {"A`DWORD`2`B`PZPWSTR", "A DWORD 2;", 0},
    {"`DWORD`2`", " DWORD 2;", 1},
    {"D`PZPWSTR`D:P(A;;FA;;;BA)(A;;GR;;;S-1-5-80-1-2)`",
     "D PZPWSTR D:P(A;;FA;;;BA)(A;;GR;;;S-1-5-80-1-2);", 1},
};

static const char *describe(const apr_array_header_t *list)
{
    const char *text = "";
    int i;

    for (i = 0; i < list->nelts; i++) {
        const struct cep_property *property = &APR_ARRAY_IDX(list, i, struct cep_property);

        text = apr_pstrcat(pool, text, property->name, " ", property->type, " ", property->value,
                           ";", NULL);
    }
    return text;
}

static void test_rows(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int complete = -1;
        apr_array_header_t *list = cep_triplets_parse(rows[i].text, &complete, pool);

        assert_string_equal(describe(list), rows[i].properties);
        assert_int_equal(complete, rows[i].complete);
    }
}

static void test_limit(void **state)
{
    const char *text = "";
    int i, complete = -1;

    (void)state;
    for (i = 0; i < CEP_TRIPLETS_MAX; i++)
        text = apr_pstrcat(pool, text, "A`DWORD`1`", NULL);
    assert_int_equal(cep_triplets_parse(text, &complete, pool)->nelts, CEP_TRIPLETS_MAX);
    assert_int_equal(complete, 1);
    text = apr_pstrcat(pool, text, "A`DWORD`1`", NULL);
    assert_int_equal(cep_triplets_parse(text, &complete, pool)->nelts, CEP_TRIPLETS_MAX);
    assert_int_equal(complete, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
