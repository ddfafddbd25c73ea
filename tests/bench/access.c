/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Whom do how many templates grant Enroll and AutoEnroll: the compiled lists of a snapshot beside
 * the walk of the descriptors, in turns, in one run; and beside a plain walk, which compares each
 * ACE with each SID, as one would write it first. Times are processor time of this thread.
 * "control" is a second measurement of the walk beside the first: how far it is from 1 is how far
 * the ratios may be trusted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "../unit/sd_builder.h"
#include "cep_access.h"

#define ACES   15 /* of a descriptor */
#define ROUNDS 15
#define ENOUGH 2e-3 /* seconds of one measurement */

struct template
{
    const unsigned char *sd;
    size_t length;
    struct cep_access_list lists[2];
};

struct bench {
    apr_pool_t *pool;
    struct template *templates;
    int count;
    struct cep_compiled compiled;
    struct cep_token token;
    apr_uint32_t *held;
    unsigned granted; /* what the last measurement found, so that nothing is optimised away */
};

static unsigned chance(unsigned below)
{
    static uint32_t state = 88172645u;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char *group(apr_pool_t *pool, unsigned number)
{
    return apr_psprintf(pool, "S-1-5-21-1004336348-1177238915-682003330-%u", 1000 + number);
}

/* As AD CS writes them: object ACEs for the two rights, then full control and read; few denials. */
static void make_descriptor(struct bench *bench, struct template *template, unsigned sids)
{
    static struct acl acl;
    static struct sd sd;
    apr_pool_t *sub;
    int i;

    apr_pool_create(&sub, bench->pool);
    acl_start(&acl);
    for (i = 0; i < ACES; i++) {
        const char *sid = group(sub, chance(sids));

        if (i < 6)
            acl_add_object(&acl, chance(12) == 0 ? 0x06 : 0x05, 0, 0x130, ENROLL_GUID, NULL, sid);
        else if (i < 10)
            acl_add_object(&acl, 0x05, 0, 0x130, AUTOENROLL_GUID, NULL, sid);
        else
            acl_add(&acl, 0x00, 0, i < ACES - 1 ? 0x000F00FF : 0x00020094, sid);
    }
    sd_with_dacl(&sd, &acl);
    template->sd = apr_pmemdup(bench->pool, sd.octets, sd.length);
    template->length = sd.length;
    apr_pool_destroy(sub);
}

/* One SID in ten is one that a descriptor may name. */
static void make_token(struct bench *bench, unsigned size, unsigned sids)
{
    apr_array_header_t *array = apr_array_make(bench->pool, (int)size, sizeof(struct cep_sid));
    unsigned i;

    for (i = 0; i < size; i++)
        APR_ARRAY_PUSH(array, struct cep_sid) =
            sid_of(group(bench->pool, i % 10 == 0 ? chance(sids) : 100000 + i));
    bench->token = cep_token_make(array);
}

/* The ways of one request; each counts what is granted. */

static unsigned number16(const unsigned char *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

static uint32_t number32(const unsigned char *at)
{
    return number16(at) | (uint32_t)number16(at + 2) << 16;
}

static int is_one_of(const struct cep_token *token, const unsigned char *sid)
{
    for (int i = 0; i < token->count; i++) {
        if (!memcmp(token->sids[i].octets, sid, token->sids[i].length))
            return 1;
    }
    return 0;
}

/* Of descriptors as make_descriptor() makes them; [MS-DTYP] 2.4.4, 2.4.6. */
static int plainly_granted(const unsigned char *sd, const char *right,
                           const struct cep_token *token)
{
    const unsigned char *acl = sd + number32(sd + 16), *ace = acl + 8;

    for (unsigned left = number16(acl + 4); left > 0; left--, ace += number16(ace + 2)) {
        int object = ace[0] == 0x05 || ace[0] == 0x06;

        if (!(number32(ace + 4) & 0x100) || (object && memcmp(ace + 12, right, 16)) ||
            !is_one_of(token, ace + (object ? 28 : 8)))
            continue;
        return ace[0] == 0x00 || ace[0] == 0x05;
    }
    return 0;
}

static void plain(struct bench *bench)
{
    const struct template *t = bench->templates, *end = t + bench->count;

    for (bench->granted = 0; t < end; t++) {
        if (plainly_granted(t->sd, ENROLL_GUID, &bench->token))
            bench->granted += 1u + (unsigned)plainly_granted(t->sd, AUTOENROLL_GUID, &bench->token);
    }
}

static void walk(struct bench *bench)
{
    const struct template *t = bench->templates, *end = t + bench->count;

    for (bench->granted = 0; t < end; t++) {
        if (cep_access_granted(t->sd, t->length, CEP_RIGHT_ENROLL, &bench->token))
            bench->granted += 1u + (unsigned)cep_access_granted(
                                       t->sd, t->length, CEP_RIGHT_AUTOENROLL, &bench->token);
    }
}

static void hold(struct bench *bench)
{
    const struct cep_compiled *c = &bench->compiled;

    memset(bench->held, 0, CEP_HELD_WORDS(c->sid_count) * sizeof(*bench->held));
    cep_token_hold(bench->held, &bench->token, c->sids, c->sid_count);
}

static int grants(const struct bench *bench, struct cep_access_list list)
{
    return cep_steps_granted(bench->compiled.steps + list.first, list.count, bench->held);
}

static void compiled(struct bench *bench)
{
    const struct template *t = bench->templates, *end = t + bench->count;

    hold(bench);
    for (bench->granted = 0; t < end; t++) {
        if (grants(bench, t->lists[0]))
            bench->granted += 1u + (unsigned)grants(bench, t->lists[1]);
    }
}

/* Seconds of one call, from as many as take long enough. */
static double measure(struct bench *bench, void (*way)(struct bench *bench))
{
    long calls = 1, done;
    double start, spent;

    for (;; calls *= 2) {
        start = seconds();
        for (done = 0; done < calls; done++)
            way(bench);
        spent = seconds() - start;
        if (spent >= ENOUGH)
            return spent / (double)calls;
    }
}

static int compare(const void *a, const void *b)
{
    const double *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), compare);
    return values[ROUNDS / 2];
}

