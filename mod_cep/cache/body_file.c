/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* One finished body in one file: written in small pieces, verified once per mapping. */

#include "answer.h"
#include "cep_digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zlib.h>

#define MAGIC  "CEPBODY" /* with its NUL: 8 octets */
#define FORMAT 1u

/* In front of the octets; a page, so that these begin on one. */
#define HEADER_LENGTH 4096

struct body_header {
    char magic[8];
    unsigned char digest[CEP_DIGEST_LENGTH]; /* of all members below, and of the octets */
    apr_uint32_t format;
    apr_uint32_t coding;
    unsigned char key[CEP_DIGEST_LENGTH]; /* of the class */
    unsigned char content[CEP_DIGEST_LENGTH];
    apr_uint64_t length; /* before coding */
    apr_uint64_t coded;  /* octets that follow */
    apr_uint32_t crc;
    apr_uint32_t unused;
};
_Static_assert(sizeof(struct body_header) <= HEADER_LENGTH, "the header fits");

#define DIGESTED offsetof(struct body_header, format)

/* Fragments are a few KiB: gathered, so that neither write() nor zlib is called for each. */
#define GATHER 32768

struct writer {
    int fd;
    enum cep_coding coding;
    EVP_MD_CTX *content, *coded_digest;
    struct body_header header;
    z_stream deflater;
    int deflating;
    apr_size_t held;
    unsigned char gathered[GATHER], packed[GATHER];
};

static apr_status_t write_all(int fd, const unsigned char *data, apr_size_t length, off_t at)
{
    while (length > 0) {
        ssize_t n = pwrite(fd, data, length, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? APR_FROM_OS_ERROR(errno) : APR_ENOSPC;
        data += n;
        at += n;
        length -= (apr_size_t)n;
    }
    return APR_SUCCESS;
}

static apr_status_t put_coded(struct writer *w, const unsigned char *data, apr_size_t length)
{
    apr_status_t rv = write_all(w->fd, data, length, (off_t)(HEADER_LENGTH + w->header.coded));

    if (rv == APR_SUCCESS && !EVP_DigestUpdate(w->coded_digest, data, length))
        rv = APR_EGENERAL;
    w->header.coded += length;
    return rv;
}

static apr_status_t deflate_gathered(struct writer *w, int flush)
{
    apr_status_t rv = APR_SUCCESS;

    w->deflater.next_in = w->gathered;
    w->deflater.avail_in = (uInt)w->held;
    do {
        w->deflater.next_out = w->packed;
        w->deflater.avail_out = GATHER;
        if (deflate(&w->deflater, flush) == Z_STREAM_ERROR)
            return APR_EGENERAL;
        rv = put_coded(w, w->packed, GATHER - w->deflater.avail_out);
    } while (rv == APR_SUCCESS && w->deflater.avail_out == 0);
    return rv;
}

/* Pass on what was gathered. */
static apr_status_t pass_on(struct writer *w, int flush)
{
    apr_status_t rv;

    if (!EVP_DigestUpdate(w->content, w->gathered, w->held))
        return APR_EGENERAL;
    w->header.crc = (apr_uint32_t)crc32(w->header.crc, w->gathered, (uInt)w->held);
    w->header.length += w->held;
    if (w->coding == CEP_CODING_GZIP)
        rv = deflate_gathered(w, flush);
    else
        rv = put_coded(w, w->gathered, w->held);
    w->held = 0;
    return rv;
}

static apr_status_t gather(void *baton, const void *data, apr_size_t length)
{
    struct writer *w = baton;
    const unsigned char *from = data;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && length > 0) {
        apr_size_t n = length < GATHER - w->held ? length : GATHER - w->held;

        memcpy(w->gathered + w->held, from, n);
        w->held += n;
        from += n;
        length -= n;
        if (w->held == GATHER)
            rv = pass_on(w, Z_NO_FLUSH);
    }
    return rv;
}

static int start(struct writer *w)
{
    memcpy(w->header.magic, MAGIC, sizeof(MAGIC));
    w->header.format = FORMAT;
    w->header.coding = (apr_uint32_t)w->coding;
    w->header.crc = (apr_uint32_t)crc32(0, NULL, 0);
    w->content = EVP_MD_CTX_new();
    w->coded_digest = EVP_MD_CTX_new();
    if (!w->content || !w->coded_digest || !EVP_DigestInit_ex(w->content, cep_sha256(), NULL) ||
        !EVP_DigestInit_ex(w->coded_digest, cep_sha256(), NULL))
        return 0;
    if (w->coding != CEP_CODING_GZIP)
        return 1;
    /* A negative window: no zlib header, the stream becomes part of a gzip member. */
    w->deflating = deflateInit2(&w->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS,
                                MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) == Z_OK;
    return w->deflating;
}

