/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The access check for a control access right, on a descriptor. The first ACE that matches decides
 * ([MS-ADTS] 5.1.3.3.4); that denials come first is the habit of whoever writes a DACL, not a rule
 * of the check.
 */
#include "cep_access.h"

#include "descriptor.h"
#include "effect.h"

int cep_access_granted(const void *sd, size_t length, enum cep_right right,
                       const struct cep_token *token)
{
    enum cep_effect verdict = CEP_EFFECT_NONE, effect;
    struct cep_ace_walk walk;
    struct cep_ace ace;
    const char *problem;
    int more;

    if (cep_dacl_begin(&walk, sd, length))
        return 0;
    /* To the end also after the verdict: a descriptor that is damaged further on grants nothing. */
    while ((more = cep_dacl_next(&walk, &ace, &problem)) > 0) {
        if (verdict != CEP_EFFECT_NONE)
            continue;
        effect = cep_ace_effect(&ace, right);
        if (effect != CEP_EFFECT_NONE && cep_token_has(token, ace.sid, ace.sid_length))
            verdict = effect;
    }
    return more == 0 && verdict == CEP_EFFECT_GRANT;
}
