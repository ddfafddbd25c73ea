/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The file beside the snapshot that says how refreshing goes and what was read last: lines of a
 * name and a value, and a digest at the end. It is for every process of this server and for people
 * who look at it. When it is lost or damaged, everything is read once more; that is all.
 */
#include "run.h"
#include "cep_digest.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "guard.h"

#define FIRST_LINE "mod_cep state 1\n"
#define LAST_NAME  "sha256 "

/* Octets of the file, and of a text in it. */
#define MOST_OCTETS 32768
#define MOST_TEXT   4096

enum kind { TIME, NUMBER, TEXT };

static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
    {"last-attempt", TIME, offsetof(struct cep_saved_state, state.last_attempt)},
    {"last-success", TIME, offsetof(struct cep_saved_state, state.last_success)},
    {"last-full", TIME, offsetof(struct cep_saved_state, state.last_full)},
    {"last-change", TIME, offsetof(struct cep_saved_state, state.last_change)},
    {"next-attempt", TIME, offsetof(struct cep_saved_state, state.next_attempt)},
    {"failing-since", TIME, offsetof(struct cep_saved_state, state.failing_since)},
    {"failures", NUMBER, offsetof(struct cep_saved_state, state.failures)},
    {"error", TEXT, offsetof(struct cep_saved_state, state.error)},
    {"source", TEXT, offsetof(struct cep_saved_state, state.source)},
    {"reason", TEXT, offsetof(struct cep_saved_state, state.reason)},
    {"templates", NUMBER, offsetof(struct cep_saved_state, state.templates)},
    {"cas", NUMBER, offsetof(struct cep_saved_state, state.cas)},
    {"findings", NUMBER, offsetof(struct cep_saved_state, state.findings)},
    {"mark-config", TEXT, offsetof(struct cep_saved_state, mark.config)},
    {"mark-snapshot", TEXT, offsetof(struct cep_saved_state, mark.snapshot)},
    {"mark-server", TEXT, offsetof(struct cep_saved_state, mark.server)},
    {"mark-position", TEXT, offsetof(struct cep_saved_state, mark.position)},
    {"mark-stamps", TEXT, offsetof(struct cep_saved_state, mark.stamps)},
    {"mark-expires", TIME, offsetof(struct cep_saved_state, mark.expires)},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const char *digest(const char *text, apr_size_t length, apr_pool_t *pool)
{
    unsigned char octets[EVP_MAX_MD_SIZE];
    unsigned int written = 0;

    if (EVP_Digest(text, length, octets, &written, cep_sha256(), NULL) != 1)
        return "";
    return apr_pescape_hex(pool, octets, written, 0);
}

/* ---- writing ---- */

/* The value of field i as text, or NULL when there is nothing to say. */
static const char *show(const struct cep_saved_state *record, size_t i, apr_pool_t *pool)
{
    const char *member = (const char *)record + fields[i].offset;
    apr_time_t time;
    apr_uint32_t number;
    const char *text;

    switch (fields[i].kind) {
    case TIME:
        memcpy(&time, member, sizeof(time));
        return time ? apr_psprintf(pool, "%" APR_TIME_T_FMT, time) : NULL;
    case NUMBER:
        memcpy(&number, member, sizeof(number));
        return number ? apr_psprintf(pool, "%u", number) : NULL;
    case TEXT: break;
    }
    memcpy(&text, member, sizeof(text));
    return text ? cep_one_line(apr_pstrndup(pool, text, MOST_TEXT)) : NULL;
}

apr_status_t cep_state_save(const struct cep_saved_state *record, const struct cep_store *store,
                            apr_pool_t *pool, const char **error)
{
    const char *text = FIRST_LINE;
    struct cep_value content;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = show(record, i, pool);

        if (value)
            text = apr_pstrcat(pool, text, fields[i].name, " ", value, "\n", NULL);
    }
    text = apr_pstrcat(pool, text, LAST_NAME, digest(text, strlen(text), pool), "\n", NULL);
    content.data = (const unsigned char *)text;
    content.len = strlen(text);
    return cep_store_write(store->state_path, &content, pool, error);
}

/* ---- reading ---- */

/* The whole file, or NULL and *rv. */
static char *load(const struct cep_store *store, apr_status_t *rv, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, MOST_OCTETS + 1);
    const char *error;
    struct stat info;
    apr_size_t used = 0;
    ssize_t got = 1;
    int fd = cep_guard_open(store->state_path, &info, &error);

    *rv = error ? APR_EGENERAL : APR_ENOENT;
    if (fd < 0)
        return NULL;
    while (got > 0 && used < MOST_OCTETS) {
        got = read(fd, text + used, MOST_OCTETS - used);
        used += got > 0 ? (apr_size_t)got : 0;
    }
    close(fd);
    text[used] = '\0';
    *rv = got == 0 && strlen(text) == used ? APR_SUCCESS : APR_EGENERAL;
    return *rv == APR_SUCCESS ? text : NULL;
}

/* 1 when text is whole and nobody has changed it; its last line is cut off then. */
static int is_sound(char *text, apr_pool_t *pool)
{
    char *last = strstr(text, "\n" LAST_NAME);

    if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0 || !last)
        return 0;
    last++;
    if (strcmp(last + strlen(LAST_NAME),
               apr_pstrcat(pool, digest(text, (apr_size_t)(last - text), pool), "\n", NULL)) != 0)
        return 0;
    *last = '\0';
    return 1;
}

static void take(struct cep_saved_state *record, const char *name, const char *value)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        char *member = (char *)record + fields[i].offset;
        apr_int64_t number;

        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (fields[i].kind == TEXT) {
            memcpy(member, &value, sizeof(value));
            return;
        }
        number = apr_atoi64(value);
        if (fields[i].kind == TIME)
            memcpy(member, &number, sizeof(number));
        else if (number >= 0 && number <= APR_UINT32_MAX)
            memcpy(member, &(apr_uint32_t){(apr_uint32_t)number}, sizeof(apr_uint32_t));
        return;
    }
}

apr_status_t cep_state_load(struct cep_saved_state *record, const struct cep_store *store,
                            apr_pool_t *pool)
{
    apr_status_t rv;
    char *text = load(store, &rv, pool), *line, *state;

    memset(record, 0, sizeof(*record));
    if (!text)
        return rv;
    if (!is_sound(text, pool))
        return APR_EGENERAL;
    for (line = apr_strtok(text + strlen(FIRST_LINE), "\n", &state); line;
         line = apr_strtok(NULL, "\n", &state)) {
        char *space = strchr(line, ' ');

        if (space) {
            *space = '\0';
            take(record, line, space + 1);
        }
    }
    return APR_SUCCESS;
}

apr_status_t cep_refresh_state_read(struct cep_refresh_state *state, const struct cep_store *store,
                                    apr_pool_t *pool)
{
    struct cep_saved_state record;
    apr_status_t rv = cep_state_load(&record, store, pool);

    *state = record.state;
    return rv;
}
