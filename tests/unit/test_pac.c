/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Logon information of tickets: cep_pac_sids() of cep_caller.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cep_caller.h"
#include "pac_builder.h"
#include "pool.h"

#define D            "S-1-5-21-1004336348-1177238915-682003330"
#define R            "S-1-5-21-11-22-33"
#define M15          "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15"
#define MOST         (CEP_TOKEN_MAX_SIDS - 6)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { EXTRA_SIDS = 0x20, RESOURCE_GROUPS = 0x200 };

static const uint32_t two_groups[] = {513, 1200};
static const uint32_t two_resource[] = {2201, 2202};
static const char *const two_extra[] = {"S-1-18-1", R "-1999"};

static const struct pac alice = {
    .names = {"alice", "Alice A", "", NULL, "x", "H:", "DC1", "CORP"},
    .user = 1105,
    .primary = 513,
    .flags = EXTRA_SIDS | RESOURCE_GROUPS,
    .control = 0x10,
    .domain = D,
    .groups = two_groups,
    .group_count = 2,
    .extra = two_extra,
    .extra_count = 2,
    .resource_domain = R,
    .resource = two_resource,
    .resource_count = 2,
};

static unsigned char octets[PAC_ROOM];

/* From memory of just that length, so that a sanitizer sees its end. */
static const char *read_octets(apr_array_header_t **sids, const unsigned char *data, size_t length)
{
    unsigned char *copy = malloc(length ? length : 1);
    const char *problem;

    assert_non_null(copy);
    memcpy(copy, data, length);
    *sids = apr_array_make(pool, 16, sizeof(struct cep_sid));
    problem = cep_pac_sids(*sids, copy, length);
    free(copy);
    return problem;
}

static const char *read_pac(apr_array_header_t **sids, const struct pac *pac)
{
    return read_octets(sids, octets, pac_build(octets, pac));
}

static void assert_sids(apr_array_header_t *sids, const char *const *wanted, int count)
{
    struct cep_token token = cep_token_make(sids);
    struct cep_sid sid;
    int i;

    assert_int_equal(token.count, count);
    for (i = 0; i < count; i++) {
        assert_int_equal(cep_sid_parse(&sid, wanted[i]), 1);
        if (!cep_token_has(&token, sid.octets, sid.length))
            fail_msg("%s is missing", wanted[i]);
    }
}

static int has(apr_array_header_t *sids, const char *text)
{
    struct cep_sid sid;
    int i;

    assert_int_equal(cep_sid_parse(&sid, text), 1);
    for (i = 0; i < sids->nelts; i++) {
        if (cep_sid_compare(&APR_ARRAY_IDX(sids, i, struct cep_sid), &sid) == 0)
            return 1;
    }
    return 0;
}

static int is_at(const apr_array_header_t *sids, int i, const char *text)
{
    struct cep_sid sid;

    assert_int_equal(cep_sid_parse(&sid, text), 1);
    return cep_sid_compare(&APR_ARRAY_IDX(sids, i, struct cep_sid), &sid) == 0;
}

static void every_part_gives_its_sids(void **state)
{
    static const char *const wanted[] = {D "-1105",  D "-513",  D "-1200", "S-1-18-1",
                                         R "-1999",  R "-2201", R "-2202", "S-1-1-0",
                                         "S-1-5-11", "S-1-5-2", "S-1-5-15"};
    apr_array_header_t *sids;

    (void)state;
    assert_null(read_pac(&sids, &alice));
    assert_int_equal(sids->nelts, 12); /* the primary group is among the groups, too */
    /* He is told apart from others by the first one. */
    assert_true(is_at(sids, 0, D "-1105") && is_at(sids, 1, D "-513"));
    assert_sids(sids, wanted, COUNT(wanted));
}

static void the_least_is_an_account_and_its_primary_group(void **state)
{
    static const struct pac least = {.user = 1, .primary = 2, .domain = D};
    static const char *const wanted[] = {D "-1",     D "-2",    "S-1-1-0",
                                         "S-1-5-11", "S-1-5-2", "S-1-5-15"};
    apr_array_header_t *sids;

    (void)state;
    assert_null(read_pac(&sids, &least));
    assert_sids(sids, wanted, COUNT(wanted));
}

