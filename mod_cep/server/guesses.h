/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Counting the wrong passwords of one request, in the table that all children share. */
#ifndef CEP_SERVER_GUESSES_H
#define CEP_SERVER_GUESSES_H

#include "cep_server.h"

struct cep_guesses *cep_guesses_of(request_rec *r); /* NULL, and the log says why */
int cep_guesses_attempt(struct cep_guess_attempt *attempt, const struct cep_guesses *guesses,
                        request_rec *r, const struct cep_dir_config *conf, const char *account);
/* BUSY also where nothing can be said. */
enum cep_guess_verdict cep_guesses_admit(request_rec *r, struct cep_guesses *guesses,
                                         struct cep_guess_attempt *attempt);
/* After ADMITTED; took: how long the provider needed. As cep_guesses_end(). */
unsigned cep_guesses_settle(request_rec *r, struct cep_guesses *guesses,
                            const struct cep_guess_attempt *attempt, enum cep_guess_outcome outcome,
                            apr_interval_time_t took);
void cep_guesses_keep_pace(request_rec *r, struct cep_guesses *guesses, apr_time_t begun);

#endif
