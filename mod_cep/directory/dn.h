/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to directory/: distinguished names in one canonical spelling, for hashing. */
#ifndef CEP_DN_H
#define CEP_DN_H

#include <apr_pools.h>

/*
 * dn in canonical form: ASCII letters in lower case, no blanks around ',' '+' '=', escapes
 * resolved except for ',' '+' '\', control characters and a value's first and last blank, which
 * are \xx. Two DNs are equal by cep_dn_equal() exactly when these strings are. NULL when dn is
 * malformed. "" stays "".
 */
const char *cep_dn_normalize(const char *dn, apr_pool_t *pool);

/* The parent of a canonical DN, inside it; "" for a DN of one RDN; NULL for "". */
const char *cep_dn_parent(const char *canonical);

/* 1 when a canonical DN is the canonical base or stands below it. */
int cep_dn_canonical_within(const char *canonical, const char *base);

/* dn without its first RDN, as spelled; "" when nothing is left or dn is malformed. */
const char *cep_dn_without_first(const char *dn);

/* The DNS name that the DC= parts of dn spell, in lower case; "" when there is none. */
const char *cep_dn_dns_name(const char *dn, apr_pool_t *pool);

#endif
