/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading NDR: C706 chapter 14 as [MS-RPCE] 2.2.6 serializes it, little-endian. A reader that has
 * met a problem stays where it is and gives zeros, so that a caller may look once after several
 * steps. It must look before it counts anything by what it has read.
 */
#ifndef CEP_CALLER_NDR_H
#define CEP_CALLER_NDR_H

#include <stddef.h>
#include <stdint.h>

struct cep_ndr {
    const unsigned char *data;
    size_t length;
    size_t at;           /* never beyond length */
    const char *problem; /* a static sentence; NULL: none so far */
};

/* Begin at the object behind the headers of type serialization version 1. */
void cep_ndr_open(struct cep_ndr *ndr, const void *data, size_t length);

/* The end: nothing may be left but padding. */
void cep_ndr_close(struct cep_ndr *ndr);

/* Remember the first problem. */
void cep_ndr_fail(struct cep_ndr *ndr, const char *problem);

/* The next number, aligned to its own size. */
uint16_t cep_ndr_u16(struct cep_ndr *ndr);
uint32_t cep_ndr_u32(struct cep_ndr *ndr);

/* The next octets, not aligned; NULL when there are not as many. */
const unsigned char *cep_ndr_take(struct cep_ndr *ndr, size_t length);

#endif
