/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules of select.c in words, one template after the other. They are told apart here because
 * an administrator mends one at a time: all that speaks against a template is said at once.
 */

#include "cep_explain.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "image.h"

/* What is the same for all templates of one explanation. */
struct explainer {
    const struct cep_snapshot *snapshot;
    const struct cep_view *view; /* NULL: of no instance */
    const unsigned char *shown;  /* NULL: all */
    const apr_uint32_t *held;
    apr_hash_t *notes; /* cn of a template -> what findings say about it */
    apr_pool_t *pool;
};

static const apr_uint32_t *hold(const struct cep_snapshot *snapshot, const struct cep_token *token,
                                apr_pool_t *pool)
{
    apr_uint32_t count = snapshot->header->sids.count;
    apr_uint32_t *held = apr_pcalloc(pool, (CEP_HELD_WORDS(count) + 1) * sizeof(*held));

    cep_token_hold(held, token, snapshot->sids, count);
    return held;
}

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
    const apr_uint32_t *step = e->snapshot->steps + list.first, *end = step + list.count;
    char sid[CEP_SID_TEXT_MAX];

    while (step < end && !cep_is_held(e->held, CEP_STEP_SID(*step)))
        step++;
    if (step == end) {
        *sentence =
            list.count == 0
                ? apr_psprintf(e->pool, "%s is granted to nobody.", right)
                : apr_psprintf(e->pool, "%s is granted to none of the caller's SIDs.", right);
        return 0;
    }
    cep_sid_format(&e->snapshot->sids[CEP_STEP_SID(*step)], sid);
    *sentence = apr_psprintf(e->pool, "%s is %s %s.", right,
                             *step & CEP_STEP_DENIES ? "denied to" : "granted to", sid);
    return !(*step & CEP_STEP_DENIES);
}

static int is_for_renewal(const struct explainer *e)
{
    return e->view && e->view->key_based_renewal;
}

/* Which CAs publish it, and which of them do not let the caller enroll. */
static const char *name_publishers(const struct explainer *e, struct image_ref refs)
{
    const uint32_t *numbers = image_at(e->snapshot, refs);
    const char *names = NULL, *ignored;

    if (refs.count == 0)
        return "No CA that can be offered publishes it.";
    for (uint32_t i = 0; i < refs.count; i++) {
        const struct image_ca *ca = &e->snapshot->cas[numbers[i]];

        names = apr_pstrcat(e->pool, names ? names : "", names ? ", " : "",
                            (const char *)image_at(e->snapshot, ca->cn),
                            is_for_renewal(e) || decide(e, ca->enroll, "Enroll", &ignored)
                                ? ""
                                : " (which does not let the caller enroll)",
                            NULL);
    }
    return apr_pstrcat(e->pool, "Published by ", names, ".", NULL);
}

/* One of the two versions that a client tells; nothing when all clients tell enough. */
static const char *name_version(const struct explainer *e, const char *what, unsigned needed)
{
    int lenient = e->view && e->view->lenient;

    if (needed == 0)
        return "";
    return apr_psprintf(e->pool, "Only for requests with %s %u or more, 0%s.", what, needed,
                        lenient || needed <= 3 ? " or nil" : "");
}

/* [MS-XCEP] 3.1.4.1.3.22: what clients must ask with. */
static const char *name_versions(const struct explainer *e, uint32_t private_key_flags)
{
    unsigned client = private_key_flags >> 24 & 0xf, server = private_key_flags >> 16 & 0xf;

    return add(e, name_version(e, "clientVersion", client > 3 ? client : 0),
               name_version(e, "serverVersion", server));
}

/* By the caller's rights, as everywhere but for key-based renewal. */
static void explain_rights(const struct explainer *e, const struct image_template *t,
                           struct cep_explanation *explanation)
{
    const char *enroll, *autoenroll;
    int may_enroll = decide(e, t->enroll, "Enroll", &enroll);
    int may_autoenroll = decide(e, t->autoenroll, "AutoEnroll", &autoenroll);
    int narrow = e->view && e->view->autoenroll_only;

    explanation->offered = may_enroll && (may_autoenroll || !narrow) && t->ca_refs.count > 0;
    explanation->autoenroll = may_autoenroll;
    explanation->text = add(e, enroll, autoenroll);
    if (narrow && may_enroll && !may_autoenroll)
        explanation->text =
            add(e, explanation->text, "CEPTemplateRights asks for AutoEnroll, too.");
    explanation->text = add(e, explanation->text, name_publishers(e, t->ca_refs));
}

