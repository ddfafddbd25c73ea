/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What the files of server/ share: the configuration and the pieces of a request's way. */
#ifndef CEP_SERVER_H
#define CEP_SERVER_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"
#include "util_filter.h"

#include "cep_answer.h"
#include "cep_caller.h"
#include "cep_guesses.h"
#include "cep_refresh.h"
#include "cep_store.h"
#include "cep_xcep.h"

extern module AP_MODULE_DECLARE_DATA cep_module;
APLOG_USE_MODULE(cep);

#define CEP_STATUS_HANDLER_NAME "cep-status"
#define CEP_HANDLER_NAME        "cep"
#define CEP_AUTH_TYPE           "CEP"

/* Defaults of directives; docs/directives.md says the same. */
#define CEP_DEFAULT_REFRESH_INTERVAL apr_time_from_sec(5 * 60)
#define CEP_DEFAULT_FULL_REFRESH     apr_time_from_sec(6 * 60 * 60)
#define CEP_DEFAULT_MAX_STALE        apr_time_from_sec(24 * 60 * 60)
#define CEP_DEFAULT_TIMEOUT          apr_time_from_sec(5)
#define CEP_DEFAULT_MAX_BODY         65536
#define CEP_DEFAULT_NEXT_UPDATE      8
#define CEP_MAX_NEXT_UPDATE          8760 /* hours of a year */
#define CEP_DEFAULT_AUTH_FAILURES    3
#define CEP_DEFAULT_AUTH_WINDOW      apr_time_from_sec(30 * 60)
#define CEP_DEFAULT_TOKEN_TTL        apr_time_from_sec(10 * 60)

struct cep_drive;   /* a directory's refresh: background.c */
struct cep_tokens;  /* the cache of callers: tokens.c */
struct cep_guesses; /* the count of wrong passwords: guesses.c */
struct cep_callers; /* a process's connections for finding callers: callers.c */

/* One <CEPDirectory>: as configured, and what a process keeps for it. */
struct cep_source {
    const char *name;
    const char *defined_at; /* "file:line" */
    struct cep_directory_config directory;
    apr_array_header_t *configured_uris; /* struct cep_configured_uri */
    apr_interval_time_t refresh_interval;
    apr_interval_time_t full_refresh;
    apr_interval_time_t max_stale;
    struct cep_log log;          /* to the main server's error log */
    struct cep_store *store;     /* set in post_config */
    struct cep_drive *drive;     /* likewise */
    struct cep_reader *reader;   /* set in child_init */
    struct cep_callers *callers; /* set in child_init */
    struct cep_answers *answers; /* set in child_init */
};

/* Server-wide; only the main server's is used. */
struct cep_server_config {
    const char *cache_dir;       /* NULL: the default */
    apr_array_header_t *sources; /* struct cep_source * */
    struct cep_source *section;  /* the <CEPDirectory> that is being read */
    struct cep_tokens *tokens;
    struct cep_guesses *guesses; /* set in post_config */
};

/* policyFriendlyName in a language; NULL: in all that no other name is for. */
struct cep_policy_name {
    const char *name, *language;
};

/* Per Location. Members are NULL or CEP_UNSET where nothing was said. */
#define CEP_UNSET (-1)
struct cep_dir_config {
    const char *policy;               /* name of a <CEPDirectory> */
    apr_array_header_t *policy_names; /* struct cep_policy_name */
    const char *policy_id;
    int next_update;               /* hours */
    int next_update_spread;        /* hours; set with next_update */
    apr_array_header_t *templates; /* struct cep_view_pattern */
    int autoenroll_only;           /* CEPTemplateRights autoenroll */
    int lenient_versions;          /* CEPVersionFilter lenient */
    int max_version;
    int key_based_renewal;
    int require_tls;
    int localized_names;
    int require_pac;
    int certificate_mapping;            /* CEP_MAP_* */
    apr_array_header_t *auth_providers; /* of username.c */
    int auth_failures;                  /* 0: off */
    apr_interval_time_t auth_window;    /* set with auth_failures */
    apr_off_t max_body;
    apr_interval_time_t freshness_margin;
    const char *location; /* the section's own argument */
};

