/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * An LDAP server as a source: the only file that knows libldap.
 *
 * libldap never waits here. Left to itself, 2.5 can hang for ever: on a server that accepts and
 * stays silent during the TLS handshake, that stops in the middle of a message, or that sends one
 * octet now and then, because its time limits bound single calls of poll() and some phases not at
 * all (LDAP_OPT_CONNECT_ASYNC with socket time-outs helps with silence, not with a handshake that
 * drips). So the socket is ours: net.c connects it, libldap gets it by ldap_init_fd(), and each
 * read and write, of plain messages and of TLS records alike, comes through a Sockbuf_IO of ours,
 * which ends at the deadline of the exchange under way. To libldap the socket seems always ready
 * (LBER_SB_OPT_DATA_READY), so that it goes straight to that read instead of its own poll(), whose
 * clock can be set.
 *
 * ldap.conf, .ldaprc and LDAP* in the environment only set defaults of new handles, as mod_ldap's
 * global options do. All that matters is set on the handle, never globally, and the TLS context is
 * made from the handle's settings alone (LDAP_OPT_X_TLS_NEWCTX, after all others).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <ldap.h>
#include <openldap.h>

#include <apr_strings.h>

#include "dn.h"
#include "net.h"
#include "source.h"

#define PAGE_SIZE            500
#define SD_FLAGS_OID         "1.2.840.113556.1.4.801"
#define LARGEST_TIME_LIMIT   3600 /* seconds, told to the server with each search */
#define OVERHEAD_OF_A_VALUE  32   /* octets of our own memory, counted against the limit */
#define OVERHEAD_OF_AN_ENTRY 512

/* Owner, group and DACL, without the SACL, which ordinary accounts may not read: [MS-ADTS]
 * 3.1.1.3.4.1.11. */
static const char sd_flags_value[] = {0x30, 0x03, 0x02, 0x01, 0x07};

struct ldap_source {
    LDAP *ld;
    int fd;
    apr_time_t deadline; /* of the exchange under way */
    int timed_out;       /* the deadline ended a read or write */
    apr_interval_time_t timeout;
    struct cep_url url;
    int local; /* the peer is on this machine */
    Sockbuf_IO io;
};

/* --- the socket layer under libldap --- */

static int io_setup(Sockbuf_IO_Desc *layer, void *source)
{
    layer->sbiod_pvt = source;
    return 0;
}

static int io_remove(Sockbuf_IO_Desc *layer)
{
    layer->sbiod_pvt = NULL;
    return 0;
}

static int io_control(Sockbuf_IO_Desc *layer, int option, void *argument)
{
    (void)layer;
    (void)argument;
    return option == LBER_SB_OPT_DATA_READY;
}

/* errno steers libldap: EAGAIN, left behind by net.c, would mean "ask again" even at the end. */
static ber_slen_t io_result(struct ldap_source *source, ssize_t result)
{
    if (result < 0)
        source->timed_out |= errno == ETIMEDOUT;
    else
        errno = result == 0 ? ECONNRESET : 0;
    return result;
}

static ber_slen_t io_read(Sockbuf_IO_Desc *layer, void *data, ber_len_t length)
{
    struct ldap_source *source = layer->sbiod_pvt;

    return io_result(source, cep_net_receive(source->fd, data, length, source->deadline));
}

static ber_slen_t io_write(Sockbuf_IO_Desc *layer, void *data, ber_len_t length)
{
    struct ldap_source *source = layer->sbiod_pvt;

    return io_result(source, cep_net_send(source->fd, data, length, source->deadline));
}

static int io_close(Sockbuf_IO_Desc *layer)
{
    struct ldap_source *source = layer->sbiod_pvt;

    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
    return 0;
}

/* --- errors --- */

static const char *certificate_hint(const struct ldap_source *source, apr_pool_t *pool)
{
    return apr_psprintf(pool,
                        "; check that the server speaks TLS here, that CEPCACertificateFile "
                        "holds the CA of its certificate, that the certificate is valid now and "
                        "that it names %s",
                        source->url.host);
}

/* What to do about a result code, with "; " in front, or "". */
static const char *hint(int code)
{
    switch (code) {
    case LDAP_INVALID_CREDENTIALS:
        return "; check CEPBindDN and the password in CEPBindPasswordFile";
    case LDAP_INVALID_DN_SYNTAX:
        return "; check the DNs in the configuration (only AD accepts user@realm in CEPBindDN)";
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED: return "; use ldaps:// or CEPStartTLS On";
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_AUTH_METHOD_NOT_SUPPORTED:
        return "; the server does not offer this CEPBind method here";
    case LDAP_OPERATIONS_ERROR: return "; AD wants a bind first: set CEPBind";
    case LDAP_INSUFFICIENT_ACCESS: return "; grant the bind account read access";
    case LDAP_REFERRAL: return "; this server does not hold the entry, name one that does";
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
        return "; raise the server's limit for the bind account or allow it paged results";
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE: return "; the server is overloaded or not ready, it is tried again";
    case LDAP_SERVER_DOWN: return "; the server closed the connection or sent no LDAP";
    default: return "";
    }
}

