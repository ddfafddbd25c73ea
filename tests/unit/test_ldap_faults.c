/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * An LDAP source against servers that misbehave: each call ends with an error within the time
 * configured, leaves no descriptor behind and takes no memory. The servers are threads of this
 * program on 127.0.0.1 that speak as much LDAP as it takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "../../mod_cep/directory/source.h"
#include "cep_directory.h"
#include "files.h"
#include "pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_LEAK_CHECK
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LEAK_CHECK
#endif
#endif

#define TIMEOUT_MS 300
#define MARGIN_MS  2000 /* for machines under load */

static int setup(void **state)
{
    signal(SIGPIPE, SIG_DFL); /* writing to a closed connection must not end the process */
    return make_pool(state);
}

/* --- BER, as much as LDAP messages need --- */

struct message {
    unsigned char octets[65536];
    size_t length;
};

static void put(struct message *message, const void *data, size_t length)
{
    assert_true(message->length + length <= sizeof(message->octets));
    memcpy(message->octets + message->length, data, length);
    message->length += length;
}

static size_t begin(struct message *message, int tag)
{
    unsigned char header[5] = {(unsigned char)tag, 0x83, 0, 0, 0};

    put(message, header, sizeof(header));
    return message->length;
}

static void end(struct message *message, size_t start)
{
    size_t length = message->length - start;

    message->octets[start - 3] = (unsigned char)(length >> 16);
    message->octets[start - 2] = (unsigned char)(length >> 8);
    message->octets[start - 1] = (unsigned char)length;
}

static void put_string(struct message *message, int tag, const char *text, size_t length)
{
    size_t start = begin(message, tag);

    put(message, text, length);
    end(message, start);
}

static void put_number(struct message *message, int tag, int value)
{
    unsigned char octets[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                               (unsigned char)(value >> 8), (unsigned char)value};

    put_string(message, tag, (const char *)octets, sizeof(octets));
}

/* A message with a result: RFC 4511 section 4.1.9. op: 0x61 bind, 0x65 search, 0x78 extended. */
static void put_result(struct message *message, int id, int op, int code, const char *text,
                       const char *cookie)
{
    size_t outer = begin(message, 0x30), body;

    put_number(message, 0x02, id);
    body = begin(message, op);
    put_number(message, 0x0a, code);
    put_string(message, 0x04, "", 0);
    put_string(message, 0x04, text, strlen(text));
    end(message, body);
    if (cookie) {
        size_t controls = begin(message, 0xa0), control = begin(message, 0x30), value, inner;

        put_string(message, 0x04, "1.2.840.113556.1.4.319", 22);
        value = begin(message, 0x04);
        inner = begin(message, 0x30);
        put_number(message, 0x02, 0);
        put_string(message, 0x04, cookie, strlen(cookie));
        end(message, inner);
        end(message, value);
        end(message, control);
        end(message, controls);
    }
    end(message, outer);
}

/* An entry with one attribute of count values: prefix and a number. */
static void put_entry(struct message *message, int id, const char *dn, size_t dn_length,
                      const char *name, size_t name_length, const char *prefix, int first,
                      int count)
{
    size_t outer = begin(message, 0x30), body, list, attribute, values;
    int i;

    put_number(message, 0x02, id);
    body = begin(message, 0x64);
    put_string(message, 0x04, dn, dn_length);
    list = begin(message, 0x30);
    attribute = begin(message, 0x30);
    put_string(message, 0x04, name, name_length);
    values = begin(message, 0x31);
    for (i = first; i < first + count; i++) {
        const char *value = apr_psprintf(pool, "%s%d", prefix, i);

        put_string(message, 0x04, value, strlen(value));
    }
    end(message, values);
    end(message, attribute);
    end(message, list);
    end(message, body);
    end(message, outer);
}

/* --- the server --- */

struct server;
typedef void behaviour(struct server *server, int fd);

struct server {
    behaviour *behave;
    int listener;
    int port;
    atomic_int stop;
    pthread_t thread;
};

/* Wait until fd is readable (1), the peer is gone (0) or the server has to stop (0). */
static int wait_readable(struct server *server, int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};

    while (!atomic_load(&server->stop)) {
        if (poll(&waiting, 1, 20) > 0)
            return 1;
    }
    return 0;
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Keep the connection open and say nothing until the client goes. */
static void hold(struct server *server, int fd)
{
    char rest[4096];

    while (wait_readable(server, fd)) {
        if (recv(fd, rest, sizeof(rest), 0) <= 0)
            return;
    }
}

static int send_all(int fd, const void *data, size_t length)
{
    const char *at = data;

    while (length) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

        if (sent <= 0)
            return 0;
        at += sent;
        length -= (size_t)sent;
    }
    return 1;
}

