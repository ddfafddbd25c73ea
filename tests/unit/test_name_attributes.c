/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What mod_auth_gssapi hands on, and the caller made of it: cep_caller.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_base64.h>
#include <apr_strings.h>

#include "cep_caller.h"
#include "pac_builder.h"
#include "pool.h"

#define NAME       "alice@CORP.EXAMPLE"
#define HEAD       "{\"name\":\"" NAME "\",\"attributes\":{"
#define VALUE(raw) "{\"raw\":" raw ",\"display\":null}"
#define ATTRIBUTE(name, authenticated, complete, values)                                           \
    "\"" name "\":{\"authenticated\":" authenticated ",\"complete\":" complete                     \
    ",\"values\":[" values "]}"
#define SOUND        ATTRIBUTE("urn:a", "true", "true", VALUE("\"QUJD\""))
#define OTHER        ATTRIBUTE("urn:b", "true", "true", VALUE("\"eA==\""))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* From memory of just that length, so that a sanitizer sees its end. */
static const char *find(struct cep_value *value, const char *name, const char *json)
{
    char *copy = strdup(json);
    const char *problem;

    assert_non_null(copy);
    problem = cep_name_attribute_find(value, name, copy, "urn:a", pool);
    free(copy);
    return problem;
}

static void lists(void **state)
{
    static const struct {
        const char *json;
        const char *value;   /* NULL: none */
        const char *problem; /* a part of it; NULL: none */
    } cases[] = {
        {HEAD SOUND "}}", "ABC", NULL},
        {HEAD OTHER "," SOUND "}}", "ABC", NULL},
        {HEAD SOUND "," OTHER "}}", "ABC", NULL},
        {HEAD OTHER "}}", NULL, NULL},
        {HEAD "}}", NULL, NULL},
        /* only what is authenticated, complete and single */
        {HEAD ATTRIBUTE("urn:a", "false", "true", VALUE("\"QUJD\"")) "}}", NULL, "not signed"},
        {HEAD ATTRIBUTE("urn:a", "true", "false", VALUE("\"QUJD\"")) "}}", NULL, "not complete"},
        {HEAD ATTRIBUTE("urn:a", "true", "true", VALUE("\"QUJD\"") "," VALUE("\"QUJD\"")) "}}",
         NULL, "several times"},
        {HEAD SOUND "," SOUND "}}", NULL, "several times"},
        {HEAD SOUND "," ATTRIBUTE("urn:a", "false", "true", VALUE("\"QUJD\"")) "}}", NULL,
         "several times"},
        {HEAD ATTRIBUTE("urn:a", "true", "true", VALUE("null")) "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "true", "true", VALUE("\"\"")) "}}", NULL, "not as"},
        /* others may be as they like */
        {HEAD ATTRIBUTE("urn:b", "false", "false", VALUE("null") "," VALUE("\"*\"")) "," SOUND "}}",
         "ABC", NULL},
        {HEAD ATTRIBUTE("urn:b", "true", "true",
                        "{\"raw\":\"eA==\",\"display\":\"a\\\"}]}}\\\\\"}") "," SOUND "}}",
         "ABC", NULL},
        /* mod_auth_gssapi writes octets above 0x7f like this */
        {HEAD ATTRIBUTE("urn:b", "true", "true",
                        "{\"raw\":null,\"display\":\"\\u-067\\n\"}") "," SOUND "}}",
         "ABC", NULL},
        {HEAD ATTRIBUTE("urn:a\\", "true", "true", VALUE("null")) "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:aa", "true", "true", VALUE("null")) "}}", NULL, NULL},
        {HEAD ATTRIBUTE("urn:", "true", "true", VALUE("null")) "}}", NULL, NULL},
        {HEAD ATTRIBUTE("", "true", "true", VALUE("null")) "}}", NULL, NULL},
        /* what it writes when it cannot read the first attribute, or the second value of one */
        {HEAD "," SOUND "}}", NULL, "not as"},
        {HEAD
         "\"urn:a\":{\"authenticated\":true,\"complete\":true,\"values\":[" VALUE("\"QUJD\"") "}}",
         NULL, "not as"},
        /* everything else is not its hand */
        {"", NULL, "not as"},
        {"{}", NULL, "not as"},
        {HEAD SOUND "}", NULL, "not as"},
        {HEAD SOUND "}}}", NULL, "not as"},
        {HEAD "}},", NULL, "not as"},
        {HEAD SOUND "}}\n", NULL, "not as"},
        {HEAD SOUND ",}}", NULL, "not as"},
        {HEAD SOUND SOUND "}}", NULL, "not as"},
        {HEAD " " SOUND "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "TRUE", "true", VALUE("\"QUJD\"")) "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "\"true\"", "true", VALUE("\"QUJD\"")) "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "1", "true", VALUE("\"QUJD\"")) "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "true", "true", "") "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "true", "true", "\"QUJD\"") "}}", NULL, "not as"},
        {HEAD ATTRIBUTE("urn:a", "true", "true", VALUE("\"QUJD\"") ",") "}}", NULL, "not as"},
        {HEAD "\"urn:a\":\"QUJD\"}}", NULL, "not as"},
        {"{\"name\":\"" NAME "\",\"attributes\":null}", NULL, "not as"},
        {"{\"attributes\":{" SOUND "},\"name\":\"" NAME "\"}", NULL, "not as"},
        {"{\"name\":\"bob@CORP.EXAMPLE\",\"attributes\":{" SOUND "}}", NULL, "not as"},
    };
    struct cep_value value;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const char *problem = find(&value, NAME, cases[i].json);

        if (!cases[i].problem != !problem || (problem && !strstr(problem, cases[i].problem)))
            fail_msg("%s: %s", cases[i].json, problem ? problem : "no problem");
        if (!cases[i].value) {
            assert_null(value.data);
            continue;
        }
        assert_int_equal(value.len, strlen(cases[i].value));
        assert_memory_equal(value.data, cases[i].value, value.len);
    }
}

