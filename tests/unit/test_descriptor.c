/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The reader of security descriptors: any layout, and every damage ends in "grants nothing". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "cep_access.h"
#include "sd_builder.h"

#define CALLER  "S-1-5-21-1-2-3-1104"
#define ALLOWED "S-1-5-21-1-2-3-2001"
#define DENIED  "S-1-5-21-1-2-3-2002"

static struct sd sd, damaged;
static struct acl acl, sacl;

/* What a descriptor means for one caller, read from memory of exactly its length. */
struct meaning {
    const char *problem;
    int enroll, autoenroll;
};

static struct meaning read_exactly(const void *data, size_t length, const struct cep_token *token)
{
    unsigned char *copy = malloc(length ? length : 1);
    struct meaning meaning;

    assert_non_null(copy);
    memcpy(copy, data, length);
    meaning.problem = cep_sd_check(copy, length);
    meaning.enroll = cep_access_granted(copy, length, CEP_RIGHT_ENROLL, token);
    meaning.autoenroll = cep_access_granted(copy, length, CEP_RIGHT_AUTOENROLL, token);
    free(copy);
    if (meaning.problem && (meaning.enroll || meaning.autoenroll))
        fail_msg("granted although %s", meaning.problem);
    return meaning;
}

/* Two tokens: the caller is allowed; the caller is denied as well. */
static struct cep_sid allowed_sids[2], denied_sids[3];
static struct cep_token allowed_token = {allowed_sids, 2};
static struct cep_token denied_token = {denied_sids, 3};

static void make_tokens(void)
{
    allowed_sids[0] = denied_sids[0] = sid_of(CALLER);
    allowed_sids[1] = denied_sids[1] = sid_of(ALLOWED);
    denied_sids[2] = sid_of(DENIED);
}

/* Deny for one group, allow for another, other ACEs around them. */
static void make_parts(void)
{
    acl_start(&acl);
    acl_add_object(&acl, 0x06, 0, MASK_CR, ENROLL_GUID, NULL, DENIED);
    acl_add(&acl, 0x00, 0, 0x00020094, "S-1-5-11");
    acl_add_padded(&acl, 0x09, 0, MASK_CR, "S-1-1-0", 12);
    acl_add_object(&acl, 0x05, 0, 0x130, ENROLL_GUID, OTHER_GUID, ALLOWED);
    acl_add_object(&acl, 0x05, 0, 0x110, AUTOENROLL_GUID, NULL, ALLOWED);
    acl_start(&sacl);
    acl_add_object(&sacl, 0x07, 0x40, 0x20, ENROLL_GUID, NULL, "S-1-1-0");
    acl_add(&sacl, 0x02, 0xC0, 0x20, "S-1-1-0");
}

/* The four parts in the order of a number from 0 to 23, gap octets of 0xEE between them. */
static void make_permutation(int number, size_t gap)
{
    static const enum sd_part all[] = {SD_OWNER, SD_GROUP, SD_SACL, SD_DACL};
    struct cep_sid owner = sid_of(CALLER), group = sid_of("S-1-5-21-1-2-3-513");
    enum sd_part left[4];
    int i, count;

    memcpy(left, all, sizeof(left));
    sd_start(&sd, CONTROL_DP | CONTROL_SP);
    for (count = 4; count > 0; count--) {
        int pick = number % count;
        enum sd_part part = left[pick];

        number /= count;
        for (i = pick; i < count - 1; i++)
            left[i] = left[i + 1];
        memset(sd.octets + sd.length, 0xEE, gap);
        sd.length += gap;
        switch (part) {
        case SD_OWNER: sd_add(&sd, part, owner.octets, owner.length); break;
        case SD_GROUP: sd_add(&sd, part, group.octets, group.length); break;
        case SD_SACL: sd_add(&sd, part, sacl.octets, sacl.length); break;
        case SD_DACL: sd_add(&sd, part, acl.octets, acl.length); break;
        }
    }
}

static void parts_may_lie_anywhere(void **state)
{
    static const size_t gaps[] = {0, 1, 4, 100};
    struct meaning meaning;
    size_t g;
    int number;

    (void)state;
    for (number = 0; number < 24; number++) {
        for (g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
            make_permutation(number, gaps[g]);
            meaning = read_exactly(sd.octets, sd.length, &allowed_token);
            assert_null(meaning.problem);
            assert_int_equal(meaning.enroll, 1);
            assert_int_equal(meaning.autoenroll, 1);
            meaning = read_exactly(sd.octets, sd.length, &denied_token);
            assert_int_equal(meaning.enroll, 0);
            assert_int_equal(meaning.autoenroll, 1);
        }
    }
}

static void parts_may_overlap_and_be_missing(void **state)
{
    struct cep_sid owner = sid_of(CALLER);

    (void)state;
    sd_start(&sd, CONTROL_DP);
    sd_add(&sd, SD_DACL, acl.octets, acl.length);
    assert_null(cep_sd_check(sd.octets, sd.length));
    sd_add(&sd, SD_OWNER, owner.octets, owner.length);
    put32(sd.octets + SD_GROUP, (uint32_t)(sd.length - owner.length));
    assert_null(cep_sd_check(sd.octets, sd.length));
    /* one ACL as SACL and DACL */
    memcpy(sd.octets + SD_SACL, sd.octets + SD_DACL, 4);
    assert_null(cep_sd_check(sd.octets, sd.length));
    assert_int_equal(read_exactly(sd.octets, sd.length, &allowed_token).enroll, 1);
}

