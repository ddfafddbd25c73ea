/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Finished answers. Callers for whom the same policies are selected, with the same rights, share
 * one body: it is rendered once per snapshot, put into a file beside the snapshot and mapped
 * read-only by every process that sends it. So there is one copy per machine, whatever the number
 * of processes, and none in their own memory. A body begins behind the request's own part, the
 * head: cep_xcep_render_head().
 */
#ifndef CEP_ANSWER_H
#define CEP_ANSWER_H

#include "cep_log.h"
#include "cep_snapshot.h"

/* How a body is coded for HTTP. */
enum cep_coding {
    CEP_CODING_IDENTITY,
    CEP_CODING_GZIP /* a raw deflate stream (RFC 1951): the rest of a gzip member */
};

/*
 * What callers of one class have in common: SHA-256 over the snapshot's digest, the selection and
 * the names of OIDs that the language chooses. language: as in cep_answers_acquire().
 */
struct cep_answer_class {
    unsigned char key[CEP_DIGEST_LENGTH];
};

/* 1, or 0 when the library fails. */
int cep_answer_classify(struct cep_answer_class *answer_class, const struct cep_snapshot *snapshot,
                        const struct cep_selection *selection, const char *language);

struct cep_body {
    struct cep_value octets;                  /* as they are sent */
    apr_uint64_t length;                      /* before coding */
    apr_uint32_t crc;                         /* CRC-32 before coding */
    unsigned char content[CEP_DIGEST_LENGTH]; /* SHA-256 before coding: what the caller sees */
};

/* Where a body was found, for the log. */
enum cep_body_origin {
    CEP_BODY_HELD,   /* in this process */
    CEP_BODY_MAPPED, /* in a file that another process, or an earlier one, has made */
    CEP_BODY_MADE    /* nowhere */
};

/* Bounds of what one process has mapped, and of what lies in the directory. */
struct cep_answers_limits {
    int count;
    apr_uint64_t octets;
};
#define CEP_ANSWERS_MAX_COUNT  128
#define CEP_ANSWERS_MAX_OCTETS (256 * APR_UINT64_C(1048576))

struct cep_answers; /* one process's finished answers of one directory; for any number of threads */

/*
 * path: the directory for files, made when it is needed. Where it cannot be written, each process
 * holds its own copies. The pool is a process's. limits NULL: those above.
 */
struct cep_answers *cep_answers_make(apr_pool_t *pool, const char *path,
                                     const struct cep_answers_limits *limits,
                                     const struct cep_log *log);

/* What is asked for. */
struct cep_answer {
    const struct cep_snapshot *snapshot;
    const struct cep_selection *selection;
    const char *language; /* names of OIDs in it, where the directory has them; NULL: the default */
    struct cep_answer_class answer_class; /* of just these */
};

/*
 * The body of a class, pinned until pool is cleared. Of several threads that want one that is not
 * there, one makes it. What is used least recently goes when a limit is passed, and what belongs
 * to other snapshots goes first; whoever has it pinned keeps it.
 */
apr_status_t cep_answers_acquire(const struct cep_body **body, enum cep_body_origin *origin,
                                 struct cep_answers *answers, const struct cep_answer *answer,
                                 enum cep_coding coding, apr_pool_t *pool);

/*
 * What stands around a deflated body, so that together they are one gzip member (RFC 1952) of head
 * and body: the head goes in a stored block, that is, uncompressed, since it has the client's own
 * text in it and must not be compressed together with anything. Both in pool.
 */
void cep_gzip_frame(struct cep_value *opening, struct cep_value *closing, const char *head,
                    const struct cep_body *body, apr_pool_t *pool);

#endif
