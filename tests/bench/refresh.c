/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * One refresh, measured: refresh URL CACHE-DIR. Prints one line of numbers, for large_directory.py.
 * The memory is that of a run in httpd: what it does not need any more goes back to the system.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <apr_allocator.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "cep_refresh.h"

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

/* getrusage's maximum is that of the process before exec() too; this one is not. */
static long peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kib;
}

int main(int argc, char **argv)
{
    struct cep_directory_config config = {.name = "bench", .timeout = apr_time_from_sec(60)};
    struct cep_refresh_plan plan = {.directory = &config,
                                    .interval = apr_time_from_sec(300),
                                    .full_interval = apr_time_from_sec(6 * 3600),
                                    .max_stale = apr_time_from_sec(24 * 3600)};
    struct cep_refresh_result result = {.failures = 0};
    const struct cep_store *store;
    const char *error = "";
    struct stat image;
    apr_allocator_t *allocator;
    apr_pool_t *pool, *run;
    apr_time_t start;
    double cpu;
    long before;

    if (argc != 3) {
        fprintf(stderr, "usage: refresh URL CACHE-DIR\n");
        return 2;
    }
    apr_initialize();
    apr_pool_create(&pool, NULL);
    cep_xcep_init();
    config.urls = apr_array_make(pool, 1, sizeof(const char *));
    config.realms = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(config.urls, const char *) = argv[1];
    store = cep_store_make(pool, argv[2], "bench");
    apr_allocator_create(&allocator);
    apr_allocator_max_free_set(allocator, 1024 * 1024);
    apr_pool_create_unmanaged_ex(&run, NULL, allocator);

    before = peak_kib();
    cpu = cpu_seconds();
    start = apr_time_now();
    if (cep_refresh_run(&result, &plan, store, NULL, run, &error) != APR_SUCCESS ||
        stat(store->path, &image) != 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    printf("full=%d templates=%d cas=%d findings=%d seconds=%.3f cpu=%.3f image=%lld peak=%ld\n",
           result.full, result.templates, result.cas, result.findings,
           (double)(apr_time_now() - start) / 1e6, cpu_seconds() - cpu, (long long)image.st_size,
           (peak_kib() - before) * 1024);
    return 0;
}
