/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * Directories compare names more loosely than octet by octet: AD finds alice for ALICE and álice,
 * OpenLDAP (RFC 4518, 2.2 and 2.3: NFKC, case folded) also for ⓐlice. Whoever counts failures by
 * the name as it was written gives a guesser a new count with each spelling. Only for counting: two
 * people whose names fold alike share a count, no more; so in doubt two are one.
 */
#include "fold.h"

#include <string.h>

#include <utf8proc.h>

/* Compatible forms, case and marks folded away, and what cannot be seen or is not assigned. */
#define OPTIONS                                                                                    \
    (UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK |               \
     UTF8PROC_IGNORE | UTF8PROC_STRIPNA | UTF8PROC_LUMP)

/* Longest decomposition of one character in Unicode: U+FDFA's. */
#define MOST_PARTS 18

/* Letters whose stroke or ligature is no mark to Unicode and none to AD's order either. */
static const char *plain_letters(utf8proc_int32_t c)
{
    static const struct {
        utf8proc_int32_t letter;
        const char *plain;
    } letters[] = {
        {0xe6, "ae"}, {0xf0, "d"},  {0xf8, "o"},  {0xfe, "th"}, {0x111, "d"},  {0x127, "h"},
        {0x131, "i"}, {0x138, "k"}, {0x142, "l"}, {0x14b, "n"}, {0x153, "oe"}, {0x167, "t"},
        {0x180, "b"}, {0x19a, "l"}, {0x1b6, "z"}, {0x1e5, "g"}, {0x268, "i"},
    };

    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (letters[i].letter == c)
            return letters[i].plain;
    }
    return NULL;
}

/*
 * What counts in a name. AD passes over characters that its order does not know, and it knows less
 * than Unicode does today: signs and all beyond 16 bits count for nothing.
 */
static int counts(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    if (c < 0x80)
        return c > ' ' && c != 0x7f;
    return c <= 0xffff && ((category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
                           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO));
}

struct output {
    char *text;
    size_t length, size;
    int blank; /* one is due, if more comes */
};

static void write_octets(struct output *out, const void *octets, size_t count)
{
    if (count > out->size - out->length)
        return;
    memcpy(out->text + out->length, octets, count);
    out->length += count;
}

/* One character of what a character decomposes to. Runs of blanks are one, outer ones none. */
static void write_part(struct output *out, utf8proc_int32_t c)
{
    const char *plain = plain_letters(c);
    utf8proc_uint8_t octets[4];

    if (c == ' ') {
        out->blank = out->length > 0;
        return;
    }
    if (!counts(c))
        return;
    if (out->blank)
        write_octets(out, " ", 1);
    out->blank = 0;
    if (c >= 0x30a1 && c <= 0x30f6) /* Katakana; AD takes Hiragana for the same */
        c -= 0x60;
    if (plain)
        write_octets(out, plain, strlen(plain));
    else
        write_octets(out, octets, (size_t)utf8proc_encode_char(c, octets));
}

size_t cep_fold(char *folded, size_t size, const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    struct output out = {folded, 0, size, 0};
    utf8proc_int32_t c, parts[MOST_PARTS];
    utf8proc_ssize_t octets;

    for (; *at; at += octets) {
        utf8proc_ssize_t count;
        int boundary = 0;

        octets = utf8proc_iterate(at, -1, &c);
        if (octets <= 0) /* not reached: names are well-formed UTF-8 */
            break;
        count = utf8proc_decompose_char(c, parts, MOST_PARTS, OPTIONS, &boundary);
        for (utf8proc_ssize_t i = 0; i < count && i < MOST_PARTS; i++)
            write_part(&out, parts[i]);
    }
    return out.length;
}
