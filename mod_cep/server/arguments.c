/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Reading the arguments of directives. */

#include "directives.h"
#include "cep_octets.h"

#include <apr_lib.h>
#include <apr_strings.h>

const char *cep_parse_duration(cmd_parms *cmd, const char *arg, apr_interval_time_t least,
                               apr_interval_time_t most, apr_interval_time_t *result)
{
    static const struct {
        const char *name;
        apr_interval_time_t length;
    } units[] = {
        {"", 1000000},
        {"ms", 1000},
        {"s", 1000000},
        {"m", 60 * APR_TIME_C(1000000)},
        {"min", 60 * APR_TIME_C(1000000)},
        {"h", 3600 * APR_TIME_C(1000000)},
        {"d", 86400 * APR_TIME_C(1000000)},
    };
    char *unit;
    apr_int64_t number = apr_isdigit(*arg) ? apr_strtoi64(arg, &unit, 10) : -1;

    for (apr_size_t i = 0; number >= 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (ap_cstr_casecmp(unit, units[i].name))
            continue;
        if (number > most / units[i].length || number * units[i].length < least)
            break;
        *result = number * units[i].length;
        return NULL;
    }
    return apr_psprintf(cmd->pool,
                        "%s %s: a time such as 500ms, 30s, 5m, 8h or 2d is needed, from "
                        "%" APR_TIME_T_FMT "ms to %" APR_TIME_T_FMT "h",
                        cmd->cmd->name, arg, least / 1000, most / APR_TIME_C(3600000000));
}

const char *cep_set_duration_slot(cmd_parms *cmd, void *conf, const char *arg)
{
    const struct cep_duration_slot *slot = cmd->info;

    return cep_parse_duration(cmd, arg, slot->least, slot->most,
                              (apr_interval_time_t *)(void *)((char *)conf + slot->offset));
}

int cep_parse_number(const char *arg, int least, int most, int *number)
{
    char *end;
    apr_int64_t value = apr_strtoi64(arg, &end, 10);

    if (!apr_isdigit(*arg) || *end || value < least || value > most)
        return 0;
    *number = (int)value;
    return 1;
}

const char *cep_check_text(cmd_parms *cmd, const char *arg)
{
    const struct cep_value value = {(const unsigned char *)arg, strlen(arg)};

    if (cep_has_control_character(arg, strlen(arg)))
        return apr_psprintf(cmd->pool, "%s must not hold control characters", cmd->cmd->name);
    return cep_value_is_text(&value)
               ? NULL
               : apr_psprintf(cmd->pool, "%s must be written in UTF-8", cmd->cmd->name);
}
