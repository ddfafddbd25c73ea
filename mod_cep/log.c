/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "cep_log.h"

#include <stdarg.h>
#include <stdio.h>

/* Names from a directory or a request must not forge or break log lines. */
static void neutralize(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

void cep_log(const struct cep_log *log, enum cep_log_level level, apr_status_t rv,
             const char *format, ...)
{
    char message[CEP_LOG_MESSAGE_MAX];
    va_list args;

    if (!log || !log->write)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    neutralize(message);
    log->write(log->baton, level, rv, message);
}
