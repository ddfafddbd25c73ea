/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A log that counts messages and keeps the last one. */
#ifndef CEP_TEST_HEARD_H
#define CEP_TEST_HEARD_H

#include <apr_strings.h>

#include "cep_log.h"

struct heard {
    enum cep_log_level least; /* what is of less weight is not heard */
    int count;
    char last[CEP_LOG_MESSAGE_MAX];
};

static inline void hear(void *baton, enum cep_log_level level, apr_status_t rv, const char *message)
{
    struct heard *heard = baton;

    (void)rv;
    if (level > heard->least)
        return;
    heard->count++;
    apr_cpystrn(heard->last, message, sizeof(heard->last));
}

#endif
