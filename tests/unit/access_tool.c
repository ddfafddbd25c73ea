/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The access check for other programs' tests: one question a line on standard input, one answer a
 * line on standard output.
 *
 *   <descriptor in hex> <enroll|autoenroll> <sid>,<sid>,...    ->  1 or 0
 *   check <descriptor in hex>                                  ->  "ok", or what is wrong
 *
 * "-" is an empty descriptor or an empty list. Anything else ends the program with status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "cep_access.h"

struct question {
    unsigned char *sd;
    size_t length;
    apr_array_header_t *sids;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* In place: the octets take half the room of their digits. */
static int read_descriptor(struct question *question, char *hex)
{
    size_t i, digits = strlen(hex);

    question->sd = (unsigned char *)hex;
    question->length = digits / 2;
    if (strcmp(hex, "-") == 0)
        return 1;
    for (i = 0; i + 1 < digits; i += 2) {
        int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);

        if (high < 0 || low < 0)
            return 0;
        question->sd[i / 2] = (unsigned char)(high << 4 | low);
    }
    return digits % 2 == 0;
}

static int read_sids(struct question *question, char *list)
{
    char *rest = NULL, *text;

    question->sids->nelts = 0;
    if (strcmp(list, "-") == 0)
        return 1;
    for (text = strtok_r(list, ",", &rest); text; text = strtok_r(NULL, ",", &rest)) {
        if (!cep_sid_parse(apr_array_push(question->sids), text))
            return 0;
    }
    return 1;
}

/*
 * The descriptor is copied to memory of just its length, so that a sanitizer sees a read beyond
 * its end.
 */
static const char *answer(const struct question *question, const char *right)
{
    unsigned char *sd = malloc(question->length ? question->length : 1);
    const char *text = NULL;

    if (!sd)
        return NULL;
    memcpy(sd, question->sd, question->length);
    if (!right) {
        text = cep_sd_check(sd, question->length);
        text = text ? text : "ok";
    } else if (strcmp(right, "enroll") == 0 || strcmp(right, "autoenroll") == 0) {
        struct cep_token token = cep_token_make(question->sids);

        text = cep_access_granted(sd, question->length,
                                  *right == 'e' ? CEP_RIGHT_ENROLL : CEP_RIGHT_AUTOENROLL, &token)
                   ? "1"
                   : "0";
    }
    free(sd);
    return text;
}

static const char *ask(struct question *question, char *line)
{
    char *rest = NULL;
    char *first = strtok_r(line, " \n", &rest);
    char *second = strtok_r(NULL, " \n", &rest);
    char *third = strtok_r(NULL, " \n", &rest);

    if (!first || !second)
        return NULL;
    if (strcmp(first, "check") == 0)
        return read_descriptor(question, second) ? answer(question, NULL) : NULL;
    if (!third || !read_descriptor(question, first) || !read_sids(question, third))
        return NULL;
    return answer(question, second);
}

int main(void)
{
    struct question question = {0};
    char *line = NULL;
    size_t size = 0;
    unsigned long number = 0;
    apr_pool_t *pool;
    int status = 0;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    question.sids = apr_array_make(pool, 64, sizeof(struct cep_sid));
    while (getline(&line, &size, stdin) > 0) {
        const char *text = ask(&question, line);

        number++;
        if (!text) {
            fprintf(stderr, "line %lu is no question\n", number);
            status = 1;
            break;
        }
        puts(text);
    }
    free(line);
    apr_terminate();
    return status;
}
