/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The count of wrong passwords: the limit holds whatever happens at once, and nobody is let in by
 * filling the table. Time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "cep_guesses.h"

#define CAPACITY 256
#define WINDOW   apr_time_from_sec(1800)
#define SHARE    (WINDOW / (3 * CEP_GUESSES_PER_ADDRESS))
#define START    apr_time_from_sec(1000)

static struct cep_guess_table *table;

static int setup(void **state)
{
    (void)state;
    table = calloc(1, cep_guesses_size(CAPACITY));
    return table && cep_guesses_init(table, CAPACITY) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(table);
    return 0;
}

static struct cep_guess_attempt under(apr_uint32_t limit, apr_interval_time_t window,
                                      const char *name, const char *address)
{
    struct cep_guess_attempt attempt = {.limit = limit, .window = window};

    assert_int_equal(cep_guesses_account(&attempt.account, table, "corp", name), 1);
    assert_int_equal(cep_guesses_address(&attempt.address, table, address, limit, window), 1);
    return attempt;
}

static struct cep_guess_attempt by(const char *name, const char *address)
{
    return under(3, WINDOW, name, address);
}

static enum cep_guess_verdict begin(struct cep_guess_attempt *attempt, apr_time_t now)
{
    return cep_guesses_begin(table, attempt, now);
}

static unsigned end(const struct cep_guess_attempt *attempt, enum cep_guess_outcome outcome,
                    apr_time_t now)
{
    return cep_guesses_end(table, attempt, outcome, now);
}

/* A whole attempt that is wrong. */
static enum cep_guess_verdict wrong_one(struct cep_guess_attempt *attempt, apr_time_t now)
{
    enum cep_guess_verdict verdict = begin(attempt, now);

    if (verdict == CEP_GUESS_ADMITTED)
        end(attempt, CEP_GUESS_WRONG, now);
    return verdict;
}

static void lock(struct cep_guess_attempt *attempt, apr_time_t now)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(wrong_one(attempt, now), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(attempt, now), CEP_GUESS_ACCOUNT_LOCKED);
}

static void the_limit_and_one_more(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1"), other = by("bob", "192.0.2.2");

    (void)state;
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(end(&alice, CEP_GUESS_WRONG, START), 0);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(end(&alice, CEP_GUESS_WRONG, START), 0);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(end(&alice, CEP_GUESS_WRONG, START), CEP_GUESS_LOCKS_ACCOUNT);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ACCOUNT_LOCKED);
    assert_int_equal(begin(&other, START), CEP_GUESS_ADMITTED);
}

/* A failure where few are allowed in a long time is not all that a short time holds elsewhere. */
static void an_address_has_a_count_for_each_rule(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    struct cep_guess_attempt strict, loose = under(1000, apr_time_from_sec(1), "zoe", "192.0.2.1");

    (void)state;
    for (int i = 0; i < CEP_GUESSES_PER_ADDRESS; i++) {
        strict = under(1, WINDOW, names[i], "192.0.2.1");
        assert_int_equal(wrong_one(&strict, START), CEP_GUESS_ADMITTED);
    }
    strict = under(1, WINDOW, "k", "192.0.2.1");
    assert_int_equal(begin(&strict, START), CEP_GUESS_ADDRESS_LOCKED);
    assert_int_equal(begin(&loose, START), CEP_GUESS_ADMITTED);
}

/* The window begins with the last failure, and a refusal does not make it longer. */
static void the_window(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1");
    apr_time_t last = START + WINDOW - 2;

    (void)state;
    assert_int_equal(wrong_one(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(wrong_one(&alice, START + WINDOW / 2), CEP_GUESS_ADMITTED);
    assert_int_equal(wrong_one(&alice, last), CEP_GUESS_ADMITTED);
    assert_int_equal(wrong_one(&alice, START + WINDOW), CEP_GUESS_ACCOUNT_LOCKED);
    assert_int_equal(wrong_one(&alice, last + WINDOW - 1), CEP_GUESS_ACCOUNT_LOCKED);
    lock(&alice, last + WINDOW);
}

static void a_right_password_forgets(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1");

    (void)state;
    wrong_one(&alice, START);
    wrong_one(&alice, START);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(end(&alice, CEP_GUESS_RIGHT, START), 0);
    lock(&alice, START);
}

static void who_is_under_way_counts(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1");

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(&alice, START), CEP_GUESS_BUSY);
    end(&alice, CEP_GUESS_WRONG, START);
    assert_int_equal(begin(&alice, START), CEP_GUESS_BUSY);
    end(&alice, CEP_GUESS_UNDECIDED, START);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(&alice, START), CEP_GUESS_BUSY);
    /* The others go on after a right one; what was wrong is forgotten, they are not. */
    end(&alice, CEP_GUESS_RIGHT, START);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(&alice, START), CEP_GUESS_BUSY);
    for (int i = 0; i < 3; i++)
        end(&alice, CEP_GUESS_WRONG, START);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ACCOUNT_LOCKED);
}