/* mod_auth_gssapi does not escape the name: what principals could write into the list. */
static void names_that_write(void **state)
{
#define EVIL ATTRIBUTE("urn:a", "true", "true", VALUE("\"RVZJTA==\""))
    static const char *const names[] = {
        "x\",\"attributes\":{" EVIL "}}",
        "x\",\"attributes\":{" EVIL ",\"y",
        "x\",\"attributes\":{" EVIL "},\"y\":\"",
        "x\",\"attributes\":{\"urn:a\":{\"authenticated\":true,\"complete\":true,\"values\":["
        "{\"raw\":\"RVZJTA==\",\"display\":\"",
        "x\",\"attributes\":{\"urn:a\":{\"authenticated\":true,\"complete\":true,\"values\":["
        "{\"raw\":\"RVZJTA==",
        "x\\",
        "x\\@y@CORP.EXAMPLE",
        "\"",
        "",
    };
    struct cep_value value;
    size_t i, length;

    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        const char *json =
            apr_pstrcat(pool, "{\"name\":\"", names[i], "\",\"attributes\":{" SOUND "}}", NULL);

        /* whoever it is, he has what was written behind his name */
        assert_null(find(&value, names[i], json));
        assert_int_equal(value.len, 3);
        assert_memory_equal(value.data, "ABC", 3);
        /* and a name that is only a part of it is somebody else */
        for (length = 0; length < strlen(names[i]); length++)
            assert_non_null(find(&value, apr_pstrndup(pool, names[i], length), json));
    }
}

static void base64(void **state)
{
    static const struct {
        const char *text, *octets; /* NULL: refused */
        apr_size_t length;
    } cases[] = {
        {"AA==", "\0", 1},
        {"AAA=", "\0\0", 2},
        {"AAAA", "\0\0\0", 3},
        {"/+8=", "\xff\xef", 2},
        {"////", "\xff\xff\xff", 3},
        {"AQIDBAUGBwg=", "\1\2\3\4\5\6\7\10", 8},
        {"A", NULL, 0},
        {"AA", NULL, 0},
        {"AAA", NULL, 0},
        {"A===", NULL, 0},
        {"====", NULL, 0},
        {"=AAA", NULL, 0},
        {"AA=A", NULL, 0},
        {"AA==AAAA", NULL, 0},
        {"AAAA====", NULL, 0},
        {"AB==", NULL, 0}, /* bits behind the last octet */
        {"AAB=", NULL, 0},
        {"AA-_", NULL, 0},
        {"AA A", NULL, 0},
        {"AAA\n", NULL, 0},
        {"AA\\/", NULL, 0},
        {"AA\xc3\xa4", NULL, 0},
    };
    struct cep_value value;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const char *problem =
            find(&value, NAME,
                 apr_pstrcat(pool,
                             HEAD "\"urn:a\":{\"authenticated\":true,\"complete\":true,\"values\":"
                                  "[{\"raw\":\"",
                             cases[i].text, "\",\"display\":null}]}}}", NULL));

        if (!cases[i].octets) {
            if (!problem)
                fail_msg("%s", cases[i].text);
            assert_null(value.data);
            continue;
        }
        assert_null(problem);
        assert_int_equal(value.len, cases[i].length);
        assert_memory_equal(value.data, cases[i].octets, value.len);
    }
}

