/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The image of a snapshot: stable, verified to the last number, and what is selected from it.
 *
 * These mistakes with the access lists were made, one at a time, and each was caught:
 * - build.c: AutoEnroll's list compiled for Enroll, and the other way round;
 * - snapshot.c: any one of the checks of SIDs, steps, their tables and the lists of templates and
 * CAs left out; a step, or the end of a list, let through one beyond its limit; the sum in
 *   list_fits() in 32 bits; equal SIDs let through; octets behind a SID let through;
 * - answer.c: autoEnroll decided by Enroll's list; the token not looked up.
 */

#include "cache_fixture.h"

#include "../../mod_cep/cache/answer.h"
#include "../../mod_cep/cache/image.h"
#include "pool.h"

static struct cep_value image; /* of the sample directory */

static int read_sample(void **state)
{
    int failed = make_pool(state);

    if (!failed)
        image = read_file(publish_sample("corp", pool)->path, pool);
    return failed;
}

static const struct cep_snapshot *open_image(const void *data, apr_size_t length)
{
    const char *error;

    return cep_snapshot_open(data, length, pool, &error);
}

/* As a client sends it that wants everything: both versions 0. */
static struct cep_request everything(void)
{
    struct cep_request request = {
        .has_filter = 1, .has_client_version = 1, .has_server_version = 1};

    return request;
}

static void test_same_content_same_octets(void **state)
{
    const struct cep_snapshot *first = open_image(image.data, image.len), *second;

    (void)state;
    apr_sleep(2000); /* built at another time */
    second = map_snapshot(publish_sample("other-name", pool), pool);
    assert_non_null(second);
    assert_memory_equal(cep_snapshot_digest(first), cep_snapshot_digest(second), CEP_DIGEST_LENGTH);
    assert_memory_equal(first->base, second->base, image.len);
}

/* Every single octet matters: to the magic, the header's numbers or the digest. */
static void test_any_flipped_octet_is_seen(void **state)
{
    unsigned char *copy = apr_pmemdup(pool, image.data, image.len);
    apr_pool_t *sub;
    const char *error;

    (void)state;
    apr_pool_create(&sub, pool);
    for (apr_size_t i = 0; i < image.len; i += i < 256 ? 1 : 97) {
        copy[i] ^= 0x40;
        assert_null(cep_snapshot_open(copy, image.len, sub, &error));
        assert_non_null(error);
        copy[i] ^= 0x40;
        apr_pool_clear(sub);
    }
    assert_non_null(open_image(copy, image.len));
}

static void test_any_length_but_the_right_one_is_seen(void **state)
{
    (void)state;
    for (apr_size_t length = 0; length < image.len; length += length < 200 ? 1 : 1009) {
        /* A block of just that size, so that a sanitizer sees a read behind it. */
        unsigned char *copy = malloc(length ? length : 1);

        memcpy(copy, image.data, length);
        assert_null(open_image(copy, length));
        free(copy);
    }
}

/* Every octet of them, for a sanitizer to see. */
static void read_certificates(const struct cep_snapshot *snapshot, apr_pool_t *sub)
{
    apr_array_header_t *all = cep_snapshot_ca_certificates(snapshot, sub);
    unsigned sum = 0;

    for (int i = 0; i < all->nelts; i++) {
        const struct cep_value *value = &APR_ARRAY_IDX(all, i, const struct cep_value);

        for (apr_size_t at = 0; at < value->len; at++)
            sum += value->data[at];
    }
    assert_true(sum < 0x7fffffff);
}

/* Reads each octet, so that a sanitizer sees a piece that lies outside. */
static apr_status_t read_all(void *baton, const void *data, apr_size_t length)
{
    const unsigned char *octets = data;
    volatile unsigned char sum = 0;

    (void)baton;
    for (apr_size_t i = 0; i < length; i++)
        sum ^= octets[i];
    return APR_SUCCESS;
}