/* A process that died with attempts under way: they were wrong. */
static void abandoned_attempts(void **state)
{
    const apr_time_t begun = CEP_GUESSES_ABANDONED, later = 3 * CEP_GUESSES_ABANDONED;
    struct cep_guess_attempt alice = by("alice", "192.0.2.1"), one;

    (void)state;
    for (int i = 0; i < 3; i++)
        begin(&alice, begun);
    one = alice;
    assert_int_equal(begin(&alice, later - 1), CEP_GUESS_BUSY);
    end(&one, CEP_GUESS_RIGHT, later - 1); /* slow, and not dead */
    assert_int_equal(begin(&alice, later - 1), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(&alice, later), CEP_GUESS_BUSY); /* two wrong, one under way */
    end(&alice, CEP_GUESS_WRONG, later);
    assert_int_equal(begin(&alice, later), CEP_GUESS_ACCOUNT_LOCKED);
    assert_int_equal(begin(&alice, later + WINDOW - 1), CEP_GUESS_ACCOUNT_LOCKED);
    assert_int_equal(begin(&alice, later + WINDOW), CEP_GUESS_ADMITTED);
}

/* Nobody has asked for so long that both periods are over. */
static void abandoned_attempts_of_a_quiet_account(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1");
    apr_time_t later = START + 7 * CEP_GUESSES_ABANDONED;

    (void)state;
    for (int i = 0; i < 3; i++)
        begin(&alice, START);
    assert_int_equal(begin(&alice, later), CEP_GUESS_ACCOUNT_LOCKED);
    end(&alice, CEP_GUESS_RIGHT, later); /* it lives after all */
    assert_int_equal(begin(&alice, later), CEP_GUESS_ADMITTED);
}

/* Also where others come and go all the time: else the address of a proxy would be shut in the end.
 */
static void abandoned_attempts_of_a_busy_address(void **state)
{
    const apr_time_t step = CEP_GUESSES_ABANDONED / 10;
    const int most = 3 * CEP_GUESSES_PER_ADDRESS;
    struct cep_guess_attempt attempt, last = by("user0", "192.0.2.1");
    apr_time_t now = START;
    char name[16];

    (void)state;
    for (int i = 0; i < most; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        attempt = by(name, "192.0.2.1");
        assert_int_equal(begin(&attempt, now), CEP_GUESS_ADMITTED);
        last = attempt;
    }
    attempt = by("alice", "192.0.2.1");
    assert_int_equal(begin(&attempt, now), CEP_GUESS_BUSY);
    end(&last, CEP_GUESS_RIGHT, now);
    while (now < START + 2 * CEP_GUESSES_ABANDONED) {
        if (begin(&attempt, now) == CEP_GUESS_ADMITTED)
            end(&attempt, CEP_GUESS_RIGHT, now);
        now += step;
    }
    /* By now they have been counted as wrong, and run off. */
    assert_int_equal(begin(&attempt, now), CEP_GUESS_ADMITTED);
    end(&attempt, CEP_GUESS_RIGHT, now);
    for (int i = 0; i < 2 * most && now < START + 2 * CEP_GUESSES_ABANDONED + WINDOW; i++) {
        now += WINDOW / most;
        assert_int_equal(begin(&attempt, now), CEP_GUESS_ADMITTED);
        end(&attempt, CEP_GUESS_RIGHT, now);
    }
    for (int i = 0; i < most; i++) {
        snprintf(name, sizeof(name), "other%d", i);
        attempt = by(name, "192.0.2.1");
        assert_int_equal(begin(&attempt, now), CEP_GUESS_ADMITTED);
    }
}

/* One that was given up and ends after all is counted once more, and takes nothing below zero. */
static void late_ends(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1");

    (void)state;
    assert_int_equal(end(&alice, CEP_GUESS_RIGHT, START), 0);
    assert_int_equal(end(&alice, CEP_GUESS_UNDECIDED, START), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(end(&alice, CEP_GUESS_WRONG, START), 0);
    assert_int_equal(end(&alice, CEP_GUESS_WRONG, START), CEP_GUESS_LOCKS_ACCOUNT);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ACCOUNT_LOCKED);
}