static int send_message(int fd, const struct message *message)
{
    return send_all(fd, message->octets, message->length);
}

static void answer(struct server *server, int fd, struct message *message)
{
    send_message(fd, message);
    hold(server, fd);
}

/*
 * Read one request (they are small and come whole). Returns its message id, or 0 at the end;
 * *op is the operation's tag, *to_root 1 for a search at the root DSE.
 */
static int read_request(struct server *server, int fd, int *op, int *to_root)
{
    unsigned char octets[4096];
    size_t at = 1;
    ssize_t got;
    int id = 0, i;

    if (!wait_readable(server, fd))
        return 0;
    got = recv(fd, octets, sizeof(octets), 0);
    if (got < 7)
        return 0;
    at += octets[at] & 0x80 ? (octets[at] & 0x7f) + 1u : 1u; /* length of the message */
    for (i = 0; i < octets[at + 1]; i++)
        id = id << 8 | octets[at + 2 + (size_t)i];
    at += 2u + octets[at + 1];
    *op = octets[at++];
    at += octets[at] & 0x80 ? (octets[at] & 0x7f) + 1u : 1u;
    *to_root = octets[at] == 0x04 && octets[at + 1] == 0;
    return id;
}

static void *serve(void *data)
{
    struct server *server = data;

    while (wait_readable(server, server->listener)) {
        int fd = accept(server->listener, NULL, NULL);

        if (fd < 0)
            continue;
        server->behave(server, fd);
        close(fd);
    }
    return NULL;
}

