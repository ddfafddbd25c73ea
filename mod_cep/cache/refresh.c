/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* One run: has anything changed? Then directory, entries, policy, image, published snapshot. */

#include "cep_refresh.h"

#include <string.h>

#include <apr_general.h>
#include <apr_escape.h>
#include <apr_strings.h>

#include "run.h"

/* Another process is at work, or somebody is just replacing the LDIF file. */
#define WAIT_BUSY apr_time_from_sec(1)

struct run {
    const struct cep_refresh_plan *plan;
    const struct cep_store *store;
    const struct cep_log *log;
    apr_pool_t *pool;
    apr_pool_t *source_pool; /* of all that the server, or file, says that is read now */
    apr_time_t deadline;     /* of reading it, by cep_monotonic() */
    const char **error;
    struct cep_refresh_result *result;
    struct cep_saved_state before; /* what the last run left */
    struct cep_mark mark;          /* what this one will leave */
    apr_time_t now;
    const char *in_force; /* digest of the snapshot in force, or NULL */
    apr_time_t confirmed; /* its age */
};

/* ---- reading everything ---- */

/* What takes the entries of a container as they come. */
struct taker {
    const struct cep_container *container;
    struct cep_policy *policy;
    struct cep_stamps *stamps; /* NULL: none */
};

static void take_entry(void *baton, const struct cep_entry *entry)
{
    struct taker *taker = baton;

    taker->container->add(taker->policy, entry);
    if (taker->stamps)
        cep_stamps_add(taker->stamps, entry);
}

/* The container's attributes and the stamp. */
static const char *const *wanted(const struct taker *taker, apr_pool_t *pool)
{
    const char *const *attributes = taker->container->attributes;
    const char **list;
    int count = 0;

    if (!taker->stamps)
        return attributes;
    while (attributes[count])
        count++;
    list = apr_pcalloc(pool, sizeof(*list) * ((apr_size_t)count + 2));
    memcpy(list, attributes, sizeof(*list) * (apr_size_t)count);
    list[count] = cep_stamps_attribute(taker->stamps);
    return list;
}

/* Begin with a server or file: nothing stays of what another one said before. */
static void begin_source(struct run *run)
{
    struct cep_refresh_result *result = run->result;

    apr_pool_clear(run->source_pool);
    run->mark = (struct cep_mark){.config = run->mark.config};
    result->source = result->reason = NULL;
    result->full = 0;
    *run->error = NULL;
}

static void begin_reading(struct run *run)
{
    run->deadline = cep_monotonic() + run->plan->directory->timeout * CEP_REFRESH_TIMEOUTS;
}

static apr_interval_time_t time_left(const struct run *run)
{
    return run->deadline - cep_monotonic();
}

static apr_status_t read_container(const struct run *run, struct taker *taker,
                                   struct cep_directory *directory)
{
    const struct cep_directory_identity *identity = cep_directory_identity(directory);
    const struct cep_container *container = taker->container;
    struct cep_query query = {
        .base = cep_container_base(container, identity, run->source_pool),
        .scope = CEP_SCOPE_SUBTREE,
        .object_class = container->object_class,
        .attributes = wanted(taker, run->source_pool),
    };
    apr_status_t rv = cep_directory_each(directory, &query, time_left(run), take_entry, taker,
                                         run->source_pool, run->error);

    if (rv == APR_NOTFOUND && !container->required) {
        cep_policy_report(taker->policy, CEP_OBJECT_DIRECTORY, "CEP0511", query.base, 0,
                          "the directory has no such container, or the account of CEPBind may not "
                          "see it: there are no %s",
                          container->what);
        return APR_SUCCESS;
    }
    if (rv == APR_NOTFOUND)
        *run->error =
            apr_psprintf(run->pool,
                         "%s has no container %s, or the account of CEPBind may not see it: "
                         "there are no %s to read",
                         identity->source, query.base, container->what);
    return rv;
}

/* Report what an access check will refuse, with the reason that it will have. */
static void check_descriptor(struct cep_policy *policy, enum cep_object_kind kind, const char *name,
                             const struct cep_value *descriptor)
{
    const char *reason;

    if (!descriptor->data)
        return; /* absent: policy/ has reported it */
    reason = cep_sd_check(descriptor->data, descriptor->len);
    if (reason)
        cep_policy_report(policy, kind, "CEP0401", name, kind == CEP_OBJECT_TEMPLATE,
                          "its nTSecurityDescriptor grants nothing to anybody: %s", reason);
}

