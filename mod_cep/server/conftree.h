/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* httpd's tree of directives, as read: Include, IfModule, IfDefine and Define are resolved in it.
 */
#ifndef CEP_CONFTREE_H
#define CEP_CONFTREE_H

#include "httpd.h"
#include "http_config.h"

/* The directive behind node in the order of the configuration; NULL at the end of top's subtree. */
const ap_directive_t *cep_conf_next(const ap_directive_t *node, const ap_directive_t *top,
                                    int enter_hosts);

/* The <VirtualHost> that node stands in; NULL outside of all of them. */
const ap_directive_t *cep_conf_host(const ap_directive_t *node);

/* 1 when node is that directive ("SetHandler") or opens that section ("<VirtualHost"). */
int cep_conf_is(const ap_directive_t *node, const char *name);

/* The first argument in pool, without quotes; "" when there is none. */
const char *cep_conf_argument(const ap_directive_t *node, apr_pool_t *pool);

/* 1 when node is SetHandler with that handler; core makes lower case of it. */
int cep_conf_sets_handler(const ap_directive_t *node, const char *handler, apr_pool_t *pool);

/* 1 when it is among the arguments, without regard to case. */
int cep_conf_has_argument(const ap_directive_t *node, const char *argument, apr_pool_t *pool);

/*
 * A place: where SetHandler cep stands. httpd merges sections per request; without one, what can be
 * said of a section is which others cover the same URLs, and that in doubt they do.
 */
struct cep_place {
    const ap_directive_t *handler; /* the SetHandler */
    const ap_directive_t *section; /* the outermost section around it; NULL: none */
    const ap_directive_t *host;    /* the virtual host; NULL: the main server, and so all hosts */
    const char *path;              /* a URL path that the section matches; NULL: not known */
    apr_pool_t *pool;
};
void cep_place_init(struct cep_place *place, const ap_directive_t *handler, apr_pool_t *pool);

/* How near a directive is to a place. In httpd the nearer one wins. */
enum cep_nearness {
    CEP_ELSEWHERE,
    CEP_MAIN_SERVER,  /* outside of all sections */
    CEP_VIRTUAL_HOST, /* outside of all sections of the host */
    CEP_COVERING,     /* in another section that covers the place */
    CEP_OWN           /* in the place's own section */
};
enum cep_nearness cep_place_nearness(const struct cep_place *place, const ap_directive_t *node);

/* All directives that the place's host sees, from the first one (node NULL) on. */
const ap_directive_t *cep_place_next(const struct cep_place *place, const ap_directive_t *node);

/* The directive of that name that is in force; NULL when there is none. */
const ap_directive_t *cep_place_find(const struct cep_place *place, const char *name);

/* 1 when it is in force with On, or that argument. */
int cep_place_says(const struct cep_place *place, const char *name, const char *argument);

#endif