static void start_server(struct server *server, behaviour *behave)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    union {
        struct sockaddr_in *in;
        struct sockaddr *any;
    } pointer = {&address};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->behave = behave;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, pointer.any, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, pointer.any, &length), 0);
    server->port = ntohs(address.sin_port);
    atomic_init(&server->stop, 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop_server(struct server *server)
{
    atomic_store(&server->stop, 1);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

/* --- behaviours at once after the connection --- */

static void half_a_message(struct server *server, int fd)
{
    int op, to_root;

    if (read_request(server, fd, &op, &to_root)) {
        send_all(fd, "\x30\x20\x02\x01\x01\x61", 6);
        hold(server, fd);
    }
}

static void huge_header(struct server *server, int fd)
{
    int op, to_root;

    if (read_request(server, fd, &op, &to_root)) {
        send_all(fd, "\x30\x84\x7f\xff\xff\xff", 6);
        hold(server, fd);
    }
}

static void huge_stream(struct server *server, int fd)
{
    static const char zeros[65536];
    int op, to_root;

    if (!read_request(server, fd, &op, &to_root))
        return;
    send_all(fd, "\x30\x84\x7f\xff\xff\xff", 6);
    while (!atomic_load(&server->stop) && send_all(fd, zeros, sizeof(zeros)))
        ;
}

/* As long as a message may be, but only its header comes. */
static void largest_header(struct server *server, int fd)
{
    int op, to_root;

    if (read_request(server, fd, &op, &to_root)) {
        send_all(fd, "\x30\x84\x03\xff\xff\xff\x02\x01\x01", 9);
        hold(server, fd);
    }
}

/* To LDAP, "HT" is the header of a message of 84 octets. */
static void garbage(struct server *server, int fd)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 20\r\n\r\nThis is no directory";

    send_all(fd, text, sizeof(text) - 1);
    hold(server, fd);
}

static void close_at_once(struct server *server, int fd)
{
    (void)server;
    (void)fd;
}

static void close_after_request(struct server *server, int fd)
{
    int op, to_root;

    read_request(server, fd, &op, &to_root);
}

static void reset_connection(struct server *server, int fd)
{
    struct linger linger = {1, 0};

    (void)server;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* One octet at a time of something that begins well; ten times in the client's time. */
static void drip(struct server *server, int fd, const char *begin_with, size_t length)
{
    size_t i;

    for (i = 0; !atomic_load(&server->stop); i++) {
        if (!send_all(fd, i < length ? begin_with + i : "", 1))
            return;
        pause_ms(TIMEOUT_MS / 10);
    }
}

static void drip_message(struct server *server, int fd)
{
    drip(server, fd, "\x30\x83\x00\xff\xff\x02\x01\x01\x64", 9);
}

static void drip_tls(struct server *server, int fd)
{
    /* a handshake record of 16 KB, in it a ServerHello */
    drip(server, fd, "\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03", 11);
}

static void wrong_id(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int op, to_root, id = read_request(server, fd, &op, &to_root);

    if (!id)
        return;
    put_result(&message, id + 77, 0x65, 0, "", NULL);
    answer(server, fd, &message);
}

/* Faster than they can be read, so that the client never has to wait for more. */
static void wrong_id_for_ever(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int op, to_root, i, id = read_request(server, fd, &op, &to_root);

    if (!id)
        return;
    for (i = 0; i < 1000; i++)
        put_result(&message, id + 77, 0x65, 0, "", NULL);
    while (!atomic_load(&server->stop) && send_message(fd, &message))
        ;
}

/* RFC 4511 section 4.4.1: a notice of disconnection. */
static void __attribute__((unused)) notice_of_disconnection(struct server *server, int fd)
{
    struct message message = {.length = 0};
    size_t outer = begin(&message, 0x30), body;
    int op, to_root;

    put_number(&message, 0x02, 0);
    body = begin(&message, 0x78);
    put_number(&message, 0x0a, 52);
    put_string(&message, 0x04, "", 0);
    put_string(&message, 0x04, "going down", 10);
    put_string(&message, 0x8a, "1.3.6.1.4.1.1466.20036", 22);
    end(&message, body);
    end(&message, outer);
    if (read_request(server, fd, &op, &to_root)) {
        send_message(fd, &message);
        hold(server, fd);
    }
}

/* That result, whatever the first request is. */
static void answer_first(struct server *server, int fd, int tag, int code, const char *text)
{
    struct message message = {.length = 0};
    int op, to_root, id = read_request(server, fd, &op, &to_root);

    put_result(&message, id, tag, code, text, NULL);
    answer(server, fd, &message);
}

static void size_limit_at_root(struct server *server, int fd)
{
    answer_first(server, fd, 0x65, 4, "too much");
}

static void bind_refused(struct server *server, int fd)
{
    answer_first(server, fd, 0x61, 49, "data 52e");
}

static void start_tls_refused(struct server *server, int fd)
{
    answer_first(server, fd, 0x78, 2, "no TLS here");
}

static int accept_start_tls(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int op, to_root, id = read_request(server, fd, &op, &to_root);

    if (op != 0x77)
        return 0;
    put_result(&message, id, 0x78, 0, "", NULL);
    return send_message(fd, &message);
}

static void start_tls_then_silent(struct server *server, int fd)
{
    if (accept_start_tls(server, fd))
        hold(server, fd);
}

static void start_tls_then_drip(struct server *server, int fd)
{
    if (accept_start_tls(server, fd))
        drip_tls(server, fd);
}

static void start_tls_then_garbage(struct server *server, int fd)
{
    if (accept_start_tls(server, fd))
        garbage(server, fd);
}

static void start_tls_then_close(struct server *server, int fd)
{
    accept_start_tls(server, fd);
}

/* --- opening --- */

struct measured {
    int descriptors;
    long rss_kb;
    apr_time_t at;
};

static struct measured measure(void)
{
    struct measured result = {0, 0, cep_monotonic()};
    DIR *directory = opendir("/proc/self/fd");
    struct rusage usage;

    while (directory && readdir(directory))
        result.descriptors++;
    if (directory)
        closedir(directory);
    getrusage(RUSAGE_SELF, &usage);
    result.rss_kb = usage.ru_maxrss;
    return result;
}

static struct cep_directory_config config_for(const char *url)
{
    struct cep_directory_config config = {.name = "test",
                                          .timeout = apr_time_from_msec(TIMEOUT_MS)};

    config.urls = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(config.urls, const char *) = url;
    return config;
}

enum transport { PLAIN, TLS, START_TLS };

/* What ends the call: our deadline, or what the server did. */
enum ending { AT_DEADLINE, AT_ONCE };

static const struct {
    const char *name;
    behaviour *behave;
    enum transport transport;
    enum ending ending;
    const char *says;
} faults[] = {
    {"silent", hold, PLAIN, AT_DEADLINE, "in time"},
    {"silent, ldaps", hold, TLS, AT_DEADLINE, "TLS handshake: no complete answer in time"},
    {"silent, StartTLS", hold, START_TLS, AT_DEADLINE, "StartTLS: no complete answer in time"},
    {"silent after StartTLS", start_tls_then_silent, START_TLS, AT_DEADLINE,
     "TLS handshake: no complete answer in time"},
    {"drip after StartTLS", start_tls_then_drip, START_TLS, AT_DEADLINE, "TLS handshake: no"},
    {"garbage after StartTLS", start_tls_then_garbage, START_TLS, AT_ONCE, "TLS handshake: "},
    {"FIN after StartTLS", start_tls_then_close, START_TLS, AT_ONCE, "TLS handshake: "},
    {"StartTLS refused", start_tls_refused, START_TLS, AT_ONCE, "no TLS here"},
    {"half a message", half_a_message, PLAIN, AT_DEADLINE, "in time"},
    {"header of 2 GiB", huge_header, PLAIN, AT_ONCE, "root DSE: "},
    {"2 GiB streamed", huge_stream, PLAIN, AT_ONCE, "root DSE: "},
    {"header of 64 MiB", largest_header, PLAIN, AT_DEADLINE, "in time"},
    {"garbage", garbage, PLAIN, AT_ONCE, "root DSE: "},
    {"garbage, ldaps", garbage, TLS, AT_ONCE, "TLS handshake: "},
    {"FIN", close_at_once, PLAIN, AT_ONCE, "root DSE: "},
    {"FIN, ldaps", close_at_once, TLS, AT_ONCE, "TLS handshake: "},
    {"FIN, StartTLS", close_at_once, START_TLS, AT_ONCE, "StartTLS: "},
    {"FIN after the request", close_after_request, PLAIN, AT_ONCE, "root DSE: "},
    {"RST", reset_connection, PLAIN, AT_ONCE, ""},
    {"RST, ldaps", reset_connection, TLS, AT_ONCE, ""},
    {"drip", drip_message, PLAIN, AT_DEADLINE, "in time"},
    {"drip, ldaps", drip_tls, TLS, AT_DEADLINE, "TLS handshake: no complete answer in time"},
    {"wrong id", wrong_id, PLAIN, AT_DEADLINE, "in time"},
    {"wrong id for ever", wrong_id_for_ever, PLAIN, AT_DEADLINE, "in time"},
#ifndef WITH_LEAK_CHECK /* libldap 2.5 loses 162 octets with each such notice */
    {"notice of disconnection", notice_of_disconnection, PLAIN, AT_ONCE, "root DSE: "},
#endif
    {"size limit", size_limit_at_root, PLAIN, AT_ONCE, "\"too much\""},
};

static void test_faults(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct cep_directory_config config;
        struct cep_directory *directory;
        struct measured before, after, closed, untouched = measure();
        struct server server;
        const char *error = NULL;
        apr_status_t status;
        long took;

        start_server(&server, faults[i].behave);
        config = config_for(apr_psprintf(
            pool, "%s://127.0.0.1:%d", faults[i].transport == TLS ? "ldaps" : "ldap", server.port));
        config.start_tls = faults[i].transport == START_TLS;
        before = measure();
        status = cep_directory_open(&directory, &config, NULL, pool, &error);
        after = measure();
        stop_server(&server);
        closed = measure();

        took = (long)apr_time_as_msec(after.at - before.at);
        if (status == APR_SUCCESS)
            fail_msg("%s: opened", faults[i].name);
        if (!error || !strstr(error, faults[i].says))
            fail_msg("%s: \"%s\"", faults[i].name, error);
        if (faults[i].ending == AT_DEADLINE && (took < TIMEOUT_MS || status != APR_TIMEUP))
            fail_msg("%s: ended after %ld ms, status %d", faults[i].name, took, status);
        if (faults[i].ending == AT_ONCE && status == APR_TIMEUP)
            fail_msg("%s: ended by the deadline only", faults[i].name);
        if (took > TIMEOUT_MS + MARGIN_MS)
            fail_msg("%s: took %ld ms", faults[i].name, took);
        if (closed.descriptors != untouched.descriptors)
            fail_msg("%s: %d descriptors left", faults[i].name,
                     closed.descriptors - untouched.descriptors);
        if (after.rss_kb - before.rss_kb > 32 * 1024)
            fail_msg("%s: grew by %ld KB", faults[i].name, after.rss_kb - before.rss_kb);
    }
}

/* Nothing listens; the port was ours a moment ago. */
static void test_refused(void **state)
{
    struct cep_directory_config config;
    struct cep_directory *directory;
    struct server server;
    const char *error;

    (void)state;
    start_server(&server, hold);
    stop_server(&server);
    config = config_for(apr_psprintf(pool, "ldap://127.0.0.1:%d", server.port));
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "no connection"));
    config = config_for("ldapi://%2Fnonexistent%2Fldapi");
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "/nonexistent/ldapi"));
    config = config_for(apr_pstrcat(pool, "ldapi://", apr_psprintf(pool, "%%2F%0200d", 1), NULL));
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "longer"));
    config = config_for("ldaps://127.0.0.1");
    config.start_tls = 1;
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "CEPStartTLS"));
}

