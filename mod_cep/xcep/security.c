/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The o:Security header: WSS UsernameToken Profile 1.0 with the password as text, which is all
 * that can be checked by those who do not keep passwords in clear. What is wrong with a token is
 * kept in the request and not answered here, for only AuthType CEP asks for one.
 *
 * Timestamp, Nonce and Created are passed over. Windows sends no Nonce; cepces marks local time as
 * UTC. Without a digest they would prove nothing: whoever can send the message again over a TLS
 * connection of his own knows the password in it.
 */
#include "request.h"

#include <string.h>

#include <openssl/crypto.h>

#include <apr_strings.h>

#define PASSWORD_TEXT   CEP_NS_USERNAME "#PasswordText"
#define PASSWORD_DIGEST CEP_NS_USERNAME "#PasswordDigest"

/* The first problem is told. */
static void cannot_use(struct cep_reader *reader, const char *problem)
{
    struct cep_username_token *token = &reader->request->token;

    if (!token->problem)
        token->problem = problem;
}

/* Profile 1.0, 3.1: Type has no namespace; cepces and MDM clients send it with one. */
static void check_type(struct cep_reader *reader, const char *type)
{
    if (!type || !strcmp(type, PASSWORD_TEXT))
        return;
    cannot_use(reader, strcmp(type, PASSWORD_DIGEST)
                           ? "The Type of the password is not known; send PasswordText."
                           : "PasswordDigest is not supported; send PasswordText.");
}

void cep_security_begins(struct cep_reader *reader, enum cep_element element,
                         const struct cep_attributes *attributes)
{
    switch (element) {
    case CEP_EL_SECURITY: reader->request->token.problem = NULL; break;
    case CEP_EL_PASSWORD:
        reader->secret = 1;
        check_type(reader, cep_attribute_find(attributes, NULL, "Type", reader->pool));
        check_type(reader, cep_attribute_find(attributes, CEP_NS_WSSE, "Type", reader->pool));
        break;
    case CEP_EL_BINARY_TOKEN:
        cannot_use(reader, "A BinarySecurityToken is not supported; send a UsernameToken.");
        break;
    default: break;
    }
}

static void username_ends(struct cep_reader *reader, const char *text)
{
    size_t length = strlen(text);

    if (length == 0)
        cannot_use(reader, "The user name is empty.");
    else if (length > CEP_XCEP_MAX_USER)
        cannot_use(reader, "The user name is too long.");
    else
        reader->request->token.user = apr_pstrmemdup(reader->pool, text, length);
}

/* An empty password must not go further: an LDAP server takes it for an anonymous bind, RFC 4513
 * 5.1.2, and says that all is well. */
static void password_ends(struct cep_reader *reader, const char *text)
{
    size_t length = strlen(text);

    cep_xcep_forget(reader->request); /* of a second one, which is refused later */
    if (length == 0)
        cannot_use(reader, "The password is empty.");
    else if (length > CEP_XCEP_MAX_PASSWORD)
        cannot_use(reader, "The password is too long.");
    else
        reader->request->token.password = apr_pstrmemdup(reader->pool, text, length);
}

void cep_security_ends(struct cep_reader *reader, const struct cep_frame *frame, const char *text)
{
    struct cep_username_token *token = &reader->request->token;

    switch (frame->element) {
    case CEP_EL_USERNAME: username_ends(reader, text); break;
    case CEP_EL_PASSWORD: password_ends(reader, text); break;
    case CEP_EL_USERNAME_TOKEN:
        if (!CEP_SEEN(frame, CEP_EL_USERNAME))
            cannot_use(reader, "The UsernameToken has no user name.");
        if (!CEP_SEEN(frame, CEP_EL_PASSWORD))
            cannot_use(reader, "The UsernameToken has no password.");
        break;
    case CEP_EL_SECURITY:
        if (!CEP_SEEN(frame, CEP_EL_USERNAME_TOKEN))
            cannot_use(reader, "The Security header has no UsernameToken.");
        if (token->problem) {
            cep_xcep_forget(reader->request);
            token->user = NULL;
        }
        break;
    default: break;
    }
}

void cep_xcep_forget(struct cep_request *request)
{
    struct cep_username_token *token = &request->token;

    if (token->password)
        OPENSSL_cleanse(token->password, strlen(token->password));
    token->password = NULL;
}