/* The handle's own message: the server's text, or that of the TLS library. NULL without any. */
static const char *diagnostic(const struct ldap_source *source, apr_pool_t *pool)
{
    const char *result;
    char *text = NULL;

    ldap_get_option(source->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    /* GnuTLS says "(unknown error code)" for a certificate that libldap itself refuses. */
    result = text && *text && *text != '(' ? apr_pstrdup(pool, text) : NULL;
    if (text)
        ldap_memfree(text);
    return result;
}

/* Make the sentence for a failed step and the status for it. server_text may be NULL. */
static apr_status_t fail(const struct ldap_source *source, const char *step, int code,
                         const char *server_text, const char *advice, apr_pool_t *pool,
                         const char **error)
{
    if (source->timed_out) {
        *error = apr_psprintf(pool,
                              "%s: no complete answer in time; check the server's load and "
                              "the network, or raise CEPTimeout",
                              step);
        return APR_TIMEUP;
    }
    *error = apr_psprintf(pool, "%s: %s (%d)%s%s%s%s", step, ldap_err2string(code), code,
                          server_text ? ", \"" : "", server_text ? server_text : "",
                          server_text ? "\"" : "", advice);
    return code == LDAP_NO_SUCH_OBJECT ? APR_NOTFOUND : APR_EGENERAL;
}

static int handle_error(const struct ldap_source *source)
{
    int code = LDAP_OTHER;

    ldap_get_option(source->ld, LDAP_OPT_RESULT_CODE, &code);
    return code == LDAP_SUCCESS ? LDAP_OTHER : code;
}

static apr_status_t fail_handle(const struct ldap_source *source, const char *step,
                                apr_pool_t *pool, const char **error)
{
    int code = handle_error(source);

    return fail(source, step, code, diagnostic(source, pool), hint(code), pool, error);
}

/* --- exchanges --- */

/* Begin an exchange: it ends after the configured time or at deadline. */
static void arm(struct ldap_source *source, apr_time_t deadline)
{
    source->deadline = cep_earlier(deadline, source->timeout);
}

/* Read the next message of an operation; NULL on error. Never waits past the deadline. */
static LDAPMessage *next_message(struct ldap_source *source, int id)
{
    LDAPMessage *message = NULL;

    if (ldap_result(source->ld, id, LDAP_MSG_ONE, NULL, &message) > 0)
        return message;
    return NULL;
}

/* Judge a final message and free it. *cookie, where wanted, gets the paging cookie, in pool. */
static apr_status_t take_result(struct ldap_source *source, const char *step, LDAPMessage *message,
                                struct berval *cookie, apr_pool_t *pool, const char **error)
{
    LDAPControl **controls = NULL, *page;
    char *text = NULL;
    int code = LDAP_OTHER, rc;
    apr_status_t status = APR_SUCCESS;

    rc = ldap_parse_result(source->ld, message, &code, NULL, &text, NULL, &controls, 1);
    if (rc != LDAP_SUCCESS)
        code = rc;
    if (code != LDAP_SUCCESS) {
        status = fail(source, step, code, text && *text ? text : NULL, hint(code), pool, error);
        goto done;
    }
    page = cookie ? ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL) : NULL;
    if (page) {
        struct berval value = {0, NULL};
        ber_int_t estimate;

        rc = ldap_parse_pageresponse_control(source->ld, page, &estimate, &value);
        if (rc != LDAP_SUCCESS) {
            status = fail(source, step, rc, NULL, "", pool, error);
            goto done;
        }
        cookie->bv_val = apr_pmemdup(pool, value.bv_val ? value.bv_val : "", value.bv_len);
        cookie->bv_len = value.bv_len;
        ldap_memfree(value.bv_val);
    }
done:
    if (text)
        ldap_memfree(text);
    ldap_controls_free(controls);
    return status;
}

/* The single answer to the operation id; rc is what starting it returned. */
static apr_status_t finish(struct ldap_source *source, const char *step, int rc, int id,
                           apr_pool_t *pool, const char **error)
{
    LDAPMessage *message = rc == LDAP_SUCCESS ? next_message(source, id) : NULL;

    if (!message)
        return fail_handle(source, step, pool, error);
    return take_result(source, step, message, NULL, pool, error);
}