/* A name server that does not answer, in the place of libc's own resolver. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (strcmp(node, "slow.example.test") == 0 && !(hints->ai_flags & AI_NUMERICHOST)) {
        pause_ms(3 * TIMEOUT_MS);
        return EAI_AGAIN;
    }
    if (strcmp(node, "unknown.example.test") == 0)
        return EAI_NONAME;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, result);
}

static void test_names(void **state)
{
    struct cep_directory_config config = config_for("ldap://slow.example.test");
    struct cep_directory *directory;
    apr_time_t before = cep_monotonic();
    struct server server;
    const char *error;
    long took;

    (void)state;
    assert_int_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_TIMEUP);
    took = (long)apr_time_as_msec(cep_monotonic() - before);
    assert_true(took >= TIMEOUT_MS && took < 3 * TIMEOUT_MS - 100);
    assert_non_null(strstr(error, "not resolved in time"));
    config = config_for("ldap://unknown.example.test");
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    assert_non_null(strstr(error, "cannot be resolved"));
    /* The thread of a look-up that succeeds; the server answers nothing useful. */
    start_server(&server, size_limit_at_root);
    config = config_for(apr_psprintf(pool, "ldap://localhost:%d", server.port));
    assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    stop_server(&server);
    assert_non_null(strstr(error, "too much"));
    pause_ms(3 * TIMEOUT_MS); /* let the late thread end before the process does */
}

