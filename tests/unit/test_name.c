/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Names as httpd hands them on: which parts they have, and which are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_strings.h>

#include "cep_caller.h"
#include "pool.h"

static void good_names_are_split(void **state)
{
    static const struct {
        const char *user, *account, *realm, *domain;
        int is_service;
    } cases[] = {
        {"alice", "alice", "", "", 0},
        {"WS01$", "WS01$", "", "", 0},
        {"alice@CORP.EXAMPLE", "alice", "CORP.EXAMPLE", "", 0},
        {"WS01$@CORP.EXAMPLE", "WS01$", "CORP.EXAMPLE", "", 0},
        {"CORP\\alice", "alice", "", "CORP", 0},
        {"corp.example\\WS01$", "WS01$", "", "corp.example", 0},
        {"host/ws01.corp.example", "host/ws01.corp.example", "", "", 1},
        {"HTTP/web.corp.example@CORP.EXAMPLE", "HTTP/web.corp.example", "CORP.EXAMPLE", "", 1},
        {"a", "a", "", "", 0},
        {"j\xc3\xb6rg@corp.example", "j\xc3\xb6rg", "corp.example", "", 0},
        {"O'Hara (ext) *", "O'Hara (ext) *", "", "", 0},
        {"a b", "a b", "", "", 0},
        {"cn=alice,dc=corp", "cn=alice,dc=corp", "", "", 0},
    };
    struct cep_name name;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(cep_name_parse(&name, cases[i].user, pool));
        assert_string_equal(name.account, cases[i].account);
        assert_string_equal(name.realm, cases[i].realm);
        assert_string_equal(name.domain, cases[i].domain);
        assert_int_equal(name.is_service, cases[i].is_service);
    }
}

static void odd_names_are_refused(void **state)
{
    static const struct {
        const char *user, *problem;
    } cases[] = {
        {"", "the name is empty"},
        {"@CORP.EXAMPLE", "the name has no account part"},
        {"CORP\\", "the name has no account part"},
        {"alice@", "the name has an empty realm or domain"},
        {"\\alice", "the name has an empty realm or domain"},
        {"@", "the name has no account part"},
        {"\\", "the name has no account part"},
        {"a@b@c", "the name holds more than one @ or backslash"},
        {"a\\b\\c", "the name holds more than one @ or backslash"},
        {"CORP\\alice@corp.example", "the name holds more than one @ or backslash"},
        {"alice\\@corp.example@CORP.EXAMPLE", "the name holds more than one @ or backslash"},
        {"alice\n", "the name holds a control character"},
        {"ali\x1b[31mce", "the name holds a control character"},
        {"alice\x7f", "the name holds a control character"},
        {"alice\t@corp.example", "the name holds a control character"},
        {"al\xffice", "the name is not UTF-8"},
        {"al\xc0\xafice", "the name is not UTF-8"},
        {"al\xc3", "the name is not UTF-8"},
        {" alice", "a part of the name begins or ends with a blank"},
        {"alice ", "a part of the name begins or ends with a blank"},
        {"alice @corp", "a part of the name begins or ends with a blank"},
        {"alice@ corp", "a part of the name begins or ends with a blank"},
        {"CORP \\alice", "a part of the name begins or ends with a blank"},
        {"/ws01@CORP.EXAMPLE", "the name is no service principal of the form service/host"},
        {"host/@CORP.EXAMPLE", "the name is no service principal of the form service/host"},
        {"/", "the name is no service principal of the form service/host"},
        {"ldap/dc1/corp.example", "the name is no service principal of the form service/host"},
        {"CORP\\host/ws01", "the name is no service principal of the form service/host"},
    };
    struct cep_name name;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *problem = cep_name_parse(&name, cases[i].user, pool);

        if (!problem || strcmp(problem, cases[i].problem) != 0)
            fail_msg("\"%s\": %s", cases[i].user, problem ? problem : "taken");
        assert_non_null(name.account);
        assert_non_null(name.realm);
        assert_non_null(name.domain);
    }
}

static void length_is_limited(void **state)
{
    char user[CEP_CALLER_MAX_NAME + 100];
    struct cep_name name;

    (void)state;
    memset(user, 'a', sizeof(user));
    user[sizeof(user) - 1] = '\0';
    assert_string_equal(cep_name_parse(&name, user, pool), "the name is too long");
    user[CEP_CALLER_MAX_NAME + 1] = '\0';
    assert_string_equal(cep_name_parse(&name, user, pool), "the name is too long");
    user[CEP_CALLER_MAX_NAME] = '\0';
    assert_null(cep_name_parse(&name, user, pool));
    assert_int_equal(strlen(name.account), CEP_CALLER_MAX_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_names_are_split),
        cmocka_unit_test(odd_names_are_refused),
        cmocka_unit_test(length_is_limited),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
