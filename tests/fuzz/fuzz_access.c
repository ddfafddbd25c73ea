/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * SIDs and security descriptors of any octets: the plain walk and the compiled lists say the same,
 * lists are as short as they can be, and a SID's two forms lead to each other.
 *
 * An input that begins with S or s is a SID as text. In any other one the first octet is the number
 * of SIDs of a token, which follow in their binary form; then come descriptors, each behind its
 * length in two octets, little-endian.
 */
#include "../unit/compiled.h"
#include "cep_access.h"
#include "fuzz.h"

#define MAX_DESCRIPTORS 16
#define MAX_TOKENS      40 /* of one SID each, beside the input's */

struct input {
    const uint8_t *data;
    size_t left;
};

struct descriptor {
    const uint8_t *data;
    size_t length;
    struct cep_access_list lists[2];
};

/* ---- SIDs ---- */

static void check_sid(const struct cep_sid *sid)
{
    char text[CEP_SID_TEXT_MAX + 1];
    struct cep_sid again;
    size_t length;

    memset(text, '#', sizeof(text));
    length = strlen(cep_sid_format(sid, text));
    promise(length < CEP_SID_TEXT_MAX && text[CEP_SID_TEXT_MAX] == '#', "a text form has its room");
    promise(cep_sid_read(&again, sid->octets, sid->length) &&
                memcmp(&again, sid, sizeof(again)) == 0,
            "the binary form is read as it is");
    promise(!cep_sid_read(&again, sid->octets, sid->length - 1u), "a SID ends with its last octet");
    /* the text form needs one subauthority, the binary form does not */
    promise(cep_sid_parse(&again, text) == (sid->octets[1] > 0), "a text form is understood");
    promise(sid->octets[1] == 0 || memcmp(&again, sid, sizeof(again)) == 0,
            "the text form says all");
    if (cep_sid_append_rid(&again, sid, 513)) {
        promise(again.length == sid->length + 4, "a RID makes a SID longer");
        promise(cep_sid_with_rid(&again, &again, 514) && cep_sid_compare(&again, sid) > 0,
                "a RID is replaced by another");
    } else {
        promise(sid->octets[1] == CEP_SID_MAX_SUBAUTHORITIES, "there is room for a RID");
    }
}

static void check_text(const uint8_t *data, size_t size)
{
    char *text = input_text(data, size);
    struct cep_sid sid;

    if (cep_sid_parse(&sid, text)) {
        promise(sid.octets[1] > 0, "a text form has a subauthority");
        check_sid(&sid);
    }
    free(text);
}

/* ---- descriptors ---- */

static struct cep_token read_token(struct input *input, apr_pool_t *pool)
{
    apr_array_header_t *sids = apr_array_make(pool, 16, sizeof(struct cep_sid));
    unsigned count = input->left > 0 ? *input->data++ : 0;

    input->left -= input->left > 0;
    for (; count > 0; count--) {
        size_t length = cep_sid_length(input->data, input->left);

        if (length == 0 || !cep_sid_read(apr_array_push(sids), input->data, length))
            break;
        check_sid(&APR_ARRAY_IDX(sids, sids->nelts - 1, struct cep_sid));
        input->data += length;
        input->left -= length;
    }
    return cep_token_make(sids);
}

static int next_descriptor(struct input *input, struct descriptor *descriptor)
{
    size_t length;

    if (input->left < 2)
        return 0;
    length = input->data[0] | (size_t)input->data[1] << 8;
    input->data += 2;
    input->left -= 2;
    descriptor->length = length < input->left ? length : input->left;
    /* Of just that size, so that a sanitizer sees a read beyond it. */
    descriptor->data = malloc(descriptor->length ? descriptor->length : 1);
    memcpy((void *)(uintptr_t)descriptor->data, input->data, descriptor->length);
    input->data += descriptor->length;
    input->left -= descriptor->length;
    return 1;
}

