/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* How one directory fares: gathered once, written in several forms. */
#ifndef CEP_STATUS_H
#define CEP_STATUS_H

#include "cep_server.h"

#include "cep_explain.h"

#define CEP_STATUS_UNKNOWN (-1) /* of a number: it has not happened, or there is no policy */

struct cep_status {
    const struct cep_source *source;
    const struct cep_snapshot *snapshot; /* pinned by the request's pool; NULL: none yet */
    /* Text; NULL: nothing to be said. */
    const char *directory, *state, *state_text, *content, *url, *reason, *error;
    /* Seconds, and seconds since 1970. */
    apr_int64_t age, max_stale, last_attempt, last_success, last_full, last_change, next_attempt,
        failing_since;
    apr_int64_t failures, templates, left_out, cas, oids, findings;
};

/* What is said of a directory, one after the other. */
enum cep_status_kind { CEP_STATUS_TEXT, CEP_STATUS_NUMBER, CEP_STATUS_SECONDS, CEP_STATUS_TIME };
struct cep_status_field {
    const char *key;    /* of ?auto and ?json */
    const char *title;  /* on the page */
    const char *metric; /* of ?metrics, or NULL */
    const char *help;   /* of the metric */
    enum cep_status_kind kind;
    apr_size_t offset; /* in struct cep_status */
};
extern const struct cep_status_field cep_status_fields[]; /* up to one without key */

const char *cep_status_text(const struct cep_status *status, const struct cep_status_field *field);
apr_int64_t cep_status_number(const struct cep_status *status,
                              const struct cep_status_field *field);

/* All directories: struct cep_status, in r's pool. */
apr_array_header_t *cep_status_gather(request_rec *r);

/* 2026-01-31T12:00:00Z; "never" for CEP_STATUS_UNKNOWN. */
const char *cep_status_time(apr_pool_t *pool, apr_int64_t seconds);

/* What a finding is about: "template", "CA", ... */
const char *cep_status_object(enum cep_object_kind kind);

/* An instance: a location with SetHandler cep. */
struct cep_status_instance {
    const char *url;       /* as clients have it */
    const char *directory; /* its CEPPolicy */
    struct cep_view view;
};

/* status_instance.c: all whose path can be told; struct cep_status_instance, in r's pool */
apr_array_header_t *cep_status_instances(request_rec *r);
/* By its URL, or by a path on this host; 0 when there is none. */
int cep_status_find_instance(struct cep_status_instance *instance, request_rec *r,
                             const char *text);
/* CEPTemplates that fit nothing in the directory, with blanks between; "" when all do. */
const char *cep_status_unused(const struct cep_status_instance *instance,
                              const apr_array_header_t *all, apr_pool_t *pool);
/* The directives that narrow what it shows; "" when there are none. */
const char *cep_status_view(const struct cep_status_instance *instance, apr_pool_t *pool);

/* What a caller is offered, by one directory or by one instance of it. */
struct cep_status_caller {
    const struct cep_status *status;
    const struct cep_status_instance *instance; /* or NULL */
    const char *user;
    const char *dn;                   /* of the account; NULL: nobody, or nobody knows */
    const char *why;                  /* then: the reason */
    apr_array_header_t *explanations; /* struct cep_explanation; NULL likewise */
};

/* status_page.c */
void cep_status_page(request_rec *r, const apr_array_header_t *all,
                     const apr_array_header_t *instances);
void cep_status_caller_page(request_rec *r, const apr_array_header_t *callers);

/* status_data.c */
void cep_status_auto(request_rec *r, const apr_array_header_t *all,
                     const apr_array_header_t *instances);
void cep_status_json(request_rec *r, const apr_array_header_t *all,
                     const apr_array_header_t *instances);
void cep_status_metrics(request_rec *r, const apr_array_header_t *all,
                        const apr_array_header_t *instances);
void cep_status_caller_json(request_rec *r, const apr_array_header_t *callers);

#endif