/* --- opening --- */

/* Where systems keep the CA certificates they trust, as one PEM file. */
static const char *system_ca_file(void)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt",
                                        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
    size_t i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (access(files[i], R_OK) == 0)
            return files[i];
    }
    return NULL;
}

static int set_number(LDAP *ld, int option, int value)
{
    return ldap_set_option(ld, option, &value) != LDAP_OPT_SUCCESS;
}

/* Everything that ldap.conf, the environment or another module could have set before. */
static int set_options(LDAP *ld)
{
    const struct timeval for_ever = {-1, 0}; /* libldap's own waits: none is left, see above */
    int failed = 0;

    failed |= set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3);
    failed |= set_number(ld, LDAP_OPT_DEREF, LDAP_DEREF_NEVER);
    failed |= set_number(ld, LDAP_OPT_SIZELIMIT, LDAP_NO_LIMIT);
    failed |= set_number(ld, LDAP_OPT_TIMELIMIT, LDAP_NO_LIMIT);
    failed |= ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_TIMEOUT, &for_ever) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &for_ever) != LDAP_OPT_SUCCESS;
    /* No reverse look-up may decide which server we believe to speak to. Not in every build. */
    ldap_set_option(ld, LDAP_OPT_X_SASL_NOCANON, LDAP_OPT_ON);
    return failed;
}

/*
 * REQUIRE_SAN is no detail: with "never", which LDAPTLS_REQSAN can set, libldap 2.5 with GnuTLS
 * takes any name for the right one. "try": where a certificate has alternative names, they decide.
 */
static int set_tls_options(LDAP *ld, const char *ca_file)
{
    int failed = 0;

    failed |= set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND);
    failed |= set_number(ld, LDAP_OPT_X_TLS_REQUIRE_SAN, LDAP_OPT_X_TLS_TRY);
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTDIR, NULL) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CERTFILE, NULL) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_KEYFILE, NULL) != LDAP_OPT_SUCCESS;
    /* Not every TLS library knows these two; where they are refused, nothing was set either. */
    ldap_set_option(ld, LDAP_OPT_X_TLS_CRLFILE, NULL);
    ldap_set_option(ld, LDAP_OPT_X_TLS_PEERKEY_HASH, NULL);
    failed |= ldap_set_option(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, NULL) != LDAP_OPT_SUCCESS;
    failed |= set_number(ld, LDAP_OPT_X_TLS_NEWCTX, 0);
    return failed;
}