/* The digest of the octets goes on over the header's members. */
static apr_status_t finish(struct writer *w)
{
    const unsigned char *header = (const unsigned char *)&w->header;
    apr_status_t rv = pass_on(w, Z_FINISH);

    if (rv != APR_SUCCESS)
        return rv;
    if (!EVP_DigestFinal_ex(w->content, w->header.content, NULL) ||
        !EVP_DigestUpdate(w->coded_digest, header + DIGESTED, sizeof(w->header) - DIGESTED) ||
        !EVP_DigestFinal_ex(w->coded_digest, w->header.digest, NULL))
        return APR_EGENERAL;
    return write_all(w->fd, header, sizeof(w->header), 0);
}

apr_status_t cep_body_write(int fd, const struct cep_answer *answer, enum cep_coding coding)
{
    struct writer *w = calloc(1, sizeof(*w));
    struct cep_answer_sink sink = {gather, w, APR_SUCCESS};
    apr_status_t rv = APR_ENOMEM;

    if (!w)
        return rv;
    w->fd = fd;
    w->coding = coding;
    memcpy(w->header.key, answer->answer_class.key, CEP_DIGEST_LENGTH);
    if (start(w)) {
        cep_answer_render(&sink, answer->snapshot, answer->selection, answer->language);
        rv = sink.status == APR_SUCCESS ? finish(w) : sink.status;
    }
    if (w->deflating)
        deflateEnd(&w->deflater);
    EVP_MD_CTX_free(w->content);
    EVP_MD_CTX_free(w->coded_digest);
    free(w);
    return rv;
}

static int digest_fits(const struct body_header *header, const unsigned char *octets)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char digest[CEP_DIGEST_LENGTH];
    int good = md && EVP_DigestInit_ex(md, cep_sha256(), NULL) &&
               EVP_DigestUpdate(md, octets, header->coded) &&
               EVP_DigestUpdate(md, (const unsigned char *)header + DIGESTED,
                                sizeof(*header) - DIGESTED) &&
               EVP_DigestFinal_ex(md, digest, NULL) &&
               memcmp(digest, header->digest, sizeof(digest)) == 0;

    EVP_MD_CTX_free(md);
    return good;
}

static const char *check(const struct cep_body_map *map,
                         const struct cep_answer_class *answer_class, enum cep_coding coding)
{
    const struct body_header *header = map->base;

    if (memcmp(header->magic, MAGIC, sizeof(MAGIC)) != 0 || header->format != FORMAT)
        return "it is no answer of this version";
    if (header->coding != (apr_uint32_t)coding ||
        memcmp(header->key, answer_class->key, CEP_DIGEST_LENGTH) != 0)
        return "it is another answer than its name says";
    if (header->coded != map->length - HEADER_LENGTH)
        return "its length is not the one it was written with";
    if (!digest_fits(header, (const unsigned char *)map->base + HEADER_LENGTH))
        return "its digest is wrong, so it was damaged or changed";
    return NULL;
}

const char *cep_body_map(struct cep_body_map *map, int fd,
                         const struct cep_answer_class *answer_class, enum cep_coding coding)
{
    const struct body_header *header;
    struct stat info;
    const char *error;

    memset(map, 0, sizeof(*map));
    if (fstat(fd, &info) != 0)
        return strerror(errno);
    /* Nobody but this user makes these files: they say who may enroll. */
    if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)))
        return "it is no regular file of httpd's user that nobody else may write";
    if (info.st_size <= HEADER_LENGTH)
        return "it is too short";
    map->length = (apr_size_t)info.st_size;
    map->base = mmap(NULL, map->length, PROT_READ, MAP_SHARED, fd, 0);
    if (map->base == MAP_FAILED) {
        map->base = NULL;
        return "it cannot be mapped into memory";
    }
    error = check(map, answer_class, coding);
    if (error) {
        cep_body_unmap(map);
        return error;
    }
    header = map->base;
    map->body.octets.data = (const unsigned char *)map->base + HEADER_LENGTH;
    map->body.octets.len = header->coded;
    map->body.length = header->length;
    map->body.crc = header->crc;
    memcpy(map->body.content, header->content, CEP_DIGEST_LENGTH);
    return NULL;
}

void cep_body_unmap(struct cep_body_map *map)
{
    if (map->base)
        munmap(map->base, map->length);
    map->base = NULL;
}
