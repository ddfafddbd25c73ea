/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Security descriptors for tests, put together piece by piece. Sizes are the caller's business. */
#ifndef CEP_TESTS_SD_BUILDER_H
#define CEP_TESTS_SD_BUILDER_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "cep_access.h"

#define SD_MAX      70000
#define ACL_MAX     65535
#define CONTROL_DP  0x0004
#define CONTROL_SP  0x0010
#define CONTROL_SR  0x8000
#define MASK_CR     0x00000100u
#define MASK_GA     0x10000000u
#define INHERIT     0x08 /* INHERIT_ONLY */
#define OBJECT_TYPE 1u
#define INHERITED   2u

#define ENROLL_GUID     "\x68\xc9\x10\x0e\xfb\x78\xd2\x11\x90\xd4\x00\xc0\x4f\x79\xdc\x55"
#define AUTOENROLL_GUID "\xc2\x8c\x5b\xa0\xbc\x17\x02\x48\xa7\x10\xe7\xc1\x5a\xb8\x66\xa2"
/* The Enroll GUID as it is written, octet by octet: what a wrong reader would look for. */
#define ENROLL_BIG_ENDIAN "\x0e\x10\xc9\x68\x78\xfb\x11\xd2\x90\xd4\x00\xc0\x4f\x79\xdc\x55"
#define OTHER_GUID        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
#define ZERO_GUID         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

struct acl {
    unsigned char octets[ACL_MAX + 1];
    size_t length;
};

struct sd {
    unsigned char octets[SD_MAX];
    size_t length;
};

static inline void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static inline void put32(unsigned char *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

static inline unsigned get16(const unsigned char *at)
{
    return (unsigned)(at[0] | at[1] << 8);
}

static inline struct cep_sid sid_of(const char *text)
{
    struct cep_sid sid;
    int ok = cep_sid_parse(&sid, text);

    assert(ok);
    (void)ok;
    return sid;
}

static inline void acl_start(struct acl *acl)
{
    memset(acl->octets, 0, 8);
    acl->octets[0] = 4; /* ACL_REVISION_DS */
    acl->length = 8;
    put16(acl->octets + 2, 8);
}

/* Take in a whole ACE as it is. */
static inline void acl_add_raw(struct acl *acl, const void *ace, size_t length)
{
    assert(acl->length + length <= ACL_MAX);
    memcpy(acl->octets + acl->length, ace, length);
    acl->length += length;
    put16(acl->octets + 2, (unsigned)acl->length);
    put16(acl->octets + 4, get16(acl->octets + 4) + 1);
}

/* An ACE without GUIDs; extra octets of 0xEE follow the SID inside the ACE. */
static inline void acl_add_padded(struct acl *acl, int type, int flags, uint32_t mask,
                                  const char *sid_text, size_t extra)
{
    struct cep_sid sid = sid_of(sid_text);
    unsigned char ace[8 + CEP_SID_MAX_LENGTH + 256];
    size_t length = 8 + (size_t)sid.length + extra;

    assert(length <= sizeof(ace));
    memset(ace, 0xEE, sizeof(ace));
    ace[0] = (unsigned char)type;
    ace[1] = (unsigned char)flags;
    put16(ace + 2, (unsigned)length);
    put32(ace + 4, mask);
    memcpy(ace + 8, sid.octets, sid.length);
    acl_add_raw(acl, ace, length);
}

static inline void acl_add(struct acl *acl, int type, int flags, uint32_t mask, const char *sid)
{
    acl_add_padded(acl, type, flags, mask, sid, 0);
}

/* An object ACE; guid and inherited may be NULL. */
static inline void acl_add_object(struct acl *acl, int type, int flags, uint32_t mask,
                                  const char *guid, const char *inherited, const char *sid_text)
{
    struct cep_sid sid = sid_of(sid_text);
    unsigned char ace[12 + 32 + CEP_SID_MAX_LENGTH];
    size_t length = 12;

    ace[0] = (unsigned char)type;
    ace[1] = (unsigned char)flags;
    put32(ace + 4, mask);
    put32(ace + 8, (guid ? OBJECT_TYPE : 0) | (inherited ? INHERITED : 0));
    if (guid) {
        memcpy(ace + length, guid, 16);
        length += 16;
    }
    if (inherited) {
        memcpy(ace + length, inherited, 16);
        length += 16;
    }
    memcpy(ace + length, sid.octets, sid.length);
    length += sid.length;
    put16(ace + 2, (unsigned)length);
    acl_add_raw(acl, ace, length);
}

static inline void sd_start(struct sd *sd, unsigned control)
{
    memset(sd->octets, 0, 20);
    sd->octets[0] = 1;
    put16(sd->octets + 2, control | CONTROL_SR);
    sd->length = 20;
}

enum sd_part { SD_OWNER = 4, SD_GROUP = 8, SD_SACL = 12, SD_DACL = 16 };

/* Append a part and let its offset point there. */
static inline void sd_add(struct sd *sd, enum sd_part part, const void *data, size_t length)
{
    assert(sd->length + length <= SD_MAX);
    put32(sd->octets + part, (uint32_t)sd->length);
    memcpy(sd->octets + sd->length, data, length);
    sd->length += length;
}

/* The usual shape: a DACL and nothing else. */
static inline void sd_with_dacl(struct sd *sd, const struct acl *acl)
{
    sd_start(sd, CONTROL_DP);
    sd_add(sd, SD_DACL, acl->octets, acl->length);
}

#endif
