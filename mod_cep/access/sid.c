/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * SIDs. The binary form, [MS-DTYP] 2.4.2.2: revision 1, number of subauthorities (at most 15), six
 * octets of authority (big-endian), subauthorities (little-endian). The text form: 2.4.2.1.
 */
#include "cep_access.h"
#include "cep_octets.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"

enum {
    SID_REVISION = 1,
    SID_HEADER = 8, /* octets before the first subauthority */
    AUTHORITY_HEX_DIGITS = 12,
    DECIMAL_DIGITS_MAX = 10
};

size_t cep_sid_length(const void *data, size_t length)
{
    const unsigned char *octets = data;
    size_t wanted;

    if (length < SID_HEADER || octets[0] != SID_REVISION || octets[1] > CEP_SID_MAX_SUBAUTHORITIES)
        return 0;
    wanted = SID_HEADER + (size_t)4 * octets[1];
    return wanted <= length ? wanted : 0;
}

int cep_sid_read(struct cep_sid *sid, const void *data, size_t length)
{
    if (length == 0 || cep_sid_length(data, length) != length)
        return 0;
    memset(sid, 0, sizeof(*sid));
    memcpy(sid->octets, data, length);
    sid->length = (unsigned char)length;
    return 1;
}

/* One to ten digits, at most 2^32-1; *text moves behind them. */
static int parse_decimal(uint32_t *value, const char **text)
{
    uint64_t sum = 0;
    int digits = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        if (++digits > DECIMAL_DIGITS_MAX)
            return 0;
        sum = sum * 10 + (uint64_t)(**text - '0');
    }
    if (!digits || sum > UINT32_MAX)
        return 0;
    *value = (uint32_t)sum;
    return 1;
}

/* Decimal below 2^32; "0x" and exactly twelve digits for all 48 bits. */
static int parse_authority(unsigned char octets[6], const char **text)
{
    uint32_t value;
    int i;

    memset(octets, 0, 6);
    if ((*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X')) {
        *text += 2;
        for (i = 0; i < AUTHORITY_HEX_DIGITS; i++, (*text)++) {
            int digit = cep_hex_digit(**text);

            if (digit < 0)
                return 0;
            octets[i / 2] = (unsigned char)(octets[i / 2] << 4 | digit);
        }
        return 1;
    }
    if (!parse_decimal(&value, text))
        return 0;
    for (i = 0; i < 4; i++)
        octets[2 + i] = (unsigned char)(value >> (24 - 8 * i));
    return 1;
}

/* Add one subauthority; 0 when there is no room. */
static int append(struct cep_sid *sid, uint32_t value)
{
    if (sid->octets[1] >= CEP_SID_MAX_SUBAUTHORITIES)
        return 0;
    cep_put_le32(sid->octets + sid->length, value);
    sid->octets[1]++;
    sid->length = (unsigned char)(sid->length + 4);
    return 1;
}

int cep_sid_parse(struct cep_sid *sid, const char *text)
{
    uint32_t value;

    memset(sid, 0, sizeof(*sid));
    if ((text[0] != 'S' && text[0] != 's') || text[1] != '-' || text[2] != '1' || text[3] != '-')
        return 0;
    text += 4;
    sid->octets[0] = SID_REVISION;
    sid->length = SID_HEADER;
    if (!parse_authority(sid->octets + 2, &text))
        return 0;
    while (*text == '-') {
        text++;
        if (!parse_decimal(&value, &text) || !append(sid, value))
            return 0;
    }
    /* The text form has at least one subauthority. */
    return *text == '\0' && sid->octets[1] > 0;
}

const char *cep_sid_format(const struct cep_sid *sid, char buffer[CEP_SID_TEXT_MAX])
{
    uint64_t authority = 0;
    size_t used;
    int i;

    for (i = 0; i < 6; i++)
        authority = authority << 8 | sid->octets[2 + i];
    used = (size_t)snprintf(buffer, CEP_SID_TEXT_MAX,
                            authority > UINT32_MAX ? "S-1-0x%012llX" : "S-1-%llu",
                            (unsigned long long)authority);
    for (i = 0; i < sid->octets[1] && i < CEP_SID_MAX_SUBAUTHORITIES; i++) {
        /* At most 18 + 15 x 11 characters: never cut. */
        used += (size_t)snprintf(buffer + used, CEP_SID_TEXT_MAX - used, "-%lu",
                                 (unsigned long)cep_get_le32(sid->octets + SID_HEADER + 4 * i));
    }
    return buffer;
}

int cep_sid_with_rid(struct cep_sid *result, const struct cep_sid *sid, unsigned long rid)
{
    if (sid->octets[1] == 0 || sid->length < SID_HEADER + 4 || rid > UINT32_MAX)
        return 0;
    *result = *sid;
    cep_put_le32(result->octets + result->length - 4, (uint32_t)rid);
    return 1;
}

int cep_sid_append_rid(struct cep_sid *result, const struct cep_sid *domain, unsigned long rid)
{
    if (domain->length < SID_HEADER || rid > UINT32_MAX)
        return 0;
    *result = *domain;
    return append(result, (uint32_t)rid);
}

int cep_sid_compare(const struct cep_sid *a, const struct cep_sid *b)
{
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->octets, b->octets, a->length);
}