static void report(struct bench *bench)
{
    double walked[ROUNDS], listed[ROUNDS], plains[ROUNDS], ratio[ROUNDS], control[ROUNDS];
    double pairs = (double)bench->count * bench->token.count, w, l;
    unsigned expected;
    int i;

    walk(bench);
    expected = bench->granted;
    compiled(bench);
    if (bench->granted != expected)
        abort();
    plain(bench);
    if (bench->granted != expected)
        abort();
    for (i = 0; i < ROUNDS; i++) {
        walked[i] = measure(bench, walk);
        listed[i] = measure(bench, compiled);
        plains[i] = measure(bench, plain);
        control[i] = measure(bench, walk) / walked[i];
        ratio[i] = plains[i] / listed[i];
    }
    w = median(walked);
    l = median(listed);
    printf("%9d %6d %6d %8u %11.2f %11.2f %11.2f %10.2e %10.2e %7.0f %8.2f\n", bench->count,
           bench->compiled.sid_count, bench->token.count, expected, median(plains) * 1e6, w * 1e6,
           l * 1e6, pairs / w, pairs / l, median(ratio), median(control));
}

static void run(int count, unsigned sids)
{
    static const unsigned sizes[] = {10, 100, 1000};
    struct cep_compiler *compiler;
    struct bench bench = {.count = count};
    size_t s;
    int i, right;

    apr_pool_create(&bench.pool, NULL);
    bench.templates = apr_pcalloc(bench.pool, (size_t)count * sizeof(*bench.templates));
    compiler = cep_compiler_make(bench.pool);
    for (i = 0; i < count; i++) {
        struct template *t = &bench.templates[i];

        make_descriptor(&bench, t, sids);
        for (right = 0; right < 2; right++)
            t->lists[right] = cep_compiler_add(compiler, t->sd, t->length, (enum cep_right)right);
    }
    if (!cep_compiler_finish(&bench.compiled, compiler))
        abort();
    bench.held = apr_palloc(bench.pool,
                            (CEP_HELD_WORDS(bench.compiled.sid_count) + 1) * sizeof(*bench.held));
    for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        make_token(&bench, sizes[s], sids);
        report(&bench);
    }
    apr_pool_destroy(bench.pool);
}

int main(void)
{
    apr_initialize();
    printf("Enroll and AutoEnroll of all templates, one caller; %d ACEs a descriptor\n", ACES);
    printf(
        "                                  microseconds of one request       templates x SIDs/s\n"
        "templates   SIDs  token  granted       plain        walk    compiled       walk"
        "   compiled plain/c  control\n");
    run(33, 20);
    run(1000, 300);
    run(10000, 2000);
    apr_terminate();
    return 0;
}
