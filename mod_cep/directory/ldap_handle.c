/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A handle of libldap on a socket of ours.
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

#include <openldap.h>

#include <apr_strings.h>

#include "ldap_source.h"
#include "net.h"

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

int cep_ldap_set_number(LDAP *ld, int option, int value)
{
    return ldap_set_option(ld, option, &value) != LDAP_OPT_SUCCESS;
}

/* Everything that ldap.conf, the environment or another module could have set before. */
static int set_options(LDAP *ld)
{
    const struct timeval for_ever = {-1, 0}; /* libldap's own waits: none is left, see above */
    int failed = 0;

    failed |= cep_ldap_set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3);
    failed |= cep_ldap_set_number(ld, LDAP_OPT_DEREF, LDAP_DEREF_NEVER);
    failed |= cep_ldap_set_number(ld, LDAP_OPT_SIZELIMIT, LDAP_NO_LIMIT);
    failed |= cep_ldap_set_number(ld, LDAP_OPT_TIMELIMIT, LDAP_NO_LIMIT);
    failed |= ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_TIMEOUT, &for_ever) != LDAP_OPT_SUCCESS;
    failed |= ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &for_ever) != LDAP_OPT_SUCCESS;
    /* No reverse look-up may decide which server we believe to speak to. Not in every build. */
    ldap_set_option(ld, LDAP_OPT_X_SASL_NOCANON, LDAP_OPT_ON);
    return failed;
}

apr_status_t cep_ldap_close_handle(void *data)
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
apr_status_t cep_ldap_make_handle(struct ldap_source *source, apr_pool_t *pool, const char **error)
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
