/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: calls into libraries that know no deadline. */
#ifndef CEP_BOUNDED_H
#define CEP_BOUNDED_H

#include "source.h"

/*
 * Run work(data) in a thread of its own and wait for it until deadline. APR_SUCCESS: it has ended,
 * and data is the caller's again. APR_TIMEUP: the thread is left behind; when it ends, it calls
 * release(data). APR_EGENERAL: there is no thread to be had, data is still the caller's. What
 * work() touches must not be in a pool.
 */
apr_status_t cep_bounded_run(void (*work)(void *data), void (*release)(void *data), void *data,
                             apr_time_t deadline);

#endif
