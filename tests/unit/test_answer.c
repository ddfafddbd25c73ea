/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Finished answers: who shares one, where it is kept, when it goes, and what a gzip member of it
 * is. These mistakes were made, one at a time, and each was caught:
 * - answer.c: rights of CAs, the rendering, or the language left out of the class;
 * - answers.c: the pin not counted; the waiting left out; nothing dropped at a limit;
 * - body_file.c: digest, key, coding or length not compared; the last piece not passed on;
 * - body_dir.c: no sweep; a damaged file taken for good; other snapshots' files left for ever;
 * - gzip.c: the checksums not combined; the length of the head left out of the sum.
 */

#include "cache_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zlib.h>

#include <apr_atomic.h>

#include "../../mod_cep/cache/answer.h"
#include "pool.h"

static const char *dir, *policy;
static struct cep_store *store;
static const struct cep_snapshot *snapshot;

static const struct cep_snapshot *refresh_and_map(void)
{
    struct cep_refresh_plan plan = plan_for(file_config(pool, policy));

    must_refresh(&plan, store, pool);
    return map_snapshot(store, pool);
}

static int read_sample(void **state)
{
    if (make_pool(state))
        return -1;
    dir = scratch_dir(pool);
    policy = copy_sample(dir, pool);
    store = cep_store_make(pool, dir, "corp");
    snapshot = refresh_and_map();
    return snapshot ? 0 : -1;
}

/* What everybody may see, with the rights of policy `differing` turned round: a class of its own.
 */
static struct cep_answer *answer_of(const struct cep_snapshot *s, int differing,
                                    const char *language)
{
    static const char *const sids[] = {
        "S-1-5-11",
        "S-1-1-0",
        SAMPLE_DOMAIN_SID "-512",
        SAMPLE_DOMAIN_SID "-513",
        SAMPLE_DOMAIN_SID "-515",
        SAMPLE_DOMAIN_SID "-519",
        SAMPLE_DOMAIN_SID "-1110",
        SAMPLE_DOMAIN_SID "-1115",
        SAMPLE_DOMAIN_SID "-1116",
    };
    struct cep_request request = {
        .has_filter = 1, .has_client_version = 1, .has_server_version = 1};
    struct cep_selection *selection = apr_palloc(pool, sizeof(*selection));
    struct cep_view view = CEP_VIEW_DEFAULT;
    struct cep_answer *answer = apr_palloc(pool, sizeof(*answer));
    struct cep_token token = token_of(pool, sids, 9);

    cep_snapshot_select(selection, s, &token, &request, &view, pool);
    for (int i = 0, seen = 0; i < cep_snapshot_template_count(s); i++) {
        if (selection->policies[i] && ++seen == differing)
            selection->policies[i] ^= CEP_PERMITTED;
    }
    answer->snapshot = s;
    answer->selection = selection;
    answer->language = language;
    assert_true(cep_answer_classify(&answer->answer_class, s, selection, language));
    return answer;
}

static int same_class(const struct cep_answer *a, const struct cep_answer *b)
{
    return memcmp(&a->answer_class, &b->answer_class, sizeof(a->answer_class)) == 0;
}

static struct cep_answers *make_answers(int count)
{
    struct cep_answers_limits limits = {count, CEP_ANSWERS_MAX_OCTETS};

    return cep_answers_make(pool, store->answers_path, &limits, NULL);
}

static const struct cep_body *acquire(struct cep_answers *answers, const struct cep_answer *answer,
                                      enum cep_coding coding, enum cep_body_origin expected,
                                      apr_pool_t *pin)
{
    const struct cep_body *body;
    enum cep_body_origin origin;

    assert_int_equal(cep_answers_acquire(&body, &origin, answers, answer, coding, pin),
                     APR_SUCCESS);
    assert_int_equal(origin, expected);
    return body;
}

struct collected {
    unsigned char data[1 << 20];
    apr_size_t length;
};

