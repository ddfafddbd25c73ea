/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The properties of CNG templates: [MS-CRTD] 2.23.2. */
#include "parts.h"

#include <string.h>

#include <apr_strings.h>

/* The text up to the next grave accent, without blanks around; *at moves behind the accent. */
static const char *next_field(const char **at, int *last, apr_pool_t *pool)
{
    apr_size_t length = strcspn(*at, "`");
    struct cep_value field = {(const unsigned char *)*at, length};

    *last = (*at)[length] == '\0';
    *at += length + (*last ? 0 : 1);
    field = cep_text_trim(field);
    return apr_pstrmemdup(pool, (const char *)field.data, field.len);
}

/*
 * Name`Type`Value`, repeated. The accent behind the last value is missing in templates that real
 * directories hold, so it is not asked for.
 */
apr_array_header_t *cep_triplets_parse(const char *text, int *complete, apr_pool_t *pool)
{
    apr_array_header_t *properties = apr_array_make(pool, 8, sizeof(struct cep_property));
    int last = *text == '\0';

    *complete = 1;
    while (!last && *text != '\0') {
        struct cep_property property = {"", "", ""};

        property.name = next_field(&text, &last, pool);
        if (last && *property.name == '\0')
            break; /* nothing but blanks behind the last accent */
        if (!last)
            property.type = next_field(&text, &last, pool);
        if (last || properties->nelts == CEP_TRIPLETS_MAX) {
            *complete = 0;
            break;
        }
        property.value = next_field(&text, &last, pool);
        APR_ARRAY_PUSH(properties, struct cep_property) = property;
    }
    return properties;
}
