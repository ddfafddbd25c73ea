/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules of choice.h in words, one template after the other. An administrator mends one at a
 * time, so all that speaks against a template is said at once. Whether it is offered is not judged
 * here but asked for.
 */

#include "cep_explain.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "choice.h"

/* What is the same for all templates of one explanation. */
struct explainer {
    struct cep_choice choice; /* of a client that takes all versions */
    apr_hash_t *notes;        /* cn of a template -> what findings say about it */
    apr_pool_t *pool;
};

static const char *add(const struct explainer *e, const char *text, const char *more)
{
    return *text && *more ? apr_pstrcat(e->pool, text, " ", more, NULL) : *text ? text : more;
}

/* A finding in a sentence: some end with a full stop. */
static const char *sentence_of(const struct explainer *e, const struct cep_finding *finding)
{
    size_t length = strlen(finding->text);

    return apr_psprintf(e->pool, "%s: %s%s", finding->code, finding->text,
                        length > 0 && finding->text[length - 1] == '.' ? "" : ".");
}

/* 1 when the list grants; *sentence says which SID decides. */
static int decide(const struct explainer *e, struct cep_access_list list, const char *right,
                  const char **sentence)
{
    const struct cep_snapshot *snapshot = e->choice.snapshot;
    const apr_uint32_t *step =
        cep_steps_decider(snapshot->steps + list.first, list.count, e->choice.held);
    char sid[CEP_SID_TEXT_MAX];

    if (!step) {
        *sentence =
            list.count == 0
                ? apr_psprintf(e->pool, "%s is granted to nobody.", right)
                : apr_psprintf(e->pool, "%s is granted to none of the caller's SIDs.", right);
        return 0;
    }
    cep_sid_format(&snapshot->sids[CEP_STEP_SID(*step)], sid);
    *sentence = apr_psprintf(e->pool, "%s is %s %s.", right,
                             *step & CEP_STEP_DENIES ? "denied to" : "granted to", sid);
    return !(*step & CEP_STEP_DENIES);
}

/* Which CAs publish it, and which of them do not let the caller enroll. */
static const char *name_publishers(const struct explainer *e, const struct image_template *t)
{
    const struct cep_snapshot *snapshot = e->choice.snapshot;
    struct image_ref refs = cep_choice_publishers(&e->choice, t);
    const uint32_t *numbers = image_at(snapshot, refs);
    const char *names = NULL, *ignored;

    if (refs.count == 0)
        return "No CA that can be offered publishes it.";
    for (uint32_t i = 0; i < refs.count; i++) {
        const struct image_ca *ca = &snapshot->cas[numbers[i]];

        names = apr_pstrcat(e->pool, names ? names : "", names ? ", " : "",
                            (const char *)image_at(snapshot, ca->cn),
                            e->choice.view->key_based_renewal ||
                                    decide(e, ca->enroll, "Enroll", &ignored)
                                ? ""
                                : " (which does not let the caller enroll)",
                            NULL);
    }
    return apr_pstrcat(e->pool, "Published by ", names, ".", NULL);
}

static unsigned client_version(const struct image_template *t)
{
    return (t->private_key_flags & CEP_CLIENT_VERSION) >> CEP_CLIENT_VERSION_SHIFT;
}

static unsigned server_version(const struct image_template *t)
{
    return (t->private_key_flags & CEP_SERVER_VERSION) >> CEP_SERVER_VERSION_SHIFT;
}

/* One of the two versions that a client tells; nothing when all clients tell enough. */
static const char *name_version(const struct explainer *e, const char *what, unsigned needed)
{
    if (needed == 0)
        return "";
    return apr_psprintf(e->pool, "Only for requests with %s %u or more, 0%s.", what, needed,
                        e->choice.view->lenient || needed <= CEP_VERSION_NOT_TOLD ? " or nil" : "");
}

/* [MS-XCEP] 3.1.4.1.3.22: what clients must ask with. */
static const char *name_versions(const struct explainer *e, const struct image_template *t)
{
    unsigned client = client_version(t);

    return add(e, name_version(e, "clientVersion", client > CEP_VERSION_NOT_TOLD ? client : 0),
               name_version(e, "serverVersion", server_version(t)));
}

/* By the caller's rights, as everywhere but for key-based renewal. */
static const char *explain_rights(const struct explainer *e, const struct image_template *t)
{
    const char *enroll, *autoenroll, *text;
    int may_enroll = decide(e, t->enroll, "Enroll", &enroll);
    int may_autoenroll = decide(e, t->autoenroll, "AutoEnroll", &autoenroll);

    text = add(e, enroll, autoenroll);
    if (e->choice.view->autoenroll_only && may_enroll && !may_autoenroll)
        text = add(e, text, "CEPTemplateRights asks for AutoEnroll, too.");
    return add(e, text, name_publishers(e, t));
}

/* [MS-WCCE] 3.2.2.6.2.1.4.5.6: the old key is all that is asked for. */
static const char *explain_renewal(const struct explainer *e, const struct image_template *t)
{
    if (!(t->enrollment_flags & CEP_ENROLLMENT_KEY_BASED_RENEWAL))
        return "It does not allow key based renewal (enrollment flag 0x10000).";
    if (cep_choice_publishers(&e->choice, t).count == 0)
        return "No CA that publishes it has an enrollment URI for renewal by the old key.";
    return add(e, "The old key is enough to renew it.", name_publishers(e, t));
}

