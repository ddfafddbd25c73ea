/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Spellings of one name that a directory may take for the same account, made equal. */
#ifndef CEP_CALLER_FOLD_H
#define CEP_CALLER_FOLD_H

#include <stddef.h>

/* Longest result, in octets: names are bounded by CEP_CALLER_MAX_NAME, and none grows. */
#define CEP_FOLD_MAX 512

/* Write the folded text, without a NUL, to at most size octets; the rest is cut. Its length. */
size_t cep_fold(char *folded, size_t size, const char *text);

#endif