static void a_cut_descriptor_never_grants_more(void **state)
{
    int number;
    size_t length;

    (void)state;
    for (number = 0; number < 24; number++) {
        make_permutation(number, 0);
        for (length = 0; length < sd.length; length++) {
            /* each of the four parts is needed whole, so nothing is left of a cut one */
            assert_non_null(read_exactly(sd.octets, length, &allowed_token).problem);
            read_exactly(sd.octets, length, &denied_token);
        }
    }
}

/* Like a cut, but the sizes say that all is well: whatever ACEs are lost, a denial is the first. */
static void a_shortened_acl_never_grants_more(void **state)
{
    size_t size;

    (void)state;
    for (size = 0; size < acl.length; size++) {
        sd_with_dacl(&sd, &acl);
        put16(sd.octets + 22, (unsigned)size);
        assert_non_null(read_exactly(sd.octets, sd.length, &allowed_token).problem);
        sd.length = 20 + size;
        assert_non_null(read_exactly(sd.octets, sd.length, &denied_token).problem);
    }
}

/* With a sanitizer this finds reads beyond the end; without one it finds crashes. */
static void any_octet_may_be_wrong(void **state)
{
    size_t at;
    int value;

    (void)state;
    make_permutation(7, 2);
    memcpy(&damaged, &sd, sizeof(sd));
    for (at = 0; at < sd.length; at++) {
        for (value = 0; value < 256; value++) {
            damaged.octets[at] = (unsigned char)value;
            read_exactly(damaged.octets, sd.length, &allowed_token);
            read_exactly(damaged.octets, sd.length, &denied_token);
        }
        damaged.octets[at] = sd.octets[at];
    }
}

/* Where a patch goes; the DACL begins at 20, its first ACE at 28. */
struct damage {
    const char *problem; /* NULL: harmless */
    size_t at;
    int octets; /* 1, 2 or 4 */
    uint32_t value;
};

static void each_damage_has_its_sentence(void **state)
{
    static const struct damage cases[] = {
        {"the security descriptor has an unknown revision", 0, 1, 0},
        {"the security descriptor has an unknown revision", 0, 1, 2},
        {NULL, 1, 1, 0xff}, /* Sbz1 is the resource manager's when RM is set */
        {"the security descriptor is not self-relative", 2, 2, CONTROL_DP},
        {NULL, 2, 2, 0xffff},
        {"the security descriptor has no DACL", 2, 2, CONTROL_SR},
        {"the security descriptor has a NULL DACL", 16, 4, 0},
        {"the security descriptor's owner is no valid SID", 4, 4, 0xffffffff},
        {"the security descriptor's owner is no valid SID", 4, 4, 0x80000000},
        {"the security descriptor's owner is no valid SID", 4, 4, 19},
        {"the security descriptor's owner is no valid SID", 4, 4, 20}, /* there is an ACL */
        {"the security descriptor's group is no valid SID", 8, 4, 1},
        {NULL, 8, 4, 36}, /* the SID in the first ACE */
        {"an ACL lies outside the security descriptor", 12, 4, 0xfffffff8},
        {"an ACL lies outside the security descriptor", 12, 4, 12},
        {"an ACL lies outside the security descriptor", 16, 4, 0xfffffff8},
        {"an ACL lies outside the security descriptor", 16, 4, 19},
        {"an ACL lies outside the security descriptor", 16, 4, 61},
        {"an ACL has an unknown revision", 20, 1, 1},
        {NULL, 20, 1, 2},
        {"an ACL has an unknown revision", 20, 1, 5},
        {NULL, 21, 1, 0xff}, /* Sbz1 of the ACL: nobody looks */
        {"an ACL is cut short", 22, 2, 7},
        {"an ACL is cut short", 22, 2, 41},
        {"an ACL is cut short", 22, 2, 0xffff},
        {"the size of an ACE is wrong", 22, 2, 39},
        {"the ACL holds fewer ACEs than it says", 24, 2, 2},
        {"the ACL holds fewer ACEs than it says", 24, 2, 0xffff},
        {NULL, 24, 2, 0},
        {"a reserved field of an ACL is not 0", 26, 2, 1},
        {"the size of an ACE is wrong", 30, 2, 0},
        {"the size of an ACE is wrong", 30, 2, 3},
        {"an ACE is too short for its type", 30, 2, 4},
        {"an ACE holds no valid SID", 30, 2, 8},
        {"an ACE holds no valid SID", 30, 2, 16},
        {"the size of an ACE is wrong", 30, 2, 31},
        {"the size of an ACE is wrong", 30, 2, 36},
        {"the size of an ACE is wrong", 30, 2, 0xfffc},
        {"an ACE holds no valid SID", 36, 1, 0},
        {"an ACE holds no valid SID", 36, 1, 2},
        {"an ACE holds no valid SID", 37, 1, 5},
        {"an ACE holds no valid SID", 37, 1, 16},
        {"an ACE holds no valid SID", 28, 1, 5}, /* the SID is read as flags and GUIDs */
        {NULL, 28, 1, 4},                        /* compound: unknown layout */
        {NULL, 28, 1, 0x14},
        {NULL, 28, 1, 0xff},
    };
    unsigned char clean[60];
    size_t i;

    (void)state;
    acl_start(&acl);
    acl_add(&acl, 0x00, 0, MASK_CR, "S-1-5-21-1-2-3"); /* 8 + 24 octets */
    sd_with_dacl(&sd, &acl);
    assert_int_equal(sd.length, sizeof(clean));
    memcpy(clean, sd.octets, sizeof(clean));
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct damage *damage = &cases[i];
        const char *problem;

        memcpy(sd.octets, clean, sizeof(clean));
        if (damage->octets == 1)
            sd.octets[damage->at] = (unsigned char)damage->value;
        else if (damage->octets == 2)
            put16(sd.octets + damage->at, damage->value);
        else
            put32(sd.octets + damage->at, damage->value);
        problem = read_exactly(sd.octets, sd.length, &allowed_token).problem;
        if ((problem == NULL) != (damage->problem == NULL) ||
            (problem && strcmp(problem, damage->problem) != 0))
            fail_msg("case %zu, value %#x at %zu: \"%s\" instead of \"%s\"", i, damage->value,
                     damage->at, problem ? problem : "no problem",
                     damage->problem ? damage->problem : "no problem");
    }
    make_parts();
}