/* config.c */
void *cep_create_server_config(apr_pool_t *p, server_rec *s);
void *cep_create_dir_config(apr_pool_t *p, char *dir);
void *cep_merge_dir_config(apr_pool_t *p, void *base, void *add);
struct cep_server_config *cep_server_conf(void); /* of the running configuration */
struct cep_source *cep_find_source(const struct cep_server_config *conf, const char *name);

/* directives.c */
extern const command_rec cep_directives[];

/* check.c: hook check_config; every fault of the configuration speaks here */
int cep_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* warnings.c: what is no fault and yet will not do, to the log */
int cep_warnings_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* cachedir.c: the directory of snapshots */
const char *cep_cache_dir(const struct cep_server_config *conf, apr_pool_t *p);
/* Make it when it is absent, and give it to httpd's user; NULL, or what is wrong. */
const char *cep_cache_dir_prepare(const char *path, apr_pool_t *ptemp);

/* background.c */
int cep_background_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *s);
void cep_background_child_init(apr_pool_t *pchild, server_rec *s);
void cep_background_hurry(const struct cep_source *source); /* a request found no policy */

/* callers.c */
struct cep_callers *cep_callers_make(apr_pool_t *pchild, const struct cep_source *source,
                                     const struct cep_tokens *tokens);

enum cep_token_age {
    CEP_TOKEN_ABSENT, /* ask the directory */
    CEP_TOKEN_OLD,    /* likewise; good enough when it does not answer */
    CEP_TOKEN_FRESH
};

/*
 * As cep_caller_find(), over a connection that is kept for the next caller. APR_TIMEUP also when
 * all connections are busy for as long as the directory's timeout. *kept tells whether the answer
 * is one that was kept (tokens.c).
 */
apr_status_t cep_callers_find(struct cep_caller **caller, enum cep_token_age *kept,
                              struct cep_callers *callers, const char *user, apr_pool_t *pool,
                              const char **error);
/* As cep_caller_find_certificate(), likewise. */
apr_status_t cep_callers_find_certificate(struct cep_caller **caller, enum cep_token_age *kept,
                                          struct cep_callers *callers,
                                          const struct cep_certificate *certificate,
                                          unsigned mappings, apr_pool_t *pool, const char **error);

/* tokens.c */
struct cep_tokens *cep_tokens_make(apr_pool_t *p);
void cep_tokens_set_ttl(struct cep_tokens *tokens, apr_interval_time_t ttl);
const char *cep_tokens_configure(struct cep_tokens *tokens, const char *arg, apr_pool_t *p,
                                 apr_pool_t *ptemp);
int cep_tokens_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
apr_status_t cep_tokens_start(struct cep_tokens *tokens, server_rec *s, apr_pool_t *pconf,
                              apr_pool_t *ptemp);
/* Other records in the same cache, of at most 1 KiB, under an id that nobody else makes. */
#define CEP_TOKEN_ID_LENGTH 32
int cep_tokens_fetch(const struct cep_tokens *tokens, const unsigned char id[CEP_TOKEN_ID_LENGTH],
                     unsigned char *octets, unsigned *length, apr_pool_t *pool);
void cep_tokens_keep(const struct cep_tokens *tokens, const unsigned char id[CEP_TOKEN_ID_LENGTH],
                     const struct cep_value *octets, apr_time_t until, apr_pool_t *pool);
void cep_tokens_child_init(struct cep_tokens *tokens, apr_pool_t *pchild);

/* What is kept about a user of a directory; *record in pool unless ABSENT. */
enum cep_token_age cep_tokens_get(const struct cep_tokens *tokens, const char *directory,
                                  const char *user, struct cep_caller_record *record,
                                  apr_pool_t *pool);
void cep_tokens_put(const struct cep_tokens *tokens, const char *directory, const char *user,
                    const struct cep_caller_record *record, apr_pool_t *pool);

/* certificate.c: what the caller is known by */
enum cep_way {
    CEP_WAY_NONE,       /* nothing: anonymous */
    CEP_WAY_UNVERIFIED, /* a certificate that mod_ssl let pass without a good chain: nothing, too */
    CEP_WAY_NAME,       /* r->user, which httpd authenticated */
    CEP_WAY_CERTIFICATE /* a TLS client certificate that was verified, and nothing else */
};
enum cep_way cep_way_in(request_rec *r);
int cep_note_authenticated(request_rec *r); /* hook auth_checker */

