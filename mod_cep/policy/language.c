/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * msPKI-OIDLocalizedName names its languages by LCID, preferredLanguage by tag ([MS-XCEP]
 * 3.1.4.1.3.9). The pairs are those of [MS-LCID] 2.2; only languages are here that Windows
 * Server has been sold in, or close to it: a language without a row gets the default name.
 */
#include "cep_policy.h"

#include <string.h>

#include <apr_cstr.h>

static const struct language {
    apr_uint32_t lcid;
    const char *tag;
} languages[] = {
    {0x0401, "ar-SA"}, {0x0402, "bg-BG"}, {0x0403, "ca-ES"}, {0x0404, "zh-TW"}, {0x0405, "cs-CZ"},
    {0x0406, "da-DK"}, {0x0407, "de-DE"}, {0x0408, "el-GR"}, {0x0409, "en-US"}, {0x040b, "fi-FI"},
    {0x040c, "fr-FR"}, {0x040d, "he-IL"}, {0x040e, "hu-HU"}, {0x040f, "is-IS"}, {0x0410, "it-IT"},
    {0x0411, "ja-JP"}, {0x0412, "ko-KR"}, {0x0413, "nl-NL"}, {0x0414, "nb-NO"}, {0x0415, "pl-PL"},
    {0x0416, "pt-BR"}, {0x0418, "ro-RO"}, {0x0419, "ru-RU"}, {0x041a, "hr-HR"}, {0x041b, "sk-SK"},
    {0x041c, "sq-AL"}, {0x041d, "sv-SE"}, {0x041e, "th-TH"}, {0x041f, "tr-TR"}, {0x0421, "id-ID"},
    {0x0422, "uk-UA"}, {0x0423, "be-BY"}, {0x0424, "sl-SI"}, {0x0425, "et-EE"}, {0x0426, "lv-LV"},
    {0x0427, "lt-LT"}, {0x0429, "fa-IR"}, {0x042a, "vi-VN"}, {0x042d, "eu-ES"}, {0x0436, "af-ZA"},
    {0x0439, "hi-IN"}, {0x043e, "ms-MY"}, {0x043f, "kk-KZ"}, {0x0804, "zh-CN"}, {0x0807, "de-CH"},
    {0x0809, "en-GB"}, {0x080a, "es-MX"}, {0x080c, "fr-BE"}, {0x0810, "it-CH"}, {0x0813, "nl-BE"},
    {0x0816, "pt-PT"}, {0x081d, "sv-FI"}, {0x0c04, "zh-HK"}, {0x0c07, "de-AT"}, {0x0c09, "en-AU"},
    {0x0c0a, "es-ES"}, {0x0c0c, "fr-CA"}, {0x1004, "zh-SG"}, {0x1007, "de-LU"}, {0x1009, "en-CA"},
    {0x100c, "fr-CH"}, {0x1409, "en-NZ"}, {0x1809, "en-IE"}, {0x1c09, "en-ZA"},
};

int cep_language_is_tag(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char both[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t part = strspn(text, letters);

    while (part >= 1 && part <= 8) {
        text += part;
        if (!*text)
            return 1;
        if (*text++ != '-')
            return 0;
        part = strspn(text, both);
    }
    return 0;
}

/* Octets of the tag's first part. */
static size_t primary_length(const char *tag)
{
    return strcspn(tag, "-");
}

enum cep_language_match cep_language_match(const char *tag, apr_uint32_t lcid)
{
    const char *other = NULL;

    for (size_t i = 0; !other && i < sizeof(languages) / sizeof(languages[0]); i++) {
        if (languages[i].lcid == lcid)
            other = languages[i].tag;
    }
    return cep_language_match_tag(tag, other);
}

enum cep_language_match cep_language_match_tag(const char *tag, const char *other)
{
    size_t length;

    if (!tag || !other)
        return CEP_LANGUAGE_OTHER;
    if (!apr_cstr_casecmp(tag, other))
        return CEP_LANGUAGE_EXACT;
    length = strlen(other);
    if (!apr_cstr_casecmpn(tag, other, length) && tag[length] == '-')
        return CEP_LANGUAGE_WIDER;
    length = primary_length(tag);
    if (length != primary_length(other) || apr_cstr_casecmpn(tag, other, length))
        return CEP_LANGUAGE_OTHER;
    /* Who reads Chinese in one script need not read it in the other. */
    return apr_cstr_casecmpn(tag, "zh", length) ? CEP_LANGUAGE_SAME : CEP_LANGUAGE_OTHER;
}
