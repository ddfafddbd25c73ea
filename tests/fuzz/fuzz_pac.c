/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What comes from a Kerberos ticket. An input that begins with '{' is a list of name attributes, of
 * the principal that NAME is; every other one is logon information.
 */
#include "cep_caller.h"
#include "fuzz.h"

#define NAME "alice@CORP.EXAMPLE"

static int token_has(const struct cep_token *token, const char *text)
{
    struct cep_sid sid;

    return cep_sid_parse(&sid, text) && cep_token_has(token, sid.octets, sid.length);
}

/* Account, primary group and well-known SIDs are there, sorted; every SID can be read. */
static void check_token(const struct cep_token *token)
{
    char text[CEP_SID_TEXT_MAX];
    struct cep_sid again;
    int i;

    promise(token->count >= 4 && token->count <= CEP_TOKEN_MAX_SIDS, "number of SIDs");
    promise(token_has(token, "S-1-1-0") && token_has(token, "S-1-5-2"), "well-known SIDs");
    promise(token_has(token, "S-1-5-15") || token_has(token, "S-1-5-1000"), "organization");
    for (i = 0; i < token->count; i++) {
        const struct cep_sid *sid = &token->sids[i];

        promise(cep_sid_read(&again, sid->octets, sid->length), "a SID");
        promise(strlen(cep_sid_format(sid, text)) < CEP_SID_TEXT_MAX, "a SID's text");
        promise(i == 0 || cep_sid_compare(sid - 1, sid) < 0, "order of SIDs");
    }
}

static void read_list(const char *json, apr_pool_t *pool)
{
    struct cep_caller *caller;
    struct cep_value value;
    const char *error;
    apr_status_t rv = cep_caller_from_ticket(&caller, NAME, json, pool, &error);

    promise((rv == APR_SUCCESS) == (caller != NULL), "a caller, or none");
    promise((rv != APR_SUCCESS && rv != APR_NOTFOUND) == (error != NULL), "an error, or none");
    if (caller)
        check_token(&caller->token);
    error = cep_name_attribute_find(&value, NAME, json, "urn:x", pool);
    promise(!error || !value.data, "a value, or a problem");
    promise(!value.data || value.len > 0, "a value is not empty");
}

static void read_logon(const unsigned char *data, size_t size, apr_pool_t *pool)
{
    apr_array_header_t *sids = apr_array_make(pool, 16, sizeof(struct cep_sid));
    struct cep_token token;

    if (cep_pac_sids(sids, data, size) != NULL)
        return;
    token = cep_token_make(sids);
    check_token(&token);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    apr_pool_t *pool = input_pool();

    if (size > 0 && data[0] == '{') {
        char *json = input_text(data, size);

        read_list(json, pool);
        free(json);
    } else {
        read_logon(data, size, pool);
    }
    apr_pool_destroy(pool);
    return 0;
}
