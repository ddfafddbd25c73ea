/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * How a name reads that httpd authenticated. What is odd is refused, not repaired: whoever guesses
 * at a name may find somebody else.
 */
#include "lookup.h"
#include "cep_octets.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

static int occurrences(const char *text, char c)
{
    int count = 0;

    for (; *text; text++)
        count += *text == c;
    return count;
}

/* Directories ignore such blanks when they compare, files do not: refused on all of them. */
static int has_outer_blank(const char *text)
{
    size_t length = strlen(text);

    return length && (text[0] == ' ' || text[length - 1] == ' ');
}

static const char *check_whole(const char *user, apr_size_t length)
{
    struct cep_value value = {(const unsigned char *)user, length};

    if (length == 0)
        return "the name is empty";
    if (length > CEP_CALLER_MAX_NAME)
        return "the name is too long";
    if (cep_has_control_character(user, length))
        return "the name holds a control character";
    if (!cep_value_is_text(&value))
        return "the name is not UTF-8";
    return NULL;
}

/* A Kerberos service principal has two parts, service/host. Neither may be empty. */
static const char *check_service(const struct cep_name *name)
{
    const char *slash = strchr(name->account, '/');

    if (*name->domain || occurrences(name->account, '/') > 1 || slash == name->account ||
        slash[1] == '\0')
        return "the name is no service principal of the form service/host";
    return NULL;
}

static const char *check_parts(struct cep_name *name, int separated)
{
    if (*name->account == '\0')
        return "the name has no account part";
    if (separated && *name->realm == '\0' && *name->domain == '\0')
        return "the name has an empty realm or domain";
    if (has_outer_blank(name->account) || has_outer_blank(name->realm) ||
        has_outer_blank(name->domain))
        return "a part of the name begins or ends with a blank";
    name->is_service = strchr(name->account, '/') != NULL;
    return name->is_service ? check_service(name) : NULL;
}

const char *cep_name_parse(struct cep_name *name, const char *user, apr_pool_t *pool)
{
    apr_size_t length = strnlen(user, CEP_CALLER_MAX_NAME + 1);
    int ats, backslashes;
    const char *problem, *separator;

    name->account = name->realm = name->domain = "";
    name->is_service = 0;
    problem = check_whole(user, length);
    if (problem)
        return problem;
    ats = occurrences(user, '@');
    backslashes = occurrences(user, '\\');
    if (ats + backslashes > 1)
        return "the name holds more than one @ or backslash";
    if (ats) {
        separator = strchr(user, '@');
        name->account = apr_pstrmemdup(pool, user, (apr_size_t)(separator - user));
        name->realm = apr_pstrdup(pool, separator + 1);
    } else if (backslashes) {
        separator = strchr(user, '\\');
        name->domain = apr_pstrmemdup(pool, user, (apr_size_t)(separator - user));
        name->account = apr_pstrdup(pool, separator + 1);
    } else {
        name->account = apr_pstrdup(pool, user);
    }
    return check_parts(name, ats + backslashes);
}

/* Not strcasecmp(): httpd or another module may have set a locale. */
int cep_name_equal(const char *a, const char *b)
{
    return apr_cstr_casecmp(a, b) == 0;
}