/* The client's certificate in r->pool; NULL, or why it names nobody. */
const char *cep_client_certificate(request_rec *r, struct cep_certificate **certificate);

/* body.c: the request body in r->pool, at most max octets, wiped with it; OK, or an HTTP status */
int cep_body_read(request_rec *r, apr_off_t max, const char **body, apr_size_t *length);
/* The smaller of CEPMaxRequestBody and what the administrator set for XML bodies as such. */
apr_off_t cep_body_limit(request_rec *r, const struct cep_dir_config *conf);
int cep_body_too_large(request_rec *r, apr_off_t max); /* logs; an HTTP status */
/* Hand the body out once more to whoever reads it from now on. */
void cep_body_replay(request_rec *r, const char *body, apr_size_t length);
void cep_body_register(void);

/* incoming.c: an answer answers a client's own request; OK, or an HTTP status */
int cep_incoming_origin(request_rec *r);

/*
 * incoming.c: what can be said without reading the body: OK; an HTTP status; or DONE, with *fault
 * to be sent.
 */
int cep_incoming_check(request_rec *r, const struct cep_dir_config *conf, struct cep_fault *fault);
/* The message, read and parsed once: *request in r->pool and OK; else likewise. */
int cep_incoming_read(request_rec *r, const struct cep_dir_config *conf,
                      struct cep_request **request, struct cep_fault *fault);
/* The MessageID of what has been read so far, or NULL. */
const char *cep_incoming_message_id(request_rec *r);

/* Give the body to other handlers, behind a redirect within httpd. */
void cep_incoming_insert_filter(request_rec *r);

/* guesses.c: the count of wrong passwords, for all children and over graceful restarts */
int cep_guesses_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int cep_guesses_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void cep_guesses_child_init(apr_pool_t *pchild, server_rec *s);
/* username.c: AuthType CEP */
const char *cep_username_add_provider(apr_array_header_t **providers, const char *name,
                                      apr_pool_t *pool); /* NULL, or what is wrong */
int cep_username_check_authn(request_rec *r);

/*
 * kerberos.c: the caller whose SIDs are in the ticket that mod_auth_gssapi has accepted. OK:
 * *caller in r's pool. DECLINED: there is no PAC, the directory is to be asked. HTTP_FORBIDDEN:
 * refused, and the log says why.
 */
int cep_ticket_caller(request_rec *r, const struct cep_dir_config *conf,
                      struct cep_caller **caller);

/* One text for every account that may not be served: the client must not learn which it is. */
#define CEP_REFUSED "At least one security token in the message could not be validated."

#define CEP_SOAP_11_TYPE "text/xml"
#define CEP_SOAP_12_TYPE "application/soap+xml"

/* media_type.c: what Content-Type says of the body; members are NULL where it says nothing */
struct cep_media_type {
    const char *type;
    const char *charset;
    const char *action;
};
/* OK, or HTTP_UNSUPPORTED_MEDIA_TYPE, logged: also for a Content-Encoding. */
int cep_media_type_check(request_rec *r, struct cep_media_type *media);
/* 1 when it agrees with the message that was read; else 0, and *fault says what to answer. */
int cep_media_type_agrees(const struct cep_media_type *media, const struct cep_request *request,
                          struct cep_fault *fault);

/* page.c: all methods but POST; what it returns is the handler's answer */
int cep_page_handler(request_rec *r, const struct cep_dir_config *conf);
int cep_page_method_not_allowed(request_rec *r); /* sets Allow; the HTTP status */
int cep_page_access(request_rec *r);             /* hook access_checker_ex */
int cep_page_fixup(request_rec *r);              /* hook fixups */

/* record.c: what is told of a request when it is over. Whoever knows a member sets it. */
struct cep_record {
    const char *result; /* of an answer, fault or page; NULL: httpd's own, told by its status */
    const char *cache;  /* where the caller's SIDs come from; NULL: they were not needed */
    const char *body;   /* where the answer's body comes from: cep_outcome_name(); or NULL */
    int templates, cas;
    apr_time_t begun; /* the message has been read */
    apr_time_t made;  /* the answer is made; 0: httpd's own */
};
struct cep_record *cep_record_of(request_rec *r); /* made at first use */
int cep_record_write(request_rec *r);             /* hook log_transaction */

