/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * What one message costs: attacks RUNS FILE... prints for each file, tab-separated, processor time
 * in microseconds (the median of the runs, and the worst), the memory in KiB that its first run
 * took at its peak, the octets, and what became of it. Each file is read in a process of its own,
 * which starts without anything that an earlier one has left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_pools.h>

#include "cep_xcep.h"

#define LARGEST   65536
#define MOST_RUNS 1000

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Peak or present resident size in KiB; 0 where the system does not tell. */
static long resident(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long size = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (!strncmp(line, name, strlen(name)))
            size = strtol(line + strlen(name), NULL, 10);
    }
    if (file)
        fclose(file);
    return size;
}

/* Parse, and render the fault if there is one, as the server does. */
static const char *answer(const char *body, size_t length)
{
    struct cep_request *request;
    struct cep_fault fault;
    apr_pool_t *pool;
    const char *word = "read";

    apr_pool_create(&pool, NULL);
    if (!cep_xcep_parse(&request, &fault, body, length, pool)) {
        cep_xcep_render_fault(&fault, pool);
        word = cep_xcep_fault_name(fault.code);
    }
    apr_pool_destroy(pool);
    return word;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const char *path, const char *body, size_t length, int runs)
{
    static double times[MOST_RUNS];
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *word = "";
    long before = resident("VmRSS:");
    long peak = 0;

    for (int i = 0; i < runs; i++) {
        double start = now();

        word = answer(body, length);
        times[i] = now() - start;
        if (i == 0)
            peak = resident("VmHWM:") - before;
    }
    qsort(times, (size_t)runs, sizeof(times[0]), by_size);
    printf("%.0f\t%.0f\t%ld\t%zu\t%s\t%s\n", times[runs / 2], times[runs - 1], peak > 0 ? peak : 0,
           length, word, name);
    fflush(stdout);
}

/* In a child: its peak is its own. */
static int measure_apart(const char *path, int runs)
{
    static char body[LARGEST + 1];
    FILE *file = fopen(path, "rb");
    size_t length;
    int status;
    pid_t child;

    if (!file) {
        perror(path);
        return 0;
    }
    length = fread(body, 1, sizeof(body), file);
    fclose(file);
    child = fork();
    if (child == 0) {
        measure(path, body, length, runs);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    int runs = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;

    if (runs < 1 || runs > MOST_RUNS) {
        fprintf(stderr, "attacks RUNS FILE...\n");
        return 2;
    }
    apr_initialize();
    cep_xcep_init();
    for (int i = 2; i < argc; i++) {
        if (!measure_apart(argv[i], runs)) {
            fprintf(stderr, "%s: could not be measured\n", argv[i]);
            return 1;
        }
    }
    return 0;
}
