/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Publishing, mapping, replacing, damaging a snapshot file; a refresh from end to end. */

#include "cache_fixture.h"

#include <apr_atomic.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

static struct cep_refresh_result refresh(const struct cep_directory_config *config,
                                         const struct cep_store *store)
{
    struct cep_refresh_plan plan = plan_for(config);

    return must_refresh(&plan, store, pool);
}

static void wait_for_next_look(void)
{
    apr_sleep(APR_TIME_C(1050000)); /* the reader looks at the file once a second */
}

static void test_refresh_publishes_and_confirms(void **state)
{
    const char *dir = scratch_dir(pool);
    struct cep_directory_config *config = file_config(pool, copy_sample(dir, pool));
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    struct cep_reader *reader = cep_reader_make(pool, store, NULL);
    const struct cep_snapshot *snapshot;
    struct cep_refresh_result result;
    apr_time_t confirmed, first;

    (void)state;
    assert_null(cep_reader_acquire(reader, pool, &confirmed));
    result = refresh(config, store);
    assert_int_equal(result.changed, 1);
    assert_true(result.templates >= 10);
    assert_int_equal(result.cas, 2);
    snapshot = cep_reader_acquire(reader, pool, &first);
    assert_non_null(snapshot);
    assert_int_equal(cep_snapshot_template_count(snapshot), result.templates);
    assert_true(apr_time_now() - first < apr_time_from_sec(5));

    /* The same content is confirmed: younger, but the same mapping. */
    apr_sleep(20000);
    assert_int_equal(refresh(config, store).changed, 0);
    wait_for_next_look();
    assert_ptr_equal(cep_reader_acquire(reader, pool, &confirmed), snapshot);
    assert_true(confirmed > first);
}

static void test_change_is_published(void **state)
{
    const char *dir = scratch_dir(pool), *path = copy_sample(dir, pool);
    struct cep_directory_config *config = file_config(pool, path);
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    struct cep_reader *reader = cep_reader_make(pool, store, NULL);
    const struct cep_snapshot *old, *fresh;
    apr_time_t confirmed;
    int before;

    (void)state;
    before = refresh(config, store).templates;
    old = cep_reader_acquire(reader, pool, &confirmed);
    append_broken_template(path);
    assert_int_equal(refresh(config, store).changed, 1);
    wait_for_next_look();
    fresh = cep_reader_acquire(reader, pool, &confirmed);
    assert_ptr_not_equal(fresh, old);
    /* The broken one is left out and reported, and the old mapping lives while it is pinned. */
    assert_int_equal(cep_snapshot_template_count(fresh), before);
    assert_true(cep_snapshot_finding_count(fresh) > cep_snapshot_finding_count(old));
    assert_int_equal(cep_snapshot_template_count(old), before);
}