static void long_sids_and_names(void **state)
{
    static const char *const extra[] = {M15, "S-1-16-0", "S-1-0x1FFFFFFFFFFF-1"};
    static char name[4001];
    struct pac pac = alice;
    apr_array_header_t *sids;
    size_t i;

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    pac.extra = extra;
    pac.extra_count = COUNT(extra);
    for (i = 0; i < 4; i++) { /* every alignment of what follows */
        name[4000 - i] = '\0';
        pac.names[0] = pac.names[7] = name;
        assert_null(read_pac(&sids, &pac));
        assert_true(has(sids, M15));
        assert_true(has(sids, D "-1200"));
        assert_true(has(sids, R "-2202"));
    }
}

static void well_known_sids(void **state)
{
    static const char *const controller[] = {"S-1-5-9"}, *const other[] = {"S-1-5-1000"};
    struct pac pac = alice;
    apr_array_header_t *sids;

    (void)state;
    pac.control = 0x100; /* a domain controller by its flags alone, which anybody's KDC may set */
    assert_null(read_pac(&sids, &pac));
    assert_false(has(sids, "S-1-5-9"));
    pac.extra = controller;
    pac.extra_count = 1;
    assert_null(read_pac(&sids, &pac));
    assert_true(has(sids, "S-1-5-9"));

    pac.extra = other;
    assert_null(read_pac(&sids, &pac));
    assert_false(has(sids, "S-1-5-15"));
    assert_true(has(sids, "S-1-5-11"));

    pac = alice;
    pac.user = 501;
    assert_null(read_pac(&sids, &pac));
    assert_false(has(sids, "S-1-5-11"));
    assert_true(has(sids, "S-1-1-0"));
}

static void what_the_account_is(void **state)
{
    static const struct {
        const char *problem; /* NULL: accepted */
        uint32_t user, primary, flags, control;
    } cases[] = {
        {NULL, 1105, 513, 0x220, 0x10},
        {NULL, 1105, 515, 0x220, 0x80},  /* a computer */
        {NULL, 1105, 513, 0x220, 0x410}, /* locked out: the KDC's business */
        {NULL, 0xffffffff, 0xffffffff, 0xfffffffe, 0xffffffbe},
        {"no user ID", 0, 513, 0x220, 0x10},
        {"no primary group", 1105, 0, 0x220, 0x10},
        {"guest", 1105, 513, 0x221, 0x10},
        {"disabled", 1105, 513, 0x220, 0x11},
        {"a trust", 1105, 513, 0x220, 0x40},
        {"extra SIDs although", 1105, 513, 0x200, 0x10},
        {"resource groups although", 1105, 513, 0x20, 0x10},
    };
    apr_array_header_t *sids;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct pac pac = alice;
        const char *problem;

        pac.user = cases[i].user;
        pac.primary = cases[i].primary;
        pac.flags = cases[i].flags;
        pac.control = cases[i].control;
        problem = read_pac(&sids, &pac);
        if (!cases[i].problem)
            assert_null(problem);
        else if (!problem || !strstr(problem, cases[i].problem))
            fail_msg("%s: %s", cases[i].problem, problem ? problem : "accepted");
    }
}

static void attributes_of_groups(void **state)
{
    static const struct {
        uint32_t attributes;
        int accepted;
    } cases[] = {
        {7, 1}, {4, 1}, {0x20000007, 1}, {0xf, 1},  {0xffffffef, 1},
        {3, 0}, {1, 0}, {0x17, 0},       {0x10, 0}, {0x20000000, 0},
    };
    apr_array_header_t *sids;
    size_t i, list;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        for (list = 0; list < 3; list++) {
            struct pac pac = alice;

            pac.attributes = cases[i].attributes;
            pac.group_count = list == 0 ? 2 : 0;
            pac.extra_count = list == 1 ? 2 : 0;
            pac.resource_count = list == 2 ? 2 : 0;
            assert_int_equal(read_pac(&sids, &pac) == NULL, cases[i].accepted);
        }
    }
}

