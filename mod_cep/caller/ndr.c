/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Octets with a bound, and a place in them. */
#include "ndr.h"

/* [MS-RPCE] 2.2.6.1 and 2.2.6.2: the common and the private header, 8 octets each. */
enum {
    HEADERS_LENGTH = 16,
    SERIALIZATION_VERSION = 1,
    LITTLE_ENDIAN_DATA = 0x10,
    COMMON_HEADER_LENGTH = 8,
    OBJECT_ALIGNMENT = 8
};

void cep_ndr_fail(struct cep_ndr *ndr, const char *problem)
{
    if (!ndr->problem)
        ndr->problem = problem;
}

const unsigned char *cep_ndr_take(struct cep_ndr *ndr, size_t length)
{
    const unsigned char *octets = ndr->data + ndr->at;

    if (length > ndr->length - ndr->at)
        cep_ndr_fail(ndr, "it is cut short");
    if (ndr->problem)
        return NULL;
    ndr->at += length;
    return octets;
}

/* What padding holds does not matter: C706 14.2.2. size is a power of 2. */
static const unsigned char *take_aligned(struct cep_ndr *ndr, size_t size)
{
    cep_ndr_take(ndr, (size - (ndr->at & (size - 1))) & (size - 1));
    return cep_ndr_take(ndr, size);
}

uint16_t cep_ndr_u16(struct cep_ndr *ndr)
{
    const unsigned char *at = take_aligned(ndr, 2);

    return at ? (uint16_t)(at[0] | at[1] << 8) : 0;
}

uint32_t cep_ndr_u32(struct cep_ndr *ndr)
{
    const unsigned char *at = take_aligned(ndr, 4);

    return at ? (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                    (uint32_t)at[3] << 24
              : 0;
}

void cep_ndr_open(struct cep_ndr *ndr, const void *data, size_t length)
{
    const unsigned char *octets = data;
    uint32_t object;

    ndr->data = octets;
    ndr->length = length;
    ndr->at = 0;
    ndr->problem = NULL;
    if (length < HEADERS_LENGTH) {
        cep_ndr_fail(ndr, "it is cut short");
        return;
    }
    if (octets[0] != SERIALIZATION_VERSION || octets[1] != LITTLE_ENDIAN_DATA)
        cep_ndr_fail(ndr, "it is not serialized in version 1, little-endian");
    ndr->at = 2;
    if (cep_ndr_u16(ndr) != COMMON_HEADER_LENGTH)
        cep_ndr_fail(ndr, "its common header is not 8 octets long");
    cep_ndr_u32(ndr); /* filler, to be ignored */
    object = cep_ndr_u32(ndr);
    cep_ndr_u32(ndr);
    if (object % OBJECT_ALIGNMENT != 0 || object != length - HEADERS_LENGTH)
        cep_ndr_fail(ndr, "its header says another length than it has");
    /* Alignment counts from the object's begin; so does the reader from here on. */
    ndr->data = octets + HEADERS_LENGTH;
    ndr->length = length - HEADERS_LENGTH;
    ndr->at = 0;
}

void cep_ndr_close(struct cep_ndr *ndr)
{
    if (ndr->length - ndr->at >= OBJECT_ALIGNMENT)
        cep_ndr_fail(ndr, "it holds more than it should");
}