/* What the instance takes away, whoever asks. */
static const char *explain_view(const struct explainer *e, apr_uint32_t number)
{
    const struct image_template *t = &e->choice.snapshot->templates[number];
    unsigned client = client_version(t), server = server_version(t);
    const char *text = cep_choice_shows(&e->choice, number) ? "" : "CEPTemplates does not show it.";

    if (cep_choice_passes_versions(&e->choice, t))
        return text;
    return add(e, text,
               apr_psprintf(e->pool, "It needs version %u, and CEPMaxVersion is %u.",
                            client > server ? client : server,
                            (unsigned)e->choice.view->max_version));
}

static void explain(const struct explainer *e, apr_uint32_t number,
                    struct cep_explanation *explanation)
{
    const struct image_template *t = &e->choice.snapshot->templates[number];
    unsigned char choice = cep_choice_of(&e->choice, number);
    const char *note;

    explanation->name = image_at(e->choice.snapshot, t->cn);
    explanation->oid = image_at(e->choice.snapshot, t->oid);
    explanation->offered = choice != 0;
    explanation->autoenroll = (choice & CEP_PERMITTED) != 0;
    explanation->text =
        e->choice.view->key_based_renewal ? explain_renewal(e, t) : explain_rights(e, t);
    explanation->text = add(e, explanation->text, explain_view(e, number));
    explanation->text = add(e, explanation->text, name_versions(e, t));
    note = apr_hash_get(e->notes, explanation->name, APR_HASH_KEY_STRING);
    if (note)
        explanation->text = add(e, explanation->text, note);
}

/* What findings say about templates that are there all the same. */
static apr_hash_t *gather_notes(const struct explainer *e)
{
    apr_hash_t *notes = apr_hash_make(e->pool);

    for (int i = 0; i < cep_snapshot_finding_count(e->choice.snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(e->choice.snapshot, i);
        const char *note, *before;

        if (finding.kind != CEP_OBJECT_TEMPLATE || finding.left_out)
            continue;
        before = apr_hash_get(notes, finding.name, APR_HASH_KEY_STRING);
        note = sentence_of(e, &finding);
        apr_hash_set(notes, finding.name, APR_HASH_KEY_STRING,
                     before ? apr_pstrcat(e->pool, before, " ", note, NULL) : note);
    }
    return notes;
}

/* Findings about templates that are in no answer. */
static void explain_left_out(const struct explainer *e, apr_array_header_t *all)
{
    for (int i = 0; i < cep_snapshot_finding_count(e->choice.snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(e->choice.snapshot, i);
        struct cep_explanation *explanation;

        if (finding.kind != CEP_OBJECT_TEMPLATE || !finding.left_out)
            continue;
        explanation = apr_array_push(all);
        memset(explanation, 0, sizeof(*explanation));
        explanation->name = finding.name;
        explanation->oid = "";
        explanation->text =
            apr_pstrcat(e->pool, "Left out for everybody. ", sentence_of(e, &finding), NULL);
    }
}

apr_array_header_t *cep_explain(const struct cep_snapshot *snapshot, const struct cep_token *token,
                                const struct cep_view *view, apr_pool_t *pool)
{
    /* 0: all that the server has. */
    static const struct cep_request all_versions = {
        .has_filter = 1, .has_client_version = 1, .has_server_version = 1};
    static const struct cep_view everything = {.max_version = CEP_MAX_VERSION_LIMIT};
    apr_uint32_t count = snapshot->header->templates.count;
    apr_array_header_t *all = apr_array_make(pool, (int)count + 8, sizeof(struct cep_explanation));
    struct explainer e = {.pool = pool};

    cep_choice_init(&e.choice, snapshot, token, &all_versions, view ? view : &everything, pool);
    e.notes = gather_notes(&e);
    for (apr_uint32_t i = 0; i < count; i++)
        explain(&e, i, apr_array_push(all));
    explain_left_out(&e, all);
    return all;
}

/* Whether one pattern alone fits a name. */
static int fits(const struct cep_view_pattern *pattern, const char *name, apr_pool_t *pool)
{
    apr_array_header_t *one = apr_array_make(pool, 1, sizeof(*pattern));
    struct cep_view view = {.templates = one};
    struct cep_view_pattern *included = apr_array_push(one);

    included->pattern = pattern->pattern;
    included->excludes = 0;
    return cep_view_shows(&view, name, pool);
}

static int fits_any(const struct cep_view_pattern *pattern, const struct cep_snapshot *snapshot,
                    apr_pool_t *pool)
{
    for (apr_uint32_t i = 0; i < snapshot->header->templates.count; i++) {
        if (fits(pattern, image_at(snapshot, snapshot->templates[i].cn), pool))
            return 1;
    }
    for (int i = 0; i < cep_snapshot_finding_count(snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(snapshot, i);

        if (finding.kind == CEP_OBJECT_TEMPLATE && fits(pattern, finding.name, pool))
            return 1;
    }
    return 0;
}

apr_array_header_t *cep_explain_unused(const struct cep_snapshot *snapshot,
                                       const struct cep_view *view, apr_pool_t *pool)
{
    apr_array_header_t *unused = apr_array_make(pool, 2, sizeof(const char *));
    apr_pool_t *scratch;

    if (!view->templates || apr_pool_create(&scratch, pool) != APR_SUCCESS)
        return unused;
    for (int i = 0; i < view->templates->nelts; i++) {
        const struct cep_view_pattern *pattern =
            &APR_ARRAY_IDX(view->templates, i, const struct cep_view_pattern);

        if (!fits_any(pattern, snapshot, scratch))
            APR_ARRAY_PUSH(unused, const char *) =
                apr_pstrcat(pool, pattern->excludes ? "!" : "", pattern->pattern, NULL);
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
    return unused;
}
