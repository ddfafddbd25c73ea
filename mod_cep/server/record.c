/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What became of a request: one line in the error log, and the same as notes of the request, which
 * access logs take (%{cep-result}n). Written when the request is over, so that refusals by httpd
 * and by other modules are in it, and the octets that were really sent.
 */

#include "cep_server.h"

#include <apr_strings.h>

#define KEY "cep-record"

struct cep_record *cep_record_of(request_rec *r)
{
    struct cep_record *record = NULL;

    apr_pool_userdata_get((void **)&record, KEY, r->pool);
    if (!record) {
        record = apr_pcalloc(r->pool, sizeof(*record));
        record->begun = apr_time_now();
        apr_pool_userdata_setn(record, KEY, NULL, r->pool);
    }
    return record;
}

/* Not set: a table seeks by the first letters, which are those of all our notes. */
static void add_note(request_rec *r, const char *name, const char *value)
{
    apr_table_addn(r->notes, name, value ? value : "-");
}

static void write_notes(request_rec *r, const struct cep_dir_config *conf,
                        const struct cep_record *record)
{
    add_note(r, "cep-instance", r->uri);
    add_note(r, "cep-directory", conf->policy);
    add_note(r, "cep-caller", r->user);
    add_note(r, "cep-result", record->result);
    add_note(r, "cep-templates", apr_itoa(r->pool, record->templates));
    add_note(r, "cep-cas", apr_itoa(r->pool, record->cas));
    add_note(r, "cep-bytes", apr_off_t_toa(r->pool, r->bytes_sent));
    add_note(r, "cep-microseconds",
             apr_off_t_toa(r->pool, record->made ? (apr_off_t)(record->made - record->begun) : 0));
    add_note(r, "cep-cache", record->cache);
    add_note(r, "cep-body", record->body);
}

/*
 * For the line, where a value may stand in quotation marks: it has none of its own. Control
 * characters and backslashes are escaped by httpd's error log, so not here again.
 */
static const char *note(request_rec *r, const char *name)
{
    char *text = apr_pstrdup(r->pool, apr_table_get(r->notes, name));
    char *mark;

    for (mark = strchr(text, '"'); mark; mark = strchr(mark, '"'))
        *mark = '\'';
    return text;
}

int cep_record_write(request_rec *r)
{
    const struct cep_dir_config *conf = ap_get_module_config(r->per_dir_config, &cep_module);
    struct cep_record *record;

    if (!conf || !cep_is_instance(r))
        return DECLINED;
    record = cep_record_of(r);
    if (!record->result)
        record->result = apr_itoa(r->pool, r->status);
    write_notes(r, conf, record);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "CEP0600: instance=\"%s\" directory=\"%s\" caller=\"%s\" result=%s templates=%s "
                  "cas=%s bytes=%s microseconds=%s body=%s cache=%s",
                  note(r, "cep-instance"), note(r, "cep-directory"), note(r, "cep-caller"),
                  note(r, "cep-result"), note(r, "cep-templates"), note(r, "cep-cas"),
                  note(r, "cep-bytes"), note(r, "cep-microseconds"), note(r, "cep-body"),
                  note(r, "cep-cache"));
    return DECLINED;
}
