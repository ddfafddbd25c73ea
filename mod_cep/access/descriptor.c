/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Self-relative security descriptors, [MS-DTYP] 2.4.6: a header of 20 octets, and owner, group,
 * SACL and DACL anywhere behind it, in any order, overlapping or with gaps.
 *
 * Everything in it must be sound, also what the check does not need (owner, group, SACL): what is
 * damaged in one place is not to be trusted in another.
 *
 * Stricter than Samba 4.17's parser; each of these is refused here and read there:
 * - a revision of the descriptor other than 1, of an ACL other than 2 to 4, of a SID other than 1;
 * - a descriptor that does not say that it is self-relative (SR);
 * - owner, group or ACLs that begin inside the header;
 * - ACEs beyond AclSize (Samba does not look at AclSize), an ACL that ends beyond the descriptor;
 * - AceSize that is no multiple of 4, which [MS-DTYP] 2.4.4.1 forbids.
 * More lenient in two points, as Windows is: more than 2,000 ACEs in one ACL, and the body of ACEs
 * whose type is unknown, which neither grant nor deny.
 */
#include "descriptor.h"

#include "bytes.h"
#include "cep_access.h"

enum {
    SD_HEADER = 20,
    SD_REVISION = 1,
    SD_CONTROL_DACL_PRESENT = 0x0004,
    SD_CONTROL_SELF_RELATIVE = 0x8000,
    ACL_HEADER = 8,
    ACL_REVISION_MIN = 2,
    ACL_REVISION_MAX = 4, /* with object ACEs */
    ACE_HEADER = 4,
    ACE_MASK = 4,
    ACE_OBJECT_FLAGS = 4,
    GUID_LENGTH = 16,
    OBJECT_TYPE_PRESENT = 1,
    INHERITED_OBJECT_TYPE_PRESENT = 2
};

/* How an ACE's body is laid out: [MS-DTYP] 2.4.4.2 to 2.4.4.16. */
enum layout {
    LAYOUT_UNKNOWN,
    LAYOUT_PLAIN, /* mask, SID */
    LAYOUT_OBJECT /* mask, flags, one, two or no GUIDs, SID */
};

static enum layout layout_of(unsigned char type)
{
    switch (type) {
    case CEP_ACE_ALLOWED:
    case CEP_ACE_DENIED:
    case CEP_ACE_ALLOWED_CALLBACK:
    case CEP_ACE_DENIED_CALLBACK:
    case 0x02: /* system audit */
    case 0x03: /* system alarm */
    case 0x0D: /* the same with a condition */
    case 0x0E:
    case 0x11: /* mandatory label */
    case 0x12: /* resource attribute */
    case 0x13: /* scoped policy */ return LAYOUT_PLAIN;
    case CEP_ACE_ALLOWED_OBJECT:
    case CEP_ACE_DENIED_OBJECT:
    case CEP_ACE_ALLOWED_CALLBACK_OBJECT:
    case CEP_ACE_DENIED_CALLBACK_OBJECT:
    case 0x07: /* system audit of an object */
    case 0x08: /* system alarm of an object */
    case 0x0F: /* the same with a condition */
    case 0x10: return LAYOUT_OBJECT;
    default: return LAYOUT_UNKNOWN;
    }
}

/* The octets between header and SID; 0 when they do not fit. Sets mask and object_type. */
static size_t read_fixed_part(struct cep_ace *ace, const unsigned char *at, size_t size,
                              enum layout layout)
{
    size_t offset = ACE_HEADER + ACE_MASK;
    uint32_t object_flags;

    if (size < offset)
        return 0;
    ace->mask = cep_get_le32(at + ACE_HEADER);
    if (layout == LAYOUT_PLAIN)
        return offset;
    if (size < offset + ACE_OBJECT_FLAGS)
        return 0;
    object_flags = cep_get_le32(at + offset);
    offset += ACE_OBJECT_FLAGS;
    if (object_flags & OBJECT_TYPE_PRESENT) {
        ace->object_type = at + offset;
        offset += GUID_LENGTH;
    }
    /* To whom the ACE is handed down; it says nothing about this object. */
    if (object_flags & INHERITED_OBJECT_TYPE_PRESENT)
        offset += GUID_LENGTH;
    return offset <= size ? offset : 0;
}