static void object_aces_are_measured(void **state)
{
    static const struct {
        uint32_t flags;
        size_t fixed; /* octets before the SID */
    } cases[] = {{0, 12}, {1, 28}, {2, 28}, {3, 44}, {0xfffffffc, 12}, {0xffffffff, 44}};
    static const unsigned char sid[] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    unsigned char ace[44 + sizeof(sid)];
    size_t i, size;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(ace, 0, sizeof(ace));
        ace[0] = 0x05;
        put32(ace + 8, cases[i].flags);
        memcpy(ace + cases[i].fixed, sid, sizeof(sid));
        for (size = 4; size <= cases[i].fixed + sizeof(sid); size += 4) {
            struct acl one;

            put16(ace + 2, (unsigned)size);
            acl_start(&one);
            acl_add_raw(&one, ace, size);
            sd_with_dacl(&sd, &one);
            if (size < cases[i].fixed + sizeof(sid))
                assert_non_null(read_exactly(sd.octets, sd.length, &allowed_token).problem);
            else
                assert_null(read_exactly(sd.octets, sd.length, &allowed_token).problem);
        }
    }
}

/* An ACE at the very end of the largest ACL counts; AclSize has 16 bits. */
static void the_largest_acl(void **state)
{
    struct cep_sid everyone = sid_of("S-1-1-0");
    struct cep_token token = {&everyone, 1};
    struct acl large;

    (void)state;
    acl_start(&large);
    while (large.length + 2 * 20 <= 65532)
        acl_add(&large, 0x00, 0, 0x20094, "S-1-1-0");
    acl_add_padded(&large, 0x00, 0, MASK_CR, "S-1-1-0", 65532 - large.length - 20);
    assert_int_equal(large.length, 65532);
    assert_int_equal(get16(large.octets + 4), 3276);
    sd_with_dacl(&sd, &large);
    assert_null(read_exactly(sd.octets, sd.length, &token).problem);
    assert_int_equal(read_exactly(sd.octets, sd.length, &token).enroll, 1);
    assert_non_null(read_exactly(sd.octets, sd.length - 1, &token).problem);
    /* one ACE more than there is */
    put16(sd.octets + 24, 3277);
    assert_non_null(read_exactly(sd.octets, sd.length, &token).problem);
}

static void nothing_is_no_descriptor(void **state)
{
    (void)state;
    assert_non_null(cep_sd_check(NULL, 0));
    assert_non_null(cep_sd_check("", 0));
    assert_int_equal(cep_access_granted(NULL, 0, CEP_RIGHT_ENROLL, &allowed_token), 0);
    memset(&sd, 0, sizeof(sd));
    assert_non_null(cep_sd_check(sd.octets, 19));
    assert_non_null(cep_sd_check(sd.octets, 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_may_lie_anywhere),
        cmocka_unit_test(parts_may_overlap_and_be_missing),
        cmocka_unit_test(a_cut_descriptor_never_grants_more),
        cmocka_unit_test(a_shortened_acl_never_grants_more),
        cmocka_unit_test(any_octet_may_be_wrong),
        cmocka_unit_test(each_damage_has_its_sentence),
        cmocka_unit_test(object_aces_are_measured),
        cmocka_unit_test(the_largest_acl),
        cmocka_unit_test(nothing_is_no_descriptor),
    };

    make_tokens();
    make_parts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
