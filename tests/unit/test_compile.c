/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Compiled lists: for every token they say what the plain walk of the descriptor says, and they
 * hold nothing that they could do without.
 *
 * These mistakes were made, one at a time, and each was caught by a test below. (What one ACE means
 * is the matter of test_access.c, and so are mistakes in that; those of the image:
 * test_snapshot.c.)
 *
 * compile.c
 * - know(): a SID known by all but its last subauthority; copied with a wrong length;
 * - draft_aces(): a SID's second ACE kept; denials taken for grants; the two changed for each
 *   other; a damaged descriptor compiled up to the damage; the walk ended at the first ACE without
 *   effect; the other right compiled; drafts not told apart;
 * - normalize(): denials at the end kept; only one of them dropped; the last step dropped whatever
 * it is; all steps dropped; all sorted, without regard to their kinds; not sorted; one not sorted;
 * - append(): the last step forgotten; the kind of a step lost; used not set; set for grants only;
 * - share(): equal lists kept twice; the steps of a list that is not new left there; taken back by
 *   one too few;
 * - make_table(): SIDs of no list kept; not sorted; numbered by arrival; a wrong number;
 * - cep_compiler_finish(): numbers of arrival left in the steps; the kind of a step lost;
 *
 * token.c
 * - seek(): the first stride 0; the stride looks one too far; the bisection ends one early, is left
 *   out, or skips one;
 * - cep_token_hold(): the place in the token for that in the table, in three ways; the last SID
 *   forgotten; SIDs not compared; a wrong bit; the bits before it lost;
 *
 * check.c
 * - cep_steps_granted(): the last step that is held decides; a list that ends grants; a denial
 * grants, or is passed over; the last step is not looked at; another SID's bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_strings.h>

#include "cep_access.h"
#include "compiled.h"
#include "pool.h"
#include "sd_builder.h"

#define A "S-1-5-21-1-2-3-1001"
#define B "S-1-5-21-1-2-3-1002"
#define C "S-1-5-11"
#define D "S-1-5-21-1-2-3-1003-4"

static struct acl acl;
static struct sd sd;

/* xorshift: the same numbers in every run */
static uint32_t state_of_chance = 2463534242u;

static uint32_t chance(uint32_t below)
{
    state_of_chance ^= state_of_chance << 13;
    state_of_chance ^= state_of_chance >> 17;
    state_of_chance ^= state_of_chance << 5;
    return state_of_chance % below;
}

/*
 * A DACL in letters: "+a -b" grants Enroll to a and denies it to b; capitals are plain ACEs for all
 * rights; "*" before a sign makes the ACE inherit-only, "~" one of another right.
 */
static void write_dacl(const char *letters)
{
    static const char *const names[] = {A, B, C, D};
    const char *guid = ENROLL_GUID;
    int flags = 0, deny = 0;

    acl_start(&acl);
    for (; *letters; letters++) {
        char lower = (char)(*letters | 0x20);

        if (*letters == '+' || *letters == '-') {
            deny = *letters == '-';
        } else if (*letters == '*') {
            flags = INHERIT;
        } else if (*letters == '~') {
            guid = OTHER_GUID;
        } else if (lower >= 'a' && lower <= 'd') {
            const char *sid = names[lower - 'a'];

            if (lower == *letters)
                acl_add_object(&acl, deny ? 0x06 : 0x05, flags, 0x130, guid, NULL, sid);
            else
                acl_add(&acl, deny ? 0x01 : 0x00, flags, MASK_CR, sid);
            flags = 0;
            guid = ENROLL_GUID;
        }
    }
    sd_with_dacl(&sd, &acl);
}

static struct cep_access_list add(struct cep_compiler *compiler, enum cep_right right)
{
    return cep_compiler_add(compiler, sd.octets, sd.length, right);
}

/* A list in letters again. */
static const char *letters_of(const struct cep_compiled *compiled, struct cep_access_list list)
{
    static const char *const names[] = {A, B, C, D};
    const char *text = "";
    apr_uint32_t i;

    for (i = 0; i < list.count; i++) {
        apr_uint32_t step = compiled->steps[list.first + i];
        char sid[CEP_SID_TEXT_MAX];
        char letter = '?';
        int n;

        assert_true(CEP_STEP_SID(step) < compiled->sid_count);
        cep_sid_format(&compiled->sids[CEP_STEP_SID(step)], sid);
        for (n = 0; n < 4; n++) {
            if (strcmp(sid, names[n]) == 0)
                letter = (char)('a' + n);
        }
        text = apr_psprintf(pool, "%s%c%c", text, step & CEP_STEP_DENIES ? '-' : '+', letter);
    }
    return text;
}

