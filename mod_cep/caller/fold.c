/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Directories compare names more loosely than octet by octet: AD finds alice for ALICE and álice.
 * Whoever counts failures by the name as it was written gives a guesser a new count with each
 * spelling. Only for counting: two people whose names fold alike share a count, no more.
 */
#include "fold.h"

#include <stdint.h>
#include <string.h>

/* The Latin letter without its mark, by code point from U+00C0 and from U+1E00; '.': none. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo.ouuuuytsaaaaaaaceeeeiiiidnooooo.ouuuuyty"
                            "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
                            "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static const char latin_additional[] =
    "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm"
    "mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv"
    "wwwwwwwwwwxxxxyyzzzzzzhtwyas....aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
    "eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy......";

/* One character of UTF-8 that is known to be well-formed; at its end 0. */
static uint32_t next(const unsigned char **at)
{
    const unsigned char *c = *at;
    uint32_t character = *c;
    int more = character >= 0xf0 ? 3 : character >= 0xe0 ? 2 : character >= 0xc0 ? 1 : 0;

    if (character)
        c++;
    if (more)
        character &= 0x3fu >> more;
    for (; more && (*c & 0xc0) == 0x80; more--)
        character = character << 6 | (*c++ & 0x3f);
    *at = c;
    return character;
}

/* Combining marks, and what RFC 4518, 2.2 maps to nothing. */
static int is_invisible(uint32_t c)
{
    return c == 0xad || (c >= 0x300 && c <= 0x36f) || (c >= 0x180b && c <= 0x180e) ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffc) || c >= 0xe0000;
}

static int is_blank(uint32_t c)
{
    return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static uint32_t fold_one(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e) /* full width */
        c -= 0xff01 - '!';
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    if (c >= 0xc0 && c < 0xc0 + sizeof(latin) - 1 && latin[c - 0xc0] != '.')
        return (uint32_t)latin[c - 0xc0];
    if (c >= 0x1e00 && c < 0x1e00 + sizeof(latin_additional) - 1 &&
        latin_additional[c - 0x1e00] != '.')
        return (uint32_t)latin_additional[c - 0x1e00];
    if ((c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) /* Greek, Cyrillic capitals */
        return c + 32;
    return c >= 0x400 && c <= 0x40f ? c + 80 : c;
}

static size_t write_utf8(char *to, size_t room, uint32_t c)
{
    unsigned char octets[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (n > room)
        return 0;
    for (size_t i = n; i-- > 1; c >>= 6)
        octets[i] = (unsigned char)(0x80 | (c & 0x3f));
    octets[0] = (unsigned char)(n == 1 ? c : (0xf00u >> n & 0xff) | c);
    memcpy(to, octets, n);
    return n;
}

size_t cep_fold(char *folded, size_t size, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length = 0;
    int blank = 0;
    uint32_t c;

    while ((c = next(&at)) != 0) {
        if (is_invisible(c))
            continue;
        if (is_blank(c)) {
            blank = length > 0;
            continue;
        }
        if (blank)
            length += write_utf8(folded + length, size - length, ' ');
        blank = 0;
        length += write_utf8(folded + length, size - length, fold_one(c));
    }
    return length;
}
