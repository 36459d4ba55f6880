#include "net/dial.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "net/curl_loop.h"
#include "util/mem.h"
#include "util/str.h"

struct dialer {
    struct loop *loop;
    struct curl_loop *curl;
    bool is_private_allowed;
};

struct dial {
    struct dialer *dialer;
    CURL *easy;
    bool is_any_allowed; /* not only public addresses */
    bool is_in_multi;
    bool is_connected;
    bool was_refused; /* an address was */
    int n_called;     /* addresses */
    char detail[CURL_ERROR_SIZE];
    struct timer *timer; /* for a failure that was there at once */
    dial_fn fn;
    void *arg;
};

static void finish(struct dial *dial, enum status status, const char *why)
{
    struct dial_result result = {.status = status, .fd = -1};
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (status != ST_OK)
        (void)error_set(&result.error, status, 0, "%s", why);
    char *address = NULL;
    if (status == ST_OK) {
        dial->is_connected = true;
        (void)curl_easy_getinfo(dial->easy, CURLINFO_ACTIVESOCKET, &fd);
        (void)curl_easy_getinfo(dial->easy, CURLINFO_PRIMARY_IP, &address);
        result.fd = fd;
        if (fd == CURL_SOCKET_BAD)
            result.status = error_set(&result.error, ST_INTERNAL, 0, "libcurl shows no socket");
        struct str shown = str_sub(str_of(address), 0, sizeof(result.address) - 1);
        memcpy(result.address, shown.p, shown.n);
    }
    dial->fn(&result, dial->arg);
}

/* libcurl was at work. */
static void on_left(void *arg)
{
    struct dialer *dialer = arg;
    int n_left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(curl_loop_multi(dialer->curl), &n_left));) {
        struct dial *dial = NULL;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&dial);
        CURLcode code = msg->data.result;
        if (msg->msg != CURLMSG_DONE || !dial || dial->is_connected)
            continue;
        if (code == CURLE_OK)
            finish(dial, ST_OK, NULL);
        else if (dial->was_refused && dial->n_called == 0)
            finish(dial, ST_DENIED, "the address is not a public one");
        else
            finish(dial, ST_NET, *dial->detail ? dial->detail : curl_easy_strerror(code));
    }
}

struct dialer *dialer_new(struct loop *loop, bool is_private_allowed)
{
    struct dialer *dialer = xcalloc(1, sizeof(*dialer));
    dialer->loop = loop;
    dialer->is_private_allowed = is_private_allowed;
    dialer->curl = curl_loop_new(loop, "dial", on_left, dialer);
    if (!dialer->curl) {
        free(dialer);
        return NULL;
    }
    return dialer;
}

void dialer_free(struct dialer *dialer)
{
    if (!dialer)
        return;
    curl_loop_free(dialer->curl);
    free(dialer);
}

struct loop *dialer_loop(const struct dialer *dialer)
{
    return dialer->loop;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct dial *dial = arg;
    if (!dial->is_any_allowed && !address_is_public(&address->addr)) {
        dial->was_refused = true;
        return CURL_SOCKET_BAD;
    }
    dial->n_called++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

#define SET(option, value)                                          \
    do {                                                            \
        if (code == CURLE_OK)                                       \
            code = curl_easy_setopt(dial->easy, (option), (value)); \
    } while (0)

static CURLcode prepare(struct dial *dial, const char *host, int port)
{
    CURLcode code = CURLE_OK;
    const char *open = strchr(host, ':') ? "[" : "";
    const char *close = *open ? "]" : "";
    DB_CLEANUP(free_charp) char *url = xasprintf("http://%s%s%s:%d/", open, host, close, port);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* giving up does not wait for the thread that looks up */
    SET(CURLOPT_PROXY, "");      /* a proxy would do the looking up */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, dial);
    SET(CURLOPT_PRIVATE, dial);
    SET(CURLOPT_ERRORBUFFER, dial->detail);
    return code;
}

static void on_no_start(void *arg)
{
    struct dial *dial = arg;
    dial->timer = NULL;
    finish(dial, ST_NET, *dial->detail ? dial->detail : "libcurl does not begin");
}

struct dial *dial_start(struct dialer *dialer, const char *host, int port, bool is_trusted,
                        dial_fn fn, void *arg)
{
    struct dial *dial = xcalloc(1, sizeof(*dial));
    *dial = (struct dial){.dialer = dialer,
                          .is_any_allowed = is_trusted || dialer->is_private_allowed,
                          .fn = fn,
                          .arg = arg};
    dial->easy = curl_easy_init();
    dial->is_in_multi =
        dial->easy && prepare(dial, host, port) == CURLE_OK &&
        curl_multi_add_handle(curl_loop_multi(dialer->curl), dial->easy) == CURLM_OK;
    if (!dial->is_in_multi)
        dial->timer = timer_start(dialer->loop, 0, "dial", on_no_start, dial);
    return dial;
}

void dial_free(struct dial *dial)
{
    if (!dial)
        return;
    timer_cancel(&dial->timer);
    if (dial->is_in_multi)
        (void)curl_multi_remove_handle(curl_loop_multi(dial->dialer->curl), dial->easy);
    curl_easy_cleanup(dial->easy);
    free(dial);
}