static void an_address_has_its_own_limit(void **state)
{
    struct cep_guess_attempt attempt;
    char name[16];
    int i;

    (void)state;
    for (i = 0; i < 3 * CEP_GUESSES_PER_ADDRESS; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        attempt = by(name, "192.0.2.1");
        assert_int_equal(wrong_one(&attempt, START), CEP_GUESS_ADMITTED);
    }
    attempt = by("somebody", "192.0.2.1");
    assert_int_equal(begin(&attempt, START), CEP_GUESS_ADDRESS_LOCKED);
    attempt = by("somebody", "192.0.2.2");
    assert_int_equal(begin(&attempt, START), CEP_GUESS_ADMITTED);
    end(&attempt, CEP_GUESS_RIGHT, START);
    /* Its failures run off one by one. */
    attempt = by("somebody", "192.0.2.1");
    assert_int_equal(begin(&attempt, START + SHARE - 1), CEP_GUESS_ADDRESS_LOCKED);
    assert_int_equal(begin(&attempt, START + SHARE), CEP_GUESS_ADMITTED);
    assert_int_equal(end(&attempt, CEP_GUESS_WRONG, START + SHARE), CEP_GUESS_LOCKS_ADDRESS);
    /* A right password does not help the address. */
    assert_int_equal(begin(&attempt, START + 2 * SHARE), CEP_GUESS_ADMITTED);
    end(&attempt, CEP_GUESS_RIGHT, START + 2 * SHARE);
    assert_int_equal(wrong_one(&attempt, START + 2 * SHARE), CEP_GUESS_ADMITTED);
    assert_int_equal(begin(&attempt, START + 2 * SHARE), CEP_GUESS_ADDRESS_LOCKED);
}

static void many_good_ones_of_an_address_wait(void **state)
{
    struct cep_guess_attempt attempt[3 * CEP_GUESSES_PER_ADDRESS + 1];
    const int most = 3 * CEP_GUESSES_PER_ADDRESS;
    char name[16];

    (void)state;
    for (int i = 0; i <= most; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        attempt[i] = by(name, "192.0.2.1");
        assert_int_equal(begin(&attempt[i], START), i < most ? CEP_GUESS_ADMITTED : CEP_GUESS_BUSY);
    }
    end(&attempt[0], CEP_GUESS_RIGHT, START);
    assert_int_equal(begin(&attempt[most], START), CEP_GUESS_ADMITTED);
}

/* A stranger finds no room; who is locked stays so, and nobody's count is lost. */
static void a_full_table(void **state)
{
    struct cep_guess_attempt alice = by("alice", "192.0.2.1"), attempt;
    int full = 0;

    (void)state;
    lock(&alice, START);
    for (int i = 0; i < 20 * CAPACITY; i++) {
        char name[32], address[32];

        snprintf(name, sizeof(name), "user%d", i);
        snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
        attempt = by(name, address);
        full += wrong_one(&attempt, START) == CEP_GUESS_FULL;
    }
    assert_true(full > 10 * CAPACITY);
    assert_int_equal(begin(&alice, START), CEP_GUESS_ACCOUNT_LOCKED);
    assert_int_equal(begin(&attempt, START), CEP_GUESS_FULL);
    assert_int_equal(begin(&attempt, START + WINDOW), CEP_GUESS_ADMITTED);
}

static void it_is_told_once_a_minute_that_the_table_is_full(void **state)
{
    (void)state;
    assert_int_equal(cep_guesses_tell_full(table, 0), 1);
    assert_int_equal(cep_guesses_tell_full(table, apr_time_from_sec(60) - 1), 0);
    assert_int_equal(cep_guesses_tell_full(table, apr_time_from_sec(60)), 1);
}

static int same(const char *a, const char *b)
{
    struct cep_guess_attempt one = by(a, "192.0.2.1"), two = by(b, "192.0.2.1");

    return !memcmp(&one.account, &two.account, sizeof(one.account));
}