/* In the order of the table: c is the shortest SID, d the longest. */
static void lists_hold_what_decides(void **state)
{
    static const struct {
        const char *dacl, *enroll, *autoenroll;
    } cases[] = {
        {"", "", ""},
        {"+a", "+a", ""},
        {"+A", "+a", "+a"},
        {"-a", "", ""},
        {"-a +a", "", ""},
        {"-a +b", "-a+b", ""},
        {"-A +b", "-a+b", ""},
        {"-a +B", "-a+b", "+b"},
        {"+a -a +b", "+a+b", ""},
        {"+a +a", "+a", ""},
        {"+a -b", "+a", ""},
        {"+a -b -c", "+a", ""},
        {"+a -b +a -c", "+a", ""},
        {"+a -b +c -d", "+a-b+c", ""},
        {"+b +a", "+a+b", ""},
        {"+d +c +b +a", "+c+a+b+d", ""},
        {"-d -a +b", "-a-d+b", ""},
        {"+b -a +d +c", "+b-a+c+d", ""},
        {"+d -a +c -b", "+d-a+c", ""},
        {"*-a +a", "+a", ""},
        {"*+a", "", ""},
        {"~+a", "", ""},
        {"~-a +A", "+a", "+a"},
        {"*-a ~+b +c", "+c", ""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cep_compiler *compiler = cep_compiler_make(pool);
        struct cep_access_list enroll, autoenroll;
        struct cep_compiled compiled;

        write_dacl(cases[i].dacl);
        enroll = add(compiler, CEP_RIGHT_ENROLL);
        autoenroll = add(compiler, CEP_RIGHT_AUTOENROLL);
        assert_true(cep_compiler_finish(&compiled, compiler));
        if (strcmp(letters_of(&compiled, enroll), cases[i].enroll) != 0 ||
            strcmp(letters_of(&compiled, autoenroll), cases[i].autoenroll) != 0)
            fail_msg("%s: %s, %s", cases[i].dacl, letters_of(&compiled, enroll),
                     letters_of(&compiled, autoenroll));
    }
}

static struct cep_token token_of(const char *const *texts, unsigned which)
{
    apr_array_header_t *sids = apr_array_make(pool, 4, sizeof(struct cep_sid));
    int i;

    for (i = 0; i < 4; i++) {
        if (which >> i & 1)
            APR_ARRAY_PUSH(sids, struct cep_sid) = sid_of(texts[i]);
    }
    return cep_token_make(sids);
}

/* The verdicts of the plain walk for each of the 16 sets of four SIDs, one bit each. */
static unsigned meaning(const struct cep_token *tokens)
{
    unsigned verdicts = 0, which;

    for (which = 0; which < 16; which++)
        verdicts |=
            (unsigned)cep_access_granted(sd.octets, sd.length, CEP_RIGHT_ENROLL, &tokens[which])
            << which;
    return verdicts;
}

/*
 * All DACLs of four ACEs over three SIDs, and random ones over four: the compiled list
 * decides alike for every token, and equal meaning is an equal list. So no list could be shorter.
 */
static void equal_meaning_is_an_equal_list(void **state)
{
    static const char *const names[] = {A, B, C, D};
    static const char *const aces[] = {"+a", "-a", "+b", "-b", "+c", "-c", "+d", "-d"};
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_access_list lists[6000], by_meaning[65536];
    struct cep_compiled compiled;
    struct cep_token tokens[16];
    unsigned meanings[6000], which, i, k, count = 0, different = 0;

    (void)state;
    for (which = 0; which < 16; which++)
        tokens[which] = token_of(names, which);
    for (count = 0; count < 6000; count++) {
        char dacl[64] = "";
        unsigned length = count < 1296 ? 4 : 5 + chance(6), left = count;

        for (k = 0; k < length; k++, left /= 6)
            strcat(dacl, aces[count < 1296 ? left % 6 : chance(8)]);
        write_dacl(dacl);
        meanings[count] = meaning(tokens);
        lists[count] = add(compiler, CEP_RIGHT_ENROLL);
    }
    assert_true(cep_compiler_finish(&compiled, compiler));
    memset(by_meaning, 0xff, sizeof(by_meaning));
    for (i = 0; i < count; i++) {
        struct cep_access_list *same = &by_meaning[meanings[i]];

        for (which = 0; which < 16; which++)
            assert_int_equal(compiled_grants(&compiled, lists[i], &tokens[which]),
                             meanings[i] >> which & 1);
        if (same->count == UINT32_MAX) {
            *same = lists[i];
            different++;
        }
        assert_int_equal(same->first, lists[i].first);
        assert_int_equal(same->count, lists[i].count);
    }
    assert_true(different > 100);
}

static struct cep_sid random_sid(uint32_t kinds)
{
    uint32_t n = chance(kinds);
    char text[CEP_SID_TEXT_MAX];

    switch (n % 4) {
    case 0: snprintf(text, sizeof(text), "S-1-5-21-1-2-3-%u", 1000 + n); break;
    case 1: snprintf(text, sizeof(text), "S-1-5-%u", n); break;
    case 2: snprintf(text, sizeof(text), "S-1-5-32-%u", n << 24); break;
    default: snprintf(text, sizeof(text), "S-1-5-21-%u-2-3-513", n * 65537u); break;
    }
    return sid_of(text);
}

static struct cep_token random_token(uint32_t most, uint32_t kinds)
{
    uint32_t count = chance(most + 1), i;
    apr_array_header_t *sids = apr_array_make(pool, (int)count + 1, sizeof(struct cep_sid));

    for (i = 0; i < count; i++)
        APR_ARRAY_PUSH(sids, struct cep_sid) = random_sid(kinds);
    return cep_token_make(sids);
}

/* Any ACE, of any type and mask. */
static void random_ace(uint32_t kinds)
{
    static const int types[] = {0, 0, 1, 5, 5, 5, 6, 9, 10, 11, 12, 2, 7, 0x15};
    static const uint32_t masks[] = {MASK_CR, 0x130, 0x130, 0xF00FF, MASK_GA, 0xFFFFFFFF};
    static const char *const guids[] = {ENROLL_GUID, ENROLL_GUID, AUTOENROLL_GUID,
                                        OTHER_GUID,  ZERO_GUID,   NULL};
    int type = types[chance(sizeof(types) / sizeof(types[0]))];
    int flags = chance(6) == 0 ? INHERIT : (int)chance(2) * 0x10;
    uint32_t mask = masks[chance(6)];
    struct cep_sid sid = random_sid(kinds);
    char text[CEP_SID_TEXT_MAX];

    cep_sid_format(&sid, text);
    if (type == 5 || type == 6 || type == 7 || type == 11 || type == 12)
        acl_add_object(&acl, type, flags, mask, guids[chance(6)], NULL, text);
    else
        acl_add(&acl, type, flags, mask, text);
}

#define DESCRIPTORS 40

/* Many descriptors in one table, each against many tokens, small and large. */
static void walk_and_lists_agree(void **state)
{
    static struct sd descriptors[DESCRIPTORS];
    unsigned round, granted = 0, asked = 0;
    apr_pool_t *all = pool;

    (void)state;
    for (round = 0; round < 300; round++) {
        uint32_t kinds = 4 + chance(round % 3 == 0 ? 400 : 20), i, k;
        struct cep_access_list lists[DESCRIPTORS][2];
        struct cep_compiler *compiler;
        struct cep_compiled compiled;

        apr_pool_create(&pool, all);
        compiler = cep_compiler_make(pool);
        for (i = 0; i < DESCRIPTORS; i++) {
            acl_start(&acl);
            for (k = chance(16); k > 0; k--)
                random_ace(kinds);
            sd_with_dacl(&descriptors[i], &acl);
            if (chance(10) == 0) /* often damaged by it */
                descriptors[i].octets[chance((uint32_t)descriptors[i].length)] ^= 1u << chance(8);
            for (k = 0; k < 2; k++)
                lists[i][k] = cep_compiler_add(compiler, descriptors[i].octets,
                                               descriptors[i].length, (enum cep_right)k);
        }
        assert_true(cep_compiler_finish(&compiled, compiler));
        for (k = 0; k < 40; k++) {
            struct cep_token token = random_token(k % 8 == 0 ? 300 : 12, kinds + kinds / 2);

            for (i = 0; i < DESCRIPTORS * 2; i++) {
                int walk = cep_access_granted(descriptors[i / 2].octets, descriptors[i / 2].length,
                                              (enum cep_right)(i % 2), &token);

                assert_int_equal(walk, compiled_grants(&compiled, lists[i / 2][i % 2], &token));
                granted += (unsigned)walk;
                asked++;
            }
        }
        apr_pool_destroy(pool);
    }
    pool = all;
    assert_true(granted > asked / 10 && granted < asked * 9 / 10);
}

static void the_table_holds_what_lists_name(void **state)
{
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_compiled compiled;
    struct cep_sid c = sid_of(C), a = sid_of(A);

    (void)state;
    write_dacl("+a -b ~+d +c -d"); /* d decides nothing; b does, before c */
    add(compiler, CEP_RIGHT_ENROLL);
    write_dacl("*+d ~-d -D");
    add(compiler, CEP_RIGHT_ENROLL);
    assert_true(cep_compiler_finish(&compiled, compiler));
    assert_int_equal(compiled.sid_count, 3);
    assert_int_equal(compiled.step_count, 3);
    assert_memory_equal(&compiled.sids[0], &c, sizeof(c));
    assert_memory_equal(&compiled.sids[1], &a, sizeof(a));
}

static void equal_lists_are_stored_once(void **state)
{
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_access_list first, second, third, again;
    struct cep_compiled compiled;

    (void)state;
    write_dacl("+A -b +c");
    first = add(compiler, CEP_RIGHT_ENROLL);
    write_dacl("+b +d");
    second = add(compiler, CEP_RIGHT_ENROLL);
    write_dacl("~+d +a +a -b +c -d");
    third = add(compiler, CEP_RIGHT_ENROLL);
    write_dacl("+a");
    again = add(compiler, CEP_RIGHT_ENROLL);
    assert_true(cep_compiler_finish(&compiled, compiler));
    assert_memory_equal(&first, &third, sizeof(first));
    assert_int_equal(compiled.step_count, 6);
    assert_string_equal(letters_of(&compiled, first), "+a-b+c");
    assert_string_equal(letters_of(&compiled, second), "+b+d");
    assert_string_equal(letters_of(&compiled, again), "+a");
}

static void what_cannot_be_read_grants_nothing(void **state)
{
    static const unsigned char broken[] = {0, 0, 12, 0, 0, 1, 0, 0, 1, 1, 0, 0};
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_compiled compiled;
    size_t length;

    (void)state;
    write_dacl("+A +b");
    for (length = 0; length < sd.length; length++) {
        unsigned char *cut = apr_pmemdup(pool, sd.octets, length);

        assert_int_equal(cep_compiler_add(compiler, cut, length, CEP_RIGHT_ENROLL).count, 0);
    }
    assert_int_equal(cep_compiler_add(compiler, NULL, 0, CEP_RIGHT_ENROLL).count, 0);
    put16(sd.octets + 2, CONTROL_SR); /* DP clear */
    assert_int_equal(add(compiler, CEP_RIGHT_ENROLL).count, 0);
    acl_add_raw(&acl, broken, sizeof(broken));
    sd_with_dacl(&sd, &acl);
    assert_int_equal(add(compiler, CEP_RIGHT_ENROLL).count, 0);
    assert_int_equal(add(compiler, CEP_RIGHT_AUTOENROLL).count, 0);
    assert_true(cep_compiler_finish(&compiled, compiler));
    assert_int_equal(compiled.sid_count, 0);
    assert_int_equal(compiled.step_count, 0);
}

/* No list, no SID, no token: nothing is granted, nothing outside is touched. */
static void nothing_at_all(void **state)
{
    static const struct cep_token nobody = {NULL, 0};
    static const struct cep_access_list none = {0, 0};
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_compiled compiled;
    struct cep_access_list list;
    struct cep_sid sid = sid_of(A);
    struct cep_token somebody = {&sid, 1};

    (void)state;
    assert_true(cep_compiler_finish(&compiled, compiler));
    assert_int_equal(compiled_grants(&compiled, none, &nobody), 0);
    assert_int_equal(compiled_grants(&compiled, none, &somebody), 0);
    compiler = cep_compiler_make(pool);
    write_dacl("+a");
    list = add(compiler, CEP_RIGHT_ENROLL);
    assert_true(cep_compiler_finish(&compiled, compiler));
    assert_int_equal(compiled_grants(&compiled, list, &nobody), 0);
    assert_int_equal(compiled_grants(&compiled, list, &somebody), 1);
}

/* As many SIDs as one ACL can name. */
static void the_longest_list(void **state)
{
    enum { ACES = (ACL_MAX - 8) / 20 };
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_access_list list;
    struct cep_compiled compiled;
    int i;

    (void)state;
    acl_start(&acl);
    for (i = ACES; i > 0; i--)
        acl_add(&acl, 0x00, 0, MASK_CR, apr_psprintf(pool, "S-1-5-%d", 1000 + i));
    sd_with_dacl(&sd, &acl);
    list = add(compiler, CEP_RIGHT_ENROLL);
    assert_true(cep_compiler_finish(&compiled, compiler));
    assert_int_equal(list.count, ACES);
    assert_int_equal(compiled.sid_count, ACES);
    for (i = 0; i <= ACES + 1; i++) {
        struct cep_sid sid = sid_of(apr_psprintf(pool, "S-1-5-%d", 1000 + i));
        struct cep_token token = {&sid, 1};

        assert_int_equal(compiled_grants(&compiled, list, &token), i >= 1 && i <= ACES);
    }
}

/* What a request does first, against asking for each SID alone. */
static void held_is_what_the_token_has(void **state)
{
    static const uint32_t sizes[] = {0, 1, 2, 31, 32, 33, 64, 65, 300, 1000};
    size_t t, s;
    uint32_t i;

    (void)state;
    for (t = 0; t < sizeof(sizes) / sizeof(sizes[0]); t++) {
        for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            struct cep_token token = random_token(sizes[t], 700);
            struct cep_token table = random_token(sizes[s], 700); /* sorted, too */
            apr_uint32_t count = (apr_uint32_t)table.count;
            apr_uint32_t *held = calloc(CEP_HELD_WORDS(count), sizeof(*held));

            cep_token_hold(held, &token, table.sids, count);
            for (i = 0; i < count; i++)
                assert_int_equal(cep_is_held(held, i),
                                 cep_token_has(&token, table.sids[i].octets, table.sids[i].length));
            for (; i < CEP_HELD_WORDS(count) * 32; i++)
                assert_int_equal(cep_is_held(held, i), 0);
            free(held);
        }
    }
}

