/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The access check: lists of ACEs and what they mean for the two rights, on the descriptor and
 * compiled.
 *
 * These mistakes were made in effect.c and check.c, one at a time, and each was caught by the table
 * below:
 * - effect_of_type(): deny ACEs have no effect; conditional denials have none; conditional
 *   allowances grant; object denials are treated as grants;
 * - cep_ace_effect(): the test of INHERIT_ONLY left out; INHERITED (0x10) tested in its place;
 * - mask_matches(): equality with 0x100; GENERIC_ALL grants; GENERIC_ALL does not deny;
 * - enroll_guid, autoenroll_guid: fields big-endian; the two swapped;
 * - object_type_matches(): always true; an absent ObjectType matches nothing; zeros deny nothing;
 *   zeros grant;
 * - is_self(): always false, so that S-1-5-10 matches when the token holds it; true for every SID
 *   of its length;
 * - cep_access_granted(): any SID matches; the last match decides; a denial anywhere decides; an
 *   ACE that does not fit behind the deciding one is overlooked; what nobody denies is granted;
 * - read_fixed_part(): InheritedObjectType taken for ObjectType; ObjectType not read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cep_access.h"
#include "compiled.h"
#include "pool.h"
#include "sd_builder.h"

#define ME     "S-1-5-21-1-2-3-1104"
#define MINE   "S-1-5-21-1-2-3-2001" /* a group of mine */
#define OTHERS "S-1-5-21-1-2-3-2002"
#define SELF   "S-1-5-10"
#define MAX    4

/* One ACE of a case; sid NULL ends the list. Object ACEs are those of an object type. */
struct ace {
    int type;
    int flags;
    uint32_t mask;
    const char *guid;
    const char *inherited;
    const char *sid;
};

#define ALLOW(mask, sid)                                                                           \
    {                                                                                              \
        0x00, 0, mask, NULL, NULL, sid                                                             \
    }
#define DENY(mask, sid)                                                                            \
    {                                                                                              \
        0x01, 0, mask, NULL, NULL, sid                                                             \
    }
#define ALLOW_OBJECT(mask, guid, sid)                                                              \
    {                                                                                              \
        0x05, 0, mask, guid, NULL, sid                                                             \
    }
#define DENY_OBJECT(mask, guid, sid)                                                               \
    {                                                                                              \
        0x06, 0, mask, guid, NULL, sid                                                             \
    }

struct access_case {
    const char *name;
    struct ace aces[MAX];
    int enroll, autoenroll;
};