/* --- the password file --- */

static void test_password_file(void **state)
{
    static const struct {
        const char *content;
        size_t length;
        const char *says;
    } cases[] = {
        {"secret\n", 7, "\"data 52e\""}, /* it reached the server */
        {"secret", 6, "\"data 52e\""},   {"secret\r\n", 8, "\"data 52e\""},
        {" \n", 2, "\"data 52e\""},      {"", 0, "no password"},
        {"\n", 1, "no password"},        {"\r\n", 2, "no password"},
        {"sec\0ret", 7, "NUL"},          {"\0\n", 2, "NUL"},
    };
    const char *path = scratch_file(pool);
    size_t i;

    (void)state;
    for (i = 0; i <= sizeof(cases) / sizeof(cases[0]) + 1; i++) {
        size_t known = sizeof(cases) / sizeof(cases[0]);
        struct cep_directory_config config;
        struct cep_directory *directory;
        struct server server;
        const char *error, *says;

        if (i < known) {
            write_file(path, "w", cases[i].content, cases[i].length);
            says = cases[i].says;
        } else { /* at the limit and one above */
            char *full = apr_palloc(pool, CEP_PASSWORD_FILE_MAX + 1);

            memset(full, 'x', CEP_PASSWORD_FILE_MAX + 1);
            write_file(path, "w", full, CEP_PASSWORD_FILE_MAX + i - known);
            says = i == known ? "\"data 52e\"" : "larger than 1024";
        }
        start_server(&server, bind_refused);
        config = config_for(apr_psprintf(pool, "ldap://127.0.0.1:%d", server.port));
        config.bind = CEP_BIND_SIMPLE;
        config.bind_dn = "CN=reader";
        config.password_file = path;
        assert_int_not_equal(cep_directory_open(&directory, &config, NULL, pool, &error),
                             APR_SUCCESS);
        stop_server(&server);
        if (!strstr(error, says) || strstr(error, "secret"))
            fail_msg("case %d: %s", (int)i, error);
    }
}

/* --- answers to a search, by a server that identifies itself well --- */

/* Answer everything up to the first search below the data's base; returns its id, or 0. */
static int until_search(struct server *server, int fd)
{
    int op, to_root, id, searches = 0;

    while ((id = read_request(server, fd, &op, &to_root)) != 0) {
        struct message message = {.length = 0};

        if (op == 0x63 && !to_root && ++searches > 2)
            return id; /* after those for objectGUID and crossRef */
        if (to_root)
            put_entry(&message, id, "", 0, "configurationNamingContext", 26,
                      "CN=Configuration,DC=x", 0, 1);
        put_result(&message, id, 0x65, 0, "", NULL);
        if (!send_message(fd, &message))
            return 0;
    }
    return 0;
}

static void answer_code(struct server *server, int fd, int code, const char *text)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd);

    if (!id)
        return;
    put_entry(&message, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    put_result(&message, id, 0x65, code, text, NULL);
    answer(server, fd, &message);
}

static void answers_well(struct server *server, int fd)
{
    answer_code(server, fd, 0, "");
}

static void answers_no_such_object(struct server *server, int fd)
{
    answer_code(server, fd, 32, "0000208D");
}

static void answers_referral(struct server *server, int fd)
{
    answer_code(server, fd, 10, "0000202B");
}

static void answers_size_limit(struct server *server, int fd)
{
    answer_code(server, fd, 4, "");
}

static void answers_busy(struct server *server, int fd)
{
    answer_code(server, fd, 51, "line\nbreak");
}

