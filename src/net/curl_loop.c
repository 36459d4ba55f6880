#include "net/curl_loop.h"

#include <stdlib.h>

#include "util/list.h"
#include "util/mem.h"

struct curl_loop {
    struct loop *loop;
    const char *name;
    CURLM *multi;
    struct list watched_fds;
    struct timer *timer;
    loop_fn on_left;
    void *arg;
    bool is_inside;
};

/* A file descriptor of libcurl's that the loop watches. */
struct watched_fd {
    struct list node;
    struct watch *watch;
};

static void drive(struct curl_loop *curl, curl_socket_t fd, int events)
{
    int n_running;
    curl->is_inside = true;
    (void)curl_multi_socket_action(curl->multi, fd, events, &n_running);
    curl->is_inside = false;
    curl->on_left(curl->arg);
}

static void on_socket_ready(int fd, bool is_readable, bool is_writable, void *arg)
{
    drive(arg, fd, (is_readable ? CURL_CSELECT_IN : 0) | (is_writable ? CURL_CSELECT_OUT : 0));
}

static void watched_fd_free(struct watched_fd *watched)
{
    list_remove(&watched->node);
    watch_free(watched->watch);
    free(watched);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct curl_loop *curl = arg;
    struct watched_fd *watched = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (watched)
            watched_fd_free(watched);
        return 0;
    }
    if (!watched) {
        watched = xcalloc(1, sizeof(*watched));
        watched->watch = watch_new(curl->loop, fd, curl->name, on_socket_ready, curl);
        list_push_back(&curl->watched_fds, &watched->node);
        (void)curl_multi_assign(curl->multi, fd, watched);
    }
    watch_set(watched->watch, what & CURL_POLL_IN, what & CURL_POLL_OUT);
    return 0;
}

static void on_timeout(void *arg)
{
    struct curl_loop *curl = arg;
    curl->timer = NULL;
    drive(curl, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *curl = arg;
    timer_cancel(&curl->timer);
    if (timeout_ms >= 0)
        curl->timer = timer_start(curl->loop, timeout_ms, curl->name, on_timeout, curl);
    return 0;
}

struct curl_loop *curl_loop_new(struct loop *loop, const char *name, loop_fn on_left, void *arg)
{
    /* libcurl counts these, so that each multi handle can have its own. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    struct curl_loop *curl = xcalloc(1, sizeof(*curl));
    *curl = (struct curl_loop){.loop = loop, .name = name, .on_left = on_left, .arg = arg};
    list_init(&curl->watched_fds);
    CURLM *multi = curl->multi = curl_multi_init();
    if (!multi || curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, curl) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, curl) != CURLM_OK) {
        curl_loop_free(curl);
        return NULL;
    }
    return curl;
}

void curl_loop_free(struct curl_loop *curl)
{
    if (!curl)
        return;
    /* Closing kept connections must find neither our callbacks nor watches on closed sockets. */
    (void)curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, NULL);
    (void)curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, NULL);
    for (struct list *node; (node = list_pop_front(&curl->watched_fds));)
        watched_fd_free(LIST_ENTRY(node, struct watched_fd, node));
    timer_cancel(&curl->timer);
    (void)curl_multi_cleanup(curl->multi);
    curl_global_cleanup();
    free(curl);
}

CURLM *curl_loop_multi(struct curl_loop *curl)
{
    return curl->multi;
}

bool curl_loop_is_inside(const struct curl_loop *curl)
{
    return curl->is_inside;
}
