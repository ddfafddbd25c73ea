/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The access check for other programs' tests: questions on standard input, a line each.
 *
 *   <descriptor in hex> <enroll|autoenroll> <sid>,<sid>,...    ->  1 or 0
 *   check <descriptor in hex>                                  ->  "ok", or what is wrong
 *   token <sid>,<sid>,...                                      remembered, numbered from 0
 *   ask <descriptor in hex> <first token> <number of tokens>   remembered
 *   run                                                        answers, and forgets, what was asked
 *
 * The answer to "ask" is "<ok, or what is wrong>|<walk>|<compiled>". Walk is a digit for each
 * token, 1 for Enroll plus 2 for AutoEnroll, by the plain walk of the descriptor; compiled is the
 * same from lists that all descriptors asked about were compiled into, together.
 *
 * "-" is an empty descriptor or an empty list. Anything else ends the program with status 1; so
 * does a compiled list that does not say what the walk says, when one is asked alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "cep_access.h"
#include "compiled.h"
#include "hex.h"

struct question {
    unsigned char *sd;
    size_t length;
    int first, count;
    struct cep_access_list lists[2];
};

/* What is remembered until the next "run". */
struct batch {
    apr_pool_t *pool;
    apr_array_header_t *tokens;    /* struct cep_token */
    apr_array_header_t *questions; /* struct question */
};

static void forget(struct batch *batch)
{
    int i;

    for (i = 0; batch->questions && i < batch->questions->nelts; i++)
        free(APR_ARRAY_IDX(batch->questions, i, struct question).sd);
    apr_pool_clear(batch->pool);
    batch->tokens = apr_array_make(batch->pool, 64, sizeof(struct cep_token));
    batch->questions = apr_array_make(batch->pool, 64, sizeof(struct question));
}

/* To memory of just its length, so that a sanitizer sees a read beyond its end. */
static int read_descriptor(struct question *question, const char *hex)
{
    question->length = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    question->sd = malloc(question->length ? question->length : 1);
    return question->sd && (question->length == 0 || strlen(hex) % 2 == 0) &&
           read_hex(question->sd, question->length, hex);
}

static int read_token(struct cep_token *token, char *list, apr_pool_t *pool)
{
    apr_array_header_t *sids = apr_array_make(pool, 16, sizeof(struct cep_sid));
    char *rest = NULL, *text = strcmp(list, "-") == 0 ? NULL : strtok_r(list, ",", &rest);

    for (; text; text = strtok_r(NULL, ",", &rest)) {
        if (!cep_sid_parse(apr_array_push(sids), text))
            return 0;
    }
    *token = cep_token_make(sids);
    return 1;
}

static char digit(int enroll, int autoenroll)
{
    return (char)('0' + enroll + 2 * autoenroll);
}

static void answer(const struct question *question, const struct batch *batch,
                   const struct cep_compiled *compiled)
{
    const char *problem = cep_sd_check(question->sd, question->length);
    int i, way;

    fputs(problem ? problem : "ok", stdout);
    for (way = 0; way < 2; way++) {
        putchar('|');
        for (i = question->first; i < question->first + question->count; i++) {
            const struct cep_token *token = &APR_ARRAY_IDX(batch->tokens, i, struct cep_token);
            int right, granted[2];

            for (right = 0; right < 2; right++)
                granted[right] = way == 0
                                     ? cep_access_granted(question->sd, question->length,
                                                          (enum cep_right)right, token)
                                     : compiled_grants(compiled, question->lists[right], token);
            putchar(digit(granted[0], granted[1]));
        }
    }
    putchar('\n');
}

static void compile(struct batch *batch, struct cep_compiled *compiled)
{
    struct cep_compiler *compiler = cep_compiler_make(batch->pool);
    int i, right;

    for (i = 0; i < batch->questions->nelts; i++) {
        struct question *question = &APR_ARRAY_IDX(batch->questions, i, struct question);

        for (right = 0; right < 2; right++)
            question->lists[right] =
                cep_compiler_add(compiler, question->sd, question->length, (enum cep_right)right);
    }
    if (!cep_compiler_finish(compiled, compiler))
        abort();
}

static int run(struct batch *batch)
{
    struct cep_compiled compiled;
    int i;

    compile(batch, &compiled);
    for (i = 0; i < batch->questions->nelts; i++)
        answer(&APR_ARRAY_IDX(batch->questions, i, struct question), batch, &compiled);
    forget(batch);
    return 1;
}

static int remember(struct batch *batch, const char *sd, const char *first, const char *count)
{
    struct question *question = apr_array_push(batch->questions);

    question->first = first ? (int)strtol(first, NULL, 10) : -1;
    question->count = count ? (int)strtol(count, NULL, 10) : -1;
    return read_descriptor(question, sd) && question->first >= 0 && question->count >= 0 &&
           question->first <= batch->tokens->nelts &&
           question->count <= batch->tokens->nelts - question->first;
}

static int check(struct batch *batch, const char *sd)
{
    struct question *question = apr_array_push(batch->questions);
    const char *problem;

    if (!read_descriptor(question, sd))
        return 0;
    problem = cep_sd_check(question->sd, question->length);
    puts(problem ? problem : "ok");
    forget(batch);
    return 1;
}

static int ask_alone(struct batch *batch, const char *sd, const char *name, char *list)
{
    struct question *question = apr_array_push(batch->questions);
    enum cep_right right = *name == 'e' ? CEP_RIGHT_ENROLL : CEP_RIGHT_AUTOENROLL;
    struct cep_compiled compiled;
    struct cep_token token;
    int granted;

    if ((strcmp(name, "enroll") != 0 && strcmp(name, "autoenroll") != 0) ||
        !read_descriptor(question, sd) || !read_token(&token, list, batch->pool))
        return 0;
    compile(batch, &compiled);
    granted = cep_access_granted(question->sd, question->length, right, &token);
    if (granted != compiled_grants(&compiled, question->lists[right], &token)) {
        fprintf(stderr, "the compiled list says otherwise\n");
        return 0;
    }
    puts(granted ? "1" : "0");
    forget(batch);
    return 1;
}

/* 0: the line is no question. */
static int ask(struct batch *batch, char *line)
{
    char *rest = NULL;
    char *word = strtok_r(line, " \n", &rest);
    char *second = strtok_r(NULL, " \n", &rest);
    char *third = strtok_r(NULL, " \n", &rest);
    char *fourth = strtok_r(NULL, " \n", &rest);

    if (!word)
        return 0;
    if (strcmp(word, "run") == 0)
        return run(batch);
    if (strcmp(word, "token") == 0)
        return second && read_token(apr_array_push(batch->tokens), second, batch->pool);
    if (strcmp(word, "ask") == 0)
        return second && remember(batch, second, third, fourth);
    if (strcmp(word, "check") == 0)
        return second && check(batch, second);
    return second && third && ask_alone(batch, word, second, third);
}

int main(void)
{
    struct batch batch = {0};
    char *line = NULL;
    size_t size = 0;
    unsigned long number = 0;
    int status = 0;

    apr_initialize();
    apr_pool_create(&batch.pool, NULL);
    forget(&batch);
    while (status == 0 && getline(&line, &size, stdin) > 0) {
        number++;
        if (!ask(&batch, line)) {
            fprintf(stderr, "line %lu is no question\n", number);
            status = 1;
        }
    }
    forget(&batch);
    free(line);
    apr_terminate();
    return status;
}
