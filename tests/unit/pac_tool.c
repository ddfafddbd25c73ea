/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The reader of logon information for other programs' tests: octets in hex a line on standard
 * input, one answer a line on standard output: the SIDs, sorted and separated by blanks, or "- "
 * and why it is refused. Anything else ends the program with status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "cep_caller.h"
#include "hex.h"

/* In memory of just that length, so that a sanitizer sees its end. NULL: no hex. */
static unsigned char *read_line(const char *line, size_t *length)
{
    unsigned char *octets;

    *length = strcspn(line, "\n") / 2;
    octets = malloc(*length ? *length : 1);
    if (octets && !read_hex(octets, *length, line)) {
        free(octets);
        return NULL;
    }
    return octets;
}

static void print_sids(apr_array_header_t *sids)
{
    struct cep_token token = cep_token_make(sids);
    char text[CEP_SID_TEXT_MAX];
    int i;

    for (i = 0; i < token.count; i++)
        printf("%s%s", i ? " " : "", cep_sid_format(&token.sids[i], text));
    putchar('\n');
}

int main(void)
{
    char *line = NULL;
    size_t size = 0, length;
    apr_pool_t *pool;
    int status = 0;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    while (getline(&line, &size, stdin) > 0) {
        apr_array_header_t *sids = apr_array_make(pool, 64, sizeof(struct cep_sid));
        unsigned char *octets = read_line(line, &length);
        const char *problem;

        if (!octets) {
            fprintf(stderr, "a line is no hex\n");
            status = 1;
            break;
        }
        problem = cep_pac_sids(sids, octets, length);
        free(octets);
        if (problem)
            printf("- %s\n", problem);
        else
            print_sids(sids);
        apr_pool_clear(pool);
    }
    free(line);
    apr_terminate();
    return status;
}
