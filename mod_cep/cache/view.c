/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Which templates an instance shows by their names, and the identifier that comes of it. */

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "image.h"
#include "cep_digest.h"
#include "cep_octets.h"

const char *cep_view_add(apr_array_header_t *templates, const char *text)
{
    int excludes = *text == '!';
    struct cep_value value = {NULL, 0};
    struct cep_view_pattern *added;
    const char *pattern = text + excludes;

    value.data = (const unsigned char *)pattern;
    value.len = strlen(pattern);
    if (value.len == 0)
        return "names nothing";
    if (value.len > CEP_VIEW_MAX_PATTERN)
        return "is longer than the name of any template";
    if (cep_has_control_character(value.data, value.len))
        return "holds control characters";
    if (!cep_value_is_text(&value))
        return "is not written in UTF-8";
    pattern = cep_text_fold(templates->pool, pattern);
    for (int i = 0; i < templates->nelts; i++) {
        const struct cep_view_pattern *other =
            &APR_ARRAY_IDX(templates, i, const struct cep_view_pattern);

        if (other->excludes != excludes && !strcmp(other->pattern, pattern))
            return "is both included and excluded";
    }
    added = apr_array_push(templates);
    added->pattern = pattern;
    added->excludes = excludes;
    return NULL;
}

int cep_view_shows(const struct cep_view *view, const char *cn, apr_pool_t *scratch)
{
    const char *folded;
    int inclusions = 0, included = 0;

    if (!view->templates || view->templates->nelts == 0)
        return 1;
    folded = cep_text_fold(scratch, cn);
    for (int i = 0; i < view->templates->nelts; i++) {
        const struct cep_view_pattern *pattern =
            &APR_ARRAY_IDX(view->templates, i, const struct cep_view_pattern);
        int matches = apr_fnmatch(pattern->pattern, folded, 0) == APR_SUCCESS;

        if (matches && pattern->excludes)
            return 0;
        inclusions += !pattern->excludes;
        included |= matches;
    }
    return included || inclusions == 0;
}

/* ---- once per snapshot, for all requests ---- */

struct shown {
    struct shown *next;
    const apr_array_header_t *templates;
    unsigned char marks[];
};

struct identity {
    struct identity *next;
    const apr_array_header_t *templates;
    int autoenroll_only;
    const char *policy_id;
};

/*
 * Thousands of names by some patterns take milliseconds, so they are looked at once per mapping and
 * not per request; a policyID's digest is worth keeping, too. The lists are the configuration's, so
 * there are only a few.
 */
struct cep_view_cache {
    apr_thread_mutex_t *mutex;
    apr_pool_t *pool; /* with an allocator of its own: used under the mutex only */
    struct shown *first;
    struct identity *identities;
};

static apr_status_t destroy_pool(void *pool)
{
    apr_pool_destroy(pool);
    return APR_SUCCESS;
}

struct cep_view_cache *cep_view_cache_make(apr_pool_t *pool)
{
    struct cep_view_cache *cache = apr_pcalloc(pool, sizeof(*cache));

    if (apr_pool_create_unmanaged_ex(&cache->pool, NULL, NULL) != APR_SUCCESS)
        return NULL;
    apr_pool_cleanup_register(pool, cache->pool, destroy_pool, apr_pool_cleanup_null);
    if (apr_thread_mutex_create(&cache->mutex, APR_THREAD_MUTEX_DEFAULT, cache->pool) !=
        APR_SUCCESS)
        return NULL;
    return cache;
}

static struct shown *make_shown(const struct cep_snapshot *snapshot, const struct cep_view *view)
{
    apr_pool_t *pool = snapshot->views->pool, *scratch;
    apr_size_t count = snapshot->header->templates.count;
    struct shown *shown = apr_pcalloc(pool, sizeof(*shown) + count);

