/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * One ACE and a control access right: [MS-ADTS] 5.1.3.3.4, completed by [MS-CRTD] 2.5 and [MS-DTYP]
 * 2.5.3.2 (plain ACEs count as well as object ACEs).
 *
 * The owner's implied rights and OWNER RIGHTS (S-1-3-4) never include control access.
 */
#include "effect.h"

#include <string.h>

/* [MS-ADTS] 5.1.3.2 */
#define RIGHT_DS_CONTROL_ACCESS 0x00000100u
#define GENERIC_ALL             0x10000000u

enum { GUID_LENGTH = 16 };

/* GUIDs as they are stored: the first three fields little-endian. [MS-ADTS] 5.1.3.2.1. */
static const unsigned char enroll_guid[GUID_LENGTH] = {
    0x68, 0xc9, 0x10, 0x0e, 0xfb, 0x78, 0xd2, 0x11, 0x90, 0xd4, 0x00, 0xc0, 0x4f, 0x79, 0xdc, 0x55};
static const unsigned char autoenroll_guid[GUID_LENGTH] = {
    0xc2, 0x8c, 0x5b, 0xa0, 0xbc, 0x17, 0x02, 0x48, 0xa7, 0x10, 0xe7, 0xc1, 0x5a, 0xb8, 0x66, 0xa2};
static const unsigned char zero_guid[GUID_LENGTH];

/* S-1-5-10 stands for the object's own objectSid. Templates and CAs have none. */
static const unsigned char self_sid[] = {1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0};

/*
 * What an ACE does once it matches. A condition (callback ACE) can be decided only with claims, so
 * both readings of it are taken at their worst: it denies, and it does not grant.
 */
static enum cep_effect effect_of_type(unsigned char type)
{
    switch (type) {
    case CEP_ACE_ALLOWED:
    case CEP_ACE_ALLOWED_OBJECT: return CEP_EFFECT_GRANT;
    case CEP_ACE_DENIED:
    case CEP_ACE_DENIED_OBJECT:
    case CEP_ACE_DENIED_CALLBACK:
    case CEP_ACE_DENIED_CALLBACK_OBJECT: return CEP_EFFECT_DENY;
    default: return CEP_EFFECT_NONE;
    }
}

/*
 * AD replaces generic bits when a descriptor is written, so none is ever stored there ([MS-ADTS]
 * 5.1.3.2). In one that comes from elsewhere GENERIC_ALL denies, but does not grant.
 */
static int mask_matches(uint32_t mask, enum cep_effect effect)
{
    if (effect == CEP_EFFECT_DENY)
        return (mask & (RIGHT_DS_CONTROL_ACCESS | GENERIC_ALL)) != 0;
    return (mask & RIGHT_DS_CONTROL_ACCESS) != 0;
}

/*
 * Without an ObjectType an ACE is about all control access rights. One of zeros is no right's, so
 * that the text passes over it; whoever wrote it may have meant "all", so it denies all the same.
 */
static int object_type_matches(const unsigned char *object_type, const unsigned char *guid,
                               enum cep_effect effect)
{
    return !object_type || memcmp(object_type, guid, GUID_LENGTH) == 0 ||
           (effect == CEP_EFFECT_DENY && memcmp(object_type, zero_guid, GUID_LENGTH) == 0);
}

static int is_self(const struct cep_ace *ace)
{
    return ace->sid_length == sizeof(self_sid) && memcmp(ace->sid, self_sid, sizeof(self_sid)) == 0;
}

enum cep_effect cep_ace_effect(const struct cep_ace *ace, enum cep_right right)
{
    const unsigned char *guid = right == CEP_RIGHT_ENROLL ? enroll_guid : autoenroll_guid;
    enum cep_effect effect = effect_of_type(ace->type);

    if (effect == CEP_EFFECT_NONE || (ace->flags & CEP_ACE_INHERIT_ONLY) ||
        !mask_matches(ace->mask, effect) || !object_type_matches(ace->object_type, guid, effect) ||
        is_self(ace))
        return CEP_EFFECT_NONE;
    return effect;
}
