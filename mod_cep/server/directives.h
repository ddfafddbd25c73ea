/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The setters behind the table of directives: directives.c. NULL, or what is wrong: a sentence. */
#ifndef CEP_DIRECTIVES_H
#define CEP_DIRECTIVES_H

#include "cep_server.h"

/* ---- arguments.c ---- */

/* "500ms", "5s", "5m", "8h", "2d"; a bare number is seconds. */
const char *cep_parse_duration(cmd_parms *cmd, const char *arg, apr_interval_time_t least,
                               apr_interval_time_t most, apr_interval_time_t *result);

/* For the members that hold a duration, as httpd's own ap_set_..._slot(): what cmd->info names. */
struct cep_duration_slot {
    apr_size_t offset;
    apr_interval_time_t least, most;
};
const char *cep_set_duration_slot(cmd_parms *cmd, void *conf, const char *arg);

/* 1 when arg is a number from least to most. */
int cep_parse_number(const char *arg, int least, int most, int *number);

/* Text that goes into answers: XML 1.0 must be able to carry it. */
const char *cep_check_text(cmd_parms *cmd, const char *arg);

/* ---- directory_directives.c ---- */

const char *cep_open_directory(cmd_parms *cmd, void *dummy, const char *arg);

/* httpd's own setters, and cep_set_duration_slot(), for the section's struct cep_source. */
const char *cep_set_directory_string(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_set_directory_file(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_set_directory_flag(cmd_parms *cmd, void *dummy, int on);
const char *cep_set_directory_duration(cmd_parms *cmd, void *dummy, const char *arg);

const char *cep_add_url(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_set_site(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_set_bind(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_set_keytab(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_add_realm(cmd_parms *cmd, void *dummy, const char *arg);
const char *cep_add_enrollment_uri(cmd_parms *cmd, void *dummy, int argc, char *const argv[]);

/* ---- location_directives.c ---- */

const char *cep_add_policy_name(cmd_parms *cmd, void *dir_conf, const char *name,
                                const char *language);
const char *cep_set_policy_id(cmd_parms *cmd, void *conf, const char *arg);
const char *cep_set_next_update(cmd_parms *cmd, void *dir_conf, const char *hours,
                                const char *spread);
const char *cep_add_template(cmd_parms *cmd, void *dir_conf, const char *arg);
const char *cep_set_template_rights(cmd_parms *cmd, void *conf, const char *arg);
const char *cep_set_version_filter(cmd_parms *cmd, void *conf, const char *arg);
const char *cep_set_max_version(cmd_parms *cmd, void *conf, const char *arg);
const char *cep_set_certificate_mapping(cmd_parms *cmd, void *conf, int argc, char *const argv[]);
const char *cep_add_auth_provider(cmd_parms *cmd, void *conf, const char *arg);
const char *cep_set_auth_failures(cmd_parms *cmd, void *dir, const char *number,
                                  const char *window);
const char *cep_set_max_body(cmd_parms *cmd, void *conf, const char *arg);

#endif
