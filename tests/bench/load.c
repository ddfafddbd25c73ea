/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A client that costs little: load http|https PORT CONNECTIONS REQUEST. The file REQUEST holds one
 * whole HTTP/1.1 request, which is sent as it is. The connections, to 127.0.0.1, are opened at
 * once and kept. Then, for each line on standard input with a number, so many requests are made
 * over all of them together, and one line of numbers is printed. For answers.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define BUFFER (256 * 1024)

/* Read only once the threads run, but for the counters. */
struct load {
    SSL_CTX *tls; /* NULL: plain */
    struct sockaddr_in server;
    char *request;
    size_t request_length;
    pthread_mutex_t mutex;
    long left; /* requests to make; under the mutex */
};

struct connection {
    struct load *load;
    pthread_t thread;
    int fd;
    SSL *ssl;
    char *buffer;
    long answered, failed, status;
    unsigned long long octets;
    double slowest;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hang_up(struct connection *c)
{
    if (c->ssl)
        SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static int dial(struct connection *c)
{
    const struct load *load = c->load;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 ||
        connect(c->fd, (const struct sockaddr *)&load->server, sizeof(load->server)) != 0)
        goto failed;
    if (!load->tls)
        return 1;
    c->ssl = SSL_new(load->tls);
    if (c->ssl && SSL_set_fd(c->ssl, c->fd) == 1 && SSL_connect(c->ssl) == 1)
        return 1;
failed:
    hang_up(c);
    return 0;
}

static long receive(struct connection *c, char *data, size_t length)
{
    return c->ssl ? SSL_read(c->ssl, data, (int)length) : (long)recv(c->fd, data, length, 0);
}

static int send_request(struct connection *c)
{
    const struct load *load = c->load;

    if (c->ssl)
        return SSL_write(c->ssl, load->request, (int)load->request_length) > 0;
    return send(c->fd, load->request, load->request_length, MSG_NOSIGNAL) ==
           (ssize_t)load->request_length;
}

/* The header's end in what was read, or NULL; the buffer has room for a NUL behind it. */
static const char *header_end(char *buffer, long length)
{
    const char *end;

    buffer[length] = '\0';
    end = strstr(buffer, "\r\n\r\n");
    return end ? end + 4 : NULL;
}

/* One answer, whole: 1, or 0 when the connection is of no use any more. */
static int read_answer(struct connection *c)
{
    const char *end = NULL, *field;
    long got = 0, more, length;

    while (!end) {
        more = receive(c, c->buffer + got, (size_t)(BUFFER - 1 - got));
        if (more <= 0)
            return 0;
        got += more;
        end = header_end(c->buffer, got);
    }
    c->status = strtol(c->buffer + strlen("HTTP/1.1 "), NULL, 10);
    field = strcasestr(c->buffer, "\r\nContent-Length:");
    if (!field || field > end)
        return 0;
    length = strtol(field + strlen("\r\nContent-Length:"), NULL, 10);
    c->octets += (unsigned long long)length;
    for (length -= got - (end - c->buffer); length > 0; length -= more) {
        more = receive(c, c->buffer, BUFFER - 1);
        if (more <= 0)
            return 0;
    }
    return length == 0;
}

static int take(struct load *load)
{
    int one;

    pthread_mutex_lock(&load->mutex);
    one = load->left > 0;
    load->left -= one;
    pthread_mutex_unlock(&load->mutex);
    return one;
}

static void *work(void *data)
{
    struct connection *c = data;

    while (take(c->load)) {
        double start = now();

        if ((c->fd >= 0 || dial(c)) && send_request(c) && read_answer(c)) {
            c->answered++;
        } else {
            c->failed++;
            hang_up(c);
        }
        if (now() - start > c->slowest)
            c->slowest = now() - start;
    }
    return NULL;
}

/* One batch over all connections. */
static void run(struct load *load, struct connection *connections, int count, long requests)
{
    struct connection sum = {.status = 0};
    double start = now();

    load->left = requests;
    for (int i = 0; i < count; i++) {
        struct connection *c = &connections[i];

        c->answered = c->failed = c->status = 0;
        c->octets = 0;
        c->slowest = 0;
        if (pthread_create(&c->thread, NULL, work, c) != 0)
            exit(1);
    }
    for (int i = 0; i < count; i++) {
        const struct connection *c = &connections[i];

        pthread_join(c->thread, NULL);
        sum.answered += c->answered;
        sum.failed += c->failed;
        sum.octets += c->octets;
        if (c->status > sum.status)
            sum.status = c->status;
        if (c->slowest > sum.slowest)
            sum.slowest = c->slowest;
    }
    printf("answered=%ld failed=%ld status=%ld octets=%llu seconds=%.6f slowest=%.6f\n",
           sum.answered, sum.failed, sum.status, sum.octets, now() - start, sum.slowest);
    fflush(stdout);
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *data = malloc(BUFFER);

    if (!file || !data) {
        perror(path);
        exit(1);
    }
    *length = fread(data, 1, BUFFER, file);
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    struct load load = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct connection *connections;
    char line[64];
    int count;

    if (argc != 5) {
        fprintf(stderr, "usage: load http|https PORT CONNECTIONS REQUEST\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    load.server.sin_family = AF_INET;
    load.server.sin_port = htons((unsigned short)strtol(argv[2], NULL, 10));
    load.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load.request = read_file(argv[4], &load.request_length);
    if (!strcmp(argv[1], "https"))
        load.tls = SSL_CTX_new(TLS_client_method());
    count = (int)strtol(argv[3], NULL, 10);
    connections = calloc((size_t)count, sizeof(*connections));
    for (int i = 0; i < count; i++) {
        connections[i].load = &load;
        connections[i].fd = -1;
        connections[i].buffer = malloc(BUFFER);
        if (!connections[i].buffer || !dial(&connections[i])) {
            fprintf(stderr, "no connection to port %s\n", argv[2]);
            return 1;
        }
    }
    while (fgets(line, sizeof(line), stdin))
        run(&load, connections, count, strtol(line, NULL, 10));
    return 0;
}