static void the_longest_list(void **state)
{
    static const char before_raw[] =
        HEAD "\"urn:a\":{\"authenticated\":true,\"complete\":true,\"values\":[{\"raw\":\"";
    static const char behind[] = "\",\"display\":null}]}}}";
    char *json = malloc(CEP_NAME_ATTRIBUTES_MAX + 2);
    size_t length, room = CEP_NAME_ATTRIBUTES_MAX - strlen(before_raw) - strlen(behind);
    struct cep_value value;

    (void)state;
    assert_non_null(json);
    memcpy(json, before_raw, strlen(before_raw));
    memset(json + strlen(before_raw), 'A', room - room % 4);
    length = strlen(before_raw) + room - room % 4;
    memcpy(json + length, behind, sizeof(behind));
    assert_null(find(&value, NAME, json));
    assert_int_equal(value.len, room / 4 * 3);

    memset(json, 'A', CEP_NAME_ATTRIBUTES_MAX + 1);
    json[CEP_NAME_ATTRIBUTES_MAX + 1] = '\0';
    assert_string_equal(find(&value, NAME, json), "the list of its name attributes is too long");
    json[CEP_NAME_ATTRIBUTES_MAX] = '\0';
    assert_non_null(strstr(find(&value, NAME, json), "not as"));
    free(json);
}

static void truncation_and_damage(void **state)
{
    static const char sound[] = HEAD OTHER "," SOUND "}}";
    char json[sizeof(sound)];
    struct cep_value value;
    size_t at;
    unsigned int octet;

    (void)state;
    for (at = 0; at < strlen(sound); at++) {
        apr_cpystrn(json, sound, at + 1);
        assert_non_null(find(&value, NAME, json));
        for (octet = 1; octet < 256; octet++) {
            memcpy(json, sound, sizeof(sound));
            json[at] = (char)octet;
            /* never more than three octets, and those only if the attribute was there */
            if (find(&value, NAME, json) == NULL && value.data)
                assert_true(value.len <= 3);
            apr_pool_clear(pool);
        }
    }
}

/* The list as mod_auth_gssapi makes it of a PAC. */
static const char *list_of(const struct pac *pac, const char *authenticated)
{
    unsigned char *octets = malloc(PAC_ROOM);
    size_t length = pac_build(octets, pac);
    char *text = apr_palloc(pool, (apr_size_t)apr_base64_encode_len((int)length));

    apr_base64_encode_binary(text, octets, (int)length);
    free(octets);
    return apr_pstrcat(pool, HEAD, ATTRIBUTE("urn:mspac:", "true", "true", VALUE("\"AAAA\"")),
                       ",\"" CEP_PAC_LOGON_INFO "\":{\"authenticated\":", authenticated,
                       ",\"complete\":true,\"values\":[{\"raw\":\"", text,
                       "\",\"display\":null}]}}}", NULL);
}

static void from_a_ticket(void **state)
{
    struct pac pac = {.user = 1105, .primary = 513, .domain = "S-1-5-21-1-2-3"};
    struct cep_caller *caller;
    const char *error;

    (void)state;
    assert_int_equal(cep_caller_from_ticket(&caller, NAME, list_of(&pac, "true"), pool, &error),
                     APR_SUCCESS);
    assert_null(error);
    assert_string_equal(caller->account, NAME);
    assert_string_equal(caller->dn, "");
    assert_int_equal(caller->token.count, 6);

    assert_int_equal(cep_caller_from_ticket(&caller, NAME, HEAD OTHER "}}", pool, &error),
                     APR_NOTFOUND);
    assert_null(error);
    assert_null(caller);

    assert_int_equal(cep_caller_from_ticket(&caller, NAME, list_of(&pac, "false"), pool, &error),
                     APR_EINVAL);
    assert_non_null(strstr(error, "not signed"));
    assert_null(caller);

    pac.control = 1;
    assert_int_equal(cep_caller_from_ticket(&caller, NAME, list_of(&pac, "true"), pool, &error),
                     APR_EINVAL);
    assert_non_null(strstr(error, "disabled"));
    assert_null(caller);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists),
        TEST(names_that_write),
        TEST(base64),
        TEST(the_longest_list),
        TEST(truncation_and_damage),
        TEST(from_a_ticket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