static void domains(void **state)
{
    static const char *const wrong[] = {
        "S-1-5-21",       "S-1-5-32",       "S-1-5", "S-1-5-21-1-2-3-4",
        "S-1-5-22-1-2-3", "S-1-1-21-1-2-3", M15,     "S-1-0x010000000005-21-1-2-3"};
    struct pac pac;
    apr_array_header_t *sids;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wrong); i++) {
        pac = alice;
        pac.domain = wrong[i];
        assert_non_null(read_pac(&sids, &pac));
        pac = alice;
        pac.resource_domain = wrong[i];
        assert_non_null(read_pac(&sids, &pac));
    }
    pac = alice;
    pac.domain = NULL;
    assert_string_equal(read_pac(&sids, &pac), "it has no domain SID");
    pac = alice;
    pac.resource_domain = NULL;
    assert_string_equal(read_pac(&sids, &pac), "it has resource groups without their domain");
    pac.resource_count = 0;
    assert_null(read_pac(&sids, &pac));
    pac.resource_domain = R; /* a domain without groups is nothing */
    assert_null(read_pac(&sids, &pac));
}

/* One number of the sound octets is replaced. */
static void numbers_that_contradict(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint32_t value;
        int accepted;
    } cases[] = {
        {"version 2", PAC_AT_VERSION, 0x00081002, 0},
        {"big-endian", PAC_AT_VERSION, 0x00080001, 0},
        {"common header of 16", PAC_AT_VERSION, 0x00101001, 0},
        {"another filler", PAC_AT_VERSION + 4, 0, 1},
        {"object of nothing", PAC_AT_OBJECT_LENGTH, 0, 0},
        {"huge object", PAC_AT_OBJECT_LENGTH, 0xffffffff, 0},
        {"huge object that is aligned", PAC_AT_OBJECT_LENGTH, 0xfffffff8, 0},
        {"another second filler", PAC_AT_OBJECT_LENGTH + 4, 0xffffffff, 1},
        {"null", PAC_AT_POINTER, 0, 0},
        {"another pointer", PAC_AT_POINTER, 1, 1},
        {"odd name", PAC_AT_NAME, 0x000a0009, 0},
        {"name with odd room", PAC_AT_NAME, 0x000b000a, 0},
        {"name with less room", PAC_AT_NAME, 0x0008000a, 0},
        {"name with more room than the array says", PAC_AT_NAME, 0x000c000a, 0},
        {"shorter name than the array says", PAC_AT_NAME, 0x000a0008, 0},
        {"longest name", PAC_AT_NAME, 0xfffefffe, 0},
        {"name at null", PAC_AT_NAME + 4, 0, 0},
        {"no groups by the count", PAC_AT_GROUPS, 0, 0},
        {"one group less", PAC_AT_GROUPS, 1, 0},
        {"one group more", PAC_AT_GROUPS, 3, 0},
        {"groups without end", PAC_AT_GROUPS, 0xffffffff, 0},
        {"groups at null", PAC_AT_GROUPS + 4, 0, 0},
        {"domain at null", PAC_AT_DOMAIN, 0, 0},
        {"one extra SID less", PAC_AT_EXTRA, 1, 0},
        {"one extra SID more", PAC_AT_EXTRA, 3, 0},
        {"extra SIDs without end", PAC_AT_EXTRA, 0xffffffff, 0},
        {"extra SIDs that overflow with the groups", PAC_AT_EXTRA, 0xfffffffe, 0},
        {"extra SIDs at null", PAC_AT_EXTRA + 4, 0, 0},
        {"resource domain at null", PAC_AT_RESOURCE_DOMAIN, 0, 0},
        {"one resource group less", PAC_AT_RESOURCE, 1, 0},
        {"one resource group more", PAC_AT_RESOURCE, 3, 0},
        {"resource groups that overflow with the others", PAC_AT_RESOURCE, 0xfffffffc, 0},
        {"resource groups at null", PAC_AT_RESOURCE + 4, 0, 0},
        {"room of the first name", PAC_AT_REFERENTS, 6, 0},
        {"offset of the first name", PAC_AT_REFERENTS + 4, 1, 0},
        {"length of the first name", PAC_AT_REFERENTS + 8, 4, 0},
    };
    size_t i, length = pac_build(octets, &alice);
    apr_array_header_t *sids;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        uint32_t was = pac_get(octets + cases[i].at);

        pac_put(octets + cases[i].at, cases[i].value);
        if ((read_octets(&sids, octets, length) == NULL) != cases[i].accepted)
            fail_msg("%s", cases[i].what);
        pac_put(octets + cases[i].at, was);
    }
}

