/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The seam for messages. The library has no log of its own: whoever runs it hands in a sink
 * (httpd's error log, a test's list, standard error), so that the core links without httpd.
 *
 * A message that an operator may have to act on begins with its stable code, "CEP0301: ", and is
 * listed in docs/messages.md with cause and action. Codes are never reused.
 */
#ifndef CEP_LOG_H
#define CEP_LOG_H

#include <apr_errno.h>

enum cep_log_level { CEP_LOG_ERROR, CEP_LOG_WARNING, CEP_LOG_NOTICE, CEP_LOG_INFO, CEP_LOG_DEBUG };

struct cep_log {
    /* message: one line, no line end, valid during the call. rv: 0, or the status to print. */
    void (*write)(void *baton, enum cep_log_level level, apr_status_t rv, const char *message);
    void *baton;
};

/* Longest message that reaches a sink, in octets; the rest is cut. */
#define CEP_LOG_MESSAGE_MAX 2048

/*
 * Format and hand one message to the sink; log == NULL is silent. Control characters that came in
 * with names from the directory or the request are replaced by '?', so one call is one line.
 */
void cep_log(const struct cep_log *log, enum cep_log_level level, apr_status_t rv,
             const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Replace the control characters in text, which would break a line or forge one; returns text. */
char *cep_one_line(char *text);

#endif
