/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Spellings of one name that a directory may take for the same account, made equal. */
#ifndef CEP_CALLER_FOLD_H
#define CEP_CALLER_FOLD_H

#include <stddef.h>

/* Octets kept of a result. No name of letters grows beyond it (CEP_CALLER_MAX_NAME, and Hangul is
 * taken apart to three times its length); what other characters make longer is cut. */
#define CEP_FOLD_MAX 2048

/* Write the folded text of well-formed UTF-8, without a NUL, to at most size octets. Its length. */
size_t cep_fold(char *folded, size_t size, const char *text);

#endif
