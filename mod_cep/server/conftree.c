/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Reading httpd's tree of directives. */

#include "conftree.h"

#include "http_core.h"
#include "ap_regex.h"

#include <apr_fnmatch.h>
#include <apr_lib.h>
#include <apr_strings.h>

int cep_conf_is(const ap_directive_t *node, const char *name)
{
    return !ap_cstr_casecmp(node->directive, name);
}

const ap_directive_t *cep_conf_next(const ap_directive_t *node, const ap_directive_t *top,
                                    int enter_hosts)
{
    if (node->first_child && (enter_hosts || !cep_conf_is(node, "<VirtualHost")))
        return node->first_child;
    while (!node->next) {
        node = node->parent;
        if (!node || node == top)
            return NULL;
    }
    return node->next;
}

const ap_directive_t *cep_conf_host(const ap_directive_t *node)
{
    for (node = node->parent; node; node = node->parent) {
        if (cep_conf_is(node, "<VirtualHost"))
            return node;
    }
    return NULL;
}

/* The arguments; those of a section without the bracket that ends it. */
static const char *arguments(const ap_directive_t *node, apr_pool_t *pool)
{
    const char *bracket = *node->directive == '<' ? strrchr(node->args, '>') : NULL;

    return bracket ? apr_pstrndup(pool, node->args, (apr_size_t)(bracket - node->args))
                   : node->args;
}

const char *cep_conf_argument(const ap_directive_t *node, apr_pool_t *pool)
{
    const char *rest = arguments(node, pool);

    return ap_getword_conf(pool, &rest);
}

int cep_conf_sets_handler(const ap_directive_t *node, const char *handler, apr_pool_t *pool)
{
    return cep_conf_is(node, "SetHandler") &&
           !ap_cstr_casecmp(cep_conf_argument(node, pool), handler);
}

int cep_conf_has_argument(const ap_directive_t *node, const char *argument, apr_pool_t *pool)
{
    const char *rest = arguments(node, pool), *word;

    while (*(word = ap_getword_conf(pool, &rest))) {
        if (!ap_cstr_casecmp(word, argument))
            return 1;
    }
    return 0;
}

static const ap_directive_t *section_of(const ap_directive_t *node)
{
    const ap_directive_t *section = NULL;

    for (node = node->parent; node && !cep_conf_is(node, "<VirtualHost"); node = node->parent)
        section = node;
    return section;
}

/* The URL pattern of <Location>, <Location ~> and <LocationMatch>; NULL for other sections. */
static const char *url_pattern(const ap_directive_t *section, int *is_regex, apr_pool_t *pool)
{
    const char *rest = arguments(section, pool), *word = ap_getword_conf(pool, &rest);

    *is_regex = cep_conf_is(section, "<LocationMatch");
    if (!*is_regex && !cep_conf_is(section, "<Location"))
        return NULL;
    if (strcmp(word, "~"))
        return word;
    *is_regex = 1;
    return ap_getword_conf(pool, &rest);
}

static int matches_regex(const char *pattern, const char *path, apr_pool_t *pool)
{
    ap_regex_t *regex = ap_pregcomp(pool, pattern, AP_REG_EXTENDED);

    return regex && !ap_regexec(regex, path, 0, NULL, 0);
}

/* The one path that a plain expression such as (?i)^/a/b\.svc$ stands for; NULL for others. */
static const char *path_of_regex(const char *pattern, apr_pool_t *pool)
{
    const char *from = pattern;
    char *path = apr_palloc(pool, strlen(pattern) + 1), *to = path;

    if (!strncmp(from, "(?i)", 4))
        from += 4;
    if (*from == '^')
        from++;
    for (; *from && strcmp(from, "$"); from++) {
        if (*from == '\\' && apr_ispunct(from[1]))
            from++;
        else if (strchr("\\.*+?()[]{}|^$", *from))
            return NULL;
        *to++ = *from;
    }
    *to = '\0';
    return *path == '/' && matches_regex(pattern, path, pool) ? path : NULL;
}