static void check_descriptors(struct cep_policy *policy)
{
    for (int i = 0; i < policy->templates->nelts; i++) {
        const struct cep_template *t =
            APR_ARRAY_IDX(policy->templates, i, const struct cep_template *);

        check_descriptor(policy, CEP_OBJECT_TEMPLATE, t->cn, &t->security_descriptor);
    }
    for (int i = 0; i < policy->services->nelts; i++) {
        const struct cep_enrollment_service *s =
            APR_ARRAY_IDX(policy->services, i, const struct cep_enrollment_service *);

        check_descriptor(policy, CEP_OBJECT_CA, s->cn, &s->security_descriptor);
    }
    if (policy->templates->nelts == 0)
        cep_policy_report(policy, CEP_OBJECT_DIRECTORY, "CEP0512", "Certificate Templates", 0,
                          "the directory holds no template that can be offered, so every answer is "
                          "empty; see that CEPBind's account may read the templates");
    else if (policy->services->nelts == 0)
        cep_policy_report(policy, CEP_OBJECT_DIRECTORY, "CEP0513", "Enrollment Services", 0,
                          "the directory holds no CA that can be offered, so every answer is "
                          "empty; give the CAs enrollment URIs or use CEPEnrollmentURI");
}

/* Everything, each entry gone when the next page comes. stamps NULL: there are none (an LDIF file).
 */
static apr_status_t read_policy(struct cep_policy **policy, struct run *run,
                                struct cep_directory *directory, struct cep_stamps *stamps)
{
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *pool;

    apr_pool_create(&pool, run->source_pool);
    *policy = cep_policy_make(pool, run->now, run->plan->configured_uris);
    for (int i = 0; i < CEP_CONTAINERS && rv == APR_SUCCESS; i++) {
        struct taker taker = {&cep_containers[i], *policy, stamps};

        rv = read_container(run, &taker, directory);
    }
    if (rv == APR_SUCCESS && stamps)
        run->mark.stamps = cep_stamps_digest(stamps);
    return rv;
}

/* The policy that was read as an image; policy is gone then. */
static apr_status_t make_image(struct cep_value *image, struct run *run, struct cep_policy *policy,
                               const struct cep_directory_identity *identity)
{
    struct cep_refresh_result *result = run->result;
    apr_status_t rv;

    cep_policy_finish(policy);
    check_descriptors(policy);
    run->mark.expires = policy->expires;
    result->templates = policy->templates->nelts;
    result->cas = policy->services->nelts;
    result->findings = policy->findings->nelts;
    rv = cep_snapshot_build(image, policy, identity, run->pool);
    if (rv != APR_SUCCESS)
        *run->error = "the policy is too large for a snapshot, or for this machine's memory";
    apr_pool_destroy(policy->pool);
    return rv;
}

/* Put the image in force, or confirm what is when that is the same. */
static apr_status_t publish(struct run *run, const struct cep_value *image)
{
    const struct cep_snapshot *fresh =
        cep_snapshot_open(image->data, image->len, run->pool, run->error);

    if (!fresh)
        return APR_EGENERAL;
    run->mark.snapshot =
        apr_pescape_hex(run->pool, cep_snapshot_digest(fresh), CEP_DIGEST_LENGTH, 0);
    if (run->in_force && !strcmp(run->in_force, run->mark.snapshot))
        return cep_store_confirm(run->store, run->pool, run->error);
    run->result->changed = 1;
    return cep_store_publish(run->store, image, run->pool, run->error);
}

/* ---- has anything changed? ---- */

/* What is in force, and since when it is known to be right. It is unmapped again at once. */
static void look_at_snapshot(struct run *run)
{
    const struct cep_snapshot *snapshot = NULL;
    struct cep_reader *reader;
    apr_pool_t *pool;

    apr_pool_create(&pool, run->pool);
    /* Readers complain about an unusable file themselves; here it is about to be replaced. */
    reader = cep_reader_make(pool, run->store, NULL);
    if (reader)
        snapshot = cep_reader_acquire(reader, pool, &run->confirmed);
    if (snapshot)
        run->in_force =
            apr_pescape_hex(run->pool, cep_snapshot_digest(snapshot), CEP_DIGEST_LENGTH, 0);
    apr_pool_destroy(pool);
}

static int is_same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

/* Why everything is to be read whatever the server says, or NULL. */
static const char *why_full(const struct run *run)
{
    const struct cep_mark *before = &run->before.mark;
    apr_time_t last_full = run->before.state.last_full;

    if (!run->in_force)
        return "there was no snapshot that can be used";
    if (!is_same(before->snapshot, run->in_force))
        return "it was not known what the snapshot was made from";
    if (!is_same(before->config, run->mark.config))
        return "the configuration or the version of mod_cep is another one";
    if (before->expires && run->now >= before->expires)
        return "a CA certificate has become valid or invalid";
    if (run->now < last_full || run->now - last_full >= run->plan->full_interval)
        return "it was time for a full refresh";
    if (!is_same(before->server, run->mark.server))
        return "another server was asked than the last time";
    return NULL;
}

