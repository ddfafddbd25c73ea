/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* An instance has no place in the file system. */

#include "cep_server.h"

#include "http_request.h"

/* In r->notes: no files were looked for. */
#define NOTE "cep-no-storage"

/*
 * core would look for a file, and for .htaccess in every directory on the way: a fifth of the
 * time of a small answer. Locations are merged over <Directory> and .htaccess, so where one says
 * SetHandler cep and CEPPolicy, no other handler comes out of the walk. As for mod_proxy, these
 * sections do not count then.
 */
int cep_map_to_storage(request_rec *r)
{
    const struct cep_dir_config *conf;
    int ours;

    if (cep_server_conf()->sources->nelts == 0)
        return DECLINED;
    /* core has put back what the locations say, and asks them again after this hook, from a cache
     * then: nobody pays for it twice. */
    if (ap_location_walk(r) != OK) {
        r->per_dir_config = r->server->lookup_defaults;
        return DECLINED;
    }
    conf = ap_get_module_config(r->per_dir_config, &cep_module);
    ours = conf->policy && cep_will_be_instance(r);
    r->per_dir_config = r->server->lookup_defaults;
    if (!ours)
        return DECLINED;
    apr_table_setn(r->notes, NOTE, "1");
    return OK;
}

/* mod_rewrite's redirect within httpd: what it leads to is a request of its own, with sections of
 * its own. */
static int is_redirected(const request_rec *r)
{
    return r->handler && !strcmp(r->handler, "redirect-handler") && r->filename &&
           !strncmp(r->filename, "redirect:", strlen("redirect:"));
}

/*
 * A handler that is an expression, or a module that sets one, may have changed its mind: without
 * the <Directory> sections, which may protect files, no other handler must run.
 */
int cep_check_storage(request_rec *r)
{
    if (!apr_table_get(r->notes, NOTE) || (r->handler && cep_is_instance(r)) || is_redirected(r))
        return OK;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "CEP0663: SetHandler was cep when the request began and is %s now; refused. Say "
                  "SetHandler cep without an expression",
                  r->handler ? r->handler : "nothing");
    return HTTP_INTERNAL_SERVER_ERROR;
}