static const char *path_of(const ap_directive_t *section, apr_pool_t *pool)
{
    int is_regex;
    const char *pattern = section ? url_pattern(section, &is_regex, pool) : NULL;

    if (!pattern)
        return NULL;
    if (is_regex)
        return path_of_regex(pattern, pool);
    return apr_fnmatch_test(pattern) ? NULL : pattern;
}

void cep_place_init(struct cep_place *place, const ap_directive_t *handler, apr_pool_t *pool)
{
    place->handler = handler;
    place->section = section_of(handler);
    place->host = cep_conf_host(handler);
    place->path = path_of(place->section, pool);
    place->pool = pool;
}

/* 1 when path is above or equal to of, as whole segments. */
static int is_above(const char *path, const char *of)
{
    size_t length = strlen(path);

    while (length > 0 && path[length - 1] == '/')
        length--;
    return !strncmp(path, of, length) && (of[length] == '/' || !of[length]);
}

/* A <Directory> covers what has no file of its own when the document root is below it. */
static int covers_documents(const struct cep_place *place, const ap_directive_t *section)
{
    const char *directory = cep_conf_argument(section, place->pool);
    const ap_directive_t *root = cep_place_find(place, "DocumentRoot");

    if (!cep_conf_is(section, "<Directory") || apr_fnmatch_test(directory) || *directory == '~')
        return 1;
    return is_above(directory, root ? cep_conf_argument(root, place->pool) : "/");
}

/* Whether a section may cover the place. In doubt it does. */
static int covers(const struct cep_place *place, const ap_directive_t *section)
{
    int is_regex;
    const char *pattern = url_pattern(section, &is_regex, place->pool);

    if (place->section && cep_conf_is(section, place->section->directive) &&
        !strcmp(section->args, place->section->args))
        return 1;
    if (!pattern) {
        if (!ap_cstr_casecmpn(section->directive, "<Directory", 10))
            return !place->path || covers_documents(place, section);
        return !ap_cstr_casecmpn(section->directive, "<If", 3) ||
               !ap_cstr_casecmpn(section->directive, "<Files", 6);
    }
    if (!place->path)
        return 1;
    if (is_regex)
        return matches_regex(pattern, place->path, place->pool);
    return apr_fnmatch_test(pattern)
               ? apr_fnmatch(pattern, place->path, APR_FNM_PATHNAME) == APR_SUCCESS
               : is_above(pattern, place->path);
}

enum cep_nearness cep_place_nearness(const struct cep_place *place, const ap_directive_t *node)
{
    const ap_directive_t *section = section_of(node), *host = cep_conf_host(node);

    if (host && host != place->host)
        return CEP_ELSEWHERE;
    if (section && section == place->section)
        return CEP_OWN;
    if (section)
        return covers(place, section) ? CEP_COVERING : CEP_ELSEWHERE;
    return host ? CEP_VIRTUAL_HOST : CEP_MAIN_SERVER;
}

const ap_directive_t *cep_place_next(const struct cep_place *place, const ap_directive_t *node)
{
    const ap_directive_t *host = node ? cep_conf_host(node) : NULL;

    node = node ? cep_conf_next(node, host, 0) : ap_conftree;
    return node || host || !place->host ? node : place->host->first_child;
}

const ap_directive_t *cep_place_find(const struct cep_place *place, const char *name)
{
    const ap_directive_t *found = NULL;
    enum cep_nearness best = CEP_ELSEWHERE;

    for (const ap_directive_t *node = cep_place_next(place, NULL); node;
         node = cep_place_next(place, node)) {
        enum cep_nearness nearness;

        if (!cep_conf_is(node, name))
            continue;
        nearness = cep_place_nearness(place, node);
        if (nearness != CEP_ELSEWHERE && nearness >= best) {
            best = nearness;
            found = node;
        }
    }
    return found;
}

int cep_place_says(const struct cep_place *place, const char *name, const char *argument)
{
    const ap_directive_t *node = cep_place_find(place, name);

    return node && !ap_cstr_casecmp(cep_conf_argument(node, place->pool), argument);
}