/* References between entries are passed over. */
static void answers_reference(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd);
    size_t outer, body;

    put_entry(&message, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    outer = begin(&message, 0x30);
    put_number(&message, 0x02, id);
    body = begin(&message, 0x73);
    put_string(&message, 0x04, "ldap://other.example.test/DC=y", 30);
    end(&message, body);
    end(&message, outer);
    put_result(&message, id, 0x65, 0, "", NULL);
    answer(server, fd, &message);
}

static void drops_after_an_entry(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd);

    put_entry(&message, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    send_message(fd, &message);
}

static void silent_after_an_entry(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd);

    put_entry(&message, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    answer(server, fd, &message);
}

static void entries_without_end(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd), i;

    for (i = 0; i < 500; i++)
        put_entry(&message, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    while (!atomic_load(&server->stop) && send_message(fd, &message))
        ;
}

/* Three pages of one entry each. */
static void three_pages(struct server *server, int fd)
{
    int id = until_search(server, fd), i, op, to_root;

    for (i = 1; i <= 3 && id; i++) {
        struct message message = {.length = 0};

        put_entry(&message, id, "CN=a", 4, "cn", 2, "a", i, 1);
        put_result(&message, id, 0x65, 0, "", i < 3 ? "more" : "");
        send_message(fd, &message);
        id = read_request(server, fd, &op, &to_root);
    }
}

static void pages_without_end(struct server *server, int fd)
{
    int id = until_search(server, fd), op, to_root;

    while (id) {
        struct message message = {.length = 0};

        put_result(&message, id, 0x65, 0, "", "more");
        if (!send_message(fd, &message))
            return;
        id = read_request(server, fd, &op, &to_root);
    }
}

static void nul_in_dn(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd);

    put_entry(&message, id, "CN=a\0b", 6, "cn", 2, "a", 0, 1);
    put_result(&message, id, 0x65, 0, "", NULL);
    answer(server, fd, &message);
}

static void nul_in_name(struct server *server, int fd)
{
    struct message message = {.length = 0};
    int id = until_search(server, fd);

    put_entry(&message, id, "CN=a", 4, "c\0n", 3, "a", 0, 1);
    put_result(&message, id, 0x65, 0, "", NULL);
    answer(server, fd, &message);
}

/* Send the ranges named, one for each request: "name" count, ... and then nothing. */
static void send_ranges(struct server *server, int fd, const char *const *names, int per_range)
{
    int id = until_search(server, fd), first = 0, op, to_root;

    for (; id && *names; names++) {
        struct message message = {.length = 0};

        put_entry(&message, id, "CN=a", 4, *names, strlen(*names), "v", first, per_range);
        put_result(&message, id, 0x65, 0, "", NULL);
        send_message(fd, &message);
        first += per_range;
        id = read_request(server, fd, &op, &to_root);
    }
    while (id) {
        struct message message = {.length = 0};

        put_result(&message, id, 0x65, 0, "", NULL);
        send_message(fd, &message);
        id = read_request(server, fd, &op, &to_root);
    }
}

static void three_ranges(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-9", "MEMBER;range=10-19",
                                        "member;range=20-*", NULL};

    send_ranges(server, fd, names, 10);
}

static void one_range(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-*", NULL};

    send_ranges(server, fd, names, 10);
}

static void range_that_stops(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-9", "member;range=10-19", NULL};

    send_ranges(server, fd, names, 10);
}

static void range_that_stands_still(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-9", "member;range=0-9", NULL};

    send_ranges(server, fd, names, 10);
}

static void range_with_a_gap(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-9", "member;range=11-*", NULL};

    send_ranges(server, fd, names, 10);
}

static void range_without_values(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-9", NULL};

    send_ranges(server, fd, names, 0);
}

static void range_of_nonsense(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0-99999999999999999999", NULL};

    send_ranges(server, fd, names, 10);
}

static void range_backwards(struct server *server, int fd)
{
    static const char *const names[] = {"member;range=0--1", NULL};

    send_ranges(server, fd, names, 10);
}