static void spellings_of_one_name(void **state)
{
    static const char *const alike[][2] = {
        {"alice", "ALICE"},
        {"alice", "\xc3\xa1lic\xc3\x89"},         /* álicÉ */
        {"alice", "a\xcc\x81lice"},               /* a with a combining mark */
        {"alice", "\xef\xbd\x81\xef\xbc\xacice"}, /* full width */
        {"alice", "al\xc2\xadi\xe2\x80\x8b"
                  "ce"},               /* soft hyphen, zero width */
        {"alice", "\xe1\xb8\x81lice"}, /* U+1E01 */
        {"a b", "a  \xc2\xa0 b"},
        {"a b", " a b "},
        {"\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd", "\xd0\x98\xd0\x92\xd0\x90\xd0\x9d"}, /* Cyrillic */
        {"\xd1\x91", "\xd0\x81"},
        {"j\xc3\xb6rg", "jorg"},
        {"alice", "\xf0\x9d\x90\x9a"
                  "lice"}, /* U+1D41A, bold */
        {"alice", "\xe2\x93\x90l\xe2\x85\xb0\xe2\x84\xad"
                  "e"},             /* circled, Roman, U+212D */
        {"finn", "\xef\xac\x81nn"}, /* a ligature */
        {"strasse", "stra\xc3\x9f"
                    "e"},
        {"aero", "\xc3\x86r\xc3\xb8"},
        {"\xce\xb9\xcf\x89", "\xce\x8a\xce\x8f"}, /* Greek with and without accents */
        {"\xd5\xa1", "\xd4\xb1"},                 /* Armenian */
        {"\xe3\x81\x82", "\xe3\x82\xa2"},         /* Hiragana, Katakana */
        {"\xe3\x81\x82", "\xef\xbd\xb1"},         /* half width */
        {"a-b", "a\xe2\x80\x90"
                "b"},
        {"alice", "alice\xcd\xb8"}, /* U+0378, not assigned */
        {"alice", "alice\xf0\x9f\x98\x80"},
    };
    static const char *const different[][2] = {
        {"alice", "alicf"},
        {"alice", "alic"},
        {"a b", "ab"},
        {"ws01", "ws01$"},
        {"\xd0\xb8\xd0\xb2", "\xd0\xb8\xd0\xb3"},
        {"\xe4\xb8\x80", "\xe4\xb8\x81"},
        {"a.b", "ab"},
        {"\xea\xb0\x80", "\xea\xb0\x81"}, /* Hangul */
    };
    struct cep_guess_attempt one = by("alice", "192.0.2.1"), two = one;

    (void)state;
    for (size_t i = 0; i < sizeof(alike) / sizeof(alike[0]); i++)
        assert_true(same(alike[i][0], alike[i][1]));
    for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
        assert_false(same(different[i][0], different[i][1]));
    assert_int_equal(cep_guesses_account(&two.account, table, "CORP", "alice"), 1);
    assert_memory_equal(&one.account, &two.account, sizeof(one.account));
    assert_int_equal(cep_guesses_account(&two.account, table, "other", "alice"), 1);
    assert_memory_not_equal(&one.account, &two.account, sizeof(one.account));
}

/* No name that may come is cut so that two are one. */
static void the_longest_names(void **state)
{
    char a[513], b[513];

    (void)state;
    memset(a, 'a', 512);
    a[512] = '\0';
    memcpy(b, a, sizeof(b));
    b[511] = 'b';
    assert_false(same(a, b));
    for (size_t i = 0; i + 3 <= 512; i += 3)
        memcpy(a + i, "\xea\xb0\x81", 4); /* Hangul, which grows most of all scripts */
    memcpy(b, a, sizeof(b));
    memcpy(b + 507, "\xea\xb0\x82", 3);
    assert_false(same(a, b));
}

static void addresses(void **state)
{
    static const struct {
        const char *a, *b;
        int same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", 1},         {"192.0.2.1", "192.0.2.2", 0},
        {"192.0.2.1", "::ffff:192.0.2.1", 1},  {"2001:db8::1", "2001:db8::ffff:0:0:1", 1},
        {"2001:db8::1", "2001:db8:0:1::1", 0}, {"/run/socket", "", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cep_guess_attempt one = by("x", cases[i].a), two = by("x", cases[i].b);

        assert_int_equal(!memcmp(&one.address, &two.address, sizeof(one.address)), cases[i].same);
    }
}

static void no_name_in_the_table(void **state)
{
    struct cep_guess_attempt attempt = by("a-rather-long-name", "192.0.2.1");
    const size_t size = cep_guesses_size(CAPACITY);

    (void)state;
    wrong_one(&attempt, START);
    assert_null(memmem(table, size, "rather", 6));
    assert_null(memmem(table, size, "\xc0\x00\x02\x01", 4));
}

static void the_pace(void **state)
{
    (void)state;
    assert_int_equal(cep_guesses_pace(table), 0);
    cep_guesses_learn_pace(table, 6400);
    assert_int_equal(cep_guesses_pace(table), 6400);
    cep_guesses_learn_pace(table, 0);
    assert_int_equal(cep_guesses_pace(table), 6300);
    cep_guesses_learn_pace(table, 2 * CEP_GUESSES_MAX_PACE);
    assert_int_equal(cep_guesses_pace(table), CEP_GUESSES_MAX_PACE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_limit_and_one_more),
        TEST(an_address_has_a_count_for_each_rule),
        TEST(the_window),
        TEST(a_right_password_forgets),
        TEST(who_is_under_way_counts),
        TEST(abandoned_attempts),
        TEST(abandoned_attempts_of_a_quiet_account),
        TEST(abandoned_attempts_of_a_busy_address),
        TEST(late_ends),
        TEST(an_address_has_its_own_limit),
        TEST(many_good_ones_of_an_address_wait),
        TEST(a_full_table),
        TEST(it_is_told_once_a_minute_that_the_table_is_full),
        TEST(spellings_of_one_name),
        TEST(the_longest_names),
        TEST(addresses),
        TEST(no_name_in_the_table),
        TEST(the_pace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