/* answer.c: one answer, ready to be sent */
enum cep_outcome {
    CEP_OUTCOME_HELD,   /* the body was at hand in this process */
    CEP_OUTCOME_MAPPED, /* in the cache directory */
    CEP_OUTCOME_MADE,   /* it had to be rendered */
    CEP_OUTCOME_NOT_CHANGED
};
struct cep_finished {
    enum cep_outcome outcome;
    enum cep_coding coding;
    struct cep_value opening;    /* the request's own part */
    const struct cep_body *body; /* the class's, pinned by r's pool; NULL: not changed */
    struct cep_value closing;
    apr_uint64_t octets; /* of all three */
};

/* What was selected, and for whom. */
struct cep_offer {
    const struct cep_snapshot *snapshot;
    const struct cep_selection *selection;
    const struct cep_instance *instance;
    const struct cep_request *request;
    const char *language; /* NULL: default names */
    const struct cep_caller *caller;
    const struct cep_dir_config *conf;
    const struct cep_source *source;
};

/* OK, or an HTTP status; the reason is logged. */
int cep_answer_finish(struct cep_finished *finished, request_rec *r, const struct cep_offer *offer);

/* "hit", "mapped", "made" or "not-changed", for the log. */
const char *cep_outcome_name(enum cep_outcome outcome);

/* negotiate.c: the coding that the client wants of those that there are */
enum cep_coding cep_negotiate_coding(request_rec *r);

/* response.c */
int cep_send_finished(request_rec *r, const struct cep_finished *finished);
int cep_send_body(request_rec *r, const struct cep_value *body);
int cep_send_fault(request_rec *r, const struct cep_fault *fault, int retry_after_seconds);

/* instance.c: what a location says of itself, and what it shows */

/* 1 when the handler is ours; before the type_checker hook has set r->handler, when it will be. */
int cep_is_instance(request_rec *r);
/* The latter, whatever r->handler is by now: SetHandler is asked as core_override_type() does. */
int cep_will_be_instance(request_rec *r);

void cep_instance_view(struct cep_view *view, const struct cep_dir_config *conf);

/* For one answer; 0 when there is no policyID. language: preferredLanguage, or NULL. */
int cep_instance_make(struct cep_instance *instance, const struct cep_dir_config *conf,
                      const struct cep_view *view, const struct cep_snapshot *snapshot,
                      const struct cep_caller *caller, const char *language);

/* renewal.c: key-based renewal */

/* 1 when the instance is for key-based renewal and the caller came by Kerberos; that is logged. */
int cep_renewal_refuses(request_rec *r, const struct cep_dir_config *conf);

/*
 * Who renews although the directory cannot tell who he is: he asks no right that it would have to
 * grant. NULL when the instance is not for key-based renewal.
 */
struct cep_caller *cep_renewal_without_directory(request_rec *r, const struct cep_dir_config *conf,
                                                 const struct cep_source *source, const char *name,
                                                 const char *error);

/* The owner of a certificate, who needs no account where a CA of the snapshot has issued it. */
apr_status_t cep_renewal_find_owner(struct cep_caller **caller, enum cep_token_age *kept,
                                    request_rec *r, const struct cep_dir_config *conf,
                                    const struct cep_source *source,
                                    const struct cep_snapshot *snapshot,
                                    const struct cep_certificate *certificate, unsigned mappings,
                                    const char **error);
/* storage.c: hooks map_to_storage and fixups */
int cep_map_to_storage(request_rec *r);
int cep_check_storage(request_rec *r);

/* handler.c */
int cep_handler(request_rec *r);

/* errors.c: faults in place of the documents that httpd writes for its own errors */
#define CEP_ERROR_FILTER_NAME "CEP_ERROR"
void cep_errors_insert(request_rec *r);
apr_status_t cep_errors_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/* status.c */
int cep_status_handler(request_rec *r);
int cep_status_in_mod_status(request_rec *r, int flags); /* hook of mod_status */

/* log.c: a sink that writes to a server's error log */
struct cep_log cep_server_log(server_rec *s);

#endif