/* Nothing has changed: what holds of the last run's mark holds of this one's. */
static apr_status_t keep(struct run *run)
{
    const struct cep_refresh_state *state = &run->before.state;

    run->result->templates = (int)state->templates;
    run->result->cas = (int)state->cas;
    run->result->findings = (int)state->findings;
    run->mark.snapshot = run->before.mark.snapshot;
    run->mark.stamps = run->before.mark.stamps;
    run->mark.expires = run->before.mark.expires;
    return cep_store_confirm(run->store, run->pool, run->error);
}

static int has_moved(const struct run *run)
{
    return !is_same(run->before.mark.position, run->mark.position);
}

/* 1 when the stamps of all entries are those of the last full read; 0 also when that is unknown. */
static apr_status_t compare_stamps(int *same, struct run *run, struct cep_directory *directory)
{
    struct cep_stamps *stamps;
    apr_status_t rv;

    *same = 0;
    if (!run->before.mark.stamps)
        return APR_SUCCESS;
    stamps = cep_stamps_make(cep_directory_identity(directory), run->source_pool);
    rv = cep_stamps_ask(stamps, directory, time_left(run), run->source_pool, run->error);
    *same = rv == APR_SUCCESS && is_same(run->before.mark.stamps, cep_stamps_digest(stamps));
    return rv;
}

/* ---- the two kinds of sources ---- */

/* What one server says. *policy: all of it, or NULL when nothing has changed. */
static apr_status_t ask_server(struct cep_policy **policy, struct run *run,
                               struct cep_directory *directory)
{
    const struct cep_directory_identity *identity = cep_directory_identity(directory);
    struct cep_refresh_result *result = run->result;
    int same = 0;
    apr_status_t rv;

    *policy = NULL;
    begin_reading(run);
    result->source = identity->source;
    rv = cep_mark_server(&run->mark, directory, time_left(run), run->source_pool, run->error);
    if (rv != APR_SUCCESS)
        return rv;
    result->reason = why_full(run);
    if (!result->reason && !has_moved(run)) {
        result->reason = apr_pstrcat(run->pool, "still at ", run->mark.position, NULL);
        return APR_SUCCESS;
    }
    if (!result->reason) {
        rv = compare_stamps(&same, run, directory);
        result->reason = same                      ? "no entry has changed, come or gone"
                         : run->before.mark.stamps ? "entries have changed, come or gone"
                                                   : "the server does not tell what has changed";
    }
    if (rv != APR_SUCCESS || same)
        return rv;
    result->full = 1;
    begin_reading(run); /* what the question took is not missing now */
    return read_policy(policy, run, directory, cep_stamps_make(identity, run->source_pool));
}

/*
 * The first server that can be read from beginning to end. What is read of one that fails on the
 * way is in a pool that is emptied before the next one is asked, so that no policy can be made of
 * two servers' entries.
 */
static apr_status_t run_ldap(struct run *run)
{
    struct cep_candidates *candidates =
        cep_directory_candidates(run->plan->directory, run->log, run->pool);
    struct cep_directory *directory;
    struct cep_policy *policy;
    struct cep_value image;
    apr_status_t rv;

    do {
        begin_source(run);
        rv = cep_directory_open_next(&directory, candidates, run->source_pool, run->error);
        if (rv != APR_SUCCESS)
            return rv;
        rv = ask_server(&policy, run, directory);
        if (rv != APR_SUCCESS)
            cep_directory_give_up(directory, candidates, rv, *run->error);
    } while (rv != APR_SUCCESS);
    cep_directory_close(directory); /* its memory goes before the image comes */
    if (!policy)
        return keep(run);
    rv = make_image(&image, run, policy, cep_directory_identity(directory));
    return rv == APR_SUCCESS ? publish(run, &image) : rv;
}

