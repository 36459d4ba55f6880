/*
 * A WebSocket client for the terminal, so that tests can point ours at servers that others wrote:
 *
 *     websocket_probe URL [--proxy URL] [--ca FILE] [--send TEXT]… [--fill BYTES]… [--expect N]
 *
 * Once open it sends the texts (--fill: that many x), waits for N messages and closes with 1000.
 * Prints a line for each event: "open", "text LENGTH FIRST-BYTES", "close STATUS CODE CLOSE-CODE".
 */
#include <curl/curl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/websocket.h"
#include "util/buf.h"
#include "util/mem.h"

#define PATIENCE_MS 20000
#define SENT_BYTES_MAX ((size_t)8 * 1024 * 1024)

static struct {
    struct websocket_client *client;
    char **args;
    int64_t n_expected;
    int64_t n_messages;
    bool is_closed;
} probe;

/* What the client leaves to libcurl's own choice and the test does not: which certificates are
 * trusted, and how much a socket takes (little, so that writes are cut and put off). The linker
 * puts this function before libcurl's (--wrap). */
static const char *ca_file;
#undef curl_easy_setopt
/* The linker gives the names; the branches differ in the type they take. */
// NOLINTBEGIN(bugprone-reserved-identifier,bugprone-branch-clone)
CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const int size = 8192;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0 ? CURL_SOCKOPT_OK
                                                                           : CURL_SOCKOPT_ERROR;
}

CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list args;
    va_start(args, option);
    CURLcode code;
    if (option >= CURLOPTTYPE_OFF_T)
        code = __real_curl_easy_setopt(easy, option, va_arg(args, curl_off_t));
    else if (option < CURLOPTTYPE_OBJECTPOINT)
        code = __real_curl_easy_setopt(easy, option, va_arg(args, long));
    else
        code = __real_curl_easy_setopt(easy, option, va_arg(args, void *));
    va_end(args);
    if (option == CURLOPT_URL && code == CURLE_OK)
        code = __real_curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    if (option == CURLOPT_URL && code == CURLE_OK && ca_file)
        code = __real_curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    return code;
}
// NOLINTEND(bugprone-reserved-identifier,bugprone-branch-clone)

static void give_up(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    exit(2);
}

static void send_text(uint64_t id, struct str text)
{
    if (websocket_send(probe.client, id, text) != ST_OK)
        give_up("a text could not be sent");
}

static void on_open(uint64_t id, void *arg)
{
    puts("open");
    for (char **p = probe.args; p[0] && p[1]; p += 2) {
        if (strcmp(p[0], "--send") == 0)
            send_text(id, str_of(p[1]));
        if (strcmp(p[0], "--fill") == 0) {
            struct buf text = BUF_INIT(SENT_BYTES_MAX);
            int64_t n = 0;
            if (parse_i64(str_of(p[1]), 0, (int64_t)SENT_BYTES_MAX, &n) != ST_OK)
                give_up("--fill wants a number");
            for (int64_t i = 0; i < n; i++)
                (void)buf_putc(&text, 'x');
            send_text(id, buf_str(&text));
            buf_done(&text);
        }
    }
    if (probe.n_expected == 0)
        websocket_close(probe.client, id, 1000);
}

static void on_message(uint64_t id, struct str message, bool is_text, void *arg)
{
    printf("%s %zu %.*s\n", is_text ? "text" : "binary", message.n, (int)utf8_cut(message, 60),
           message.p);
    if (++probe.n_messages == probe.n_expected)
        websocket_close(probe.client, id, 1000);
}

static void on_close(uint64_t id, const struct error *error, int close_code, void *arg)
{
    printf("close %s %d %d\n", status_name(error->status), error->code, close_code);
    (void)fprintf(stderr, "%s\n", error->text);
    probe.is_closed = true;
}

static bool is_closed(void *arg)
{
    return probe.is_closed;
}

int main(int argc, char **argv)
{
    static const struct websocket_handlers handlers = {on_open, on_message, on_close};
    struct websocket_request request = {0};
    struct loop *loop = NULL;
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        give_up("usage: websocket_probe URL [--proxy URL] [--ca FILE] [--send TEXT] [--expect N]");
    request.url = argv[1];
    probe.args = argv + 2;
    for (char **p = probe.args; p[0] && p[1]; p += 2) {
        if (strcmp(p[0], "--proxy") == 0)
            request.proxy = p[1];
        if (strcmp(p[0], "--ca") == 0)
            ca_file = p[1];
        if (strcmp(p[0], "--expect") == 0 &&
            parse_i64(str_of(p[1]), 0, 1000000, &probe.n_expected) != ST_OK)
            give_up("--expect wants a number");
    }
    if (loop_new(&loop) != ST_OK || websocket_client_new(loop, "probe/1", &probe.client) != ST_OK)
        give_up("no client");
    (void)websocket_open(probe.client, &request, &handlers, NULL);
    if (!loop_run_until(loop, is_closed, NULL, PATIENCE_MS))
        give_up("it did not close in time");
    websocket_client_free(probe.client);
    loop_free(loop);
    return 0;
}
