/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* When the next run comes, what a run leaves for it, and when everything is read. */

#include "cache_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "../../mod_cep/cache/run.h"
#include "pool.h"

/* ---- schedule ---- */

#define SECOND APR_TIME_C(1000000)

/* The wait with nothing and with all that chance can take away. */
static void check_wait(apr_uint32_t failures, int serving, apr_interval_time_t interval,
                       apr_interval_time_t most, int share)
{
    struct cep_directory_config config = {.name = "test"};
    struct cep_refresh_plan plan = plan_for(&config);

    plan.interval = interval;
    assert_int_equal(cep_schedule_next(&plan, failures, serving, SECOND, 0, 0), most);
    for (apr_uint32_t random = 1; random < 4000000000u; random += 99999989u)
        assert_in_range(cep_schedule_next(&plan, failures, serving, SECOND, 0, random),
                        most - most / share, most);
}

static void test_wait_after_success(void **state)
{
    (void)state;
    check_wait(0, 1, 300 * SECOND, 300 * SECOND, 10);
    check_wait(0, 1, SECOND, SECOND, 10);
    check_wait(0, 1, 7 * 86400 * SECOND, 7 * 86400 * SECOND, 10);
}

static void test_wait_after_failures(void **state)
{
    static const int seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

    (void)state;
    for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
        check_wait(i + 1, 1, 300 * SECOND, seconds[i] * SECOND, 2);
    check_wait(APR_UINT32_MAX, 1, 300 * SECOND, 60 * SECOND, 2); /* CVE-2025-55753: no overflow */
    check_wait(9, 1, 5 * SECOND, 5 * SECOND, 2);                 /* never above the interval */
    check_wait(1, 0, 300 * SECOND, SECOND, 2);
    check_wait(9, 0, 300 * SECOND, 2 * SECOND, 2); /* nobody is served meanwhile */
}

static void test_wait_for_what_time_changes(void **state)
{
    struct cep_directory_config config = {.name = "test"};
    struct cep_refresh_plan plan = plan_for(&config);

    (void)state;
    assert_int_equal(cep_schedule_next(&plan, 0, 1, 1000 * SECOND, 1007 * SECOND, 0), 7 * SECOND);
    assert_int_equal(cep_schedule_next(&plan, 0, 1, 1000 * SECOND, 9000 * SECOND, 0), 300 * SECOND);
    assert_int_equal(cep_schedule_next(&plan, 0, 1, 1000 * SECOND, 1000 * SECOND, 0), 300 * SECOND);
}

/* ---- record ---- */

static struct cep_saved_state sample_record(void)
{
    struct cep_saved_state record = {
        .state = {.last_attempt = 1,
                  .last_success = 2,
                  .failures = APR_UINT32_MAX,
                  .cas = 7,
                  .error = "two\nlines",
                  .source = "ldap://x"},
        .mark = {.config = "c",
                 .snapshot = "s",
                 .server = "dc 1",
                 .position = "usn 5",
                 .stamps = "abc",
                 .expires = APR_INT64_MAX},
    };

    return record;
}

static void test_record_is_read_back(void **state)
{
    struct cep_store *store = cep_store_make(pool, scratch_dir(pool), "corp");
    struct cep_saved_state record = sample_record(), back;
    struct cep_refresh_state seen;
    const char *error;

    (void)state;
    assert_int_equal(cep_state_load(&back, store, pool), APR_ENOENT);
    assert_int_equal(cep_state_save(&record, store, pool, &error), APR_SUCCESS);
    assert_int_equal(cep_state_load(&back, store, pool), APR_SUCCESS);
    assert_int_equal(back.state.last_attempt, 1);
    assert_int_equal(back.state.last_success, 2);
    assert_int_equal(back.state.last_full, 0);
    assert_true(back.state.failures == APR_UINT32_MAX);
    assert_int_equal(back.state.cas, 7);
    assert_string_equal(back.state.error, "two?lines");
    assert_null(back.state.reason);
    assert_string_equal(back.mark.server, "dc 1");
    assert_string_equal(back.mark.position, "usn 5");
    assert_true(back.mark.expires == APR_INT64_MAX);
    assert_int_equal(cep_refresh_state_read(&seen, store, pool), APR_SUCCESS);
    assert_string_equal(seen.source, "ldap://x");
}