/* Where one wrong number is hidden by another one. */
static void contradictions_in_disguise(void **state)
{
    struct pac pac = alice;
    apr_array_header_t *sids;
    size_t length;

    (void)state;
    length = pac_build(octets, &pac);
    pac_put(octets + PAC_AT_NAME, 0x000a0009); /* 9 octets are 4 characters */
    pac_put(octets + PAC_AT_REFERENTS + 8, 4);
    assert_non_null(read_octets(&sids, octets, length));

    pac.names[0] = "alice1";
    length = pac_build(octets, &pac);
    pac_put(octets + PAC_AT_NAME, 0x000a000c); /* 6 characters where there is room for 5 */
    pac_put(octets + PAC_AT_REFERENTS, 5);
    assert_non_null(read_octets(&sids, octets, length));

    pac.names[0] = NULL;
    length = pac_build(octets, &pac);
    pac_put(octets + PAC_AT_NAME, 0x000a000a); /* a name of 5 that is nowhere */
    assert_non_null(read_octets(&sids, octets, length));

    pac = alice;
    pac.group_count = pac.extra_count = pac.resource_count = 0;
    length = pac_build(octets, &pac);
    assert_null(read_octets(&sids, octets, length));
    pac_put(octets + PAC_AT_GROUPS, 1); /* groups that are nowhere */
    assert_non_null(read_octets(&sids, octets, length));
    pac_put(octets + PAC_AT_GROUPS, 0);
    pac_put(octets + PAC_AT_EXTRA, 1);
    assert_non_null(read_octets(&sids, octets, length));
    pac_put(octets + PAC_AT_EXTRA, 0);
    pac_put(octets + PAC_AT_RESOURCE, 1);
    assert_non_null(read_octets(&sids, octets, length));

    pac = alice;
    pac.extra_count = 1;
    pac.resource_domain = NULL;
    pac.resource_count = 0;
    length = pac_build(octets, &pac);
    assert_null(read_octets(&sids, octets, length));
    assert_int_equal(pac_get(octets + length - 20), 7);
    pac_put(octets + length - 24, 0); /* the pointer to S-1-18-1, which stands last */
    assert_non_null(read_octets(&sids, octets, length));
}

/* Counts of 0 may come with an empty array, and names with more room than they need. */
static void odd_but_sound(void **state)
{
    struct pac pac = alice;
    size_t length, place;
    apr_array_header_t *sids;

    (void)state;
    memset(pac.names, 0, sizeof(pac.names));
    pac.group_count = pac.extra_count = pac.resource_count = 0;
    pac.resource_domain = NULL;
    length = pac_build(octets, &pac);
    /* all that follows the structure is the domain, 28 octets, and padding */
    assert_int_equal(length, 16 + 220 + 28);
    place = PAC_AT_REFERENTS;
    memmove(octets + place + 4, octets + place, length - place);
    pac_put(octets + place, 0); /* the groups' array */
    pac_put(octets + PAC_AT_GROUPS + 4, 0x20004);
    pac_put(octets + length + 4, 0);
    pac_put(octets + PAC_AT_OBJECT_LENGTH, (uint32_t)(length + 8 - 16));
    assert_null(read_octets(&sids, octets, length + 8));
    pac_put(octets + place, 1);
    assert_non_null(read_octets(&sids, octets, length + 8));
}

static void more_than_there_should_be(void **state)
{
    size_t length = pac_build(octets, &alice), more;
    apr_array_header_t *sids;

    (void)state;
    memset(octets + length, 0, 64);
    for (more = 1; more <= 64; more++) {
        pac_put(octets + PAC_AT_OBJECT_LENGTH, (uint32_t)(length - 16));
        assert_non_null(read_octets(&sids, octets, length + more));
        pac_put(octets + PAC_AT_OBJECT_LENGTH, (uint32_t)(length + more - 16));
        assert_non_null(read_octets(&sids, octets, length + more));
    }
}

/* Cut at every octet, with the header as it was and with one that knows. */
static void truncation(void **state)
{
    size_t length = pac_build(octets, &alice), cut;
    apr_array_header_t *sids;

    (void)state;
    for (cut = 0; cut < length; cut++) {
        pac_put(octets + PAC_AT_OBJECT_LENGTH, (uint32_t)(length - 16));
        assert_non_null(read_octets(&sids, octets, cut));
        if (cut < 16)
            continue;
        pac_put(octets + PAC_AT_OBJECT_LENGTH, (uint32_t)(cut - 16));
        assert_non_null(read_octets(&sids, octets, cut));
    }
}

