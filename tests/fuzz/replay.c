/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target on every file of the directories given, without libFuzzer: what a fuzzer has
 * found once is tested with every build.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

/* a target need not have one */
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

#define LARGEST_INPUT (16 * 1024 * 1024)

/* 1 when the file was run. The input is copied to its own size, so that a sanitizer sees its end.
 */
static int run_file(const char *path)
{
    unsigned char *data = NULL;
    struct stat status;
    FILE *file = fopen(path, "rb");
    int done = 0;

    if (!file)
        return 0;
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= LARGEST_INPUT) {
        size_t size = (size_t)status.st_size;

        data = malloc(size ? size : 1);
        if (data && fread(data, 1, size, file) == size) {
            LLVMFuzzerTestOneInput(data, size);
            done = 1;
        }
    }
    free(data);
    fclose(file);
    return done;
}

/* Number of files run, or -1 when the directory could not be read to its end. */
static int run_directory(const char *directory)
{
    const struct dirent *entry;
    DIR *handle = opendir(directory);
    int count = 0;

    if (!handle)
        return -1;
    while (count >= 0 && (entry = readdir(handle)) != NULL) {
        char path[4096];
        int length = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        if (length < 0 || (size_t)length >= sizeof(path) || !run_file(path)) {
            fprintf(stderr, "cannot run %s/%s\n", directory, entry->d_name);
            count = -1;
        } else {
            count++;
        }
    }
    closedir(handle);
    return count;
}

int main(int argc, char **argv)
{
    int i, total = 0;

    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (i = 1; i < argc; i++) {
        int count = run_directory(argv[i]);

        if (count < 0) {
            fprintf(stderr, "%s: cannot be replayed\n", argv[i]);
            return 1;
        }
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