static void test_failed_refresh_leaves_old(void **state)
{
    const char *dir = scratch_dir(pool), *path = copy_sample(dir, pool), *error = NULL;
    struct cep_directory_config *config = file_config(pool, path);
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    struct cep_refresh_result result;
    struct stat before, after;

    (void)state;
    refresh(config, store);
    assert_int_equal(stat(store->path, &before), 0);
    assert_int_equal(truncate(path, 700), 0);
    assert_int_not_equal(refresh_once(&result, config, store, pool, &error), APR_SUCCESS);
    assert_non_null(error);
    assert_int_equal(stat(store->path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_true(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

/* Damage `name` in a way and see that the mapped one stays, that it is said once, and why. */
static void damage_test(const char *dir, void (*damage)(const char *path), const char *why)
{
    struct cep_directory_config *config = file_config(pool, sample_path(pool));
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    struct heard heard = {.least = CEP_LOG_WARNING};
    struct cep_log log = {hear, &heard};
    struct cep_reader *reader;
    const struct cep_snapshot *good;
    apr_time_t confirmed;
    const char *aside = apr_pstrcat(pool, store->path, ".damaged", NULL);

    refresh(config, store);
    reader = cep_reader_make(pool, store, &log);
    good = cep_reader_acquire(reader, pool, &confirmed);
    assert_non_null(good);

    apr_file_copy(store->path, aside, APR_FPROT_UREAD | APR_FPROT_UWRITE, pool);
    damage(aside);
    assert_int_equal(rename(aside, store->path), 0);
    for (int i = 0; i < 2; i++) {
        wait_for_next_look();
        assert_ptr_equal(cep_reader_acquire(reader, pool, &confirmed), good);
    }
    assert_int_equal(heard.count, 1);
    assert_non_null(strstr(heard.last, "CEP0503: "));
    if (!strstr(heard.last, why))
        fail_msg("%s lacks %s", heard.last, why);

    /* And a process that starts now has no policy rather than a wrong one. */
    reader = cep_reader_make(pool, store, &log);
    assert_null(cep_reader_acquire(reader, pool, &confirmed));
    /* The next refresh mends it. */
    assert_int_equal(refresh(config, store).changed, 1);
    assert_non_null(cep_reader_acquire(reader, pool, &confirmed));
}

static void cut_short(const char *path)
{
    assert_int_equal(truncate(path, 1000), 0);
}

static void flip_octet(const char *path)
{
    int fd = open(path, O_RDWR);
    unsigned char octet;

    assert_int_equal(pread(fd, &octet, 1, 5000), 1);
    octet ^= 1;
    assert_int_equal(pwrite(fd, &octet, 1, 5000), 1);
    close(fd);
}

static void make_writable(const char *path)
{
    assert_int_equal(chmod(path, 0666), 0);
}

static void empty(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static void test_truncated_file(void **state)
{
    (void)state;
    damage_test(scratch_dir(pool), cut_short, "length");
}

static void test_changed_file(void **state)
{
    (void)state;
    damage_test(scratch_dir(pool), flip_octet, "digest");
}

static void test_writable_file(void **state)
{
    (void)state;
    damage_test(scratch_dir(pool), make_writable, "others may write");
}

static void test_empty_file(void **state)
{
    (void)state;
    damage_test(scratch_dir(pool), empty, "size");
}

static void test_symbolic_link_is_refused(void **state)
{
    const char *dir = scratch_dir(pool);
    struct cep_directory_config *config = file_config(pool, sample_path(pool));
    struct cep_store *other = cep_store_make(pool, dir, "other");
    struct cep_store *store = cep_store_make(pool, dir, "corp");

    (void)state;
    refresh(config, other);
    assert_int_equal(symlink(other->path, store->path), 0);
    assert_null(map_snapshot(store, pool));
}

static void test_one_writer(void **state)
{
    const char *dir = scratch_dir(pool), *error = NULL;
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    apr_pool_t *holder;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(apr_pool_create(&holder, pool), APR_SUCCESS);
    assert_int_equal(cep_store_lock(store, holder, &error), APR_SUCCESS);
    child = fork();
    if (child == 0)
        _exit(cep_store_lock(store, pool, &error) == APR_EBUSY ? 7 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    apr_pool_destroy(holder);
    child = fork();
    if (child == 0)
        _exit(cep_store_lock(store, pool, &error) == APR_SUCCESS ? 7 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_publish_cleans_up(void **state)
{
    const char *dir = scratch_dir(pool), *error = NULL;
    struct cep_store *store = cep_store_make(pool, apr_pstrcat(pool, dir, "/absent", NULL), "x");
    struct cep_value image = {(const unsigned char *)"abc", 3};
    struct stat info;
    FILE *left;

    (void)state;
    assert_int_not_equal(cep_store_publish(store, &image, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "cannot write"));
    assert_non_null(strstr(error, "/absent/x.snapshot.new"));

    /* What a killed writer left behind is replaced. */
    store = cep_store_make(pool, dir, "x");
    left = fopen(apr_pstrcat(pool, store->path, ".new", NULL), "w");
    assert_non_null(left);
    fputs("half of a longer snapshot", left);
    fclose(left);
    assert_int_equal(cep_store_publish(store, &image, pool, &error), APR_SUCCESS);
    assert_int_equal(stat(store->path, &info), 0);
    assert_int_equal(info.st_size, 3);
    assert_int_equal(access(apr_pstrcat(pool, store->path, ".new", NULL), F_OK), -1);

    /* What cannot be put in place does not stay either. */
    assert_int_equal(unlink(store->path), 0);
    assert_int_equal(mkdir(apr_pstrcat(pool, dir, "/x.snapshot", NULL), 0700), 0);
    assert_int_not_equal(cep_store_publish(store, &image, pool, &error), APR_SUCCESS);
    assert_int_equal(access(apr_pstrcat(pool, store->path, ".new", NULL), F_OK), -1);
}

static void test_age_is_last_confirmation(void **state)
{
    const char *dir = scratch_dir(pool);
    struct cep_directory_config *config = file_config(pool, sample_path(pool));
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    struct cep_reader *reader;
    apr_time_t confirmed;

    (void)state;
    refresh(config, store);
    assert_int_equal(
        apr_file_mtime_set(store->path, apr_time_now() - apr_time_from_sec(3600), pool),
        APR_SUCCESS);
    reader = cep_reader_make(pool, store, NULL);
    assert_non_null(cep_reader_acquire(reader, pool, &confirmed));
    assert_in_range(apr_time_sec(apr_time_now() - confirmed), 3599, 3660);
}

/* With the counter in shared memory nobody waits a second. */
static void test_counter_shows_at_once(void **state)
{
    const char *dir = scratch_dir(pool), *path = copy_sample(dir, pool);
    struct cep_directory_config *config = file_config(pool, path);
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    const struct cep_snapshot *first, *second;
    apr_uint32_t published = APR_UINT32_MAX; /* it may well wrap */
    struct cep_reader *reader;
    apr_time_t confirmed;

    (void)state;
    store->published = &published;
    reader = cep_reader_make(pool, store, NULL);
    refresh(config, store);
    assert_int_equal(published, 0);
    first = cep_reader_acquire(reader, pool, &confirmed);
    assert_non_null(first);
    append_broken_template(path);
    assert_int_equal(refresh(config, store).changed, 1);
    second = cep_reader_acquire(reader, pool, &confirmed);
    assert_ptr_not_equal(first, second);
}

struct first_look {
    struct cep_reader *reader;
    apr_uint32_t *empty;
};

static void *look_first(void *data)
{
    struct first_look *look = data;
    apr_time_t confirmed;
    apr_pool_t *own;

    apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (!cep_reader_acquire(look->reader, own, &confirmed))
        apr_atomic_inc32(look->empty);
    apr_pool_destroy(own);
    return NULL;
}

/* In a new process several threads come first at once: none may miss a policy that is there. */
static void test_all_first_threads_see_the_policy(void **state)
{
    const char *dir = scratch_dir(pool);
    struct cep_directory_config *config = file_config(pool, sample_path(pool));
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    apr_uint32_t empty = 0;

    (void)state;
    refresh(config, store);
    for (int round = 0; round < 50; round++) {
        struct first_look look = {cep_reader_make(pool, store, NULL), &empty};
        pthread_t threads[8];

        for (int i = 0; i < 8; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, look_first, &look), 0);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
    assert_int_equal(empty, 0);
}

static void test_missing_container(void **state)
{
    const char *dir = scratch_dir(pool), *error = NULL;
    const char *path = apr_pstrcat(pool, dir, "/empty.ldif", NULL);
    struct cep_directory_config *config = file_config(pool, path);
    struct cep_store *store = cep_store_make(pool, dir, "corp");
    struct cep_refresh_result result;
    static const char text[] =
        "dn: CN=Configuration,DC=x,DC=y\nobjectClass: configuration\ncn: Configuration\n";

    (void)state;
    write_file(path, "w", text, sizeof(text) - 1);
    assert_int_equal(refresh_once(&result, config, store, pool, &error), APR_NOTFOUND);
    assert_non_null(strstr(error, "CN=Certificate Templates,CN=Public Key Services"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_pool, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_refresh_publishes_and_confirms),
        TEST(test_change_is_published),
        TEST(test_failed_refresh_leaves_old),
        TEST(test_truncated_file),
        TEST(test_changed_file),
        TEST(test_writable_file),
        TEST(test_empty_file),
        TEST(test_symbolic_link_is_refused),
        TEST(test_one_writer),
        TEST(test_publish_cleans_up),
        TEST(test_age_is_last_confirmation),
        TEST(test_all_first_threads_see_the_policy),
        TEST(test_counter_shows_at_once),
        TEST(test_missing_container),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
