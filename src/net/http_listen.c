#include "net/http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

static int open_socket(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    if (fd < 0)
        return -1;
    int on = 1;
    /* A restart must not wait for the connections of the last run. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int problem = errno;
    (void)close(fd);
    errno = problem;
    return -1;
}

enum status http_listen(const char *address, int port, int *ret_fd, struct error *ret_err)
{
    bool is_localhost = strcmp(address, "localhost") == 0;
    char service[16];
    (void)snprintf(service, sizeof(service), "%d", port);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *info;
    int problem = getaddrinfo(is_localhost ? "127.0.0.1" : address, service, &hints, &info);
    if (problem != 0)
        return error_set(ret_err, ST_INVAL, problem, "not a numeric address: %s",
                         gai_strerror(problem));
    int fd = open_socket(info);
    problem = errno;
    freeaddrinfo(info);
    if (fd < 0)
        return error_set(ret_err, ST_NET, problem, "%s", strerror(problem));
    *ret_fd = fd;
    return ST_OK;
}

int http_port_of_fd(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    int port = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        port = ntohs(((const struct sockaddr_in *)&address)->sin_port);
    else if (address.ss_family == AF_INET6)
        port = ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return port;
}

void http_peer_of_fd(int fd, char ret_peer[HTTP_PEER_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((const struct sockaddr *)&address, len, ret_peer, HTTP_PEER_SIZE, NULL, 0,
                    NI_NUMERICHOST) != 0)
        (void)snprintf(ret_peer, HTTP_PEER_SIZE, "-");
}
