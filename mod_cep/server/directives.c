/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The administrator's words: docs/directives.md describes each. Here is their table, and what is
 * for the whole server.
 */

#include "directives.h"

#include "http_core.h"

#include <stddef.h>

#include <apr_strings.h>

static const char *check_server_wide(cmd_parms *cmd)
{
    const struct cep_server_config *conf =
        ap_get_module_config(cmd->server->module_config, &cep_module);

    return conf->section ? apr_psprintf(cmd->pool,
                                        "%s is for the whole server and does not belong "
                                        "inside <CEPDirectory>",
                                        cmd->cmd->name)
                         : ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

static const char *set_cache_dir(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *error = check_server_wide(cmd);

    (void)dummy;
    return error ? error : ap_set_file_slot(cmd, conf, arg);
}

static const char *set_token_cache(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *error = check_server_wide(cmd);

    (void)dummy;
    if (!error)
        error = cep_tokens_configure(conf->tokens, arg, cmd->pool, cmd->temp_pool);
    return error ? apr_psprintf(cmd->pool, "CEPTokenCache: %s", error) : NULL;
}

static const char *set_token_ttl(cmd_parms *cmd, void *dummy, const char *arg)
{
    struct cep_server_config *conf = ap_get_module_config(cmd->server->module_config, &cep_module);
    const char *error = check_server_wide(cmd);
    apr_interval_time_t ttl = 0;

    (void)dummy;
    if (!error)
        error = cep_parse_duration(cmd, arg, 0, apr_time_from_sec(24 * 3600), &ttl);
    cep_tokens_set_ttl(conf->tokens, ttl);
    return error;
}

#define INSTANCE (RSRC_CONF | ACCESS_CONF)

/* For httpd's own setters, ap_set_..._slot(). */
#define MEMBER(name)           ((void *)offsetof(struct cep_dir_config, name))
#define DIRECTORY_MEMBER(name) ((void *)offsetof(struct cep_source, directory.name))
#define CACHE_DIR              ((void *)offsetof(struct cep_server_config, cache_dir))

/* For cep_set_duration_slot(). */
#define DAY apr_time_from_sec(86400)
static const struct cep_duration_slot timeout = {offsetof(struct cep_source, directory.timeout),
                                                 APR_TIME_C(100000), apr_time_from_sec(3600)};
static const struct cep_duration_slot refresh_interval = {
    offsetof(struct cep_source, refresh_interval), apr_time_from_sec(1), 7 * DAY};
static const struct cep_duration_slot full_refresh = {offsetof(struct cep_source, full_refresh),
                                                      apr_time_from_sec(1), 7 * DAY};
static const struct cep_duration_slot max_stale = {offsetof(struct cep_source, max_stale),
                                                   apr_time_from_sec(1), 365 * DAY};
static const struct cep_duration_slot freshness_margin = {
    offsetof(struct cep_dir_config, freshness_margin), 0, 365 * DAY};

const command_rec cep_directives[] = {
    AP_INIT_RAW_ARGS("<CEPDirectory", cep_open_directory, NULL, RSRC_CONF,
                     "a directory that policy comes from: <CEPDirectory name>"),
    AP_INIT_ITERATE(
        "CEPURL", cep_add_url, NULL, RSRC_CONF,
        "URLs in order of preference: ldap://, ldaps://, ldapi:// or file:, or a domain as "
        "ldap:///DC=corp,DC=example"),
    AP_INIT_TAKE1("CEPSite", cep_set_site, NULL, RSRC_CONF,
                  "the site whose servers are preferred when the DNS names the servers"),
    AP_INIT_TAKE1("CEPBind", cep_set_bind, NULL, RSRC_CONF, "gssapi, simple or external"),
    AP_INIT_TAKE1("CEPBindDN", cep_set_directory_string, DIRECTORY_MEMBER(bind_dn), RSRC_CONF,
                  "the name to bind with"),
    AP_INIT_TAKE1("CEPBindPasswordFile", cep_set_directory_file, DIRECTORY_MEMBER(password_file),
                  RSRC_CONF, "the file that holds the password of CEPBindDN"),
    AP_INIT_TAKE1("CEPKeytab", cep_set_keytab, DIRECTORY_MEMBER(keytab), RSRC_CONF,
                  "the keytab that CEPBind gssapi logs on with"),
    AP_INIT_TAKE1("CEPPrincipal", cep_set_directory_string, DIRECTORY_MEMBER(principal), RSRC_CONF,
                  "whose keys in CEPKeytab are used"),
    AP_INIT_FLAG("CEPStartTLS", cep_set_directory_flag, DIRECTORY_MEMBER(start_tls), RSRC_CONF,
                 "On: ldap:// connections are encrypted with StartTLS before anything is sent"),
    AP_INIT_TAKE1("CEPCACertificateFile", cep_set_directory_file,
                  DIRECTORY_MEMBER(ca_certificate_file), RSRC_CONF,
                  "PEM file of the CAs that sign the directory servers' certificates"),
    AP_INIT_TAKE1("CEPTimeout", cep_set_directory_duration, (void *)&timeout, RSRC_CONF,
                  "how long one exchange with a directory server may take"),
    AP_INIT_TAKE1("CEPRefreshInterval", cep_set_directory_duration, (void *)&refresh_interval,
                  RSRC_CONF, "how often the directory is looked at"),
    AP_INIT_TAKE1("CEPFullRefresh", cep_set_directory_duration, (void *)&full_refresh, RSRC_CONF,
                  "how often everything is read, whether or not the directory says it has changed"),
    AP_INIT_TAKE1("CEPMaxStale", cep_set_directory_duration, (void *)&max_stale, RSRC_CONF,
                  "how old a policy may become while the directory does not answer"),
    AP_INIT_ITERATE("CEPRealm", cep_add_realm, NULL, RSRC_CONF,
                    "more realms and domain names whose callers this directory serves"),
    AP_INIT_TAKE_ARGV("CEPEnrollmentURI", cep_add_enrollment_uri, NULL, RSRC_CONF,
                      "CA, authentication and URI, then priority=n, renewalOnly, keyBasedRenewal: "
                      "gives a CA its enrollment URIs"),
    AP_INIT_TAKE1("CEPCacheDir", set_cache_dir, CACHE_DIR, RSRC_CONF,
                  "the directory that snapshots are kept in"),
    AP_INIT_TAKE1("CEPTokenCache", set_token_cache, NULL, RSRC_CONF,
                  "where callers' SIDs are kept: a socache provider with its arguments, or none"),
    AP_INIT_TAKE1("CEPTokenTTL", set_token_ttl, NULL, RSRC_CONF,
                  "how long a caller's SIDs are kept; 0: not at all"),
    AP_INIT_TAKE1("CEPPolicy", ap_set_string_slot, MEMBER(policy), INSTANCE,
                  "the name of the <CEPDirectory> that this instance serves"),
    AP_INIT_TAKE12("CEPPolicyName", cep_add_policy_name, NULL, INSTANCE,
                   "the name of the policy that people read, and the language that it is in"),
    AP_INIT_TAKE1("CEPPolicyID", cep_set_policy_id, NULL, INSTANCE,
                  "the identifier of the policy, in place of the one derived from the forest"),
    AP_INIT_TAKE1("CEPFreshnessMargin", cep_set_duration_slot, (void *)&freshness_margin, INSTANCE,
                  "how much younger than the last change a client's copy must be"),
    AP_INIT_TAKE12("CEPNextUpdate", cep_set_next_update, NULL, INSTANCE,
                   "hours after which clients ask again, and how many more some of them wait"),
    AP_INIT_ITERATE("CEPTemplates", cep_add_template, NULL, INSTANCE,
                    "names and patterns of the templates that are shown; with ! those that are "
                    "not"),
    AP_INIT_TAKE1("CEPTemplateRights", cep_set_template_rights, NULL, INSTANCE,
                  "autoenroll: only templates that the caller may enroll for automatically"),
    AP_INIT_TAKE1("CEPVersionFilter", cep_set_version_filter, NULL, INSTANCE,
                  "lenient: a version that a client does not say counts as CEPMaxVersion"),
    AP_INIT_TAKE1("CEPMaxVersion", cep_set_max_version, NULL, INSTANCE,
                  "the highest version of clients and CAs that a shown template may need"),
    AP_INIT_FLAG("CEPKeyBasedRenewal", ap_set_flag_slot, MEMBER(key_based_renewal), INSTANCE,
                 "On: only what may be renewed by the key of the old certificate"),
    AP_INIT_FLAG("CEPRequireTLS", ap_set_flag_slot, MEMBER(require_tls), INSTANCE,
                 "Off: TLS ends in front of this server"),
    AP_INIT_FLAG("CEPLocalizedNames", ap_set_flag_slot, MEMBER(localized_names), INSTANCE,
                 "On: names of OIDs in the client's language where the directory has them"),
    AP_INIT_FLAG("CEPRequirePAC", ap_set_flag_slot, MEMBER(require_pac), INSTANCE,
                 "On: refuse callers whose Kerberos ticket carries no PAC"),
    AP_INIT_TAKE_ARGV("CEPCertificateMapping", cep_set_certificate_mapping, NULL, INSTANCE,
                      "what leads from a TLS client certificate to an account: sid, altsecid, upn, "
                      "dns"),
    AP_INIT_ITERATE("CEPAuthProvider", cep_add_auth_provider, NULL, INSTANCE,
                    "with AuthType CEP: who checks user name and password, as AuthBasicProvider"),
    AP_INIT_TAKE12("CEPAuthFailures", cep_set_auth_failures, NULL, INSTANCE,
                   "with AuthType CEP: wrong passwords per account, and the time that must pass "
                   "without one before they are forgotten; or off"),
    AP_INIT_TAKE1("CEPMaxRequestBody", cep_set_max_body, NULL, INSTANCE,
                  "the largest request body in octets"),
    {.name = NULL}};
