/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* How a finished answer is made and kept; private to cache/. */
#ifndef CEP_CACHE_ANSWER_H
#define CEP_CACHE_ANSWER_H

#include "cep_answer.h"

/* Where an answer is written to, piece by piece. After a failure nothing more is written. */
struct cep_answer_sink {
    apr_status_t (*write)(void *baton, const void *data, apr_size_t length);
    void *baton;
    apr_status_t status;
};

/* Write a body, before coding. */
void cep_answer_render(struct cep_answer_sink *sink, const struct cep_snapshot *snapshot,
                       const struct cep_selection *selection, const char *language);

/* ---- body_file.c: one body in one file ---- */

struct cep_body_map {
    void *base;
    apr_size_t length;
    struct cep_body body;
};

/* Render into the open, empty file. */
apr_status_t cep_body_write(int fd, const struct cep_answer *answer, enum cep_coding coding);

/* Map the file and verify it; NULL, or what is wrong with it. */
const char *cep_body_map(struct cep_body_map *map, int fd,
                         const struct cep_answer_class *answer_class, enum cep_coding coding);
void cep_body_unmap(struct cep_body_map *map);

/* ---- body_dir.c: the directory of files ---- */

struct cep_body_dir {
    const char *path;
    struct cep_answers_limits limits;
    const struct cep_log *log;
};

/*
 * Find the body's file, or make it. Where the directory cannot be written, the body is made in
 * memory that only this process has, and *error says why; else *error is NULL.
 */
apr_status_t cep_body_obtain(struct cep_body_map *map, enum cep_body_origin *origin,
                             const struct cep_body_dir *dir, const struct cep_answer *answer,
                             enum cep_coding coding, const char **error, apr_pool_t *pool);

#endif
