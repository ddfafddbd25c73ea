/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "cep_log.h"

#include <stdarg.h>
#include <stdio.h>

char *cep_one_line(char *text)
{
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return text;
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
    log->write(log->baton, level, rv, cep_one_line(message));
}
