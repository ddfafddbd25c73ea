/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* One process's table of finished bodies: who has one, who makes one, which one goes. */

#include "answer.h"

#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

/* Where files cannot be made, a process keeps no more than this of its own. */
#define MOST_PRIVATE_OCTETS (32 * APR_UINT64_C(1048576))

enum state { MAKING, READY, FAILED };

/* The table holds one reference while the entry is in it, every user another. */
struct entry {
    struct entry *next;
    apr_pool_t *pool; /* unmanaged, so that any thread may destroy it */
    apr_uint32_t references;
    struct cep_answer_class answer_class;
    enum cep_coding coding;
    unsigned char snapshot[CEP_DIGEST_LENGTH];
    enum state state; /* under the mutex, as is status */
    apr_status_t status;
    int is_private; /* no file that others have, too */
    struct cep_body_map map;
};

struct cep_answers {
    struct cep_body_dir dir;
    apr_thread_mutex_t *mutex; /* guards all below; never held over I/O */
    apr_thread_cond_t *made;
    struct entry *entries; /* what was used last comes first */
    int unwritable;        /* that no file can be made was said */
};

static void release(struct entry *entry)
{
    if (apr_atomic_dec32(&entry->references) == 0) {
        cep_body_unmap(&entry->map);
        apr_pool_destroy(entry->pool);
    }
}

static apr_status_t release_pin(void *data)
{
    release(data);
    return APR_SUCCESS;
}

static apr_status_t drop_table(void *data)
{
    struct cep_answers *answers = data;

    while (answers->entries) {
        struct entry *entry = answers->entries;

        answers->entries = entry->next;
        release(entry);
    }
    return APR_SUCCESS;
}

struct cep_answers *cep_answers_make(apr_pool_t *pool, const char *path,
                                     const struct cep_answers_limits *limits,
                                     const struct cep_log *log)
{
    static const struct cep_answers_limits most = {CEP_ANSWERS_MAX_COUNT, CEP_ANSWERS_MAX_OCTETS};
    struct cep_answers *answers = apr_pcalloc(pool, sizeof(*answers));

    answers->dir.path = apr_pstrdup(pool, path);
    answers->dir.limits = limits ? *limits : most;
    answers->dir.log = log;
    if (apr_thread_mutex_create(&answers->mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&answers->made, pool) != APR_SUCCESS)
        return NULL;
    apr_pool_cleanup_register(pool, answers, drop_table, apr_pool_cleanup_null);
    return answers;
}

/* The entry of a class, moved to the front; NULL when there is none. */
static struct entry *find(struct cep_answers *answers, const struct cep_answer *answer,
                          enum cep_coding coding)
{
    for (struct entry **link = &answers->entries; *link; link = &(*link)->next) {
        struct entry *entry = *link;

        if (entry->coding != coding ||
            memcmp(&entry->answer_class, &answer->answer_class, sizeof(entry->answer_class)) != 0)
            continue;
        *link = entry->next;
        entry->next = answers->entries;
        answers->entries = entry;
        return entry;
    }
    return NULL;
}

static struct entry *add(struct cep_answers *answers, const struct cep_answer *answer,
                         enum cep_coding coding)
{
    apr_pool_t *pool;
    struct entry *entry;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS)
        return NULL;
    entry = apr_pcalloc(pool, sizeof(*entry));
    entry->pool = pool;
    entry->answer_class = answer->answer_class;
    entry->coding = coding;
    entry->state = MAKING;
    memcpy(entry->snapshot, cep_snapshot_digest(answer->snapshot), CEP_DIGEST_LENGTH);
    apr_atomic_set32(&entry->references, 1);
    entry->next = answers->entries;
    answers->entries = entry;
    return entry;
}

static void take_out(struct entry **link)
{
    struct entry *entry = *link;

    *link = entry->next;
    release(entry);
}

/* What has been counted of the entries that stay. */
struct sums {
    int count;
    apr_uint64_t octets, private_octets;
};

static int stays(const struct entry *entry, const struct cep_answers_limits *limits,
                 const unsigned char *snapshot, struct sums *sums)
{
    if (entry->state != READY)
        return entry->state == MAKING;
    if (memcmp(entry->snapshot, snapshot, CEP_DIGEST_LENGTH) != 0)
        return 0;
    sums->count++;
    sums->octets += entry->map.length;
    if (entry->is_private)
        sums->private_octets += entry->map.length;
    return sums->count <= limits->count && sums->octets <= limits->octets &&
           (!entry->is_private || sums->private_octets <= MOST_PRIVATE_OCTETS);
}

/* Drop what did not succeed, what belongs to other snapshots, and what is beyond the limits. */
static void tidy(struct cep_answers *answers, const struct cep_snapshot *snapshot)
{
    struct entry **link = &answers->entries;
    struct sums sums = {0, 0, 0};

    while (*link) {
        if (stays(*link, &answers->dir.limits, cep_snapshot_digest(snapshot), &sums))
            link = &(*link)->next;
        else
            take_out(link);
    }
}

/* Once, until it goes well again. Under the mutex. */
static void tell(struct cep_answers *answers, const char *error)
{
    if (error && !answers->unwritable)
        cep_log(answers->dir.log, CEP_LOG_WARNING, 0,
                "CEP0661: finished answers cannot be kept in %s: %s; each process makes its own",
                answers->dir.path, error);
    answers->unwritable = error != NULL;
}

/* Called with the mutex held, and an entry that is being made by this thread alone. */
static void make(struct cep_answers *answers, struct entry *entry, enum cep_body_origin *origin,
                 const struct cep_answer *answer, apr_pool_t *pool)
{
    const char *error;
    apr_status_t rv;

    apr_thread_mutex_unlock(answers->mutex);
    rv = cep_body_obtain(&entry->map, origin, &answers->dir, answer, entry->coding, &error, pool);
    apr_thread_mutex_lock(answers->mutex);
    entry->status = rv;
    entry->state = rv == APR_SUCCESS ? READY : FAILED;
    entry->is_private = error != NULL;
    if (*origin == CEP_BODY_MADE)
        tell(answers, error);
    apr_thread_cond_broadcast(answers->made);
    tidy(answers, answer->snapshot);
}

apr_status_t cep_answers_acquire(const struct cep_body **body, enum cep_body_origin *origin,
                                 struct cep_answers *answers, const struct cep_answer *answer,
                                 enum cep_coding coding, apr_pool_t *pool)
{
    struct entry *entry;
    apr_status_t rv = APR_ENOMEM;
    int is_new;

    *origin = CEP_BODY_HELD;
    apr_thread_mutex_lock(answers->mutex);
    entry = find(answers, answer, coding);
    is_new = !entry;
    if (is_new)
        entry = add(answers, answer, coding);
    if (entry) {
        /* The pin: also while others may drop the entry from the table. */
        apr_atomic_inc32(&entry->references);
        if (is_new)
            make(answers, entry, origin, answer, pool);
        while (entry->state == MAKING)
            apr_thread_cond_wait(answers->made, answers->mutex);
        rv = entry->status;
    }
    apr_thread_mutex_unlock(answers->mutex);
    if (rv != APR_SUCCESS) {
        if (entry)
            release(entry);
        return rv;
    }
    apr_pool_cleanup_register(pool, entry, release_pin, apr_pool_cleanup_null);
    *body = &entry->map.body;
    return APR_SUCCESS;
}