/* size octets are there. Behind the SID there may be more: a condition, or padding. */
static const char *read_ace(struct cep_ace *ace, const unsigned char *at, size_t size)
{
    enum layout layout;
    size_t offset;

    ace->type = at[0];
    ace->flags = at[1];
    ace->mask = 0;
    ace->object_type = NULL;
    ace->sid = NULL;
    ace->sid_length = 0;
    layout = layout_of(ace->type);
    if (layout == LAYOUT_UNKNOWN)
        return NULL;
    offset = read_fixed_part(ace, at, size, layout);
    if (offset == 0)
        return "an ACE is too short for its type";
    ace->sid_length = cep_sid_length(at + offset, size - offset);
    if (ace->sid_length == 0)
        return "an ACE holds no valid SID";
    ace->sid = at + offset;
    return NULL;
}

int cep_dacl_next(struct cep_ace_walk *walk, struct cep_ace *ace, const char **problem)
{
    size_t size;

    if (walk->count == 0)
        return 0;
    if (walk->left < ACE_HEADER) {
        *problem = "the ACL holds fewer ACEs than it says";
        return -1;
    }
    size = cep_get_le16(walk->next + 2);
    if (size < ACE_HEADER || size > walk->left || size % 4 != 0) {
        *problem = "the size of an ACE is wrong";
        return -1;
    }
    *problem = read_ace(ace, walk->next, size);
    if (*problem)
        return -1;
    walk->next += size;
    walk->left -= size;
    walk->count--;
    return 1;
}

/* The ACL at offset, of which only the header is checked. */
static const char *acl_begin(struct cep_ace_walk *walk, const unsigned char *sd, size_t length,
                             uint32_t offset)
{
    const unsigned char *acl;
    size_t size;

    if (offset < SD_HEADER || offset > length || length - offset < ACL_HEADER)
        return "an ACL lies outside the security descriptor";
    acl = sd + offset;
    if (acl[0] < ACL_REVISION_MIN || acl[0] > ACL_REVISION_MAX)
        return "an ACL has an unknown revision";
    size = cep_get_le16(acl + 2);
    if (size < ACL_HEADER || size > length - offset)
        return "an ACL is cut short";
    /* Reserved, [MS-DTYP] 2.4.5. Samba takes it for the high half of the number of ACEs. */
    if (cep_get_le16(acl + 6) != 0)
        return "a reserved field of an ACL is not 0";
    walk->next = acl + ACL_HEADER;
    walk->left = size - ACL_HEADER;
    walk->count = cep_get_le16(acl + 4);
    return NULL;
}

/* Owner or group; offset 0 means that there is none. */
static int sid_fits(const unsigned char *sd, size_t length, uint32_t offset)
{
    if (offset == 0)
        return 1;
    return offset >= SD_HEADER && offset < length && cep_sid_length(sd + offset, length - offset);
}

static const char *check_sacl(const unsigned char *sd, size_t length, uint32_t offset)
{
    struct cep_ace_walk walk;
    struct cep_ace ace;
    const char *problem;

    if (offset == 0)
        return NULL;
    problem = acl_begin(&walk, sd, length, offset);
    while (!problem && cep_dacl_next(&walk, &ace, &problem) > 0)
        ;
    return problem;
}

const char *cep_dacl_begin(struct cep_ace_walk *walk, const void *sd, size_t length)
{
    const unsigned char *octets = sd;
    const char *problem;
    unsigned control;
    uint32_t dacl;

    if (!octets || length < SD_HEADER)
        return "the security descriptor is missing or cut short";
    if (octets[0] != SD_REVISION)
        return "the security descriptor has an unknown revision";
    control = cep_get_le16(octets + 2);
    if (!(control & SD_CONTROL_SELF_RELATIVE))
        return "the security descriptor is not self-relative";
    if (!sid_fits(octets, length, cep_get_le32(octets + 4)))
        return "the security descriptor's owner is no valid SID";
    if (!sid_fits(octets, length, cep_get_le32(octets + 8)))
        return "the security descriptor's group is no valid SID";
    problem = check_sacl(octets, length, cep_get_le32(octets + 12));
    if (problem)
        return problem;
    /* [MS-ADTS] 5.1.3.3.1 would grant everything in these two cases. AD stores neither. */
    if (!(control & SD_CONTROL_DACL_PRESENT))
        return "the security descriptor has no DACL";
    dacl = cep_get_le32(octets + 16);
    if (dacl == 0)
        return "the security descriptor has a NULL DACL";
    return acl_begin(walk, octets, length, dacl);
}

const char *cep_sd_check(const void *sd, size_t length)
{
    struct cep_ace_walk walk;
    struct cep_ace ace;
    const char *problem;

    problem = cep_dacl_begin(&walk, sd, length);
    while (!problem && cep_dacl_next(&walk, &ace, &problem) > 0)
        ;
    return problem;
}
