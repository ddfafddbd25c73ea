/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Which of httpd's ways of authentication a request came by, and the certificate of those with one.
 */

#include "cep_server.h"

#include "http_core.h"
#include "http_protocol.h"
#include "http_ssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

/* Set when httpd has asked modules who the user is, and not when nobody needs to be known. */
#define AUTHENTICATED_NOTE "cep-authenticated"

static const char *ssl_variable(request_rec *r, const char *name)
{
    const char *value = ap_ssl_var_lookup(r->pool, r->server, r->connection, r, name);

    return value ? value : "";
}

/*
 * Whether anybody but mod_ssl says that he has authenticated the user, though no AuthType is set.
 * With SSLUserName newer versions of mod_ssl do say so themselves.
 */
static int has_other_authentication(const request_rec *r)
{
    return r->ap_auth_type && strcmp(r->ap_auth_type, "ClientCert");
}

int cep_note_authenticated(request_rec *r)
{
    apr_table_setn(r->notes, AUTHENTICATED_NOTE, "1");
    return DECLINED;
}

/*
 * Whether httpd has asked modules who the user is, and one of them knew. A request that was
 * redirected within httpd takes that from the one before where both have the same configuration
 * (ap_process_request_internal()).
 */
static int was_authenticated(const request_rec *r)
{
    const request_rec *first = r;

    for (; r && r->per_dir_config == first->per_dir_config; r = r->prev) {
        if (apr_table_get(r->notes, AUTHENTICATED_NOTE))
            return 1;
    }
    return 0;
}

/*
 * A name alone is no user. ap_get_basic_auth_pw() leaves the one that the client wrote into its
 * Authorization header, for a script, say, when nothing requires anybody; SSLUserName sets what the
 * client asked for as the server's name. Without AuthType nobody authenticates, unless he says so.
 */
static int has_user(const request_rec *r, int has_type)
{
    return r->user && *r->user && was_authenticated(r) && (has_type || has_other_authentication(r));
}

enum cep_way cep_way_in(request_rec *r)
{
    const char *verify, *type = ap_auth_type(r);
    int has_type = type && ap_cstr_casecmp(type, "None");
    enum cep_way by_name = has_user(r, has_type) ? CEP_WAY_NAME : CEP_WAY_NONE;

    /* Somebody else authenticates here. A certificate adds nothing to it and replaces nothing. */
    if (has_type)
        return by_name;
    verify = ssl_variable(r, "SSL_CLIENT_VERIFY");
    if (!*verify || !strcmp(verify, "NONE"))
        return by_name;
    /* GENEROUS, FAILED: mod_ssl let an unverified certificate pass, and its user with it. */
    if (strcmp(verify, "SUCCESS"))
        return CEP_WAY_UNVERIFIED;
    /* Not by SSLUserName's name: the requester may have chosen what it is taken from. */
    return has_other_authentication(r) ? CEP_WAY_NONE : CEP_WAY_CERTIFICATE;
}

static const char *read_pem(struct cep_certificate **certificate, BIO *bio, apr_pool_t *pool)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long length = 0;
    const char *problem = "the certificate cannot be read";

    if (PEM_read_bio(bio, &name, &header, &der, &length) && length > 0)
        problem = cep_certificate_read(certificate, der, (size_t)length, pool);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return problem;
}

const char *cep_client_certificate(request_rec *r, struct cep_certificate **certificate)
{
    const char *pem = ssl_variable(r, "SSL_CLIENT_CERT");
    BIO *bio = BIO_new_mem_buf(pem, -1);
    const char *problem;

    *certificate = NULL;
    ERR_set_mark();
    problem = bio ? read_pem(certificate, bio, r->pool) : "out of memory";
    ERR_pop_to_mark();
    BIO_free(bio);
    return problem;
}