static apr_status_t collect(void *baton, const void *data, apr_size_t length)
{
    struct collected *all = baton;

    assert_true(length <= sizeof(all->data) - all->length);
    memcpy(all->data + all->length, data, length);
    all->length += length;
    return APR_SUCCESS;
}

static struct collected *render(const struct cep_answer *answer)
{
    struct collected *all = apr_pcalloc(pool, sizeof(*all));
    struct cep_answer_sink sink = {collect, all, APR_SUCCESS};

    cep_answer_render(&sink, answer->snapshot, answer->selection, answer->language);
    assert_int_equal(sink.status, APR_SUCCESS);
    return all;
}

static int count_files(const char *ending)
{
    DIR *listing = opendir(store->answers_path);
    struct dirent *entry;
    int count = 0;

    while (listing && (entry = readdir(listing))) {
        size_t length = strlen(entry->d_name);

        count += *entry->d_name != '.' && length >= strlen(ending) &&
                 !strcmp(entry->d_name + length - strlen(ending), ending);
    }
    if (listing)
        closedir(listing);
    return count;
}

/* The path of the one file that is there. */
static const char *only_file(void)
{
    DIR *listing = opendir(store->answers_path);
    const char *path = NULL;
    struct dirent *entry;

    assert_non_null(listing);
    while ((entry = readdir(listing))) {
        if (*entry->d_name == '.')
            continue;
        assert_null(path);
        path = apr_pstrcat(pool, store->answers_path, "/", entry->d_name, NULL);
    }
    closedir(listing);
    assert_non_null(path);
    return path;
}

static void test_who_shares_an_answer(void **state)
{
    const struct cep_answer *plain = answer_of(snapshot, 0, NULL);
    struct cep_answer *cas = answer_of(snapshot, 0, NULL);
    struct cep_selection renewal;

    (void)state;
    assert_true(same_class(plain, answer_of(snapshot, 0, NULL)));
    assert_false(same_class(plain, answer_of(snapshot, 1, NULL)));
    assert_false(same_class(answer_of(snapshot, 1, NULL), answer_of(snapshot, 2, NULL)));
    for (int i = 0; i < 2; i++) {
        if (!cas->selection->cas[i])
            continue;
        cas->selection->cas[i] ^= CEP_PERMITTED;
        cep_answer_classify(&cas->answer_class, snapshot, cas->selection, NULL);
        assert_false(same_class(plain, cas));
    }
    /* The rendering for key-based renewal is another one. */
    cas = answer_of(snapshot, 0, NULL);
    renewal = *cas->selection;
    renewal.renewal = 1;
    cep_answer_classify(&cas->answer_class, snapshot, &renewal, NULL);
    assert_false(same_class(plain, cas));
    /* However a language is written; one without names is the default. */
    assert_false(same_class(plain, answer_of(snapshot, 0, "de-DE")));
    assert_true(same_class(answer_of(snapshot, 0, "de-DE"), answer_of(snapshot, 0, "DE-de")));
    assert_true(same_class(plain, answer_of(snapshot, 0, "cy-GB")));
    assert_true(same_class(plain, answer_of(snapshot, 0, "no such language")));
}

static void test_a_body_is_the_rendering(void **state)
{
    struct cep_answers *answers = make_answers(8);
    const char *const languages[] = {NULL, "de-DE"};
    unsigned char digest[EVP_MAX_MD_SIZE];

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct cep_answer *answer = answer_of(snapshot, 0, languages[i]);
        const struct cep_body *body =
            acquire(answers, answer, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
        const struct collected *expected = render(answer);

        assert_int_equal(body->octets.len, expected->length);
        assert_memory_equal(body->octets.data, expected->data, expected->length);
        assert_int_equal(body->length, expected->length);
        EVP_Digest(expected->data, expected->length, digest, NULL, EVP_sha256(), NULL);
        assert_memory_equal(body->content, digest, CEP_DIGEST_LENGTH);
        assert_ptr_equal(acquire(answers, answer, CEP_CODING_IDENTITY, CEP_BODY_HELD, pool), body);
    }
}