/* Nothing that could go: no SID twice, a grant at the end, and what could be swapped is sorted. */
static void check_list(const struct cep_compiled *compiled, struct cep_access_list list,
                       unsigned char *seen)
{
    const apr_uint32_t *steps = compiled->steps + list.first;
    apr_uint32_t i;

    promise(list.first <= compiled->step_count && list.count <= compiled->step_count - list.first,
            "a list lies among the steps");
    memset(seen, 0, compiled->sid_count);
    for (i = 0; i < list.count; i++) {
        apr_uint32_t sid = CEP_STEP_SID(steps[i]);

        promise(sid < compiled->sid_count, "a step names a SID");
        promise(!seen[sid], "a list has each SID once");
        seen[sid] = 1;
        promise(i == 0 || ((steps[i] ^ steps[i - 1]) & CEP_STEP_DENIES) || steps[i - 1] < steps[i],
                "steps of one kind are in order");
    }
    promise(list.count == 0 || !(steps[list.count - 1] & CEP_STEP_DENIES),
            "a list ends in a grant");
}

static void check_table(const struct cep_compiled *compiled, unsigned char *seen)
{
    apr_uint32_t i;

    memset(seen, 0, compiled->sid_count);
    for (i = 0; i < compiled->step_count; i++)
        seen[CEP_STEP_SID(compiled->steps[i])] = 1;
    for (i = 0; i < compiled->sid_count; i++) {
        promise(seen[i], "a SID of the table stands in a step");
        promise(i == 0 || cep_sid_compare(&compiled->sids[i - 1], &compiled->sids[i]) < 0,
                "the table is sorted");
        check_sid(&compiled->sids[i]);
    }
}

static void check_token(const struct cep_compiled *compiled, const struct descriptor *descriptors,
                        int count, const struct cep_token *token)
{
    int i, right;

    for (i = 0; i < count; i++) {
        const struct descriptor *d = &descriptors[i];
        const char *problem = cep_sd_check(d->data, d->length);

        for (right = 0; right < 2; right++) {
            int walk = cep_access_granted(d->data, d->length, (enum cep_right)right, token);

            promise(walk == compiled_grants(compiled, d->lists[right], token),
                    "walk and list agree");
            promise(!walk || (!problem && token->count > 0), "nothing is granted without reason");
        }
        promise(!problem || (d->lists[0].count == 0 && d->lists[1].count == 0),
                "what cannot be read compiles to nothing");
    }
}

static void check_descriptors(struct descriptor *descriptors, int count,
                              const struct cep_token *token, apr_pool_t *pool)
{
    static const struct cep_token nobody = {NULL, 0};
    struct cep_compiler *compiler = cep_compiler_make(pool);
    struct cep_compiled compiled;
    unsigned char *seen;
    apr_uint32_t n;
    int i, right;

    for (i = 0; i < count; i++) {
        for (right = 0; right < 2; right++)
            descriptors[i].lists[right] = cep_compiler_add(
                compiler, descriptors[i].data, descriptors[i].length, (enum cep_right)right);
    }
    promise(cep_compiler_finish(&compiled, compiler), "there is room for the steps");
    seen = apr_palloc(pool, compiled.sid_count + 1);
    for (i = 0; i < count; i++) {
        for (right = 0; right < 2; right++)
            check_list(&compiled, descriptors[i].lists[right], seen);
    }
    check_table(&compiled, seen);
    check_token(&compiled, descriptors, count, token);
    check_token(&compiled, descriptors, count, &nobody);
    for (n = 0; n < compiled.sid_count && n < MAX_TOKENS; n++) {
        struct cep_token one = {&compiled.sids[n], 1};

        check_token(&compiled, descriptors, count, &one);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct descriptor descriptors[MAX_DESCRIPTORS];
    struct input input = {data, size};
    struct cep_token token;
    apr_pool_t *pool;
    int count = 0;

    if (size > 0 && (*data == 'S' || *data == 's')) {
        check_text(data, size);
        return 0;
    }
    pool = input_pool();
    token = read_token(&input, pool);
    while (count < MAX_DESCRIPTORS && next_descriptor(&input, &descriptors[count]))
        count++;
    check_descriptors(descriptors, count, &token, pool);
    while (count > 0)
        free((void *)(uintptr_t)descriptors[--count].data);
    apr_pool_destroy(pool);
    return 0;
}