    shown->templates = view->templates;
    if (apr_pool_create(&scratch, pool) != APR_SUCCESS)
        return shown; /* nothing is shown */
    for (apr_size_t i = 0; i < count; i++) {
        shown->marks[i] = (unsigned char)cep_view_shows(
            view, image_at(snapshot, snapshot->templates[i].cn), scratch);
        if (i % 256 == 255)
            apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
    return shown;
}

const unsigned char *cep_view_shown(const struct cep_snapshot *snapshot,
                                    const struct cep_view *view)
{
    struct cep_view_cache *cache = snapshot->views;
    struct shown *shown;

    apr_thread_mutex_lock(cache->mutex);
    for (shown = cache->first; shown && shown->templates != view->templates; shown = shown->next)
        ;
    if (!shown) {
        shown = make_shown(snapshot, view);
        shown->next = cache->first;
        cache->first = shown;
    }
    apr_thread_mutex_unlock(cache->mutex);
    return shown->marks;
}

/* ---- policyID ---- */

static int compare_patterns(const void *a, const void *b)
{
    const struct cep_view_pattern *x = a, *y = b;

    return x->excludes != y->excludes ? x->excludes - y->excludes : strcmp(x->pattern, y->pattern);
}

/*
 * The names in one form for all spellings that show the same by the same words: sorted, each once,
 * without inclusions where one of them is "*".
 */
static const char *canonical_names(const apr_array_header_t *templates, apr_pool_t *pool)
{
    apr_array_header_t *sorted, *lines;
    const char *last = "";
    int all = 0;

    if (!templates)
        return "";
    sorted = apr_array_copy(pool, templates);
    lines = apr_array_make(pool, sorted->nelts + 1, sizeof(const char *));
    if (sorted->nelts > 1)
        qsort(sorted->elts, (size_t)sorted->nelts, (size_t)sorted->elt_size, compare_patterns);
    for (int i = 0; i < sorted->nelts; i++) {
        const struct cep_view_pattern *p = &APR_ARRAY_IDX(sorted, i, const struct cep_view_pattern);

        all |= !p->excludes && !strcmp(p->pattern, "*");
    }
    for (int i = 0; i < sorted->nelts; i++) {
        const struct cep_view_pattern *p = &APR_ARRAY_IDX(sorted, i, const struct cep_view_pattern);
        const char *line = apr_pstrcat(pool, p->excludes ? "!" : "=", p->pattern, "\n", NULL);

        if ((all && !p->excludes) || !strcmp(line, last))
            continue;
        APR_ARRAY_PUSH(lines, const char *) = line;
        last = line;
    }
    return apr_array_pstrcat(pool, lines, 0);
}

const char *cep_view_policy_id(const struct cep_view *view, const char *forest_id, apr_pool_t *pool)
{
    static const char space[] = "mod_cep policyID 1\n";
    const char *names = canonical_names(view->templates, pool);
    const char *rights = view->autoenroll_only ? "autoenroll\n" : "";
    const char *end = *names || *rights ? "\n" : "";
    const char *text = apr_pstrcat(pool, space, forest_id, end, rights, names, NULL);
    unsigned char d[EVP_MAX_MD_SIZE];

    if (EVP_Digest(text, strlen(text), d, NULL, cep_sha256(), NULL) != 1)
        return NULL;
    d[6] = (d[6] & 0x0f) | 0x80;
    d[8] = (d[8] & 0x3f) | 0x80;
    return apr_psprintf(
        pool, "{%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X}", d[0], d[1],
        d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
}

const char *cep_snapshot_policy_id(const struct cep_snapshot *snapshot, const struct cep_view *view)
{
    struct cep_view_cache *cache = snapshot->views;
    struct identity *identity;

    apr_thread_mutex_lock(cache->mutex);
    for (identity = cache->identities; identity; identity = identity->next) {
        if (identity->templates == view->templates &&
            identity->autoenroll_only == view->autoenroll_only)
            break;
    }
    if (!identity) {
        identity = apr_palloc(cache->pool, sizeof(*identity));
        identity->templates = view->templates;
        identity->autoenroll_only = view->autoenroll_only;
        identity->policy_id =
            cep_view_policy_id(view, cep_snapshot_forest_id(snapshot), cache->pool);
        if (identity->policy_id) {
            identity->next = cache->identities;
            cache->identities = identity;
        }
    }
    apr_thread_mutex_unlock(cache->mutex);
    return identity->policy_id;
}
