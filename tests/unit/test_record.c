/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Callers as octets: what was put in comes out, and nothing else ever does. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include <apr_strings.h>

#include "cep_caller.h"
#include "pool.h"

/* A caller in `groups` groups of one domain, and in some of others. */
static struct cep_caller_record some_caller(int groups)
{
    static const char *const others[] = {"S-1-1-0", "S-1-5-11", "S-1-5-21-9-9-9-513", "S-1-5-2"};
    apr_array_header_t *sids = apr_array_make(pool, groups + 8, sizeof(struct cep_sid));
    struct cep_caller_record record = {NULL, NULL, apr_time_from_sec(1800000000)};
    struct cep_sid domain;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(cep_sid_parse(apr_array_push(sids), others[i]));
    assert_true(cep_sid_parse(&domain, "S-1-5-21-1-2-3"));
    for (int i = 0; i < groups; i++)
        assert_true(cep_sid_append_rid(apr_array_push(sids), &domain, 1000ul + (unsigned long)i));
    record.caller = apr_pcalloc(pool, sizeof(*record.caller));
    record.caller->dn = "CN=alice,DC=corp";
    record.caller->account = "alice";
    if (groups > 0)
        assert_true(cep_sid_append_rid(&record.caller->sid, &domain, 1000));
    record.caller->token = cep_token_make(sids);
    return record;
}

static struct cep_value pack(const struct cep_caller_record *record)
{
    struct cep_value octets;

    assert_true(cep_caller_pack(&octets, record, "corp", "alice", pool));
    return octets;
}

static int unpack(struct cep_caller_record *record, struct cep_value octets)
{
    return cep_caller_unpack(record, octets.data, octets.len, "corp", "alice", pool);
}

static void a_caller_comes_back(void **state)
{
    static const int counts[] = {0, 1, 2, 100, 1000, CEP_TOKEN_MAX_SIDS - 4};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct cep_caller_record in = some_caller(counts[i]), out;

        assert_true(unpack(&out, pack(&in)));
        assert_string_equal(out.caller->dn, "CN=alice,DC=corp");
        assert_string_equal(out.caller->account, "alice");
        assert_true(out.found_at == in.found_at);
        assert_memory_equal(&out.caller->sid, &in.caller->sid, sizeof(in.caller->sid));
        assert_int_equal(out.caller->token.count, in.caller->token.count);
        for (int s = 0; s < out.caller->token.count; s++)
            assert_int_equal(cep_sid_compare(&out.caller->token.sids[s], &in.caller->token.sids[s]),
                             0);
    }
}

/* Each caller has a share of his own that stays; neighbours are spread over all of them. */
static void shares(void **state)
{
    struct cep_caller_record alice = some_caller(3), same = some_caller(900);
    struct cep_sid domain;
    int counts[8] = {0};

    (void)state;
    assert_int_equal(cep_caller_share(alice.caller, 0), 0);
    assert_int_equal(cep_caller_share(alice.caller, 1), 0);
    same.caller->account = "CORP\\alice";
    assert_int_equal(cep_caller_share(alice.caller, 1000), cep_caller_share(same.caller, 1000));
    /* computed elsewhere from its 28 octets: the same on every machine */
    assert_int_equal(cep_caller_share(alice.caller, 1000000), 181938);
    assert_true(cep_sid_parse(&domain, "S-1-5-21-1-2-3"));
    for (unsigned long rid = 1000; rid < 9000; rid++) {
        assert_true(cep_sid_append_rid(&same.caller->sid, &domain, rid));
        counts[cep_caller_share(same.caller, 8)]++;
    }
    for (int i = 0; i < 8; i++)
        assert_in_range(counts[i], 900, 1100);
    memset(&same.caller->sid, 0, sizeof(same.caller->sid)); /* no account: by his name */
    assert_int_equal(cep_caller_share(same.caller, 1000000), 328813);
}

static void a_thousand_groups_are_small(void **state)
{
    struct cep_caller_record in = some_caller(1000);

    (void)state;
    assert_in_range(pack(&in).len, 5000, 5400);
}

static void nobody_comes_back(void **state)
{
    struct cep_caller_record in = {NULL, "the account is disabled", apr_time_from_sec(5)}, out;

    (void)state;
    assert_true(unpack(&out, pack(&in)));
    assert_null(out.caller);
    assert_string_equal(out.reason, "the account is disabled");
}

/* Never somebody else's rights: not of another user, nor of another directory. */
static void only_for_whom_it_was_made(void **state)
{
    struct cep_caller_record in = some_caller(3), out;
    struct cep_value octets = pack(&in);

    (void)state;
    assert_false(cep_caller_unpack(&out, octets.data, octets.len, "corp", "bob", pool));
    assert_false(cep_caller_unpack(&out, octets.data, octets.len, "other", "alice", pool));
    assert_false(cep_caller_unpack(&out, octets.data, octets.len, "corp", "alic", pool));
    assert_true(cep_caller_unpack(&out, octets.data, octets.len, "corp", "alice", pool));
}

static void every_damage_is_seen(void **state)
{
    struct cep_caller_record in = some_caller(20), out;
    struct cep_value octets = pack(&in);

    (void)state;
    for (apr_size_t length = 0; length < octets.len; length++) {
        unsigned char *copy = malloc(length ? length : 1);

        memcpy(copy, octets.data, length);
        assert_false(cep_caller_unpack(&out, copy, length, "corp", "alice", pool));
        free(copy);
    }
    for (apr_size_t i = 0; i < octets.len; i++) {
        unsigned char *copy = apr_pmemdup(pool, octets.data, octets.len);

        copy[i] ^= 1;
        assert_false(cep_caller_unpack(&out, copy, octets.len, "corp", "alice", pool));
    }
}

/* Somebody who can compute digests writes records: they may be wrong, never out of bounds. */
static void good_digests_prove_nothing(void **state)
{
    static const unsigned char evil[] = {0x00, 0x01, 0x0c, 0x7f, 0x80, 0x81, 0xff};
    struct cep_caller_record in = some_caller(6), out;
    struct cep_value octets = pack(&in);
    apr_size_t content = octets.len - SHA256_DIGEST_LENGTH;
    int accepted = 0, refused = 0;

    (void)state;
    for (apr_size_t i = 0; i < content; i++) {
        for (size_t e = 0; e < sizeof(evil); e++) {
            unsigned char *copy = malloc(octets.len);

            memcpy(copy, octets.data, octets.len);
            copy[i] = evil[e];
            SHA256(copy, content, copy + content);
            if (cep_caller_unpack(&out, copy, octets.len, "corp", "alice", pool)) {
                accepted++;
                if (out.caller)
                    assert_in_range(out.caller->token.count, 0, CEP_TOKEN_MAX_SIDS);
            } else {
                refused++;
            }
            free(copy);
        }
    }
    assert_true(refused > 300);
    assert_true(accepted > 0); /* another RID is as good a RID */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_pool, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(a_caller_comes_back),         TEST(shares),
        TEST(a_thousand_groups_are_small), TEST(nobody_comes_back),
        TEST(only_for_whom_it_was_made),   TEST(every_damage_is_seen),
        TEST(good_digests_prove_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
