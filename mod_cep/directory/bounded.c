/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * getaddrinfo(), the resolver and libkrb5 know no deadline: with a dead DNS server or KDC they wait
 * for half a minute. So they run in a thread of their own. One that is late is left behind: it ends
 * when the library gives up.
 */
#include "bounded.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct call {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int done;
    int abandoned;
    void (*work)(void *data);
    void (*release)(void *data);
    void *data;
};

static void free_call(struct call *call)
{
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->mutex);
    free(call);
}

static void *run(void *opaque)
{
    struct call *call = opaque;
    int abandoned;

    call->work(call->data);
    pthread_mutex_lock(&call->mutex);
    call->done = 1;
    abandoned = call->abandoned;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->mutex);
    /* Unless it was abandoned, the other side may have freed the call by now. */
    if (abandoned) {
        call->release(call->data);
        free_call(call);
    }
    return NULL;
}

static struct call *make_call(void (*work)(void *data), void (*release)(void *data), void *data)
{
    struct call *call = calloc(1, sizeof(*call));
    pthread_condattr_t attributes;

    if (!call)
        return NULL;
    pthread_mutex_init(&call->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&call->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    call->work = work;
    call->release = release;
    call->data = data;
    return call;
}

static int start_thread(struct call *call)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int result;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* httpd's signals are for httpd's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&thread, &attributes, run, call);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return result;
}

apr_status_t cep_bounded_run(void (*work)(void *data), void (*release)(void *data), void *data,
                             apr_time_t deadline)
{
    const struct timespec until = {.tv_sec = (time_t)apr_time_sec(deadline),
                                   .tv_nsec = (long)apr_time_usec(deadline) * 1000};
    struct call *call = make_call(work, release, data);
    int done, waited = 0;

    if (!call)
        return APR_EGENERAL;
    if (start_thread(call) != 0) {
        free_call(call);
        return APR_EGENERAL;
    }
    pthread_mutex_lock(&call->mutex);
    while (!call->done && waited == 0)
        waited = pthread_cond_timedwait(&call->changed, &call->mutex, &until);
    done = call->done;
    call->abandoned = !done;
    pthread_mutex_unlock(&call->mutex);
    if (!done)
        return APR_TIMEUP;
    free_call(call);
    return APR_SUCCESS;
}