/* A token whose one SID stands at each place of tables of each size, and beside each place. */
static void every_place_is_found(void **state)
{
    static struct cep_sid table[40];
    uint32_t size, place;

    (void)state;
    for (place = 0; place < 40; place++)
        table[place] = sid_of(apr_psprintf(pool, "S-1-5-%u", 2 * place + 1));
    for (size = 0; size < 40; size++) {
        for (place = 0; place < 2 * size + 1; place++) {
            struct cep_sid sid = sid_of(apr_psprintf(pool, "S-1-5-%u", place));
            struct cep_token token = {&sid, 1}, large = {table, (int)size};
            apr_uint32_t held[2] = {0, 0}, one = 0, i;

            cep_token_hold(held, &token, table, size);
            for (i = 0; i < size; i++)
                assert_int_equal(cep_is_held(held, i), place == 2 * i + 1);
            cep_token_hold(&one, &large, &sid, 1);
            assert_int_equal(one, place % 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_hold_what_decides),
        cmocka_unit_test(equal_meaning_is_an_equal_list),
        cmocka_unit_test(walk_and_lists_agree),
        cmocka_unit_test(the_table_holds_what_lists_name),
        cmocka_unit_test(equal_lists_are_stored_once),
        cmocka_unit_test(what_cannot_be_read_grants_nothing),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(the_longest_list),
        cmocka_unit_test(held_is_what_the_token_has),
        cmocka_unit_test(every_place_is_found),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