/* Any octet changed, any end cut off: as good as none. */
static void test_damaged_record_is_none(void **state)
{
    struct cep_store *store = cep_store_make(pool, scratch_dir(pool), "corp");
    struct cep_saved_state record = sample_record(), back, zeros;
    const char *error;
    struct cep_value value;
    unsigned char *text;

    (void)state;
    memset(&zeros, 0, sizeof(zeros));
    assert_int_equal(cep_state_save(&record, store, pool, &error), APR_SUCCESS);
    value = read_file(store->state_path, pool);
    text = apr_pmemdup(pool, value.data, value.len);
    assert_in_range(value.len, 100, 4095);
    for (apr_size_t i = 0; i < value.len; i++) {
        text[i] ^= 1;
        write_file(store->state_path, "w", text, value.len);
        text[i] ^= 1;
        assert_int_not_equal(cep_state_load(&back, store, pool), APR_SUCCESS);
        assert_memory_equal(&back, &zeros, sizeof(back));
        write_file(store->state_path, "w", text, i);
        assert_int_not_equal(cep_state_load(&back, store, pool), APR_SUCCESS);
    }
    write_file(store->state_path, "w", text, value.len);
    assert_int_equal(cep_state_load(&back, store, pool), APR_SUCCESS);
    assert_int_equal(chmod(store->state_path, 0666), 0);
    assert_int_equal(cep_state_load(&back, store, pool), APR_EGENERAL);
}

/* ---- runs on a file ---- */

struct world {
    const char *dir, *path;
    struct cep_directory_config *config;
    struct cep_refresh_plan plan;
    struct cep_store *store;
};

/* A file's ctime cannot be set: wait until it is old enough to be believed. */
static void age(void)
{
    apr_sleep(2100000);
}

static struct world make_world(void)
{
    struct world world = {.dir = scratch_dir(pool)};

    world.path = copy_sample(world.dir, pool);
    world.config = file_config(pool, world.path);
    world.plan = plan_for(world.config);
    world.store = cep_store_make(pool, world.dir, "corp");
    age();
    return world;
}

static void expect(const struct world *world, int full, int changed, const char *reason)
{
    struct cep_refresh_result result = must_refresh(&world->plan, world->store, pool);

    if (result.full != full || result.changed != changed || !strstr(result.reason, reason))
        fail_msg("full %d, changed %d: %s", result.full, result.changed, result.reason);
    assert_true(result.templates > 0 && result.cas == 2);
}

static void test_only_what_changed_is_read(void **state)
{
    struct world world = make_world();
    const char *aside = apr_pstrcat(pool, world.dir, "/aside", NULL);
    struct cep_configured_uri uri = {"CA", {CEP_AUTH_KERBEROS, "https://x/", 1, 0, 0}};
    apr_array_header_t *uris = apr_array_make(pool, 1, sizeof(uri));
    struct cep_saved_state record;
    const char *error;

    (void)state;
    expect(&world, 1, 1, "no snapshot");
    expect(&world, 0, 0, "not been touched");
    expect(&world, 0, 0, "not been touched");
    /* the mark is lost or damaged */
    assert_int_equal(unlink(world.store->state_path), 0);
    expect(&world, 1, 0, "not known what");
    assert_int_equal(truncate(world.store->state_path, 50), 0);
    expect(&world, 1, 0, "not known what");
    /* the copy for looking up callers is lost */
    assert_int_equal(unlink(world.store->entries_path), 0);
    expect(&world, 1, 0, "");
    assert_int_equal(access(world.store->entries_path, R_OK), 0);
    expect(&world, 0, 0, "not been touched");
    /* the snapshot is lost, or another one than the mark is of */
    assert_int_equal(unlink(world.store->path), 0);
    expect(&world, 1, 1, "no snapshot");
    cep_state_load(&record, world.store, pool);
    record.mark.snapshot = "0123";
    assert_int_equal(cep_state_save(&record, world.store, pool, &error), APR_SUCCESS);
    expect(&world, 1, 0, "not known what");
    /* a CA certificate has expired meanwhile, the clock was set back, it is time */
    cep_state_load(&record, world.store, pool);
    record.mark.expires = apr_time_now() - 1;
    assert_int_equal(cep_state_save(&record, world.store, pool, &error), APR_SUCCESS);
    expect(&world, 1, 0, "CA certificate");
    cep_state_load(&record, world.store, pool);
    assert_true(record.mark.expires > apr_time_now());
    record.state.last_full = apr_time_now() + apr_time_from_sec(100);
    assert_int_equal(cep_state_save(&record, world.store, pool, &error), APR_SUCCESS);
    expect(&world, 1, 0, "time for a full");
    world.plan.full_interval = 1;
    expect(&world, 1, 0, "time for a full");
    world.plan.full_interval = apr_time_from_sec(6 * 3600);
    expect(&world, 0, 0, "not been touched");
    /* it was read from another server, whose marks mean nothing here */
    cep_state_load(&record, world.store, pool);
    record.mark.server = "file:/elsewhere";
    assert_int_equal(cep_state_save(&record, world.store, pool, &error), APR_SUCCESS);
    expect(&world, 1, 0, "another server");
    expect(&world, 0, 0, "not been touched");
    /* another configuration */
    APR_ARRAY_PUSH(uris, struct cep_configured_uri) = uri;
    world.plan.configured_uris = uris;
    expect(&world, 1, 1, "configuration");
    expect(&world, 0, 0, "not been touched");
    /* the file is replaced by an equal one */
    assert_int_equal(apr_file_copy(world.path, aside, APR_FILE_SOURCE_PERMS, pool), APR_SUCCESS);
    assert_int_equal(rename(aside, world.path), 0);
    expect(&world, 1, 0, "touched");
    expect(&world, 1, 0, "touched"); /* too young to be believed */
    age();
    expect(&world, 1, 0, "touched");
    expect(&world, 0, 0, "not been touched");
}