static apr_status_t run_file(struct run *run, const char *path)
{
    struct cep_refresh_result *result = run->result;
    struct cep_directory *directory;
    apr_finfo_t state = {.size = -1};
    struct cep_policy *policy;
    struct cep_value image;
    apr_status_t rv;

    begin_source(run);
    result->source = APR_ARRAY_IDX(run->plan->directory->urls, 0, const char *);
    if (apr_stat(&state, path, CEP_STORE_FILE_STATE, run->pool) != APR_SUCCESS)
        state.size = -1;
    cep_mark_file(&run->mark, result->source, &state, run->now, run->pool);
    result->reason = why_full(run);
    if (!result->reason && !has_moved(run) &&
        cep_store_has_entries(run->store, &state, run->pool)) {
        result->reason = "the file has not been touched";
        return keep(run);
    }
    if (!result->reason)
        result->reason = "the file has been touched";
    result->full = 1;
    rv = cep_directory_open(&directory, run->plan->directory, run->log, run->source_pool,
                            run->error);
    if (rv != APR_SUCCESS)
        return rv;
    begin_reading(run);
    rv = read_policy(&policy, run, directory, NULL);
    cep_directory_close(directory); /* its memory goes before the image comes */
    if (rv == APR_SUCCESS)
        rv = make_image(&image, run, policy, cep_directory_identity(directory));
    if (rv == APR_SUCCESS)
        rv = cep_store_keep_entries(run->store, path, &state, run->pool, run->error);
    return rv == APR_SUCCESS ? publish(run, &image) : rv;
}

/* ---- the run ---- */

/* Set the next run's time and leave the outcome for it, and for whoever wants to know. */
static void record(struct run *run, apr_status_t rv)
{
    struct cep_saved_state after = run->before;
    struct cep_refresh_state *state = &after.state;
    struct cep_refresh_result *result = run->result;
    const char *error = NULL;
    apr_uint32_t random = 0;
    int serving;

    state->last_attempt = apr_time_now();
    if (rv == APR_SUCCESS) {
        after.mark = run->mark;
        state->last_success = state->last_attempt;
        state->last_full = result->full ? run->now : state->last_full;
        state->last_change = result->changed ? state->last_attempt : state->last_change;
        state->failing_since = 0;
        state->failures = 0;
        state->error = NULL;
        state->source = result->source;
        state->reason = result->reason;
        state->templates = (apr_uint32_t)result->templates;
        state->cas = (apr_uint32_t)result->cas;
        state->findings = (apr_uint32_t)result->findings;
    } else {
        state->failing_since = state->failures ? state->failing_since : state->last_attempt;
        state->failures += state->failures < APR_UINT32_MAX;
        state->error = *run->error;
    }
    serving = rv == APR_SUCCESS ||
              (run->in_force && state->last_attempt - run->confirmed <= run->plan->max_stale);
    apr_generate_random_bytes((unsigned char *)&random, sizeof(random));
    result->failures = state->failures;
    result->serving = serving;
    result->next = cep_schedule_next(run->plan, state->failures, serving, state->last_attempt,
                                     after.mark.expires, random);
    state->next_attempt = state->last_attempt + result->next;
    if (cep_state_save(&after, run->store, run->pool, &error) != APR_SUCCESS)
        result->record_error = error;
}

apr_status_t cep_refresh_run(struct cep_refresh_result *result, const struct cep_refresh_plan *plan,
                             const struct cep_store *store, const struct cep_log *log,
                             apr_pool_t *pool, const char **error)
{
    struct run run = {.plan = plan, .store = store, .log = log, .pool = pool};
    apr_uint32_t failures = result->failures;
    const char *path =
        cep_directory_url_path(APR_ARRAY_IDX(plan->directory->urls, 0, const char *));
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    result->next = WAIT_BUSY;
    result->failures = failures;
    run.error = error;
    run.result = result;
    apr_pool_create(&run.source_pool, pool);
    rv = cep_store_lock(store, pool, error);
    if (rv == APR_EBUSY)
        return rv;
    run.now = apr_time_now();
    cep_state_load(&run.before, store, pool);
    /* Where nothing can be recorded, the caller's count is all there is. */
    if (run.before.state.failures < failures)
        run.before.state.failures = failures;
    run.mark.config = cep_mark_config(plan, pool);
    look_at_snapshot(&run);
    if (rv == APR_SUCCESS)
        rv = path ? run_file(&run, path) : run_ldap(&run);
    if (rv != APR_EBUSY)
        record(&run, rv);
    return rv;
}

void cep_refresh_tell(const struct cep_snapshot *snapshot, const char *directory,
                      const struct cep_log *log)
{
    static const char *const kinds[] = {"template", "CA", "OID", "container"};

    for (int i = 0; i < cep_snapshot_finding_count(snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(snapshot, i);

        cep_log(log, cep_finding_level(&finding), 0, "%s: directory %s, %s \"%s\"%s: %s",
                finding.code, directory, kinds[finding.kind], finding.name,
                finding.left_out ? " is left out" : "", finding.text);
    }
}