/* Make a changed image's digest good again, open it, and use all of what can be opened. */
static int is_accepted(unsigned char *copy)
{
    struct image_header *header = (struct image_header *)(void *)copy;
    static const char *const sids[] = {"S-1-5-11", "S-1-1-0", SAMPLE_DOMAIN_SID "-513"};
    struct cep_answer_sink sink = {read_all, NULL, APR_SUCCESS};
    struct cep_request request = everything();
    const struct cep_snapshot *snapshot;
    struct cep_selection selection;
    const char *error;
    apr_pool_t *sub;

    apr_pool_create(&sub, pool);
    assert_true(cep_image_digest(header->digest, copy, image.len));
    snapshot = cep_snapshot_open(copy, image.len, sub, &error);
    if (snapshot) {
        struct cep_token token = token_of(sub, sids, 3);

        for (int renewal = 0; renewal < 2; renewal++) {
            struct cep_view view = CEP_VIEW_DEFAULT;

            view.key_based_renewal = renewal;
            cep_snapshot_select(&selection, snapshot, &token, &request, &view, sub);
            cep_answer_render(&sink, snapshot, &selection, "de-DE");
        }
        read_certificates(snapshot, sub);
    }
    apr_pool_destroy(sub);
    return snapshot != NULL;
}

/* Put evil numbers at each fourth octet of a part of the image; counts what was opened, or not. */
static void put_evil_numbers(unsigned char *copy, apr_size_t from, apr_size_t to, int counts[2])
{
    static const uint32_t evil[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8};

    for (apr_size_t at = from; at + 4 <= to; at += 4) {
        for (apr_size_t e = 0; e < sizeof(evil) / sizeof(evil[0]); e++) {
            memcpy(copy + at, &evil[e], 4);
            counts[is_accepted(copy)]++;
            memcpy(copy + at, image.data + at, 4);
        }
    }
}

/* Somebody who can compute digests changes numbers: nothing may be read outside the image. */
static void test_numbers_are_checked_behind_a_good_digest(void **state)
{
    const struct cep_snapshot *snapshot = open_image(image.data, image.len);
    const struct image_header *header = snapshot->header;
    unsigned char *copy = malloc(image.len);
    int counts[2] = {0, 0};

    (void)state;
    memcpy(copy, image.data, image.len);
    put_evil_numbers(copy, CEP_IMAGE_DIGESTED, 6000, counts);
    assert_true(counts[0] > 1000);
    assert_true(counts[1] > 0); /* flags and text may be anything */

    counts[0] = counts[1] = 0;
    put_evil_numbers(copy, header->steps.offset,
                     header->steps.offset + header->steps.count * sizeof(uint32_t), counts);
    assert_true(counts[0] > 0);
    assert_true(counts[1] > 0); /* a step may name any SID that there is */

    counts[0] = counts[1] = 0;
    put_evil_numbers(copy, header->sids.offset,
                     header->sids.offset + header->sids.count * sizeof(struct cep_sid), counts);
    assert_true(counts[0] > 0);
    free(copy);
}

static struct image_header *change_header(unsigned char *copy)
{
    memcpy(copy, image.data, image.len);
    return (struct image_header *)(void *)copy;
}

