#include "tools/tools.h"

#include <stdlib.h>

#include "util/map.h"
#include "util/mem.h"

struct tools {
    struct loop *loop;
    struct dialer *dialer;
    struct tls_trust *trust;
    char *whois_server;
    int64_t timeout_ms;
    size_t parallel;
    uint64_t last_id;
    struct map *lookups;
};

struct lookup {
    struct tools *tools;
    uint64_t id;
    struct whois *whois;
    struct tls_probe *probe;
    struct timer *timer; /* tells that there are too many */
    whois_fn whois_fn;
    tls_probe_fn probe_fn;
    void *arg;
};

struct tools *tools_new(struct loop *loop, const struct tools_settings *settings)
{
    struct tools *tools = xcalloc(1, sizeof(*tools));
    tools->loop = loop;
    tools->dialer = dialer_new(loop, settings->is_private_allowed);
    tools->trust = tls_trust_new();
    tools->whois_server = xstrdup(settings->whois_server);
    tools->timeout_ms = settings->timeout_ms;
    tools->parallel = settings->parallel;
    tools->lookups = map_new();
    if (!tools->dialer || !tools->trust) {
        tools_free(tools);
        return NULL;
    }
    return tools;
}

static void lookup_free(struct lookup *lookup)
{
    (void)map_take_id(lookup->tools->lookups, lookup->id);
    whois_cancel(&lookup->whois);
    tls_probe_cancel(&lookup->probe);
    timer_cancel(&lookup->timer);
    free(lookup);
}

void tools_free(struct tools *tools)
{
    if (!tools)
        return;
    for (struct lookup *lookup; (lookup = map_any(tools->lookups));)
        lookup_free(lookup);
    map_free(tools->lookups);
    tls_trust_free(tools->trust);
    dialer_free(tools->dialer);
    free(tools->whois_server);
    free(tools);
}

/* Before the callback, so that what it starts finds room. */
static void leave(struct lookup *lookup)
{
    lookup->whois = NULL;
    lookup->probe = NULL;
    lookup_free(lookup);
}

static void on_whois(const struct whois_result *result, void *arg)
{
    struct lookup *lookup = arg;
    whois_fn fn = lookup->whois_fn;
    void *fn_arg = lookup->arg;
    leave(lookup);
    fn(result, fn_arg);
}

static void on_probe(const struct tls_probe_result *result, void *arg)
{
    struct lookup *lookup = arg;
    tls_probe_fn fn = lookup->probe_fn;
    void *fn_arg = lookup->arg;
    leave(lookup);
    fn(result, fn_arg);
}

static void on_too_many(void *arg)
{
    struct lookup *lookup = arg;
    struct error error;
    enum status status = error_set(&error, ST_LIMITED, 0, "too many lookups at once");
    lookup->timer = NULL;
    if (lookup->whois_fn)
        on_whois(&(struct whois_result){.status = status, .error = error}, lookup);
    else
        on_probe(&(struct tls_probe_result){.status = status, .error = error}, lookup);
}

/* True when there is room for it. */
static bool begin(struct lookup *lookup)
{
    struct tools *tools = lookup->tools;
    bool has_room = map_count(tools->lookups) < tools->parallel;
    lookup->id = ++tools->last_id;
    (void)map_put_id(tools->lookups, lookup->id, lookup);
    if (!has_room)
        lookup->timer = timer_start(tools->loop, 0, "tools", on_too_many, lookup);
    return has_room;
}

uint64_t tools_whois(struct tools *tools, const char *domain, whois_fn fn, void *arg)
{
    struct lookup *lookup = xcalloc(1, sizeof(*lookup));
    *lookup = (struct lookup){.tools = tools, .whois_fn = fn, .arg = arg};
    if (begin(lookup))
        lookup->whois = whois_start(tools->dialer, tools->whois_server, domain, tools->timeout_ms,
                                    on_whois, lookup);
    return lookup->id;
}

uint64_t tools_certificate(struct tools *tools, const char *host, int port, tls_probe_fn fn,
                           void *arg)
{
    struct lookup *lookup = xcalloc(1, sizeof(*lookup));
    *lookup = (struct lookup){.tools = tools, .probe_fn = fn, .arg = arg};
    if (begin(lookup))
        lookup->probe = tls_probe_start(tools->dialer, tools->trust, host, port, tools->timeout_ms,
                                        on_probe, lookup);
    return lookup->id;
}

void tools_cancel(struct tools *tools, uint64_t id)
{
    struct lookup *lookup = map_get_id(tools->lookups, id);
    if (lookup)
        lookup_free(lookup);
}