static const struct {
    const char *name;
    behaviour *behave;
    apr_status_t status; /* APR_EGENERAL: any error but the two others */
    int entries, values; /* of the first entry's first attribute */
    const char *says;
} answers[] = {
    {"well", answers_well, APR_SUCCESS, 1, 1, NULL},
    {"references", answers_reference, APR_SUCCESS, 1, 1, NULL},
    {"three pages", three_pages, APR_SUCCESS, 3, 1, NULL},
    {"three ranges", three_ranges, APR_SUCCESS, 1, 30, NULL},
    {"one whole range", one_range, APR_SUCCESS, 1, 10, NULL},
    {"no such object", answers_no_such_object, APR_NOTFOUND, 0, 0, "\"0000208D\""},
    {"referral", answers_referral, APR_EGENERAL, 0, 0, "name one that does"},
    {"size limit", answers_size_limit, APR_EGENERAL, 0, 0, "paged results"},
    {"busy", answers_busy, APR_EGENERAL, 0, 0, "busy"},
    {"dropped", drops_after_an_entry, APR_EGENERAL, 0, 0, "closed the connection"},
    {"silent after an entry", silent_after_an_entry, APR_TIMEUP, 0, 0, "in time"},
    {"entries without end", entries_without_end, APR_EGENERAL, 0, 0, ""},
    {"pages without end", pages_without_end, APR_TIMEUP, 0, 0, "in time"},
    {"NUL in a DN", nul_in_dn, APR_EGENERAL, 0, 0, "NUL"},
    {"NUL in a name", nul_in_name, APR_EGENERAL, 0, 0, "NUL"},
    {"range that stops", range_that_stops, APR_EGENERAL, 0, 0, "did not send"},
    {"range that stands still", range_that_stands_still, APR_EGENERAL, 0, 0, "out of order"},
    {"range with a gap", range_with_a_gap, APR_EGENERAL, 0, 0, "out of order"},
    {"range without values", range_without_values, APR_EGENERAL, 0, 0, "without a value"},
    {"range of nonsense", range_of_nonsense, APR_EGENERAL, 0, 0, "out of order"},
    {"range backwards", range_backwards, APR_EGENERAL, 0, 0, "out of order"},
};

static void check_answer(size_t i, apr_status_t status, const apr_array_header_t *entries,
                         const char *error)
{
    const struct cep_entry *entry;
    int values;

    if (answers[i].status != APR_SUCCESS) {
        int general = status != APR_SUCCESS && status != APR_NOTFOUND;

        /* The time or the number of entries ends it, whichever comes first. */
        if (answers[i].status == APR_EGENERAL ? !general : status != answers[i].status)
            fail_msg("%s: status %d", answers[i].name, status);
        if (!strstr(error, answers[i].says))
            fail_msg("%s: \"%s\"", answers[i].name, error);
        return;
    }
    if (status != APR_SUCCESS)
        fail_msg("%s: \"%s\"", answers[i].name, error);
    entry = APR_ARRAY_IDX(entries, 0, struct cep_entry *);
    values = APR_ARRAY_IDX(entry->attributes, 0, struct cep_attribute).values->nelts;
    if (entries->nelts != answers[i].entries || values != answers[i].values)
        fail_msg("%s: %d entries, %d values", answers[i].name, entries->nelts, values);
}

static void test_answers(void **state)
{
    struct cep_query query = {.base = "CN=Users,DC=x", .scope = CEP_SCOPE_SUBTREE};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct cep_directory_config config;
        struct cep_directory *directory;
        apr_array_header_t *entries;
        struct server server;
        apr_status_t status;
        apr_time_t before;
        const char *error;
        apr_pool_t *round;
        long took;

        apr_pool_create(&round, pool);
        start_server(&server, answers[i].behave);
        config = config_for(apr_psprintf(round, "ldap://127.0.0.1:%d", server.port));
        if (cep_directory_open(&directory, &config, NULL, round, &error) != APR_SUCCESS)
            fail_msg("%s: not opened: %s", answers[i].name, error);
        before = cep_monotonic();
        status = cep_directory_query(directory, &query, apr_time_from_msec(2 * TIMEOUT_MS),
                                     &entries, round, &error);
        took = (long)apr_time_as_msec(cep_monotonic() - before);
        check_answer(i, status, entries, error);
        if (took > 2 * TIMEOUT_MS + MARGIN_MS)
            fail_msg("%s: took %ld ms", answers[i].name, took);
        assert_int_equal(cep_directory_usable(directory),
                         status == APR_SUCCESS || status == APR_NOTFOUND);
        apr_pool_destroy(round);
        stop_server(&server);
    }
}

/* As many entries as are read of one answer, and one more. */
enum { BATCH = 500 };

