/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* What one ACE says about a right to those who hold its SID: the one place that knows. */
#ifndef CEP_ACCESS_EFFECT_H
#define CEP_ACCESS_EFFECT_H

#include "cep_access.h"
#include "descriptor.h"

enum cep_effect { CEP_EFFECT_NONE, CEP_EFFECT_GRANT, CEP_EFFECT_DENY };

/* CEP_EFFECT_NONE: the ACE is passed over, whoever asks. */
enum cep_effect cep_ace_effect(const struct cep_ace *ace, enum cep_right right);

#endif
