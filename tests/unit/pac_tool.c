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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* In memory of just that length, so that a sanitizer sees its end. NULL: no hex. */
static unsigned char *read_hex(const char *hex, size_t *length)
{
    size_t i, digits = strcspn(hex, "\n");
    unsigned char *octets = malloc(digits / 2 ? digits / 2 : 1);

    *length = digits / 2;
    for (i = 0; octets && i < *length; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0) {
            free(octets);
            return NULL;
        }
        octets[i] = (unsigned char)(high << 4 | low);
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
        unsigned char *octets = read_hex(line, &length);
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
