/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of wrong passwords. A slot is found within a short run behind the place that its key
 * says; one that has nothing to count any more is free for the next. Nothing that counts is ever
 * thrown out to make room: filling the table must not unlock anybody.
 *
 * A process may die at any instruction while it holds the lock, so a new slot gets its numbers
 * before its key, and each number is sound whatever becomes of the others.
 */
#include "cep_guesses.h"
#include "cep_digest.h"

#include <arpa/inet.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "fold.h"

#define RUN          64
#define TELL_AGAIN   apr_time_from_sec(60)
#define PACE_DECLINE 64

struct slot {
    struct cep_guess_key key;
    apr_time_t until;         /* an account's failures count, an address has some, before then */
    apr_int64_t period;       /* in which it was last settled, see period_of() */
    apr_uint32_t wrong;       /* of an account */
    apr_uint32_t underway[2]; /* attempts that have not ended: begun in even and in odd periods */
};

struct cep_guess_table {
    unsigned char secret[32];
    apr_interval_time_t pace;
    apr_time_t told_full;
    apr_uint32_t capacity;
    struct slot slots[];
};

size_t cep_guesses_size(apr_uint32_t capacity)
{
    return sizeof(struct cep_guess_table) + (size_t)capacity * sizeof(struct slot);
}

int cep_guesses_init(struct cep_guess_table *table, apr_uint32_t capacity)
{
    table->capacity = capacity;
    table->told_full = -TELL_AGAIN;
    return RAND_bytes(table->secret, sizeof(table->secret)) == 1;
}

/* ---- keys ---- */

