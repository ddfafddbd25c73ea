/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Counting wrong passwords, per account and per client address, so that guessing at our door ends
 * before the directory's own lockout begins. Arithmetic only: the memory, the lock around each call
 * and the clock are the caller's. Names are never kept, only keyed digests of them.
 */
#ifndef CEP_GUESSES_H
#define CEP_GUESSES_H

#include <apr_time.h>

/* One address stands for many people (NAT): it may fail this many times as often as an account. */
#define CEP_GUESSES_PER_ADDRESS 10

/* Accounts and addresses with failures that are kept at a time. */
#define CEP_GUESSES_CAPACITY 65536

/* Longest window of an attempt. */
#define CEP_GUESSES_MAX_WINDOW apr_time_from_sec(24 * 3600)

/* Longest time that is waited so that refusals take equally long. */
#define CEP_GUESSES_MAX_PACE apr_time_from_sec(1)

/* An attempt that never ends was a wrong one, for its process is dead: seen after this time, and
 * before twice this time. */
#define CEP_GUESSES_ABANDONED apr_time_from_sec(300)

struct cep_guess_table; /* holds no pointers: every process may have it at another place */

/* Octets of a table. capacity is a power of two, 64 or more. */
size_t cep_guesses_size(apr_uint32_t capacity);

/* Make a table of zeroed memory. 0: there is no randomness for its key. */
int cep_guesses_init(struct cep_guess_table *table, apr_uint32_t capacity);

struct cep_guess_key {
    unsigned char octets[16];
};

/* Who tries, and what is allowed. */
struct cep_guess_attempt {
    struct cep_guess_key account, address;
    apr_uint32_t limit; /* wrong passwords per account, 1 or more */
    apr_interval_time_t window;
    apr_int64_t period; /* set by cep_guesses_begin(): when it began */
};

/*
 * The keys. account is a name's account part (struct cep_name) in UTF-8: letters count without
 * regard to case and accents, as directories compare them; runs of blanks are one, and characters
 * that cannot be seen are none. Of an IPv6 address the first 64 bits count; an address has a count
 * for each limit and window, since what one failure weighs depends on them. 0: no digest.
 */
int cep_guesses_account(struct cep_guess_key *key, const struct cep_guess_table *table,
                        const char *directory, const char *account);
int cep_guesses_address(struct cep_guess_key *key, const struct cep_guess_table *table,
                        const char *address, apr_uint32_t limit, apr_interval_time_t window);

enum cep_guess_verdict {
    CEP_GUESS_ADMITTED,       /* ask; cep_guesses_end() must follow */
    CEP_GUESS_BUSY,           /* those who ask at this moment may use up the limit: try again */
    CEP_GUESS_ACCOUNT_LOCKED, /* refuse without asking */
    CEP_GUESS_ADDRESS_LOCKED,
    CEP_GUESS_FULL /* no place to count: refuse */
};

/*
 * May this attempt be made? Each one that is under way counts as a wrong one until it ends, so that
 * never more than limit reach the directory. now: of a clock that never goes back.
 */
enum cep_guess_verdict cep_guesses_begin(struct cep_guess_table *table,
                                         struct cep_guess_attempt *attempt, apr_time_t now);

enum cep_guess_outcome {
    CEP_GUESS_RIGHT,    /* the account's failures are forgotten, the address's are not */
    CEP_GUESS_WRONG,    /* counted; the account is free again a window after the last one */
    CEP_GUESS_UNDECIDED /* nobody could tell: not counted */
};

/* What a wrong attempt was the last one for. */
enum { CEP_GUESS_LOCKS_ACCOUNT = 1, CEP_GUESS_LOCKS_ADDRESS = 2 };

/* Returns CEP_GUESS_LOCKS_*, added up. */
unsigned cep_guesses_end(struct cep_guess_table *table, const struct cep_guess_attempt *attempt,
                         enum cep_guess_outcome outcome, apr_time_t now);

/*
 * How long refusals take: as long as the slower ones of late. learn with what a refusal by the
 * directory took; wait with the others.
 */
void cep_guesses_learn_pace(struct cep_guess_table *table, apr_interval_time_t took);
apr_interval_time_t cep_guesses_pace(const struct cep_guess_table *table);

/* 1 at most once a minute: that the table is full is worth a line in the log. */
int cep_guesses_tell_full(struct cep_guess_table *table, apr_time_t now);

#endif