/* The numbers of the access lists, each at its limit and one beyond. */
static void test_access_lists_are_checked(void **state)
{
    unsigned char *copy = malloc(image.len);
    struct image_header *header = change_header(copy);
    struct image_template *templates = (void *)(copy + header->templates.offset);
    struct image_ca *cas = (void *)(copy + header->cas.offset);
    struct cep_sid *sids = (void *)(copy + header->sids.offset), sid;
    uint32_t *steps = (void *)(copy + header->steps.offset), all = header->steps.count;
    const struct {
        struct cep_access_list *list;
        uint32_t first, count;
        int accepted;
    } lists[] = {
        {&templates[0].enroll, 0, all, 1},
        {&templates[0].enroll, all, 0, 1},
        {&templates[0].enroll, 0, all + 1, 0},
        {&templates[0].enroll, 1, all, 0},
        {&templates[0].enroll, all + 1, 0, 0},
        {&templates[0].enroll, 1, UINT32_MAX, 0},
        {&templates[0].autoenroll, UINT32_MAX, 1, 0},
        {&templates[header->templates.count - 1].autoenroll, 0, all + 1, 0},
        {&cas[0].enroll, 0, all, 1},
        {&cas[0].enroll, 0, all + 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        change_header(copy);
        lists[i].list->first = lists[i].first;
        lists[i].list->count = lists[i].count;
        assert_int_equal(is_accepted(copy), lists[i].accepted);
    }
    change_header(copy);
    steps[all - 1] = (header->sids.count - 1) << 1;
    assert_int_equal(is_accepted(copy), 1);
    steps[all - 1] = header->sids.count << 1;
    assert_int_equal(is_accepted(copy), 0);

    change_header(copy); /* not sorted, twice the same, not at its end all 0 */
    assert_true(header->sids.count > 2);
    sid = sids[0];
    sids[0] = sids[1];
    sids[1] = sid;
    assert_int_equal(is_accepted(copy), 0);
    sids[1] = sids[0];
    assert_int_equal(is_accepted(copy), 0);
    change_header(copy);
    sids[0].octets[CEP_SID_MAX_LENGTH - 1] = 1;
    assert_int_equal(is_accepted(copy), 0);
    change_header(copy);
    sids[header->sids.count - 1].length = 255;
    assert_int_equal(is_accepted(copy), 0);
    free(copy);
}

/* Every template once, in the order of their OIDs: else a filter would miss what it names. */
static void test_index_by_oid_is_checked(void **state)
{
    unsigned char *copy = malloc(image.len);
    struct image_header *header = change_header(copy);
    uint32_t *numbers = (void *)(copy + header->by_oid.offset), first = numbers[0];

    (void)state;
    assert_true(header->by_oid.count > 1 && header->by_oid.count == header->templates.count);
    assert_int_equal(is_accepted(copy), 1);
    numbers[0] = numbers[1];
    assert_int_equal(is_accepted(copy), 0);
    numbers[1] = first;
    assert_int_equal(is_accepted(copy), 0);
    change_header(copy);
    numbers[header->by_oid.count - 1] = header->templates.count;
    assert_int_equal(is_accepted(copy), 0);
    change_header(copy);
    header->by_oid.count--;
    assert_int_equal(is_accepted(copy), 0);
    free(copy);
}

/* Lists instead: the GUID of Enroll stands in every descriptor of the sample. */
static void test_no_descriptor_is_in_the_image(void **state)
{
    (void)state;
    for (apr_size_t at = 0; at + 8 <= image.len; at++)
        assert_true(memcmp(image.data + at, "\x68\xc9\x10\x0e\xfb\x78\xd2\x11", 8) != 0);
}

static int listed(const struct cep_snapshot *snapshot, const struct cep_selection *selection,
                  const char *cn, unsigned char bits)
{
    for (int i = 0; i < cep_snapshot_template_count(snapshot); i++) {
        if (!strcmp(image_at(snapshot, snapshot->templates[i].cn), cn))
            return (selection->policies[i] & bits) == bits;
    }
    fail_msg("no template %s", cn);
    return 0;
}

static struct cep_selection select_for(const char *const *sids, int count,
                                       const struct cep_request *request)
{
    struct cep_token token = token_of(pool, sids, count);
    struct cep_view view = CEP_VIEW_DEFAULT;
    struct cep_selection selection;

    cep_snapshot_select(&selection, open_image(image.data, image.len), &token, request, &view,
                        pool);
    return selection;
}

static void test_selection_by_rights(void **state)
{
    const struct cep_snapshot *snapshot = open_image(image.data, image.len);
    const char *const user[] = {SAMPLE_DOMAIN_SID "-513", "S-1-5-11", "S-1-1-0"};
    const char *const computer[] = {SAMPLE_DOMAIN_SID "-515", "S-1-5-11", "S-1-1-0"};
    const char *const stranger[] = {"S-1-5-21-1-2-3-513", "S-1-1-0"};
    struct cep_request request = everything();
    struct cep_selection selection = select_for(user, 3, &request);

    (void)state;
    assert_true(listed(snapshot, &selection, "User", CEP_SELECTED));
    assert_false(listed(snapshot, &selection, "User", CEP_PERMITTED));
    assert_false(listed(snapshot, &selection, "Machine", CEP_SELECTED));
    selection = select_for(computer, 3, &request);
    assert_false(listed(snapshot, &selection, "User", CEP_SELECTED));
    assert_true(listed(snapshot, &selection, "Machine", CEP_SELECTED));
    assert_true(listed(snapshot, &selection, "CorpComputer", CEP_SELECTED | CEP_PERMITTED));
    selection = select_for(stranger, 2, &request);
    assert_int_equal(selection.policy_count + selection.ca_count + selection.oid_count, 0);
}

/* A template that no CA publishes is offered to nobody, whatever its descriptor says. */
static void test_unpublished_is_not_listed(void **state)
{
    const struct cep_snapshot *snapshot = open_image(image.data, image.len);
    apr_array_header_t *sids = apr_array_make(pool, 64, sizeof(const char *));
    struct cep_request request = everything();
    struct cep_selection selection;

    (void)state;
    for (int rid = 512; rid < 526; rid++)
        APR_ARRAY_PUSH(sids, const char *) = apr_psprintf(pool, SAMPLE_DOMAIN_SID "-%d", rid);
    selection = select_for((const char *const *)sids->elts, sids->nelts, &request);
    assert_false(listed(snapshot, &selection, "CorpPilot", CEP_SELECTED));
}

static void test_selection_by_oid(void **state)
{
    const struct cep_snapshot *snapshot = open_image(image.data, image.len);
    const char *const user[] = {SAMPLE_DOMAIN_SID "-513", "S-1-5-11", "S-1-1-0"};
    struct cep_request request = everything();
    struct cep_selection selection;
    const char *oid = NULL;

    (void)state;
    for (int i = 0; i < cep_snapshot_template_count(snapshot); i++) {
        if (!strcmp(image_at(snapshot, snapshot->templates[i].cn), "User"))
            oid = image_at(snapshot, snapshot->templates[i].oid);
    }
    assert_non_null(oid);
    request.policy_oids = apr_array_make(pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(request.policy_oids, const char *) = "1.2.3";
    selection = select_for(user, 3, &request);
    assert_int_equal(selection.policy_count, 0);
    APR_ARRAY_PUSH(request.policy_oids, const char *) = oid;
    selection = select_for(user, 3, &request);
    assert_int_equal(selection.policy_count, 1);
    assert_true(listed(snapshot, &selection, "User", CEP_SELECTED));
}

/* [MS-XCEP] v18, 3.1.4.1.3.22: a template of client version 4 or more needs a client that says so.
 */
static void test_selection_by_version(void **state)
{
    const char *const admin[] = {SAMPLE_DOMAIN_SID "-512", SAMPLE_DOMAIN_SID "-513",
                                 SAMPLE_DOMAIN_SID "-515", "S-1-5-11", "S-1-1-0"};
    struct cep_request all = everything(), none = {0}, three = everything(), odd = everything();
    int everything_count, three_count;

    (void)state;
    three.client_version = three.server_version = 3;
    odd.client_version = odd.server_version = -5;
    everything_count = select_for(admin, 5, &all).policy_count;
    three_count = select_for(admin, 5, &three).policy_count;
    assert_true(three_count < everything_count);
    assert_true(three_count > 0);
    assert_true(select_for(admin, 5, &none).policy_count <= everything_count);
    assert_int_equal(select_for(admin, 5, &odd).policy_count, three_count);
    three.client_version = three.server_version = 2000000000;
    assert_int_equal(select_for(admin, 5, &three).policy_count, everything_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_content_same_octets),
        cmocka_unit_test(test_any_flipped_octet_is_seen),
        cmocka_unit_test(test_any_length_but_the_right_one_is_seen),
        cmocka_unit_test(test_numbers_are_checked_behind_a_good_digest),
        cmocka_unit_test(test_access_lists_are_checked),
        cmocka_unit_test(test_index_by_oid_is_checked),
        cmocka_unit_test(test_no_descriptor_is_in_the_image),
        cmocka_unit_test(test_selection_by_rights),
        cmocka_unit_test(test_unpublished_is_not_listed),
        cmocka_unit_test(test_selection_by_oid),
        cmocka_unit_test(test_selection_by_version),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, read_sample, drop_pool);
}