static int digest(struct cep_guess_key *key, const struct cep_guess_table *table, const void *data,
                  size_t length)
{
    unsigned char whole[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int done = context && EVP_DigestInit_ex(context, cep_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(context, table->secret, sizeof(table->secret)) == 1 &&
               EVP_DigestUpdate(context, data, length) == 1 &&
               EVP_DigestFinal_ex(context, whole, NULL) == 1;

    EVP_MD_CTX_free(context);
    if (done)
        memcpy(key->octets, whole, sizeof(key->octets));
    return done;
}

int cep_guesses_account(struct cep_guess_key *key, const struct cep_guess_table *table,
                        const char *directory, const char *account)
{
    char text[2 + 2 * CEP_FOLD_MAX] = "n";
    size_t length = 1;

    length += cep_fold(text + length, CEP_FOLD_MAX, directory);
    text[length++] = '\0';
    length += cep_fold(text + length, CEP_FOLD_MAX, account);
    return digest(key, table, text, length);
}

/* How many octets count: 4, or the first 8 of an IPv6 address (there has to be room for 16); 0: all
 * that have none, as over a Unix socket, are one. */
static size_t read_address(unsigned char octets[16], const char *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (inet_pton(AF_INET, address, octets) == 1)
        return 4;
    if (inet_pton(AF_INET6, address, octets) != 1)
        return 0;
    if (memcmp(octets, mapped, sizeof(mapped)) != 0)
        return 8;
    memmove(octets, octets + sizeof(mapped), 4);
    return 4;
}

int cep_guesses_address(struct cep_guess_key *key, const struct cep_guess_table *table,
                        const char *address, apr_uint32_t limit, apr_interval_time_t window)
{
    unsigned char text[1 + sizeof(limit) + sizeof(window) + 16] = "a";
    size_t length = 1;

    memcpy(text + length, &limit, sizeof(limit));
    length += sizeof(limit);
    memcpy(text + length, &window, sizeof(window));
    length += sizeof(window);
    length += read_address(text + length, address);
    return digest(key, table, text, length);
}

/* ---- slots ---- */

static struct slot *place(struct cep_guess_table *table, const struct cep_guess_key *key,
                          apr_uint32_t step)
{
    apr_uint32_t first;

    memcpy(&first, key->octets, sizeof(first));
    return &table->slots[(first + step) & (table->capacity - 1)];
}

/* By the periods in which they began it is seen which attempts were given up, though others come
 * and go all the time. */
static apr_int64_t period_of(apr_time_t now)
{
    return now / CEP_GUESSES_ABANDONED;
}

static apr_uint32_t *underway_of(struct slot *slot, apr_int64_t period)
{
    return &slot->underway[period & 1];
}

static apr_uint32_t underway(const struct slot *slot)
{
    return slot->underway[0] + slot->underway[1];
}

static int is_free(const struct slot *slot, apr_time_t now)
{
    apr_time_t since = (slot->period + 2) * CEP_GUESSES_ABANDONED;

    if (slot->until > now)
        return 0;
    return underway(slot) == 0 || now - since >= CEP_GUESSES_MAX_WINDOW;
}

/* The key's slot, else a free one (*found 0), else NULL. */
static struct slot *find(struct cep_guess_table *table, const struct cep_guess_key *key,
                         apr_time_t now, int *found)
{
    struct slot *vacant = NULL;

    *found = 0;
    for (apr_uint32_t step = 0; step < RUN; step++) {
        struct slot *slot = place(table, key, step);

        if (!memcmp(&slot->key, key, sizeof(*key))) {
            *found = 1;
            return slot;
        }
        if (!vacant && is_free(slot, now))
            vacant = slot;
    }
    return vacant;
}

static void take(struct slot *slot, const struct cep_guess_key *key, apr_time_t now)
{
    memset(slot, 0, sizeof(*slot));
    slot->period = period_of(now);
    slot->key = *key;
}

/* ---- what a slot says ---- */

struct rule {
    apr_uint32_t limit;
    apr_interval_time_t window;
    int drains; /* an address's failures run off one by one, an account's end all at once */
};

static struct rule account_rule(const struct cep_guess_attempt *attempt)
{
    struct rule rule = {attempt->limit, attempt->window, 0};

    return rule;
}

static struct rule address_rule(const struct cep_guess_attempt *attempt)
{
    struct rule rule = {attempt->limit * CEP_GUESSES_PER_ADDRESS, attempt->window, 1};

    return rule;
}

/* An address's failure counts for this long; a window holds limit of them. */
static apr_interval_time_t share(const struct rule *rule)
{
    apr_interval_time_t each = rule->window / rule->limit;

    return each > 0 ? each : 1;
}

/*
 * AD's own count starts anew when no wrong password has come for its observation window; so does
 * an account's here. A window that began with the first failure would let twice the limit through
 * around its end.
 */
static void count_wrong(struct slot *slot, const struct rule *rule, apr_uint32_t times,
                        apr_time_t now)
{
    apr_time_t until = now + rule->window;

    if (rule->drains)
        until = (slot->until > now ? slot->until : now) + times * share(rule);
    else
        slot->wrong += times;
    if (slot->until < until)
        slot->until = until;
}

static apr_uint32_t wrong(const struct slot *slot, const struct rule *rule, apr_time_t now)
{
    apr_interval_time_t left = slot->until - now;

    if (left <= 0)
        return 0;
    if (!rule->drains)
        return slot->wrong;
    left = (left + share(rule) - 1) / share(rule);
    return left < rule->limit ? (apr_uint32_t)left : rule->limit;
}

static void give_up(apr_uint32_t *attempts, struct slot *slot, const struct rule *rule,
                    apr_time_t now)
{
    if (*attempts)
        count_wrong(slot, rule, *attempts, now);
    *attempts = 0;
}

/* Bring a slot to this moment. Those who began before the last period are given up. */
static void settle(struct slot *slot, const struct rule *rule, apr_time_t now)
{
    apr_int64_t period = period_of(now);

    if (slot->until <= now)
        slot->wrong = 0;
    if (period > slot->period)
        give_up(underway_of(slot, period), slot, rule, now);
    if (period > slot->period + 1)
        give_up(underway_of(slot, period - 1), slot, rule, now);
    slot->period = period;
}

static enum cep_guess_verdict judge(struct slot *slot, const struct rule *rule,
                                    enum cep_guess_verdict locked, apr_time_t now)
{
    apr_uint32_t failures;

    settle(slot, rule, now);
    failures = wrong(slot, rule, now);
    if (failures >= rule->limit)
        return locked;
    return underway(slot) >= rule->limit - failures ? CEP_GUESS_BUSY : CEP_GUESS_ADMITTED;
}

enum cep_guess_verdict cep_guesses_begin(struct cep_guess_table *table,
                                         struct cep_guess_attempt *attempt, apr_time_t now)
{
    const struct rule rules[] = {account_rule(attempt), address_rule(attempt)};
    const struct cep_guess_key *keys[] = {&attempt->account, &attempt->address};
    static const enum cep_guess_verdict locked[] = {CEP_GUESS_ACCOUNT_LOCKED,
                                                    CEP_GUESS_ADDRESS_LOCKED};
    struct slot *slots[2];
    int found[2];

    for (int i = 0; i < 2; i++) {
        enum cep_guess_verdict verdict = CEP_GUESS_ADMITTED;

        slots[i] = find(table, keys[i], now, &found[i]);
        if (slots[i] && found[i])
            verdict = judge(slots[i], &rules[i], locked[i], now);
        if (verdict != CEP_GUESS_ADMITTED)
            return verdict;
    }
    /* One free place cannot serve both. */
    if (!slots[0] || !slots[1])
        return CEP_GUESS_FULL;
    attempt->period = period_of(now);
    if (!found[0])
        take(slots[0], keys[0], now);
    ++*underway_of(slots[0], attempt->period);
    if (slots[1] == slots[0])
        slots[1] = find(table, keys[1], now, &found[1]);
    if (!slots[1]) {
        --*underway_of(slots[0], attempt->period);
        return CEP_GUESS_FULL;
    }
    if (!found[1])
        take(slots[1], keys[1], now);
    ++*underway_of(slots[1], attempt->period);
    return CEP_GUESS_ADMITTED;
}

/* 1: this was the last failure allowed. */
static int end_one(struct cep_guess_table *table, const struct cep_guess_key *key,
                   apr_int64_t begun, const struct rule *rule, enum cep_guess_outcome outcome,
                   apr_time_t now)
{
    int found;
    struct slot *slot = find(table, key, now, &found);

    if (!slot || (!found && outcome != CEP_GUESS_WRONG))
        return 0;
    if (!found)
        take(slot, key, now); /* it took so long that it was given up */
    settle(slot, rule, now);
    if (begun + 1 >= slot->period && *underway_of(slot, begun))
        --*underway_of(slot, begun);
    if (outcome == CEP_GUESS_WRONG) {
        count_wrong(slot, rule, 1, now);
        return wrong(slot, rule, now) >= rule->limit;
    }
    if (outcome == CEP_GUESS_RIGHT && !rule->drains) {
        slot->wrong = 0;
        slot->until = 0;
    }
    return 0;
}

unsigned cep_guesses_end(struct cep_guess_table *table, const struct cep_guess_attempt *attempt,
                         enum cep_guess_outcome outcome, apr_time_t now)
{
    const struct rule account = account_rule(attempt), address = address_rule(attempt);
    unsigned locks = 0;

    if (end_one(table, &attempt->account, attempt->period, &account, outcome, now))
        locks |= CEP_GUESS_LOCKS_ACCOUNT;
    if (end_one(table, &attempt->address, attempt->period, &address, outcome, now))
        locks |= CEP_GUESS_LOCKS_ADDRESS;
    return locks;
}

/* ---- pace ---- */

/* Up at once, down slowly: what is quicker than the rest must be held back, not the other way. */
void cep_guesses_learn_pace(struct cep_guess_table *table, apr_interval_time_t took)
{
    if (took > CEP_GUESSES_MAX_PACE)
        took = CEP_GUESSES_MAX_PACE;
    if (took >= table->pace)
        table->pace = took;
    else
        table->pace -= (table->pace - took) / PACE_DECLINE;
}

apr_interval_time_t cep_guesses_pace(const struct cep_guess_table *table)
{
    return table->pace;
}

int cep_guesses_tell_full(struct cep_guess_table *table, apr_time_t now)
{
    if (now - table->told_full < TELL_AGAIN)
        return 0;
    table->told_full = now;
    return 1;
}