static void answers_most(struct server *server, int fd)
{
    struct message batch = {.length = 0}, last = {.length = 0};
    int id = until_search(server, fd);

    if (!id)
        return;
    for (int i = 0; i < BATCH; i++)
        put_entry(&batch, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    for (int i = 0; i < CEP_DIRECTORY_MAX_ENTRIES / BATCH; i++) {
        if (!send_message(fd, &batch))
            return;
    }
    if (server->behave != answers_most)
        put_entry(&last, id, "CN=a", 4, "cn", 2, "a", 0, 1);
    put_result(&last, id, 0x65, 0, "", NULL);
    answer(server, fd, &last);
}

static void answers_one_too_many(struct server *server, int fd)
{
    answers_most(server, fd);
}

static void test_number_of_entries(void **state)
{
    static behaviour *const behaviours[] = {answers_most, answers_one_too_many};
    struct cep_query query = {.base = "CN=Users,DC=x", .scope = CEP_SCOPE_SUBTREE};

    (void)state;
    assert_int_equal(CEP_DIRECTORY_MAX_ENTRIES % BATCH, 0);
    for (int over = 0; over <= 1; over++) {
        struct cep_directory_config config;
        struct cep_directory *directory;
        apr_array_header_t *entries;
        struct server server;
        apr_status_t status;
        const char *error;
        apr_pool_t *round;

        apr_pool_create(&round, pool);
        start_server(&server, behaviours[over]);
        config = config_for(apr_psprintf(round, "ldap://127.0.0.1:%d", server.port));
        config.timeout = apr_time_from_sec(60);
        if (cep_directory_open(&directory, &config, NULL, round, &error) != APR_SUCCESS)
            fail_msg("not opened: %s", error);
        status =
            cep_directory_query(directory, &query, apr_time_from_sec(60), &entries, round, &error);
        if (status != (over ? APR_EGENERAL : APR_SUCCESS))
            fail_msg("%d too many: status %d", over, status);
        if (over)
            assert_non_null(strstr(error, "more entries than are read"));
        else
            assert_int_equal(entries->nelts, CEP_DIRECTORY_MAX_ENTRIES);
        apr_pool_destroy(round);
        stop_server(&server);
    }
}

/* The filter on the wire: a value can only be a value. RFC 4515 section 3. */
static atomic_int filter_seen, limits_seen;

static void looks_at_the_filter(struct server *server, int fd)
{
    static const char value[] = "a)(cn=*\\\0\xff"; /* with the closing NUL, 10 octets before it */
    /* No size limit, and a time limit of two seconds: one that is counted in whole seconds of the
     * clock can be over a millisecond after it begins. */
    static const unsigned char limits[] = {0x02, 0x01, 0, 0x02, 0x01, 2};
    unsigned char octets[4096];
    struct message message = {.length = 0};
    int op, to_root, id, searches = 0;
    ssize_t got;

    while (searches < 2 && (id = read_request(server, fd, &op, &to_root)) != 0) {
        message.length = 0;
        searches += !to_root;
        if (to_root)
            put_entry(&message, id, "", 0, "configurationNamingContext", 26,
                      "CN=Configuration,DC=x", 0, 1);
        put_result(&message, id, 0x65, 0, "", NULL);
        send_message(fd, &message);
    }
    if (!wait_readable(server, fd))
        return;
    got = recv(fd, octets, sizeof(octets), 0);
    if (got > 0 && memmem(octets, (size_t)got, value, sizeof(value) - 1))
        atomic_store(&filter_seen, 1);
    if (got > 0 && memmem(octets, (size_t)got, limits, sizeof(limits)))
        atomic_store(&limits_seen, 1);
}

static void test_filter(void **state)
{
    struct cep_query query = {"CN=Users,DC=x",
                              CEP_SCOPE_SUBTREE,
                              "user",
                              "sAMAccountName",
                              {(const unsigned char *)"a)(cn=*\\\0\xff", 9},
                              NULL};
    static const char *const bad_names[] = {"", "cn=*)(a", "c n", "cn)", "cn;x", "c*"};
    struct cep_directory_config config;
    struct cep_directory *directory;
    apr_array_header_t *entries;
    struct server server;
    const char *error;
    size_t i;

    (void)state;
    query.value.len = sizeof("a)(cn=*\\\0\xff") - 1;
    start_server(&server, looks_at_the_filter);
    config = config_for(apr_psprintf(pool, "ldap://127.0.0.1:%d", server.port));
    assert_int_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
    cep_directory_query(directory, &query, APR_USEC_PER_SEC, &entries, pool, &error);
    stop_server(&server);
    assert_int_equal(atomic_load(&filter_seen), 1);
    assert_int_equal(atomic_load(&limits_seen), 1);
    cep_directory_close(directory);
    for (i = 0; i < 2 * sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        start_server(&server, answers_well);
        config = config_for(apr_psprintf(pool, "ldap://127.0.0.1:%d", server.port));
        assert_int_equal(cep_directory_open(&directory, &config, NULL, pool, &error), APR_SUCCESS);
        query.attribute = i % 2 ? bad_names[i / 2] : "cn";
        query.object_class = i % 2 ? "user" : bad_names[i / 2];
        assert_int_not_equal(
            cep_directory_query(directory, &query, APR_USEC_PER_SEC, &entries, pool, &error),
            APR_SUCCESS);
        assert_non_null(strstr(error, "cannot exist"));
        cep_directory_close(directory);
        stop_server(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_password_file),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_number_of_entries),
    };

    return cmocka_run_group_tests(tests, setup, drop_pool);
}