static apr_status_t prepare_tls(struct ldap_source *source,
                                const struct cep_directory_config *config, apr_pool_t *pool,
                                const char **error)
{
    const char *file = config->ca_certificate_file;

    if (!file)
        file = system_ca_file();
    if (!file) {
        *error = "this system has no file of trusted CA certificates in the usual places; set "
                 "CEPCACertificateFile";
        return APR_EGENERAL;
    }
    if (access(file, R_OK) != 0) {
        char text[128];

        *error = apr_psprintf(pool, "CEPCACertificateFile %s cannot be read (%s)", file,
                              apr_strerror(errno, text, sizeof(text)));
        return APR_EGENERAL;
    }
    if (set_tls_options(source->ld, file)) {
        *error = apr_psprintf(pool,
                              "CEPCACertificateFile %s cannot be used; it has to hold CA "
                              "certificates in PEM form",
                              file);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

/*
 * TLS 1.0 and 1.1 are no longer TLS (RFC 8996). Refused after the handshake and before anything is
 * sent, because libldap with GnuTLS has no LDAP_OPT_X_TLS_PROTOCOL_MIN, and loses memory with each
 * connection that names a LDAP_OPT_X_TLS_CIPHER_SUITE.
 */
static apr_status_t check_tls_version(struct ldap_source *source, apr_pool_t *pool,
                                      const char **error)
{
    static const char *const old[] = {"TLS1.0", "TLS1.1", "TLSv1", "TLSv1.0", "TLSv1.1"};
    char *version = NULL;
    int refused;
    size_t i;

    ldap_get_option(source->ld, LDAP_OPT_X_TLS_VERSION, &version);
    refused = !version || strncmp(version, "TLS", 3) != 0;
    for (i = 0; !refused && i < sizeof(old) / sizeof(old[0]); i++)
        refused = strcmp(version, old[i]) == 0;
    if (refused)
        *error = apr_psprintf(pool, "the server speaks %s only; enable TLS 1.2 or later there",
                              version ? version : "an unknown version of TLS");
    if (version)
        ldap_memfree(version);
    return refused ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t start_tls(struct ldap_source *source, int extended_operation,
                              apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    apr_status_t status;
    int rc, id = 0;

    arm(source, deadline);
    if (extended_operation) {
        rc = ldap_extended_operation(source->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &id);
        status = finish(source, "StartTLS", rc, id, pool, error);
        if (status != APR_SUCCESS)
            return status == APR_NOTFOUND ? APR_EGENERAL : status;
    }
    rc = ldap_install_tls(source->ld);
    if (rc == LDAP_SUCCESS)
        return check_tls_version(source, pool, error);
    return fail(source, "TLS handshake", rc, diagnostic(source, pool),
                certificate_hint(source, pool), pool, error);
}

/*
 * The password file: one line, its line end not part of the password, CEP_PASSWORD_FILE_MAX octets
 * with it. An empty password would make the bind an anonymous one that succeeds (RFC 4513 5.1.2);
 * libldap's C strings end at a NUL.
 */
static apr_status_t read_password(struct berval *password, const char *path, apr_pool_t *pool,
                                  const char **error)
{
    apr_status_t status;
    apr_size_t length;
    const char *why;
    char *data;

    if (!path) {
        *error = "CEPBind simple needs CEPBindPasswordFile";
        return APR_EGENERAL;
    }
    status = cep_read_file(path, CEP_PASSWORD_FILE_MAX, &data, &length, pool, &why);
    if (status != APR_SUCCESS) {
        *error = apr_pstrcat(pool, "CEPBindPasswordFile ", why, NULL);
        return status;
    }
    password->bv_val = data;
    password->bv_len = length;
    if (password->bv_len && data[password->bv_len - 1] == '\n')
        password->bv_len--;
    if (password->bv_len && data[password->bv_len - 1] == '\r')
        password->bv_len--;
    if (password->bv_len && !memchr(data, 0, password->bv_len))
        return APR_SUCCESS;
    explicit_bzero(data, length);
    *error = apr_psprintf(pool, "CEPBindPasswordFile %s: %s; write the password into it", path,
                          password->bv_len ? "holds a NUL octet" : "holds no password");
    return APR_EGENERAL;
}

static apr_status_t bind_simple(struct ldap_source *source,
                                const struct cep_directory_config *config, int protected,
                                apr_pool_t *pool, const char **error)
{
    struct berval password;
    apr_status_t status;
    int rc, id = 0;

    if (!config->bind_dn || !*config->bind_dn) {
        *error = "CEPBind simple needs CEPBindDN";
        return APR_EGENERAL;
    }
    if (!protected && !source->local) {
        *error = "CEPBind simple would send the password in clear; use ldaps:// or "
                 "CEPStartTLS On";
        return APR_EGENERAL;
    }
    status = read_password(&password, config->password_file, pool, error);
    if (status != APR_SUCCESS)
        return status;
    rc = ldap_sasl_bind(source->ld, config->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id);
    explicit_bzero(password.bv_val, password.bv_len);
    status = finish(source, apr_psprintf(pool, "binding as \"%s\"", config->bind_dn), rc, id, pool,
                    error);
    return status == APR_NOTFOUND ? APR_EGENERAL : status;
}

/* EXTERNAL is one message with an empty identity (RFC 4422 appendix A); it needs no SASL library.
 */
static apr_status_t bind_external(struct ldap_source *source, apr_pool_t *pool, const char **error)
{
    char nobody[1] = "";
    struct berval credentials = {0, nobody};
    apr_status_t status;
    int rc, id = 0;

    rc = ldap_sasl_bind(source->ld, NULL, "EXTERNAL", &credentials, NULL, NULL, &id);
    status = finish(source, "binding by SASL EXTERNAL", rc, id, pool, error);
    return status == APR_NOTFOUND ? APR_EGENERAL : status;
}

static apr_status_t bind_as_configured(struct ldap_source *source,
                                       const struct cep_directory_config *config, int protected,
                                       apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    arm(source, deadline);
    switch (config->bind) {
    case CEP_BIND_SIMPLE: return bind_simple(source, config, protected, pool, error);
    case CEP_BIND_EXTERNAL: return bind_external(source, pool, error);
    case CEP_BIND_ANONYMOUS: break;
    }
    return APR_SUCCESS; /* a new session is anonymous: RFC 4511 section 4.2 */
}

static apr_status_t close_handle(void *data)
{
    struct ldap_source *source = data;

    /* Saying good-bye must not wait: what does not fit into the socket's buffer is left out. */
    source->deadline = 0;
    if (source->ld)
        ldap_unbind_ext(source->ld, NULL, NULL);
    source->ld = NULL;
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
    return APR_SUCCESS;
}

/* Give the connected socket to a new handle. */
static apr_status_t make_handle(struct ldap_source *source, apr_pool_t *pool, const char **error)
{
    static const Sockbuf_IO layer = {io_setup, io_remove, io_control, io_read, io_write, io_close};
    ber_len_t largest = CEP_DIRECTORY_MAX_PDU;
    const char *host = source->url.host ? source->url.host : "localhost";
    int ipv6 = strchr(host, ':') != NULL, rc;
    const char *url = apr_psprintf(pool, "ldap://%s%s%s:%u", ipv6 ? "[" : "", host, ipv6 ? "]" : "",
                                   source->url.port);
    Sockbuf *sockbuf = NULL;

    /* The URL is what libldap checks the certificate's names against; it does not connect. */
    rc = ldap_init_fd(source->fd, LDAP_PROTO_EXT, url, &source->ld);
    if (rc != LDAP_SUCCESS) {
        source->ld = NULL;
        *error = apr_psprintf(pool, "libldap gave no handle: %s", ldap_err2string(rc));
        return APR_EGENERAL;
    }
    source->io = layer; /* libldap wants it writable and for as long as the handle lives */
    if (ldap_get_option(source->ld, LDAP_OPT_SOCKBUF, &sockbuf) != LDAP_OPT_SUCCESS ||
        ber_sockbuf_add_io(sockbuf, &source->io, LBER_SBIOD_LEVEL_PROVIDER, source) != 0 ||
        ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_MAX_INCOMING, &largest) != 1 ||
        set_options(source->ld)) {
        *error = "libldap refused an option; is it older than 2.5?";
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

static apr_status_t ldap_open(void **result, const struct cep_directory_config *config,
                              const char *url, apr_time_t deadline, apr_pool_t *pool,
                              const char **error)
{
    struct ldap_source *source = apr_pcalloc(pool, sizeof(*source));
    apr_status_t status;
    int tls;

    source->fd = -1;
    source->timeout = config->timeout;
    *error = cep_url_parse(&source->url, url, pool);
    if (*error)
        return APR_EINVAL;
    if (config->start_tls && source->url.kind != CEP_URL_LDAP) {
        *error = "CEPStartTLS is for ldap:// only; remove it or change the URL";
        return APR_EINVAL;
    }
    tls = config->start_tls || source->url.kind == CEP_URL_LDAPS;
    apr_pool_cleanup_register(pool, source, close_handle, apr_pool_cleanup_null);
    status = cep_net_connect(&source->fd, &source->local, &source->url,
                             cep_earlier(deadline, config->timeout), pool, error);
    if (status == APR_SUCCESS)
        status = make_handle(source, pool, error);
    if (status == APR_SUCCESS && tls)
        status = prepare_tls(source, config, pool, error);
    if (status == APR_SUCCESS && tls)
        status = start_tls(source, config->start_tls, deadline, pool, error);
    if (status == APR_SUCCESS)
        status = bind_as_configured(source, config, tls, deadline, pool, error);
    *result = source;
    return status;
}

/* --- searching --- */

/* Values that came in part: AD's "member;range=0-1499", [MS-ADTS] 3.1.1.3.1.3.3. */
struct range {
    struct cep_entry *entry;
    const char *attribute; /* without options */
    apr_uint32_t next;     /* first value still to be read */
};

struct search {
    struct ldap_source *source;
    const struct cep_query *query;
    const char *step; /* for messages */
    apr_time_t deadline;
    apr_pool_t *pool;
    const char **error;
    apr_array_header_t *entries; /* struct cep_entry * */
    apr_array_header_t *ranges;  /* struct range */
    apr_uint64_t octets;
};

static apr_status_t search_fails(const struct search *search, const char *what)
{
    *search->error = apr_pstrcat(search->pool, search->step, ": ", what, NULL);
    return APR_EGENERAL;
}

static apr_status_t count_octets(struct search *search, apr_uint64_t octets)
{
    search->octets += octets;
    if (search->octets <= CEP_DIRECTORY_MAX_BYTES)
        return APR_SUCCESS;
    return search_fails(search, apr_psprintf(search->pool,
                                             "the answer is larger than %d octets, which is more "
                                             "than is read",
                                             CEP_DIRECTORY_MAX_BYTES));
}

static int is_attribute_name(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-.")];
}

/* RFC 4515 section 3. More octets than have to be are escaped, which it allows. */
static const char *escape(const struct cep_value *value, apr_pool_t *pool)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789 .,-_=@:/$";
    char *text = apr_palloc(pool, 3 * value->len + 1), *out = text;
    apr_size_t i;

    for (i = 0; i < value->len; i++) {
        unsigned char octet = value->data[i];

        if (octet && strchr(plain, octet)) {
            *out++ = (char)octet;
            continue;
        }
        *out++ = '\\';
        *out++ = hex[octet >> 4];
        *out++ = hex[octet & 15];
    }
    *out = 0;
    return text;
}

/* The filter for query, or NULL when a name in it is no name of a class or attribute. */
static const char *make_filter(const struct cep_query *query, apr_pool_t *pool)
{
    const char *by_class = "(objectClass=*)";

    if (query->object_class) {
        if (!is_attribute_name(query->object_class))
            return NULL;
        by_class = apr_pstrcat(pool, "(objectClass=", query->object_class, ")", NULL);
    }
    if (!query->attribute)
        return by_class;
    if (!is_attribute_name(query->attribute) || query->value.len > CEP_DIRECTORY_MAX_PDU / 4)
        return NULL;
    return apr_pstrcat(pool, "(&", by_class, "(", query->attribute, "=",
                       escape(&query->value, pool), "))", NULL);
}

/*
 * Read the option "range=first-last" or "range=first-*". Returns 1 when more values are to come,
 * 0 when these were all or there is no such option, -1 when it makes no sense.
 */
static int read_range(const char *description, apr_uint32_t expected, apr_uint32_t *next)
{
    const char *option = strstr(description, ";range="), *at;
    apr_uint64_t number[2] = {0, 0};
    int i;

    if (!option)
        return expected ? -1 : 0;
    at = option + strlen(";range=");
    for (i = 0; i < 2; i++, at++) {
        if (i == 1 && at[0] == '*' && (!at[1] || at[1] == ';'))
            return number[0] == expected ? 0 : -1;
        if (*at < '0' || *at > '9')
            return -1;
        for (; *at >= '0' && *at <= '9' && number[i] < APR_UINT32_MAX; at++)
            number[i] = number[i] * 10 + (apr_uint64_t)(*at - '0');
        if (i == 0 && *at != '-')
            return -1;
    }
    if (number[0] != expected || number[1] < number[0] || number[1] >= APR_UINT32_MAX)
        return -1;
    *next = (apr_uint32_t)number[1] + 1;
    return 1;
}

/* Take the values of one attribute in. continued: the range that they continue, or NULL. */
static apr_status_t take_values(struct search *search, struct cep_entry *entry,
                                const char *description, const struct berval *values,
                                struct range *continued)
{
    apr_uint32_t next = 0;
    int more = read_range(description, continued ? continued->next : 0, &next);
    size_t i;

    if (more < 0)
        return search_fails(
            search, apr_psprintf(search->pool, "the server sent \"%s\" out of order", description));
    for (i = 0; values && values[i].bv_val; i++) {
        apr_status_t status = count_octets(search, values[i].bv_len + OVERHEAD_OF_A_VALUE);

        if (status != APR_SUCCESS)
            return status;
        cep_entry_add(entry, search->pool, description, values[i].bv_val, values[i].bv_len);
    }
    if (more && !i)
        return search_fails(search, "the server sent a part of an attribute without a value");
    if (continued) {
        continued->next = next; /* 0: complete */
    } else if (more) {
        struct range *range = apr_array_push(search->ranges);

        range->entry = entry;
        range->attribute = apr_pstrmemdup(search->pool, description, strcspn(description, ";"));
        range->next = next;
    }
    return APR_SUCCESS;
}

/* Take all attributes of message in; with continued, only the rest of that attribute. */
static apr_status_t take_attributes(struct search *search, LDAPMessage *message, BerElement *ber,
                                    struct cep_entry *entry, struct range *continued)
{
    apr_status_t status = APR_SUCCESS;
    struct berval name, *values;
    int rc;

    while (status == APR_SUCCESS) {
        values = NULL;
        rc = ldap_get_attribute_ber(search->source->ld, message, ber, &name, &values);
        if (rc != LDAP_SUCCESS || !name.bv_val) {
            if (values)
                ber_memfree(values);
            return rc == LDAP_SUCCESS ? APR_SUCCESS
                                      : search_fails(search, "an entry cannot be decoded");
        }
        if (strlen(name.bv_val) != name.bv_len || !name.bv_len)
            status = search_fails(search, "an attribute's name is empty or holds a NUL octet");
        else if (!continued || (strncasecmp(name.bv_val, continued->attribute,
                                            strlen(continued->attribute)) == 0 &&
                                name.bv_val[strlen(continued->attribute)] == ';'))
            status = take_values(search, entry, name.bv_val, values, continued);
        if (values)
            ber_memfree(values);
    }
    return status;
}

/* Take one entry in: a new one, or the rest of continued->entry. */
static apr_status_t take_entry(struct search *search, LDAPMessage *message, struct range *continued)
{
    struct cep_entry *entry;
    apr_status_t status;
    BerElement *ber = NULL;
    struct berval dn;

    if (ldap_get_dn_ber(search->source->ld, message, &ber, &dn) != LDAP_SUCCESS)
        return search_fails(search, "an entry cannot be decoded");
    if (continued) {
        entry = continued->entry;
        status = APR_SUCCESS;
    } else {
        entry = cep_entry_make(search->pool, dn.bv_val ? dn.bv_val : "");
        APR_ARRAY_PUSH(search->entries, struct cep_entry *) = entry;
        status = count_octets(search, dn.bv_len + OVERHEAD_OF_AN_ENTRY);
        if (strlen(entry->dn) != dn.bv_len)
            status = search_fails(search, "a DN holds a NUL octet");
        else if (search->entries->nelts > CEP_DIRECTORY_MAX_ENTRIES)
            status = search_fails(search, "there are more entries than are read");
    }
    if (status == APR_SUCCESS)
        status = take_attributes(search, message, ber, entry, continued);
    ber_free(ber, 0);
    return status;
}

/*
 * Read the answer to the search id. References to other servers are passed over: what they hold is
 * not asked for here, and following them would hand the bind to whatever host they name.
 */
static apr_status_t read_answer(struct search *search, int id, struct range *continued,
                                struct berval *cookie)
{
    apr_status_t status = APR_SUCCESS;

    while (status == APR_SUCCESS) {
        LDAPMessage *message = next_message(search->source, id);

        if (!message)
            return fail_handle(search->source, search->step, search->pool, search->error);
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT)
            return take_result(search->source, search->step, message, cookie, search->pool,
                               search->error);
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_ENTRY)
            status = take_entry(search, message, continued);
        ldap_msgfree(message);
    }
    return status;
}

static int asks_for(const char *const *attributes, const char *name)
{
    for (; attributes && *attributes; attributes++) {
        if (strcasecmp(*attributes, name) == 0)
            return 1;
    }
    return 0;
}

/*
 * Seconds told to the server, so that it stops working for us, too, when we have gone. Rounded up,
 * and one more: Samba compares clock times in whole seconds, so that to it a second is over after a
 * millisecond when the clock turns meanwhile.
 */
static time_t time_limit(apr_time_t deadline)
{
    apr_interval_time_t left = deadline - cep_monotonic();
    apr_time_t seconds = left > 0 ? apr_time_sec(left) + 2 : 2;

    return seconds < LARGEST_TIME_LIMIT ? (time_t)seconds : LARGEST_TIME_LIMIT;
}

/* One search request: a page, or the rest of a range. cookie NULL: without paging. */
static apr_status_t search_once(struct search *search, const char *base, enum cep_scope scope,
                                const char *filter, char **attributes, struct range *continued,
                                struct berval *cookie)
{
    static const int scopes[] = {[CEP_SCOPE_BASE] = LDAP_SCOPE_BASE,
                                 [CEP_SCOPE_ONE] = LDAP_SCOPE_ONELEVEL,
                                 [CEP_SCOPE_SUBTREE] = LDAP_SCOPE_SUBTREE};
    struct ldap_source *source = search->source;
    char sd_oid[] = SD_FLAGS_OID, sd_value[sizeof(sd_flags_value)];
    LDAPControl sd = {sd_oid, {sizeof(sd_value), sd_value}, 0}, *page = NULL;
    LDAPControl *controls[3] = {NULL, NULL, NULL};
    struct timeval limit = {0, 0};
    int count = 0, id = 0, rc = LDAP_SUCCESS;
    apr_status_t status;

    arm(source, search->deadline);
    memcpy(sd_value, sd_flags_value, sizeof(sd_value));
    /* Not critical: OpenLDAP, which does not know it, hands the attribute out all the same. */
    if (asks_for(search->query->attributes, "nTSecurityDescriptor"))
        controls[count++] = &sd;
    if (cookie)
        rc = ldap_create_page_control(source->ld, PAGE_SIZE, cookie, 0, &page);
    if (rc != LDAP_SUCCESS)
        return search_fails(search, ldap_err2string(rc));
    controls[count] = page;
    limit.tv_sec = time_limit(source->deadline);
    rc = ldap_search_ext(source->ld, base, scopes[scope], filter, attributes, 0, controls, NULL,
                         &limit, LDAP_NO_LIMIT, &id);
    if (cookie)
        *cookie = (struct berval){0, NULL};
    if (rc == LDAP_SUCCESS)
        status = read_answer(search, id, continued, cookie);
    else
        status = fail_handle(source, search->step, search->pool, search->error);
    if (page)
        ldap_control_free(page);
    return status;
}

/* libldap takes the names without const, but only reads them. */
static char **attribute_list(const char *const *attributes, apr_pool_t *pool)
{
    char **list;
    int count = 0, i;

    if (!attributes)
        return NULL;
    while (attributes[count])
        count++;
    list = apr_pcalloc(pool, sizeof(*list) * ((size_t)count + 2));
    for (i = 0; i < count; i++)
        list[i] = apr_pstrdup(pool, attributes[i]);
    if (!count)
        list[0] = apr_pstrdup(pool, LDAP_NO_ATTRS);
    return list;
}

/* After all pages, so that no other search comes between two of them. */
static apr_status_t complete_ranges(struct search *search)
{
    apr_status_t status = APR_SUCCESS;
    int i;

    for (i = 0; i < search->ranges->nelts && status == APR_SUCCESS; i++) {
        struct range range = APR_ARRAY_IDX(search->ranges, i, struct range);

        while (status == APR_SUCCESS && range.next) {
            char *attributes[2] = {NULL, NULL};
            apr_uint32_t before = range.next;

            attributes[0] = apr_psprintf(search->pool, "%s;range=%u-*", range.attribute, before);
            status = search_once(search, range.entry->dn, CEP_SCOPE_BASE, "(objectClass=*)",
                                 attributes, &range, NULL);
            if (status == APR_SUCCESS && range.next == before)
                status =
                    search_fails(search, apr_psprintf(search->pool,
                                                      "the server did not send the values of %s "
                                                      "from the %u. on; did the entry change?",
                                                      range.attribute, before));
        }
        if (status == APR_NOTFOUND) /* the base does exist: this is another entry that has gone */
            status = APR_EGENERAL;
    }
    return status;
}

static apr_status_t ldap_query(void *opaque, const struct cep_query *query, apr_time_t deadline,
                               apr_array_header_t **entries, apr_pool_t *pool, const char **error)
{
    struct search search = {.source = opaque, .query = query, .deadline = deadline};
    const char *filter = make_filter(query, pool);
    char **attributes = attribute_list(query->attributes, pool);
    struct berval cookie = {0, NULL};
    apr_status_t status;

    search.pool = pool;
    search.error = error;
    search.step =
        *query->base ? apr_psprintf(pool, "searching \"%s\"", query->base) : "reading the root DSE";
    search.entries = apr_array_make(pool, 8, sizeof(struct cep_entry *));
    search.ranges = apr_array_make(pool, 1, sizeof(struct range));
    if (!filter)
        return search_fails(&search, "the query names a class or attribute that cannot exist");
    do {
        status = search_once(&search, query->base, query->scope, filter, attributes, NULL,
                             query->scope == CEP_SCOPE_BASE ? NULL : &cookie);
    } while (status == APR_SUCCESS && cookie.bv_len);
    if (status == APR_SUCCESS)
        status = complete_ranges(&search);
    *entries = search.entries;
    return status;
}

/* --- identity --- */

/* OpenLDAP names no configuration partition: one is looked for at and below its suffixes. */
static apr_status_t ldap_find_configuration(void *opaque, const struct cep_entry *root,
                                            apr_time_t deadline, const char **dn, apr_pool_t *pool,
                                            const char **error)
{
    static const char *const nothing[] = {NULL};
    const struct cep_attribute *contexts =
        root ? cep_entry_attribute(root, "namingContexts") : NULL;
    int i;

    for (i = 0; i < cep_attribute_count(contexts); i++) {
        const char *context = (const char *)cep_attribute_value(contexts, i)->data;
        const char *canonical = cep_dn_normalize(context, pool);
        struct cep_query query = {.scope = CEP_SCOPE_BASE, .attributes = nothing};
        apr_array_header_t *entries;
        apr_status_t status;

        if (!canonical || !*canonical)
            continue;
        query.base = strncmp(canonical, "cn=configuration,", 17) == 0
                         ? context
                         : apr_pstrcat(pool, "CN=Configuration,", context, NULL);
        status = ldap_query(opaque, &query, deadline, &entries, pool, error);
        if (status == APR_SUCCESS && entries->nelts) {
            *dn = query.base;
            return APR_SUCCESS;
        }
        if (status != APR_SUCCESS && status != APR_NOTFOUND)
            return status;
    }
    *error = "the server names no configurationNamingContext, and there is no CN=Configuration "
             "that the bind account may read at or below its namingContexts";
    return APR_NOTFOUND;
}

const struct cep_source_kind cep_source_ldap = {ldap_open, ldap_query, ldap_find_configuration};
