/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

#include "net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "bounded.h"

apr_time_t cep_monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

apr_time_t cep_earlier(apr_time_t deadline, apr_interval_time_t limit)
{
    apr_time_t now = cep_monotonic();

    return limit < deadline - now ? now + limit : deadline;
}

/* Wait until fd is ready or has failed. 0, or -1 with errno. */
static int wait_for(int fd, short events, apr_time_t deadline)
{
    struct pollfd waiting = {.fd = fd, .events = events};

    for (;;) {
        apr_time_t left = deadline - cep_monotonic();
        int ready;

        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        /* Rounded up, or the last part of a millisecond would be spent in a busy loop. */
        left = (left + 999) / 1000;
        ready = poll(&waiting, 1, left > 60000 ? 60000 : (int)left);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -1;
    }
}

ssize_t cep_net_receive(int fd, void *data, size_t length, apr_time_t deadline)
{
    for (;;) {
        ssize_t got;

        /* Asked first: a peer that never stops sending must not get past the deadline. */
        if (cep_monotonic() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
        got = recv(fd, data, length, MSG_DONTWAIT);
        if (got >= 0)
            return got;
        if (errno == EINTR)
            continue;
        if ((errno != EAGAIN && errno != EWOULDBLOCK) || wait_for(fd, POLLIN, deadline) != 0)
            return -1;
    }
}

ssize_t cep_net_send(int fd, const void *data, size_t length, apr_time_t deadline)
{
    for (;;) {
        ssize_t sent = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent >= 0)
            return sent;
        if (errno == EINTR)
            continue;
        if ((errno != EAGAIN && errno != EWOULDBLOCK) || wait_for(fd, POLLOUT, deadline) != 0)
            return -1;
    }
}

/* Out of pools: a look-up that is late outlives them. */
struct lookup {
    int result; /* of getaddrinfo() */
    struct addrinfo *addresses;
    char host[256];
    char port[8];
};

static void free_lookup(void *data)
{
    struct lookup *lookup = data;

    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    free(lookup);
}

static void resolve(void *data)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = data;

    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    if (lookup->result != 0)
        lookup->addresses = NULL;
}

/* The addresses of url's host, to be freed with free_lookup(). */
static apr_status_t find_addresses(struct lookup **result, const struct cep_url *url,
                                   apr_time_t deadline, apr_pool_t *pool, const char **error)
{
    struct addrinfo numeric = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    apr_status_t status;

    if (!lookup)
        return APR_ENOMEM;
    snprintf(lookup->host, sizeof(lookup->host), "%s", url->host);
    snprintf(lookup->port, sizeof(lookup->port), "%u", url->port);
    numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    *result = lookup;
    if (getaddrinfo(lookup->host, lookup->port, &numeric, &lookup->addresses) == 0)
        return APR_SUCCESS;
    lookup->addresses = NULL;
    status = cep_bounded_run(resolve, free_lookup, lookup, deadline);
    if (status == APR_SUCCESS && lookup->result == 0)
        return APR_SUCCESS;
    *result = NULL;
    if (status == APR_TIMEUP) {
        *error = apr_psprintf(pool,
                              "the name %s was not resolved in time; check the DNS servers in "
                              "/etc/resolv.conf",
                              url->host);
        return status;
    }
    if (status == APR_SUCCESS)
        *error = apr_psprintf(pool, "the name %s cannot be resolved (%s); check the name and DNS",
                              url->host, gai_strerror(lookup->result));
    else
        *error = "no thread could be started to look the host name up";
    free_lookup(lookup);
    return APR_EGENERAL;
}

/* The values are for a connection that rests between two looks for changes. */
static void set_tcp_options(int fd)
{
    int on = 1, idle = 60, interval = 10, count = 3;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int finish_connect(int fd, apr_time_t deadline)
{
    socklen_t length = sizeof(int);
    int result = 0;

    if (wait_for(fd, POLLOUT, deadline) != 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &length) != 0)
        return -1;
    errno = result;
    return result ? -1 : 0;
}

/* A connected socket, or -1 with errno. */
static int connect_to(const struct sockaddr *address, socklen_t length, apr_time_t deadline)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result, saved;

    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX)
        set_tcp_options(fd);
    do {
        result = connect(fd, address, length);
        /* A UNIX socket with a full backlog says EAGAIN at once and never becomes writable. */
        if (result != 0 && errno == EAGAIN) {
            poll(NULL, 0, 20);
            if (cep_monotonic() >= deadline) {
                errno = ETIMEDOUT;
                break;
            }
            errno = EAGAIN;
        }
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    if (result != 0 && errno == EINPROGRESS)
        result = finish_connect(fd, deadline);
    if (result == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    return 0;
}

static apr_status_t cannot_connect(const char *where, apr_pool_t *pool, const char **error)
{
    int status = errno;
    char text[128];

    *error = apr_psprintf(pool,
                          "no connection to %s (%s); check that the server runs, and the host, "
                          "port and firewall",
                          where, apr_strerror(status, text, sizeof(text)));
    return status == ETIMEDOUT ? APR_TIMEUP : status;
}

static apr_status_t connect_tcp(int *fd, int *local, const struct cep_url *url, apr_time_t deadline,
                                apr_pool_t *pool, const char **error)
{
    struct lookup *lookup = NULL;
    apr_status_t status = find_addresses(&lookup, url, deadline, pool, error);
    const struct addrinfo *address;
    int left = 0;

    if (status != APR_SUCCESS)
        return status;
    for (address = lookup->addresses; address; address = address->ai_next)
        left++;
    *fd = -1;
    for (address = lookup->addresses; address && *fd < 0; address = address->ai_next) {
        /* An address that is silent leaves the others their share. */
        apr_interval_time_t share = (deadline - cep_monotonic()) / left--;

        *fd = connect_to(address->ai_addr, address->ai_addrlen, cep_earlier(deadline, share));
        *local = is_loopback(address->ai_addr);
    }
    if (*fd < 0)
        status =
            cannot_connect(apr_psprintf(pool, "%s port %u", url->host, url->port), pool, error);
    free_lookup(lookup);
    return status;
}

static apr_status_t connect_unix(int *fd, const struct cep_url *url, apr_time_t deadline,
                                 apr_pool_t *pool, const char **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(url->path);
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } pointer = {&address};

    if (length >= sizeof(address.sun_path)) {
        *error = apr_psprintf(pool, "the path of the socket is longer than %d octets",
                              (int)sizeof(address.sun_path) - 1);
        return APR_EGENERAL;
    }
    memcpy(address.sun_path, url->path, length);
    *fd = connect_to(pointer.any, sizeof(address), deadline);
    return *fd < 0 ? cannot_connect(url->path, pool, error) : APR_SUCCESS;
}

apr_status_t cep_net_connect(int *fd, int *local, const struct cep_url *url, apr_time_t deadline,
                             apr_pool_t *pool, const char **error)
{
    *error = "out of memory";
    if (url->kind != CEP_URL_LDAPI)
        return connect_tcp(fd, local, url, deadline, pool, error);
    *local = 1;
    return connect_unix(fd, url, deadline, pool, error);
}