/* [MS-WCCE] 3.2.2.6.2.1.4.5.6: the old key is all that is asked for. */
static void explain_renewal(const struct explainer *e, const struct image_template *t,
                            struct cep_explanation *explanation)
{
    explanation->offered = explanation->autoenroll = t->renewal_ca_refs.count > 0;
    if (!(t->enrollment_flags & CEP_ENROLLMENT_KEY_BASED_RENEWAL))
        explanation->text = "It does not allow key based renewal (enrollment flag 0x10000).";
    else if (t->renewal_ca_refs.count == 0)
        explanation->text = "No CA that publishes it has an enrollment URI for renewal by the old "
                            "key.";
    else
        explanation->text =
            add(e, "The old key is enough to renew it.", name_publishers(e, t->renewal_ca_refs));
}

/* What the instance takes away, whoever asks. */
static void explain_view(const struct explainer *e, apr_uint32_t number,
                         struct cep_explanation *explanation)
{
    uint32_t flags = e->snapshot->templates[number].private_key_flags;
    unsigned client = flags >> 24 & 0xf, server = flags >> 16 & 0xf;
    unsigned needed = client > server ? client : server;

    if (e->shown && !e->shown[number]) {
        explanation->offered = 0;
        explanation->text = add(e, explanation->text, "CEPTemplates does not show it.");
    }
    if (e->view && needed > e->view->max_version) {
        explanation->offered = 0;
        explanation->text =
            add(e, explanation->text,
                apr_psprintf(e->pool, "It needs version %u, and CEPMaxVersion is %u.", needed,
                             (unsigned)e->view->max_version));
    }
}

static void explain(const struct explainer *e, apr_uint32_t number,
                    struct cep_explanation *explanation)
{
    const struct image_template *t = &e->snapshot->templates[number];
    const char *note;

    explanation->name = image_at(e->snapshot, t->cn);
    explanation->oid = image_at(e->snapshot, t->oid);
    if (is_for_renewal(e))
        explain_renewal(e, t, explanation);
    else
        explain_rights(e, t, explanation);
    explain_view(e, number, explanation);
    explanation->autoenroll &= explanation->offered;
    explanation->text = add(e, explanation->text, name_versions(e, t->private_key_flags));
    note = apr_hash_get(e->notes, explanation->name, APR_HASH_KEY_STRING);
    if (note)
        explanation->text = add(e, explanation->text, note);
}

/* What findings say about templates that are there all the same. */
static apr_hash_t *gather_notes(const struct explainer *e)
{
    apr_hash_t *notes = apr_hash_make(e->pool);

    for (int i = 0; i < cep_snapshot_finding_count(e->snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(e->snapshot, i);
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

apr_array_header_t *cep_explain(const struct cep_snapshot *snapshot, const struct cep_token *token,
                                const struct cep_view *view, apr_pool_t *pool)
{
    struct explainer e = {.snapshot = snapshot, .view = view, .pool = pool};
    apr_uint32_t count = snapshot->header->templates.count;
    apr_array_header_t *all = apr_array_make(pool, (int)count + 8, sizeof(struct cep_explanation));

    e.held = hold(snapshot, token, pool);
    e.notes = gather_notes(&e);
    if (view && view->templates)
        e.shown = cep_view_shown(snapshot, view);
    for (apr_uint32_t i = 0; i < count; i++)
        explain(&e, i, apr_array_push(all));
    for (int i = 0; i < cep_snapshot_finding_count(snapshot); i++) {
        struct cep_finding finding = cep_snapshot_finding(snapshot, i);
        struct cep_explanation *explanation;

        if (finding.kind != CEP_OBJECT_TEMPLATE || !finding.left_out)
            continue;
        explanation = apr_array_push(all);
        memset(explanation, 0, sizeof(*explanation));
        explanation->name = finding.name;
        explanation->oid = "";
        explanation->text =
            apr_pstrcat(pool, "Left out for everybody. ", sentence_of(&e, &finding), NULL);
    }
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

int cep_explain_ca_count(const struct cep_snapshot *snapshot)
{
    return (int)snapshot->header->cas.count;
}

int cep_explain_oid_count(const struct cep_snapshot *snapshot)
{
    return (int)snapshot->header->oids.count;
}