/* Whatever happens to one octet: it is refused, or as many SIDs come out. Never fewer. */
static void damage(void **state)
{
    size_t length = pac_build(octets, &alice), at;
    unsigned int value, accepted = 0;
    apr_array_header_t *sids;

    (void)state;
    for (at = 0; at < length; at++) {
        unsigned char was = octets[at];

        for (value = 0; value < 256; value++) {
            octets[at] = (unsigned char)value;
            if (value != was && read_octets(&sids, octets, length) == NULL) {
                assert_int_equal(sids->nelts, 12);
                accepted++;
            }
            apr_pool_clear(pool);
        }
        octets[at] = was;
    }
    assert_true(accepted > 0);
}

static void counts_at_the_limit(void **state)
{
    static const struct {
        uint32_t groups, extra, resource;
        int accepted;
    } cases[] = {
        {MOST, 0, 0, 1},
        {MOST + 1, 0, 0, 0},
        {0, MOST, 0, 1},
        {0, MOST + 1, 0, 0},
        {0, 0, MOST, 1},
        {0, 0, MOST + 1, 0},
        {MOST - 20, 10, 10, 1},
        {MOST - 20, 10, 11, 0},
        {MOST - 20, 11, 10, 0},
        {MOST, 1, 0, 0},
        {MOST, 0, 1, 0},
        {1, MOST, 0, 0},
        {MOST / 2, MOST / 2, 0, 1},
        {MOST / 2, MOST / 2, 1, 0},
    };
    uint32_t *rids = malloc(sizeof(*rids) * (MOST + 1));
    const char **extra = malloc(sizeof(*extra) * (MOST + 1));
    apr_array_header_t *sids;
    size_t i;

    (void)state;
    assert_non_null(rids);
    assert_non_null(extra);
    for (i = 0; i < MOST + 1; i++) {
        rids[i] = (uint32_t)(5000 + i);
        extra[i] = M15;
    }
    for (i = 0; i < COUNT(cases); i++) {
        struct pac pac = alice;
        const char *problem;

        pac.groups = pac.resource = rids;
        pac.extra = extra;
        pac.group_count = cases[i].groups;
        pac.extra_count = cases[i].extra;
        pac.resource_count = cases[i].resource;
        problem = read_pac(&sids, &pac);
        if (cases[i].accepted) {
            assert_null(problem);
            assert_int_equal(sids->nelts, CEP_TOKEN_MAX_SIDS);
        } else {
            assert_non_null(problem);
            assert_non_null(strstr(problem, "more SIDs than one caller may have"));
        }
    }
    free(rids);
    free(extra);
}

/* The count before a SID, and the one in it. */
static void sids_that_cannot_be_read(void **state)
{
    static const struct {
        uint32_t before;
        unsigned char revision, count;
        int accepted;
    } cases[] = {{1, 1, 1, 1}, {0, 1, 1, 0}, {2, 1, 1, 0},   {1, 1, 0, 0},           {1, 1, 2, 0},
                 {1, 2, 1, 0}, {1, 0, 1, 0}, {16, 1, 16, 0}, {0xffffffff, 1, 255, 0}};
    struct pac pac = alice;
    size_t i, length, at;
    apr_array_header_t *sids;

    (void)state;
    pac.extra_count = 1;
    pac.resource_domain = NULL;
    pac.resource_count = 0;
    length = pac_build(octets, &pac);
    at = length - 16; /* S-1-18-1 stands last */
    for (i = 0; i < COUNT(cases); i++) {
        pac_put(octets + at, cases[i].before);
        octets[at + 4] = cases[i].revision;
        octets[at + 5] = cases[i].count;
        assert_int_equal(read_octets(&sids, octets, length) == NULL, cases[i].accepted);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_part_gives_its_sids),
        TEST(the_least_is_an_account_and_its_primary_group),
        TEST(long_sids_and_names),
        TEST(well_known_sids),
        TEST(what_the_account_is),
        TEST(attributes_of_groups),
        TEST(domains),
        TEST(numbers_that_contradict),
        TEST(contradictions_in_disguise),
        TEST(odd_but_sound),
        TEST(more_than_there_should_be),
        TEST(truncation),
        TEST(damage),
        TEST(counts_at_the_limit),
        TEST(sids_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