static const struct access_case cases[] = {
    {"no ACE at all", {{0}}, 0, 0},
    {"plain CR", {ALLOW(MASK_CR, ME)}, 1, 1},
    {"plain CR for a group", {ALLOW(MASK_CR, MINE)}, 1, 1},
    {"plain CR for others", {ALLOW(MASK_CR, OTHERS)}, 0, 0},
    {"Enroll", {ALLOW_OBJECT(MASK_CR, ENROLL_GUID, MINE)}, 1, 0},
    {"AutoEnroll", {ALLOW_OBJECT(MASK_CR, AUTOENROLL_GUID, MINE)}, 0, 1},
    {"Enroll as Windows writes it", {ALLOW_OBJECT(0x130, ENROLL_GUID, MINE)}, 1, 0},
    {"AutoEnroll as Windows writes it", {ALLOW_OBJECT(0x110, AUTOENROLL_GUID, MINE)}, 0, 1},
    {"Enroll without CR", {ALLOW_OBJECT(0x30, ENROLL_GUID, MINE)}, 0, 0},
    {"Enroll for others", {ALLOW_OBJECT(0x130, ENROLL_GUID, OTHERS)}, 0, 0},
    {"Enroll, GUID in the wrong order", {ALLOW_OBJECT(0x130, ENROLL_BIG_ENDIAN, MINE)}, 0, 0},
    {"another right", {ALLOW_OBJECT(0x130, OTHER_GUID, MINE)}, 0, 0},
    {"no ObjectType: all rights", {ALLOW_OBJECT(MASK_CR, NULL, MINE)}, 1, 1},
    {"ObjectType of zeros: no right", {ALLOW_OBJECT(MASK_CR, ZERO_GUID, MINE)}, 0, 0},
    {"both GUIDs", {{0x05, 0, MASK_CR, ENROLL_GUID, OTHER_GUID, MINE}}, 1, 0},
    {"only InheritedObjectType", {{0x05, 0, MASK_CR, NULL, OTHER_GUID, MINE}}, 1, 1},
    {"only InheritedObjectType, like Enroll", {{0x05, 0, MASK_CR, NULL, ENROLL_GUID, MINE}}, 1, 1},
    {"InheritedObjectType does not name the right",
     {{0x05, 0, MASK_CR, OTHER_GUID, ENROLL_GUID, MINE}},
     0,
     0},

    {"Full Control as Windows writes it", {ALLOW(0x000F00FF, ME)}, 0, 0},
    {"Full Control with CR", {ALLOW(0x000F01FF, ME)}, 1, 1},
    {"Read", {ALLOW(0x00020094, ME)}, 0, 0},
    {"every bit", {ALLOW(0xFFFFFFFF, ME)}, 1, 1},
    {"every bit but CR", {ALLOW(0xFFFFFEFF, ME)}, 0, 0},
    {"GENERIC_ALL does not grant", {ALLOW(MASK_GA, ME)}, 0, 0},
    {"GENERIC_ALL for Enroll does not", {ALLOW_OBJECT(MASK_GA, ENROLL_GUID, ME)}, 0, 0},
    {"GENERIC_ALL denies", {DENY(MASK_GA, ME), ALLOW(MASK_CR, ME)}, 0, 0},
    {"GENERIC_ALL of one right denies that",
     {DENY_OBJECT(MASK_GA, ENROLL_GUID, ME), ALLOW(MASK_CR, ME)},
     0,
     1},
    {"other generic bits mean nothing", {DENY(0xE0000000, ME), ALLOW(MASK_CR, ME)}, 1, 1},

    {"deny, allow", {DENY(MASK_CR, MINE), ALLOW(MASK_CR, ME)}, 0, 0},
    {"allow, deny: the first decides", {ALLOW(MASK_CR, ME), DENY(MASK_CR, MINE)}, 1, 1},
    {"deny others, allow", {DENY(MASK_CR, OTHERS), ALLOW(MASK_CR, ME)}, 1, 1},
    {"deny without CR, allow", {DENY(0x000F00FF, ME), ALLOW(MASK_CR, ME)}, 1, 1},
    {"deny Enroll, allow all", {DENY_OBJECT(0x130, ENROLL_GUID, ME), ALLOW(MASK_CR, ME)}, 0, 1},
    {"deny AutoEnroll, allow all",
     {DENY_OBJECT(MASK_CR, AUTOENROLL_GUID, ME), ALLOW(MASK_CR, ME)},
     1,
     0},
    {"deny another right, allow all",
     {DENY_OBJECT(MASK_CR, OTHER_GUID, ME), ALLOW(MASK_CR, ME)},
     1,
     1},
    {"deny all rights by an object ACE, allow",
     {DENY_OBJECT(MASK_CR, NULL, ME), ALLOW(MASK_CR, ME)},
     0,
     0},
    {"deny zeros, allow", {DENY_OBJECT(MASK_CR, ZERO_GUID, ME), ALLOW(MASK_CR, ME)}, 0, 0},
    {"allow Enroll, deny all: Enroll stays",
     {ALLOW_OBJECT(0x130, ENROLL_GUID, MINE), DENY(MASK_CR, ME),
      ALLOW_OBJECT(0x130, AUTOENROLL_GUID, MINE)},
     1,
     0},
    {"plain deny before object allow",
     {DENY(MASK_CR, ME), ALLOW_OBJECT(0x130, ENROLL_GUID, MINE)},
     0,
     0},
    {"the second match changes nothing",
     {DENY_OBJECT(MASK_CR, ENROLL_GUID, MINE), ALLOW_OBJECT(MASK_CR, ENROLL_GUID, ME),
      ALLOW(MASK_CR, ME)},
     0,
     1},

    {"inherit-only allow", {{0x00, INHERIT, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"inherit-only object allow", {{0x05, 0x0A, MASK_CR, ENROLL_GUID, NULL, ME}}, 0, 0},
    {"inherit-only deny does not deny",
     {{0x01, INHERIT, MASK_CR, NULL, NULL, ME}, ALLOW(MASK_CR, ME)},
     1,
     1},
    {"inherited allow", {{0x00, 0x12, 0x000F01FF, NULL, NULL, ME}}, 1, 1},
    {"inherited deny", {{0x01, 0x10, MASK_CR, NULL, NULL, ME}, ALLOW(MASK_CR, ME)}, 0, 0},
    {"every flag but inherit-only", {{0x00, 0xF7, MASK_CR, NULL, NULL, ME}}, 1, 1},

    {"conditional allow", {{0x09, 0, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"conditional object allow", {{0x0B, 0, MASK_CR, ENROLL_GUID, NULL, ME}}, 0, 0},
    {"conditional allow does not end the walk",
     {{0x09, 0, MASK_CR, NULL, NULL, ME}, DENY(MASK_CR, ME), ALLOW(MASK_CR, ME)},
     0,
     0},
    {"conditional deny", {{0x0A, 0, MASK_CR, NULL, NULL, ME}, ALLOW(MASK_CR, ME)}, 0, 0},
    {"conditional deny for others",
     {{0x0A, 0, MASK_CR, NULL, NULL, OTHERS}, ALLOW(MASK_CR, ME)},
     1,
     1},
    {"conditional object deny",
     {{0x0C, 0, MASK_CR, ENROLL_GUID, NULL, ME}, ALLOW(MASK_CR, ME)},
     0,
     1},
    {"conditional object deny of all",
     {{0x0C, 0, MASK_CR, NULL, NULL, ME}, ALLOW(MASK_CR, ME)},
     0,
     0},

    {"audit", {{0x02, 0, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"alarm", {{0x03, 0, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"compound", {{0x04, 0, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"object audit", {{0x07, 0, MASK_CR, ENROLL_GUID, NULL, ME}}, 0, 0},
    {"mandatory label", {{0x11, 0, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"unknown type", {{0x15, 0, MASK_CR, NULL, NULL, ME}}, 0, 0},
    {"unknown types do not deny",
     {{0x15, 0, MASK_CR, NULL, NULL, ME}, {0x02, 0, MASK_CR, NULL, NULL, ME}, ALLOW(MASK_CR, ME)},
     1,
     1},

    {"SELF is nobody", {ALLOW(MASK_CR, SELF)}, 0, 0},
    {"SELF denies nobody", {DENY(MASK_CR, SELF), ALLOW(MASK_CR, ME)}, 1, 1},
    {"OWNER RIGHTS give no control access", {ALLOW(MASK_CR, "S-1-3-4")}, 0, 0},
    {"a domain is not its member", {ALLOW(MASK_CR, "S-1-5-21-1-2-3")}, 0, 0},
    {"a longer SID is another", {ALLOW(MASK_CR, "S-1-5-21-1-2-3-1104-1")}, 0, 0},
};

static struct acl acl;
static struct sd sd;

/* The token holds SELF too: a directory could say that an account had that SID. */
static struct cep_sid token_sids[4];
static struct cep_token token = {token_sids, 4};

static void add_ace(const struct ace *ace)
{
    int type = ace->type;

    if ((type >= 0x05 && type <= 0x08) || type == 0x0B || type == 0x0C)
        acl_add_object(&acl, type, ace->flags, ace->mask, ace->guid, ace->inherited, ace->sid);
    else
        acl_add(&acl, type, ace->flags, ace->mask, ace->sid);
}

static void make_descriptor(const struct access_case *access_case)
{
    struct cep_sid owner = sid_of(ME);
    int i;

    acl_start(&acl);
    for (i = 0; i < MAX && access_case->aces[i].sid; i++)
        add_ace(&access_case->aces[i]);
    sd_start(&sd, CONTROL_DP);
    sd_add(&sd, SD_OWNER, owner.octets, owner.length);
    sd_add(&sd, SD_DACL, acl.octets, acl.length);
}

/* The same from a list that was compiled. */
static int compiled(enum cep_right right)
{
    struct cep_compiled result;
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_access_list list;
    int granted;

    list = cep_compiler_add(compiler, sd.octets, sd.length, right);
    assert_true(cep_compiler_finish(&result, compiler));
    granted = compiled_grants(&result, list, &token);
    apr_pool_clear(pool);
    return granted;
}

static void expect(const struct access_case *access_case, const char *where, int enroll,
                   int autoenroll)
{
    int got = cep_access_granted(sd.octets, sd.length, CEP_RIGHT_ENROLL, &token);
    int got_auto = cep_access_granted(sd.octets, sd.length, CEP_RIGHT_AUTOENROLL, &token);

    if (got != enroll || got_auto != autoenroll)
        fail_msg("%s%s: enroll %d, autoenroll %d", access_case->name, where, got, got_auto);
    if (compiled(CEP_RIGHT_ENROLL) != enroll || compiled(CEP_RIGHT_AUTOENROLL) != autoenroll)
        fail_msg("%s%s: not so when compiled", access_case->name, where);
}

static void table(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_descriptor(&cases[i]);
        assert_null(cep_sd_check(sd.octets, sd.length));
        expect(&cases[i], "", cases[i].enroll, cases[i].autoenroll);
    }
}

/* ACEs for other people, before and behind, change nothing. */
static void others_do_not_matter(void **state)
{
    struct acl around;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int k;

        make_descriptor(&cases[i]);
        acl_start(&around);
        acl_add(&around, 0x01, 0, MASK_CR, OTHERS);
        acl_add_object(&around, 0x05, 0, 0x130, ENROLL_GUID, NULL, OTHERS);
        acl_add_raw(&around, acl.octets + 8, acl.length - 8);
        acl_add(&around, 0x00, 0, MASK_CR, OTHERS);
        /* the middle was taken in as one: count its ACEs */
        for (k = 0; k < MAX && cases[i].aces[k].sid; k++)
            ;
        put16(around.octets + 4, (unsigned)(3 + k));
        sd_with_dacl(&sd, &around);
        assert_null(cep_sd_check(sd.octets, sd.length));
        expect(&cases[i], " (between others)", cases[i].enroll, cases[i].autoenroll);
    }
}

/* A descriptor that is damaged behind the ACE that decides grants nothing either. */
static void damage_behind_the_decision(void **state)
{
    static const unsigned char broken[] = {0, 0, 12, 0, 0, 1, 0, 0, 1, 1, 0, 0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_descriptor(&cases[i]);
        acl_add_raw(&acl, broken, sizeof(broken));
        sd_with_dacl(&sd, &acl);
        assert_non_null(cep_sd_check(sd.octets, sd.length));
        expect(&cases[i], " (damaged)", 0, 0);
    }
}

static void no_dacl_grants_nothing(void **state)
{
    static const struct access_case none = {"no DACL", {{0}}, 0, 0};

    (void)state;
    acl_start(&acl);
    acl_add(&acl, 0x00, 0, MASK_CR, ME);
    sd_with_dacl(&sd, &acl);
    expect(&none, " (with a DACL)", 1, 1);
    put16(sd.octets + 2, CONTROL_SR);
    expect(&none, " (DP clear)", 0, 0);
    sd_start(&sd, CONTROL_DP);
    expect(&none, " (NULL)", 0, 0);
    sd_start(&sd, 0);
    expect(&none, " (absent)", 0, 0);
}

static void an_empty_token_gets_nothing(void **state)
{
    struct cep_token nobody = {NULL, 0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_descriptor(&cases[i]);
        assert_int_equal(cep_access_granted(sd.octets, sd.length, CEP_RIGHT_ENROLL, &nobody), 0);
    }
}

/* A template as AD CS makes it: 4 groups, each with Enroll; nobody may AutoEnroll. */
static void a_template_of_windows(void **state)
{
    static const char *const groups[] = {"S-1-5-21-1-2-3-513", "S-1-5-21-1-2-3-512",
                                         "S-1-5-21-1-2-3-519", MINE};
    static const struct access_case user = {"User", {{0}}, 0, 0};
    int i;

    (void)state;
    acl_start(&acl);
    for (i = 0; i < 3; i++)
        acl_add_object(&acl, 0x05, 0, 0x130, ENROLL_GUID, NULL, groups[i]);
    acl_add(&acl, 0x00, 0, 0x000F00FF, groups[1]);
    acl_add(&acl, 0x00, 0, 0x00020094, "S-1-5-11");
    sd_with_dacl(&sd, &acl);
    expect(&user, " (stranger)", 0, 0);
    for (i = 0; i < 4; i++) {
        struct cep_sid sid = sid_of(groups[i]);
        struct cep_token member = {&sid, 1};

        assert_int_equal(cep_access_granted(sd.octets, sd.length, CEP_RIGHT_ENROLL, &member),
                         i < 3);
        assert_int_equal(cep_access_granted(sd.octets, sd.length, CEP_RIGHT_AUTOENROLL, &member),
                         0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(others_do_not_matter),
        cmocka_unit_test(damage_behind_the_decision),
        cmocka_unit_test(no_dacl_grants_nothing),
        cmocka_unit_test(an_empty_token_gets_nothing),
        cmocka_unit_test(a_template_of_windows),
    };

    /* sorted: the shorter ones first */
    token_sids[0] = sid_of(SELF);
    token_sids[1] = sid_of("S-1-5-11");
    token_sids[2] = sid_of(ME);
    token_sids[3] = sid_of(MINE);
    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