static void test_failures_are_recorded(void **state)
{
    struct world world = make_world();
    struct cep_refresh_result result = {.failures = 0};
    struct cep_refresh_state seen;
    const char *error = NULL;
    apr_pool_t *run;

    (void)state;
    must_refresh(&world.plan, world.store, pool);
    assert_int_equal(unlink(world.path), 0);
    for (apr_uint32_t i = 1; i <= 3; i++) {
        apr_pool_create(&run, pool);
        assert_int_not_equal(cep_refresh_run(&result, &world.plan, world.store, NULL, run, &error),
                             APR_SUCCESS);
        error = apr_pstrdup(pool, error);
        apr_pool_destroy(run);
        assert_int_equal(result.failures, i);
        assert_int_equal(result.serving, 1);
        assert_int_equal(cep_refresh_state_read(&seen, world.store, pool), APR_SUCCESS);
        assert_int_equal(seen.failures, i);
        assert_string_equal(seen.error, error);
        assert_true(seen.failing_since >= seen.last_success && seen.last_success > 0);
        assert_int_equal(seen.next_attempt - seen.last_attempt, result.next);
        assert_true(seen.templates > 0);
    }
    /* too old to be served */
    assert_int_equal(
        apr_file_mtime_set(world.store->path, apr_time_now() - apr_time_from_sec(90000), pool),
        APR_SUCCESS);
    apr_pool_create(&run, pool);
    cep_refresh_run(&result, &world.plan, world.store, NULL, run, &error);
    apr_pool_destroy(run);
    assert_int_equal(result.serving, 0);
    assert_in_range(result.next, SECOND, 2 * SECOND);
    assert_int_equal(apr_file_copy(sample_path(pool), world.path, APR_FPROT_UREAD, pool),
                     APR_SUCCESS);
    must_refresh(&world.plan, world.store, pool);
    assert_int_equal(cep_refresh_state_read(&seen, world.store, pool), APR_SUCCESS);
    assert_int_equal(seen.failures, 0);
    assert_int_equal(seen.failing_since, 0);
    assert_null(seen.error);
}

/* Two servers' content in one folder is two snapshots; the path of the file is in neither. */
static void test_same_octets_from_other_paths(void **state)
{
    struct world one = make_world(), other = make_world();
    struct cep_value first, second;

    (void)state;
    must_refresh(&one.plan, one.store, pool);
    must_refresh(&other.plan, other.store, pool);
    first = read_file(one.store->path, pool);
    second = read_file(other.store->path, pool);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_pool, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_wait_after_success),         TEST(test_wait_after_failures),
        TEST(test_wait_for_what_time_changes), TEST(test_record_is_read_back),
        TEST(test_damaged_record_is_none),     TEST(test_only_what_changed_is_read),
        TEST(test_failures_are_recorded),      TEST(test_same_octets_from_other_paths),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
