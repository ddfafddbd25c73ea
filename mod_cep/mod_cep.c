/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The module record and its hooks. What happens in them is in server/. */

#include "cep_server.h"

#include "ap_release.h"
#include "mod_status.h"

#include <apr_optional_hooks.h>
#include "http_protocol.h"
#include "http_request.h"
#include "mod_auth.h"

#if AP_SERVER_MAJORVERSION_NUMBER * 1000000 + AP_SERVER_MINORVERSION_NUMBER * 1000 +               \
        AP_SERVER_PATCHLEVEL_NUMBER <                                                              \
    2004047
#error mod_cep needs httpd 2.4.47 or newer: its core knows about TLS since then
#endif

static void register_hooks(apr_pool_t *p)
{
    /* mod_watchdog makes its threads in its own post_config; ours must have asked by then. */
    static const char *const before_watchdog[] = {"mod_watchdog.c", NULL};
    /* What Require says without a user name is asked first. */
    static const char *const after_authz[] = {"mod_authz_core.c", NULL};

    (void)p;
    ap_hook_pre_config(cep_tokens_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_config(cep_guesses_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* check_config is the last hook that apachectl configtest runs. */
    ap_hook_check_config(cep_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(cep_background_post_config, NULL, before_watchdog, APR_HOOK_MIDDLE);
    ap_hook_post_config(cep_warnings_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(cep_guesses_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(cep_guesses_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(cep_background_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    /* PER_CONF: a sub-request into another location is not let in by what its parent may. */
    ap_hook_check_authn(cep_username_check_authn, NULL, NULL, APR_HOOK_MIDDLE,
                        AP_AUTH_INTERNAL_PER_CONF);
    cep_body_register();
    ap_hook_insert_filter(cep_incoming_insert_filter, NULL, NULL, APR_HOOK_MIDDLE);
    /* First: mod_authz_core ends this hook with OK, and then nobody else is asked. PER_CONF, as all
     * others here, or httpd would authenticate sub-requests anew in the whole server. */
    ap_hook_check_authz(cep_note_authenticated, NULL, NULL, APR_HOOK_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_insert_error_filter(cep_errors_insert, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_output_filter(CEP_ERROR_FILTER_NAME, cep_errors_filter, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_check_access_ex(cep_page_access, after_authz, NULL, APR_HOOK_LAST,
                            AP_AUTH_INTERNAL_PER_CONF);
    /* mod_dir and mod_rewrite choose handlers in this hook, too. */
    ap_hook_fixups(cep_page_fixup, NULL, NULL, APR_HOOK_REALLY_LAST);
    /* Access logs take the notes that it sets. */
    ap_hook_log_transaction(cep_record_write, NULL, NULL, APR_HOOK_FIRST);
    /* Behind http_core's, which answers TRACE and OPTIONS *, and before core's, which walks. */
    ap_hook_map_to_storage(cep_map_to_storage, NULL, NULL, APR_HOOK_LAST);
    /* When all others have had their say about the handler. */
    ap_hook_fixups(cep_check_storage, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_handler(cep_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(cep_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    /* Optional: it is called where mod_status is loaded. */
    APR_OPTIONAL_HOOK(ap, status_hook, cep_status_in_mod_status, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA cep_module = {
    STANDARD20_MODULE_STUFF,
    cep_create_dir_config,
    cep_merge_dir_config,
    cep_create_server_config,
    NULL, /* directories and cache are the main server's: there is nothing to merge */
    cep_directives,
    register_hooks,
    0};