/* What any reader of gzip makes of the three parts. */
static void check_member(const struct cep_body *body, const char *head,
                         const struct collected *rest)
{
    struct cep_value opening, closing;
    apr_size_t length = strlen(head), size = length + rest->length;
    unsigned char *packed, *plain = malloc(size + 1);
    z_stream z = {0};

    cep_gzip_frame(&opening, &closing, head, body, pool);
    packed = malloc(opening.len + body->octets.len + closing.len);
    memcpy(packed, opening.data, opening.len);
    memcpy(packed + opening.len, body->octets.data, body->octets.len);
    memcpy(packed + opening.len + body->octets.len, closing.data, closing.len);
    z.next_in = packed;
    z.avail_in = (uInt)(opening.len + body->octets.len + closing.len);
    z.next_out = plain;
    z.avail_out = (uInt)(size + 1);
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, size);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    assert_memory_equal(plain, head, length);
    assert_memory_equal(plain + length, rest->data, rest->length);
    free(packed);
    free(plain);
}

static void test_gzip_members(void **state)
{
    static const apr_size_t lengths[] = {0, 1, 700, 65534, 65535, 65536, 131070, 131071};
    const struct cep_answer *answer = answer_of(snapshot, 0, NULL);
    const struct collected *expected = render(answer);
    const struct cep_body *body =
        acquire(make_answers(8), answer, CEP_CODING_GZIP, CEP_BODY_MADE, pool);
    struct cep_value opening, closing;

    (void)state;
    assert_true(body->octets.len < expected->length / 4);
    assert_int_equal(body->length, expected->length);
    for (apr_size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *head = apr_palloc(pool, lengths[i] + 1);

        for (apr_size_t n = 0; n < lengths[i]; n++)
            head[n] = (char)('a' + n % 23);
        head[lengths[i]] = '\0';
        check_member(body, head, expected);
    }
    /* The client's own text is not compressed, not even with itself. */
    cep_gzip_frame(&opening, &closing, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", body, pool);
    assert_int_equal(opening.len, 10 + 5 + 40);
}

static void test_processes_share_files(void **state)
{
    const struct cep_answer *answer = answer_of(snapshot, 0, NULL);
    struct cep_answers *one = make_answers(8), *two = make_answers(8);
    const struct cep_body *a, *b;

    (void)state;
    a = acquire(one, answer, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    b = acquire(two, answer, CEP_CODING_IDENTITY, CEP_BODY_MAPPED, pool);
    assert_int_equal(a->octets.len, b->octets.len);
    assert_memory_equal(a->octets.data, b->octets.data, a->octets.len);
    /* Both codings stand side by side. */
    acquire(two, answer, CEP_CODING_GZIP, CEP_BODY_MADE, pool);
    acquire(one, answer, CEP_CODING_GZIP, CEP_BODY_MAPPED, pool);
    assert_int_equal(count_files(".xml"), 1);
    assert_int_equal(count_files(".deflate"), 1);
    assert_int_equal(count_files(""), 2);
}

/* Change the file in a way; a process that starts then must not believe it, and mends it. */
static void damage(apr_off_t at, apr_off_t length, mode_t mode)
{
    const struct cep_answer *answer = answer_of(snapshot, 0, NULL);
    struct heard heard = {.least = CEP_LOG_WARNING};
    struct cep_log log = {hear, &heard};
    const struct collected *expected = render(answer);
    const struct cep_body *body;
    const char *path, *aside;
    struct stat info;

    acquire(make_answers(8), answer, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    path = only_file();
    aside = apr_pstrcat(pool, dir, "/damaged", NULL);
    apr_file_copy(path, aside, APR_FILE_SOURCE_PERMS, pool);
    if (at >= 0) {
        FILE *file = fopen(aside, "r+");
        int octet;

        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        octet = fgetc(file);
        fseek(file, (long)at, SEEK_SET);
        fputc(octet ^ 1, file);
        fclose(file);
    }
    if (length != 0) {
        assert_int_equal(stat(aside, &info), 0);
        assert_int_equal(truncate(aside, length > 0 ? length : info.st_size + length), 0);
    }
    if (mode)
        chmod(aside, mode);
    rename(aside, path);
    body = acquire(cep_answers_make(pool, store->answers_path, NULL, &log), answer,
                   CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    assert_memory_equal(body->octets.data, expected->data, expected->length);
    assert_int_equal(heard.count, 1);
    assert_non_null(strstr(heard.last, "CEP0660: "));
    acquire(make_answers(8), answer, CEP_CODING_IDENTITY, CEP_BODY_MAPPED, pool);
    unlink(path);
}

static void test_damaged_files_are_made_anew(void **state)
{
    (void)state;
    damage(0, 0, 0);    /* magic */
    damage(10, 0, 0);   /* digest */
    damage(40, 0, 0);   /* format */
    damage(44, 0, 0);   /* coding */
    damage(50, 0, 0);   /* key */
    damage(90, 0, 0);   /* content */
    damage(112, 0, 0);  /* length */
    damage(121, 0, 0);  /* octets that follow */
    damage(128, 0, 0);  /* checksum */
    damage(4096, 0, 0); /* the first octet, a later one */
    damage(9999, 0, 0);
    damage(-1, -1, 0);
    damage(-1, 4096, 0);
    damage(-1, 10, 0);
    damage(-1, 1048576, 0); /* longer: NULs are added */
    damage(-1, 0, 0662);
}

/* A file under another's name is whole and has the right digest, but is not what was asked for. */
static void test_a_file_is_what_its_name_says(void **state)
{
    const struct cep_answer *other = answer_of(snapshot, 1, NULL);
    const struct cep_answer *wanted = answer_of(snapshot, 0, NULL);
    const char *path, *aside = apr_pstrcat(pool, dir, "/aside", NULL);
    const struct cep_body *body;

    (void)state;
    acquire(make_answers(8), wanted, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    path = only_file();
    unlink(path);
    acquire(make_answers(8), other, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    rename(only_file(), aside);
    rename(aside, path);
    body = acquire(make_answers(8), wanted, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    assert_memory_equal(body->octets.data, render(wanted)->data, body->octets.len);
    /* And of the other coding: it would be sent as gzip. */
    path = only_file();
    aside = apr_pstrcat(pool, apr_pstrmemdup(pool, path, strlen(path) - strlen(".xml")), ".deflate",
                        NULL);
    rename(path, aside);
    body = acquire(make_answers(8), wanted, CEP_CODING_GZIP, CEP_BODY_MADE, pool);
    assert_true(body->octets.len < body->length);
}

static void test_no_directory_to_write_to(void **state)
{
    const struct cep_answer *answer = answer_of(snapshot, 0, NULL);
    const char *path = apr_pstrcat(pool, policy, "/below-a-file", NULL);
    struct heard heard = {.least = CEP_LOG_WARNING};
    struct cep_log log = {hear, &heard};
    struct cep_answers *answers = cep_answers_make(pool, path, NULL, &log);
    const struct collected *expected = render(answer);
    const struct cep_body *body;

    (void)state;
    body = acquire(answers, answer, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    assert_memory_equal(body->octets.data, expected->data, expected->length);
    check_member(acquire(answers, answer, CEP_CODING_GZIP, CEP_BODY_MADE, pool), "head", expected);
    acquire(answers, answer, CEP_CODING_IDENTITY, CEP_BODY_HELD, pool);
    assert_int_equal(heard.count, 1);
    assert_non_null(strstr(heard.last, "CEP0661: "));
}

static void test_limits_and_pins(void **state)
{
    struct cep_answers *answers = make_answers(2);
    const struct cep_answer *classes[3];
    const struct collected *expected;
    const struct cep_body *pinned;
    apr_pool_t *pins[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        classes[i] = answer_of(snapshot, i, NULL);
        apr_pool_create(&pins[i], pool);
    }
    expected = render(classes[0]);
    pinned = acquire(answers, classes[0], CEP_CODING_IDENTITY, CEP_BODY_MADE, pins[0]);
    acquire(answers, classes[1], CEP_CODING_IDENTITY, CEP_BODY_MADE, pins[1]);
    /* At the limit all are there. */
    acquire(answers, classes[0], CEP_CODING_IDENTITY, CEP_BODY_HELD, pins[1]);
    acquire(answers, classes[1], CEP_CODING_IDENTITY, CEP_BODY_HELD, pins[1]);
    assert_int_equal(count_files(".xml"), 2);
    /* One above, and what was used least recently goes; who has it keeps it. */
    acquire(answers, classes[2], CEP_CODING_IDENTITY, CEP_BODY_MADE, pins[2]);
    assert_int_equal(count_files(".xml"), 2);
    assert_memory_equal(pinned->octets.data, expected->data, expected->length);
    acquire(answers, classes[1], CEP_CODING_IDENTITY, CEP_BODY_HELD, pins[1]);
    acquire(answers, classes[0], CEP_CODING_IDENTITY, CEP_BODY_MADE, pins[2]);
    assert_memory_equal(pinned->octets.data, expected->data, expected->length);
    /* Files go by when a process took them, so this one is still there. */
    acquire(answers, classes[2], CEP_CODING_IDENTITY, CEP_BODY_MAPPED, pins[2]);
    for (int i = 0; i < 3; i++)
        apr_pool_destroy(pins[i]);
    acquire(answers, classes[2], CEP_CODING_IDENTITY, CEP_BODY_HELD, pool);
}

static void test_limit_of_octets(void **state)
{
    const struct cep_answer *one = answer_of(snapshot, 0, NULL),
                            *two = answer_of(snapshot, 1, NULL);
    struct cep_answers_limits limits = {8, 0};
    struct cep_answers *answers;
    struct stat info;

    (void)state;
    acquire(make_answers(8), one, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    assert_int_equal(stat(only_file(), &info), 0);
    /* "true" and "false" make them differ by an octet. */
    for (int enough = 0; enough <= 1; enough++) {
        unlink(only_file());
        limits.octets = 2 * (apr_uint64_t)info.st_size - 3 + 5 * (apr_uint64_t)enough;
        answers = cep_answers_make(pool, store->answers_path, &limits, NULL);
        acquire(answers, one, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
        acquire(answers, two, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
        assert_int_equal(count_files(".xml"), 1 + enough);
        acquire(answers, one, CEP_CODING_IDENTITY, enough ? CEP_BODY_HELD : CEP_BODY_MADE, pool);
        if (!enough)
            continue;
        /* More than the limit at once is made and sent, but not kept. */
        limits.octets = 10;
        answers = cep_answers_make(pool, store->answers_path, &limits, NULL);
        acquire(answers, answer_of(snapshot, 2, NULL), CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
        assert_int_equal(count_files(".xml"), 0);
    }
}

static void set_age(const char *path, long seconds)
{
    struct timeval times[2];

    assert_int_equal(gettimeofday(&times[0], NULL), 0);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimes(path, times), 0);
}

static void test_another_snapshot(void **state)
{
    struct cep_answers *answers = make_answers(8);
    const struct cep_answer *old = answer_of(snapshot, 0, NULL);
    const struct cep_snapshot *fresh;
    const struct cep_body *pinned = acquire(answers, old, CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    const struct collected *expected = render(old);
    const char *file = only_file(), *stale = apr_pstrcat(pool, dir, "/corp.answers/new-dead", NULL);

    (void)state;
    append_broken_template(policy);
    fresh = refresh_and_map();
    /* A class of another snapshot is another one, also where the answer is the same. */
    assert_false(same_class(old, answer_of(fresh, 0, NULL)));
    acquire(answers, answer_of(fresh, 0, NULL), CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    /* The old one is gone from the table; its file stays for processes that are not so far. */
    acquire(answers, old, CEP_CODING_IDENTITY, CEP_BODY_MAPPED, pool);
    assert_memory_equal(pinned->octets.data, expected->data, expected->length);
    /* For a minute; so does what a writer is at. */
    fclose(fopen(stale, "w"));
    set_age(file, 70);
    set_age(stale, 50);
    acquire(answers, answer_of(fresh, 1, NULL), CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    assert_int_equal(count_files(".xml"), 2);
    assert_int_equal(count_files("dead"), 1);
    set_age(stale, 70);
    acquire(answers, answer_of(fresh, 2, NULL), CEP_CODING_IDENTITY, CEP_BODY_MADE, pool);
    assert_int_equal(count_files("dead"), 0);
}

struct wanting {
    struct cep_answers *answers;
    const struct cep_answer *answer;
    pthread_barrier_t barrier;
    apr_uint32_t made, held, right;
    const struct collected *expected;
};

static void *want(void *data)
{
    struct wanting *w = data;
    const struct cep_body *body;
    enum cep_body_origin origin;
    apr_pool_t *own;

    apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    pthread_barrier_wait(&w->barrier);
    if (cep_answers_acquire(&body, &origin, w->answers, w->answer, CEP_CODING_IDENTITY, own) ==
        APR_SUCCESS) {
        apr_atomic_inc32(origin == CEP_BODY_HELD ? &w->held : &w->made);
        if (body->octets.len == w->expected->length &&
            !memcmp(body->octets.data, w->expected->data, w->expected->length))
            apr_atomic_inc32(&w->right);
    }
    apr_pool_destroy(own);
    return NULL;
}

/* Of eight threads that want the same at once, one makes it. */
static void test_one_thread_makes_it(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct wanting w = {.answers = make_answers(8), .answer = answer_of(snapshot, 0, NULL)};
        pthread_t threads[8];

        w.expected = render(w.answer);
        pthread_barrier_init(&w.barrier, NULL, 8);
        for (int i = 0; i < 8; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, want, &w), 0);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&w.barrier);
        assert_int_equal(w.made, 1);
        assert_int_equal(w.held, 7);
        assert_int_equal(w.right, 8);
        unlink(only_file());
    }
}

/* Threads that take, use and let go of more classes than are kept. */
static void *churn(void *data)
{
    struct wanting *w = data;
    unsigned seed = (unsigned)(uintptr_t)&seed;

    for (int i = 0; i < 200; i++) {
        const struct cep_answer *answer = &w->answer[rand_r(&seed) % 4];
        const struct cep_body *body;
        enum cep_body_origin origin;
        unsigned long crc;
        apr_pool_t *own;

        apr_pool_create_unmanaged_ex(&own, NULL, NULL);
        if (cep_answers_acquire(&body, &origin, w->answers, answer, CEP_CODING_IDENTITY, own) ==
            APR_SUCCESS) {
            crc = crc32(crc32(0, NULL, 0), body->octets.data, (uInt)body->octets.len);
            if (crc == body->crc)
                apr_atomic_inc32(&w->right);
        }
        apr_pool_destroy(own);
    }
    return NULL;
}

static void test_eviction_under_load(void **state)
{
    struct cep_answer *classes = apr_palloc(pool, 4 * sizeof(*classes));
    struct wanting w = {.answers = make_answers(2), .answer = classes};
    pthread_t threads[6];

    (void)state;
    for (int i = 0; i < 4; i++)
        classes[i] = *answer_of(snapshot, i, NULL);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &w), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(w.right, 1200);
    assert_true(count_files("") <= 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, read_sample, drop_pool)
    const struct CMUnitTest tests[] = {
        TEST(test_who_shares_an_answer),
        TEST(test_a_body_is_the_rendering),
        TEST(test_gzip_members),
        TEST(test_processes_share_files),
        TEST(test_damaged_files_are_made_anew),
        TEST(test_a_file_is_what_its_name_says),
        TEST(test_no_directory_to_write_to),
        TEST(test_limits_and_pins),
        TEST(test_limit_of_octets),
        TEST(test_another_snapshot),
        TEST(test_one_thread_makes_it),
        TEST(test_eviction_under_load),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
