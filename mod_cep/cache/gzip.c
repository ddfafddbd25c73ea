/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A gzip member around a body that was deflated before: RFC 1952, RFC 1951. */

#include "cep_answer.h"

#include <string.h>

#include <zlib.h>

/* ID1 ID2, CM deflate, no flags, no time (equal answers are equal octets), XFL 0, OS unknown. */
static const unsigned char gzip_header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

/* RFC 1951, 3.2.4: three bits, padding to the octet, LEN and its complement. */
#define STORED_OPENING 5
#define STORED_MAX     65535u

static unsigned char *put_16(unsigned char *at, apr_uint32_t value)
{
    *at++ = value & 0xff;
    *at++ = value >> 8 & 0xff;
    return at;
}

static unsigned char *put_32(unsigned char *at, apr_uint32_t value)
{
    return put_16(put_16(at, value), value >> 16);
}

/* Not the last block: the body's own follow. */
static unsigned char *put_stored(unsigned char *at, const char *data, apr_size_t length)
{
    *at++ = 0;
    at = put_16(at, (apr_uint32_t)length);
    at = put_16(at, ~(apr_uint32_t)length);
    memcpy(at, data, length);
    return at + length;
}

void cep_gzip_frame(struct cep_value *opening, struct cep_value *closing, const char *head,
                    const struct cep_body *body, apr_pool_t *pool)
{
    apr_size_t length = strlen(head);
    apr_size_t blocks = (length + STORED_MAX - 1) / STORED_MAX;
    unsigned char *start = apr_palloc(pool, sizeof(gzip_header) + blocks * STORED_OPENING + length);
    unsigned char *at = start, *end = apr_palloc(pool, 8);
    uLong crc = crc32(0, NULL, 0);

    memcpy(at, gzip_header, sizeof(gzip_header));
    at += sizeof(gzip_header);
    for (apr_size_t done = 0; done < length; done += STORED_MAX) {
        apr_size_t n = length - done < STORED_MAX ? length - done : STORED_MAX;

        crc = crc32(crc, (const Bytef *)head + done, (uInt)n);
        at = put_stored(at, head + done, n);
    }
    opening->data = start;
    opening->len = (apr_size_t)(at - start);

    crc = crc32_combine(crc, body->crc, (z_off_t)body->length);
    put_32(put_32(end, (apr_uint32_t)crc), (apr_uint32_t)(length + body->length));
    closing->data = end;
    closing->len = 8;
}
