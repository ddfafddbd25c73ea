/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests of real clients and of the specifications' examples, read from a collection of
 * reference data that is not part of this project: CEP_SHARED names its directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "cep_xcep.h"
#include "files.h"
#include "pool.h"

#define ID_MADE "urn:uuid:5fb5f6fd-4709-414b-8afa-0c05f6686d1c"
#define ID_MDE2 "urn:uuid:72048B64-0F19-448F-8C2E-B4C661860AA0"
#define NEVER   ((apr_time_t)-62135596800 * APR_USEC_PER_SEC)
#define NIL     ((apr_time_t)0)

/* versions: clientVersion and serverVersion, -1 for nil or absent; oids: how many. */
static const struct expectation {
    const char *file;
    enum cep_fault_code code;
    const char *message_id;
    apr_time_t last_update;
    const char *language;
    int has_filter;
    int oids;
    int versions;
} expectations[] = {
    {"messages/example_req_bad_client_empty.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL, 0, 0, -1},
    {"messages/example_req_bad_client_missing.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL, 0, 0, -1},
    {"messages/example_req_bad_client_nil.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL, 0, 0, -1},
    {"messages/example_req_bad_empty_body.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL, 0, 0, -1},
    {"messages/example_req_bad_mustunderstand.xml", CEP_FAULT_MUST_UNDERSTAND, ID_MADE, NIL, NULL,
     0, 0, -1},
    {"messages/example_req_cepces_v0.3.13_kerberos.xml", CEP_FAULT_NONE, ID_MADE, NIL, NULL, 1, 0,
     -1},
    {"messages/example_req_cepces_v0.3.17_kerberos.xml", CEP_FAULT_NONE, ID_MADE, NIL, NULL, 1, 0,
     0},
    {"messages/example_req_cepces_v0.3.17_usernamepassword.xml", CEP_FAULT_NONE, ID_MADE, NIL, NULL,
     1, 0, 0},
    {"messages/example_req_filter_2008r2_client.xml", CEP_FAULT_NONE, ID_MADE, NEVER, NULL, 1, 0,
     -1},
    {"messages/example_req_filter_oids_versions.xml", CEP_FAULT_NONE, ID_MADE,
     (apr_time_t)1768471200 * APR_USEC_PER_SEC, "en-US", 1, 2, 4},
    {"messages/example_req_go-ces_testdata.xml", CEP_FAULT_NONE, ID_MDE2, NIL, NULL, 0, 0, -1},
    {"messages/example_req_spec_mde2_4.2.1.1_federated.xml", CEP_FAULT_NONE, ID_MDE2, NIL, NULL, 0,
     0, -1},
    {"messages/example_req_spec_mde2_4.2.1.2_certificate.xml", CEP_FAULT_NONE, ID_MDE2, NIL, NULL,
     0, 0, -1},
    {"messages/example_req_spec_mde2_4.2.1.3_onpremise.xml", CEP_FAULT_NONE, ID_MDE2, NIL, NULL, 0,
     0, -1},
    /* The prefix wsse is not declared. */
    {"messages/example_req_spec_mde_4.2.1_as_printed.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL, 0,
     0, -1},
    /* Client has a capital C. */
    {"messages/example_req_spec_mde_4.2.1_repaired.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL, 0, 0,
     -1},
    {"messages/example_req_spec_xcep_4.1.1.1.xml", CEP_FAULT_NONE, ID_MADE, NEVER, NULL, 0, 0, -1},
    /* lastUpdate is 20090-03-15-T09:38:46. */
    {"messages/example_req_spec_xcep_4.1.2.1_as_printed.xml", CEP_FAULT_SENDER, ID_MADE, NIL, NULL,
     0, 0, -1},
    {"messages/example_req_spec_xcep_4.1.2.1_repaired.xml", CEP_FAULT_NONE, ID_MADE,
     (apr_time_t)1237109926 * APR_USEC_PER_SEC, NULL, 0, 0, -1},
    /* A client element with strange children only; no MessageID. */
    {"data/xcep_requests/bad-elements.xml", CEP_FAULT_SENDER, NULL, NIL, NULL, 0, 0, -1},
    {"data/xcep_requests/cepces-new-version-0.xml", CEP_FAULT_NONE,
     "urn:uuid:5ba70002-d87c-4dd3-90e3-565e626a0e15", NIL, NULL, 1, 0, 0},
    {"data/xcep_requests/cepces-username-token.xml", CEP_FAULT_NONE,
     "urn:uuid:80baee21-160c-47a4-8e9f-74305f5c9305", NIL, NULL, 1, 0, 0},
    {"data/xcep_requests/empty-body.xml", CEP_FAULT_SENDER,
     "urn:uuid:3f59b35c-ff2d-4b81-b04c-57241461e028", NIL, NULL, 0, 0, -1},
    {"data/xcep_requests/mde2-4.2.1.3-onpremise.xml", CEP_FAULT_NONE, ID_MDE2, NIL, NULL, 0, 0, -1},
    {"data/xcep_requests/xcep-4.1.1.1-as-printed.xml", CEP_FAULT_NONE, ID_MADE, NEVER, NULL, 0, 0,
     -1},
    {"data/xcep_requests/xcep-4.1.2.1.fixed.xml", CEP_FAULT_NONE, ID_MADE,
     (apr_time_t)1237109926 * APR_USEC_PER_SEC, NULL, 0, 0, -1},
};

#define COUNT (sizeof(expectations) / sizeof(expectations[0]))

static void compare_text(const char *file, const char *what, const char *actual,
                         const char *expected)
{
    if (!actual != !expected || (actual && strcmp(actual, expected) != 0))
        fail_msg("%s: %s is %s", file, what, actual ? actual : "NULL");
}

static void compare(const struct expectation *e, const struct cep_request *r)
{
    compare_text(e->file, "MessageID", r->message_id, e->message_id);
    compare_text(e->file, "preferredLanguage", r->language, e->language);
    if (r->has_last_update != (e->last_update != NIL) ||
        (r->has_last_update && r->last_update != e->last_update))
        fail_msg("%s: lastUpdate is %lld", e->file, (long long)r->last_update);
    if (r->has_filter != e->has_filter || (r->policy_oids ? r->policy_oids->nelts : 0) != e->oids ||
        (r->has_client_version ? r->client_version : -1) != e->versions ||
        (r->has_server_version ? r->server_version : -1) != e->versions)
        fail_msg("%s: another filter", e->file);
}

static void every_reference_request_is_read_as_expected(void **state)
{
    const char *directory = shared_directory("messages", pool);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT; i++) {
        const struct expectation *e = &expectations[i];
        struct cep_request *request;
        struct cep_fault fault;
        struct cep_value body = read_file(apr_pstrcat(pool, directory, "/", e->file, NULL), pool);

        if (cep_xcep_parse(&request, &fault, (const char *)body.data, body.len, pool)) {
            if (e->code != CEP_FAULT_NONE)
                fail_msg("%s is accepted", e->file);
            compare(e, request);
            continue;
        }
        if (fault.code != e->code)
            fail_msg("%s: fault %d, %s", e->file, (int)fault.code, fault.reason);
        if (strcmp(e->file, "messages/example_req_spec_mde_4.2.1_as_printed.xml") != 0)
            compare_text(e->file, "RelatesTo", fault.relates_to, e->message_id);
    }
}

/* A file that is added to the collection must not pass unread. */
static void no_reference_request_is_left_out(void **state)
{
    static const char *const folders[] = {"messages", "data/xcep_requests"};
    const char *directory = shared_directory("messages", pool);
    size_t i, k, found = 0;

    (void)state;
    for (i = 0; i < 2; i++) {
        apr_dir_t *dir;
        apr_finfo_t info;

        assert_int_equal(
            apr_dir_open(&dir, apr_pstrcat(pool, directory, "/", folders[i], NULL), pool),
            APR_SUCCESS);
        while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
            const char *name = apr_pstrcat(pool, folders[i], "/", info.name, NULL);

            if (info.name[0] == '.' || (i == 0 && strncmp(info.name, "example_req_", 12) != 0))
                continue;
            for (k = 0; k < COUNT && strcmp(expectations[k].file, name) != 0; k++)
                ;
            if (k == COUNT)
                fail_msg("%s has no expectation", name);
            found++;
        }
        apr_dir_close(dir);
    }
    assert_int_equal(found, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_reference_request_is_read_as_expected, make_pool,
                                        drop_pool),
        cmocka_unit_test_setup_teardown(no_reference_request_is_left_out, make_pool, drop_pool),
    };

    cep_xcep_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
