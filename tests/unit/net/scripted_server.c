#include "scripted_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/mem.h"

#define CONNECTIONS_MAX 1024

struct scripted_server {
    int listen_fd;
    int port;
    peer_fn script;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int step;
    bool is_stopping;
    int n_open;
    int most_open;
    int n_threads;
    pthread_t threads[CONNECTIONS_MAX];
    int fds[CONNECTIONS_MAX]; /* -1 once the script is over */
    struct buf log;
};

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static void *peer_main(void *arg)
{
    struct peer *peer = arg;
    struct scripted_server *server = peer->server;
    server->script(peer);
    pthread_mutex_lock(&server->lock);
    server->n_open--;
    if (peer->fd >= 0)
        (void)close(peer->fd);
    server->fds[peer->number - 1] = -1;
    pthread_mutex_unlock(&server->lock);
    buf_done(&peer->request);
    buf_done(&peer->unread);
    free(peer);
    return NULL;
}

static void start_peer(struct scripted_server *server, int fd)
{
    struct peer *peer = xcalloc(1, sizeof(*peer));
    *peer = (struct peer){.server = server,
                          .fd = fd,
                          .request = BUF_INIT(16 * 1024 * 1024),
                          .unread = BUF_INIT(16 * 1024 * 1024)};
    pthread_mutex_lock(&server->lock);
    int i = server->n_threads++;
    peer->number = i + 1;
    server->fds[i] = fd;
    server->n_open++;
    if (server->n_open > server->most_open)
        server->most_open = server->n_open;
    if (i >= CONNECTIONS_MAX || pthread_create(&server->threads[i], NULL, peer_main, peer) != 0)
        give_up("a thread for a connection");
    pthread_mutex_unlock(&server->lock);
}

static void *server_main(void *arg)
{
    struct scripted_server *server = arg;
    for (;;) {
        int fd = accept(server->listen_fd, NULL, NULL);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0)
            return NULL; /* shut down by scripted_server_free */
        start_peer(server, fd);
    }
}

struct scripted_server *scripted_server_new(peer_fn script)
{
    struct scripted_server *server = xcalloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server->script = script;
    server->log = BUF_INIT(16 * 1024 * 1024);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0 ||
        bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listen_fd, 512) != 0 ||
        getsockname(server->listen_fd, (struct sockaddr *)&address, &len) != 0)
        give_up("a server for the test");
    server->port = ntohs(address.sin_port);
    if (pthread_create(&server->thread, NULL, server_main, server) != 0)
        give_up("a thread for the server");
    return server;
}

void scripted_server_free(struct scripted_server *server)
{
    if (!server)
        return;
    (void)shutdown(server->listen_fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    (void)close(server->listen_fd);

    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    for (int i = 0; i < server->n_threads; i++)
        if (server->fds[i] >= 0)
            (void)shutdown(server->fds[i], SHUT_RDWR);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    for (int i = 0; i < server->n_threads; i++)
        pthread_join(server->threads[i], NULL);

    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    buf_done(&server->log);
    free(server);
}

int scripted_server_port(const struct scripted_server *server)
{
    return server->port;
}

int scripted_server_connections(struct scripted_server *server)
{
    pthread_mutex_lock(&server->lock);
    int n = server->n_threads;
    pthread_mutex_unlock(&server->lock);
    return n;
}

int scripted_server_most_at_once(struct scripted_server *server)
{
    pthread_mutex_lock(&server->lock);
    int n = server->most_open;
    pthread_mutex_unlock(&server->lock);
    return n;
}

char *scripted_server_log(struct scripted_server *server)
{
    pthread_mutex_lock(&server->lock);
    char *text = xstrndup(buf_cstr(&server->log), server->log.len);
    pthread_mutex_unlock(&server->lock);
    return text;
}

void scripted_server_step(struct scripted_server *server, int step)
{
    pthread_mutex_lock(&server->lock);
    if (step > server->step)
        server->step = step;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

bool peer_wait(struct peer *peer, int step)
{
    struct scripted_server *server = peer->server;
    pthread_mutex_lock(&server->lock);
    while (server->step < step && !server->is_stopping)
        pthread_cond_wait(&server->changed, &server->lock);
    bool is_there = server->step >= step;
    pthread_mutex_unlock(&server->lock);
    return is_there;
}

static bool fill_unread(struct peer *peer)
{
    char chunk[4096];
    ssize_t n;
    do {
        n = recv(peer->fd, chunk, sizeof(chunk), 0);
    } while (n < 0 && errno == EINTR);
    return n > 0 && buf_add(&peer->unread, chunk, (size_t)n) == ST_OK;
}

static size_t body_size(struct str head)
{
    static const char name[] = "\r\nContent-Length:";
    ptrdiff_t at = str_find(head, str_of(name));
    if (at < 0)
        return 0;
    struct str value = str_sub(head, (size_t)at + sizeof(name) - 1, head.n);
    int64_t size = 0;
    (void)!parse_i64(str_trim(str_cut(&value, '\r')), 0, INT_MAX, &size);
    return (size_t)size;
}

bool peer_read_request(struct peer *peer)
{
    ptrdiff_t end;
    while ((end = str_find(buf_str(&peer->unread), STR_LIT("\r\n\r\n"))) < 0)
        if (!fill_unread(peer))
            return false;
    size_t size = (size_t)end + 4;
    size += body_size(str_sub(buf_str(&peer->unread), 0, size));
    while (peer->unread.len < size)
        if (!fill_unread(peer))
            return false;

    buf_clear(&peer->request);
    (void)buf_add_str(&peer->request, str_sub(buf_str(&peer->unread), 0, size));
    buf_consume(&peer->unread, size);
    pthread_mutex_lock(&peer->server->lock);
    (void)buf_add_str(&peer->server->log, buf_str(&peer->request));
    pthread_mutex_unlock(&peer->server->lock);
    return true;
}

bool peer_read_bytes(struct peer *peer, void *ret_bytes, size_t n)
{
    while (peer->unread.len < n)
        if (!fill_unread(peer))
            return false;
    memcpy(ret_bytes, peer->unread.data, n);
    buf_consume(&peer->unread, n);
    return true;
}

void peer_say_bytes(struct peer *peer, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t sent = send(peer->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return; /* the client has gone, which tests of cancelling want */
        p += sent;
        n -= (size_t)sent;
    }
}

void peer_say(struct peer *peer, const char *text)
{
    peer_say_bytes(peer, text, strlen(text));
}

void peer_read_to_end(struct peer *peer)
{
    while (fill_unread(peer))
        buf_clear(&peer->unread);
}

void peer_reset(struct peer *peer)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    pthread_mutex_lock(&peer->server->lock);
    (void)close(peer->fd);
    peer->server->fds[peer->number - 1] = -1;
    peer->fd = -1;
    pthread_mutex_unlock(&peer->server->lock);
}

bool peer_wants(const struct peer *peer, const char *target)
{
    struct str rest = buf_str(&peer->request);
    (void)str_cut(&rest, ' ');
    return str_eq(str_cut(&rest, ' '), str_of(target));
}
