/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * When to run again. docs/directives.md, CEPRefreshInterval, has the figures for administrators.
 * Nodes that were started together, or lost their directory together, must not go on asking
 * together: so every wait is cut by a part that is left to chance.
 */
#include "run.h"

#define FIRST_RETRY apr_time_from_sec(1) /* after the first failure; doubled with each more */
#define MOST_RETRY  apr_time_from_sec(60)

/* While callers get nothing but faults: with the time of a run it makes less than five seconds from
 * the directory's return to a policy. */
#define MOST_RETRY_WITHOUT_POLICY apr_time_from_sec(2)

/* Of length, all but up to a share-th part. */
static apr_interval_time_t cut(apr_interval_time_t length, int share, apr_uint32_t random)
{
    apr_interval_time_t part = length / share;

    return length - (part > 0 ? (apr_interval_time_t)(random % (apr_uint64_t)part) : 0);
}

static apr_interval_time_t after_failure(const struct cep_refresh_plan *plan, apr_uint32_t failures,
                                         int serving, apr_uint32_t random)
{
    apr_interval_time_t most = serving ? MOST_RETRY : MOST_RETRY_WITHOUT_POLICY;
    apr_interval_time_t wait = FIRST_RETRY;

    if (most > plan->interval)
        most = plan->interval;
    for (; failures > 1 && wait < most; failures--)
        wait *= 2;
    return cut(wait < most ? wait : most, 2, random);
}

apr_interval_time_t cep_schedule_next(const struct cep_refresh_plan *plan, apr_uint32_t failures,
                                      int serving, apr_time_t now, apr_time_t expires,
                                      apr_uint32_t random)
{
    apr_interval_time_t wait;

    if (failures > 0)
        return after_failure(plan, failures, serving, random);
    wait = cut(plan->interval, 10, random);
    if (expires > now && expires - now < wait)
        wait = expires - now;
    return wait;
}
