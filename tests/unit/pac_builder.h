/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes logon information, KERB_VALIDATION_INFO of [MS-PAC] 2.5, for tests. Independent of the
 * reader: it writes what the structure says, also when that contradicts itself.
 *
 *   offset   0  common header: version 1, 0x10, length 8, filler
 *            8  private header: length of the object, filler
 *           16  pointer to the structure; the structure, 216 octets, from 20 on:
 *           68  six names: length, room, pointer          128  GroupCount, pointer
 *          136  UserFlags                                 120  UserId, PrimaryGroupId
 *          156  LogonServer, LogonDomainName              172  LogonDomainId
 *          184  UserAccountControl                        216  SidCount, pointer
 *          224  ResourceGroupDomainSid                    228  ResourceGroupCount, pointer
 *          236  what the pointers point to, in their order
 */
#ifndef CEP_TEST_PAC_BUILDER_H
#define CEP_TEST_PAC_BUILDER_H

#include <stdint.h>
#include <string.h>

#include "cep_access.h"

#define PAC_ROOM (1024 * 1024)

enum {
    PAC_AT_VERSION = 0,
    PAC_AT_OBJECT_LENGTH = 8,
    PAC_AT_POINTER = 16,
    PAC_AT_NAME = 68,
    PAC_AT_USER = 120,
    PAC_AT_PRIMARY = 124,
    PAC_AT_GROUPS = 128,
    PAC_AT_FLAGS = 136,
    PAC_AT_DOMAIN = 172,
    PAC_AT_CONTROL = 184,
    PAC_AT_EXTRA = 216,
    PAC_AT_RESOURCE_DOMAIN = 224,
    PAC_AT_RESOURCE = 228,
    PAC_AT_REFERENTS = 236
};

/* What is to be made; zeros and NULLs are left out of it. */
struct pac {
    const char *names[8]; /* ASCII; NULL: a null pointer */
    uint32_t user, primary, flags, control;
    const char *domain; /* S-1-... */
    const uint32_t *groups;
    uint32_t group_count;
    const char *const *extra;
    uint32_t extra_count;
    const char *resource_domain;
    const uint32_t *resource;
    uint32_t resource_count;
    uint32_t attributes; /* of all groups; 0 stands for 7 */
};

struct pac_buffer {
    unsigned char *data;
    size_t length;
    uint32_t pointers;
};

static inline void pac_u16(struct pac_buffer *b, unsigned int value)
{
    b->data[b->length++] = (unsigned char)value;
    b->data[b->length++] = (unsigned char)(value >> 8);
}

static inline void pac_u32(struct pac_buffer *b, uint32_t value)
{
    pac_u16(b, value & 0xffff);
    pac_u16(b, value >> 16);
}

static inline void pac_zeros(struct pac_buffer *b, size_t count)
{
    memset(b->data + b->length, 0, count);
    b->length += count;
}

static inline void pac_align(struct pac_buffer *b, size_t size)
{
    while (b->length % size)
        b->data[b->length++] = 0;
}

/* Pointers are numbers that nobody looks at but whether they are 0. */
static inline void pac_pointer(struct pac_buffer *b, int set)
{
    pac_u32(b, set ? 0x00020000 + 4 * b->pointers++ : 0);
}

static inline void pac_put(unsigned char *at, uint32_t value)
{
    struct pac_buffer b = {at, 0, 0};

    pac_u32(&b, value);
}

static inline uint32_t pac_get(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void pac_name(struct pac_buffer *b, const char *name)
{
    size_t length = name ? 2 * strlen(name) : 0;

    pac_u16(b, (unsigned int)length);
    pac_u16(b, (unsigned int)length);
    pac_pointer(b, name != NULL);
}

static inline void pac_name_text(struct pac_buffer *b, const char *name)
{
    if (!name)
        return;
    pac_align(b, 4);
    pac_u32(b, (uint32_t)strlen(name));
    pac_u32(b, 0);
    pac_u32(b, (uint32_t)strlen(name));
    for (; *name; name++)
        pac_u16(b, (unsigned char)*name);
}

static inline void pac_sid(struct pac_buffer *b, const char *text)
{
    struct cep_sid sid;

    if (!text || !cep_sid_parse(&sid, text))
        return;
    pac_align(b, 4);
    pac_u32(b, sid.octets[1]);
    memcpy(b->data + b->length, sid.octets, sid.length);
    b->length += sid.length;
}

static inline uint32_t pac_attributes(const struct pac *pac)
{
    return pac->attributes ? pac->attributes : 7;
}

static inline void pac_groups(struct pac_buffer *b, const struct pac *pac, const uint32_t *rids,
                              uint32_t count)
{
    uint32_t i;

    if (!count)
        return;
    pac_align(b, 4);
    pac_u32(b, count);
    for (i = 0; i < count; i++) {
        pac_u32(b, rids[i]);
        pac_u32(b, pac_attributes(pac));
    }
}

static inline void pac_extra(struct pac_buffer *b, const struct pac *pac)
{
    uint32_t i;

    if (!pac->extra_count)
        return;
    pac_align(b, 4);
    pac_u32(b, pac->extra_count);
    for (i = 0; i < pac->extra_count; i++) {
        pac_pointer(b, 1);
        pac_u32(b, pac_attributes(pac));
    }
    for (i = 0; i < pac->extra_count; i++)
        pac_sid(b, pac->extra[i]);
}

static inline void pac_structure(struct pac_buffer *b, const struct pac *pac)
{
    int i;

    pac_zeros(b, 48); /* six times */
    for (i = 0; i < 6; i++)
        pac_name(b, pac->names[i]);
    pac_zeros(b, 4); /* LogonCount, BadPasswordCount */
    pac_u32(b, pac->user);
    pac_u32(b, pac->primary);
    pac_u32(b, pac->group_count);
    pac_pointer(b, pac->group_count > 0);
    pac_u32(b, pac->flags);
    pac_zeros(b, 16); /* UserSessionKey */
    for (i = 6; i < 8; i++)
        pac_name(b, pac->names[i]);
    pac_pointer(b, pac->domain != NULL);
    pac_zeros(b, 8);
    pac_u32(b, pac->control);
    pac_zeros(b, 28); /* SubAuthStatus to Reserved3 */
    pac_u32(b, pac->extra_count);
    pac_pointer(b, pac->extra_count > 0);
    pac_pointer(b, pac->resource_domain != NULL);
    pac_u32(b, pac->resource_count);
    pac_pointer(b, pac->resource_count > 0);
}

/* Into data, which has PAC_ROOM octets; returns how many are used. */
static inline size_t pac_build(unsigned char *data, const struct pac *pac)
{
    struct pac_buffer b = {data, 0, 0};
    int i;

    pac_u32(&b, 0x00081001);
    pac_u32(&b, 0xcccccccc);
    pac_zeros(&b, 8);
    pac_pointer(&b, 1);
    pac_structure(&b, pac);
    for (i = 0; i < 6; i++)
        pac_name_text(&b, pac->names[i]);
    pac_groups(&b, pac, pac->groups, pac->group_count);
    for (i = 6; i < 8; i++)
        pac_name_text(&b, pac->names[i]);
    pac_sid(&b, pac->domain);
    pac_extra(&b, pac);
    pac_sid(&b, pac->resource_domain);
    pac_groups(&b, pac, pac->resource, pac->resource_count);
    pac_align(&b, 8);
    pac_put(data + PAC_AT_OBJECT_LENGTH, (uint32_t)(b.length - 16));
    return b.length;
}

#endif
