#include "tools/whois.h"

#include <stdlib.h>
#include <string.h>

#include "net/tcp_query.h"
#include "util/log.h"
#include "util/mem.h"

#define WHOIS_PORT 43
#define ANSWER_BYTES_MAX (64 * 1024)
/* The registrar's part is an extra: what the registry told is not kept waiting for it longer. */
#define REGISTRAR_TIMEOUT_MS 5000

enum step { ROOT, REGISTRY, REGISTRAR };

struct whois {
    struct dialer *dialer;
    enum step step;
    struct tcp_query *query;
    int64_t deadline_ms;
    char domain[TARGET_HOST_SIZE];
    struct target server;
    char told_by[TARGET_HOST_SIZE];
    struct whois_facts facts;
    whois_fn fn;
    void *arg;
};

/* What some servers want around the domain, so that they neither search for parts of names nor
 * answer in another writing. */
static const struct {
    const char *server;
    const char *before;
    const char *behind;
} habits[] = {
    {"whois.verisign-grs.com", "domain ", ""},
    {"whois.denic.de", "-T dn,ace ", ""},
    {"whois.jprs.jp", "", "/e"},
};

static void ask(struct whois *whois, enum step step);

static void finish(struct whois *whois, const struct error *error)
{
    struct whois_result result = {.facts = error ? NULL : &whois->facts};
    const char *server = error || !*whois->told_by ? whois->server.host : whois->told_by;
    memcpy(result.server, server, strlen(server) + 1);
    if (error) {
        result.status = error->status;
        result.error = *error;
    }
    whois->fn(&result, whois->arg);
    free(whois);
}

static bool is_complete(const struct whois_facts *facts)
{
    return *facts->created && *facts->expires && *facts->registrar;
}

/* A host as answers name it. */
static bool read_server(const char *text, struct target *ret_server)
{
    struct str host = str_of(text);
    bool is_web = str_starts_nocase(host, STR_LIT("http"));
    return !is_web && target_read(host, ret_server) == ST_OK;
}

static void end_root(struct whois *whois, struct str answer)
{
    char named[WHOIS_TEXT_SIZE];
    struct target server;
    if (whois_answer_server(answer, named) && read_server(named, &server)) {
        whois->server = server;
        ask(whois, REGISTRY);
        return;
    }
    struct error error;
    (void)error_set(&error, ST_NOT_FOUND, 0, "no whois server is known for this domain");
    finish(whois, &error);
}

static void end_registry(struct whois *whois, struct str answer)
{
    struct target server;
    whois_answer_read(answer, &whois->facts);
    memcpy(whois->told_by, whois->server.host, sizeof(whois->told_by));
    bool knows_more =
        !whois->facts.is_free && !is_complete(&whois->facts) &&
        read_server(whois->facts.referral, &server) &&
        (strcmp(server.host, whois->server.host) != 0 || server.port != whois->server.port);
    if (!knows_more) {
        finish(whois, NULL);
        return;
    }
    whois->server = server;
    ask(whois, REGISTRAR);
}

/* The registrar may know nothing: then the registry's word stands, with its own excerpt. */
static void end_registrar(struct whois *whois, struct str answer)
{
    struct whois_facts facts = whois->facts;
    whois_answer_read(answer, &facts);
    if (!facts.is_free) {
        memcpy(facts.excerpt, whois->facts.excerpt, sizeof(facts.excerpt));
        whois->facts = facts;
    }
    finish(whois, NULL);
}

static void on_answer(const struct tcp_query_result *result, void *arg)
{
    struct whois *whois = arg;
    whois->query = NULL;
    if (result->status != ST_OK)
        log_event(LOG_INFO, "tools", "whois_failed", LOG_S("server", whois->server.host),
                  LOG_S("reason", status_name(result->status)),
                  LOG_S("detail", result->error.text));
    if (result->status != ST_OK && whois->step == REGISTRAR)
        finish(whois, NULL);
    else if (result->status != ST_OK)
        finish(whois, &result->error);
    else if (whois->step == ROOT)
        end_root(whois, result->answer);
    else if (whois->step == REGISTRY)
        end_registry(whois, result->answer);
    else
        end_registrar(whois, result->answer);
}

static void ask(struct whois *whois, enum step step)
{
    whois->step = step;
    const char *before = "", *behind = "";
    for (size_t i = 0; step == REGISTRY && i < sizeof(habits) / sizeof(habits[0]); i++) {
        if (strcmp(habits[i].server, whois->server.host) == 0) {
            before = habits[i].before;
            behind = habits[i].behind;
        }
    }
    DB_CLEANUP(free_charp) char *line = xasprintf("%s%s%s\r\n", before, whois->domain, behind);
    int64_t left_ms = whois->deadline_ms - loop_now_ms(dialer_loop(whois->dialer));
    if (step == REGISTRAR && left_ms > REGISTRAR_TIMEOUT_MS)
        left_ms = REGISTRAR_TIMEOUT_MS;
    const struct tcp_query_request request = {
        .host = whois->server.host,
        .port = whois->server.port ? whois->server.port : WHOIS_PORT,
        .is_trusted = step == ROOT,
        .line = str_of(line),
        .timeout_ms = left_ms > 0 ? left_ms : 0,
        .max_bytes = ANSWER_BYTES_MAX,
    };
    whois->query = tcp_query_start(whois->dialer, &request, on_answer, whois);
}

struct whois *whois_start(struct dialer *dialer, const char *root, const char *domain,
                          int64_t timeout_ms, whois_fn fn, void *arg)
{
    struct whois *whois = xcalloc(1, sizeof(*whois));
    whois->dialer = dialer;
    whois->deadline_ms = loop_now_ms(dialer_loop(dialer)) + timeout_ms;
    struct str name = str_sub(str_of(domain), 0, sizeof(whois->domain) - 1);
    memcpy(whois->domain, name.p, name.n);
    whois->fn = fn;
    whois->arg = arg;
    if (target_read(str_of(root), &whois->server) != ST_OK)
        log_event(LOG_ERROR, "tools", "whois_server_unusable", LOG_S("whois_server", root));
    ask(whois, ROOT);
    return whois;
}

void whois_cancel(struct whois **whois)
{
    if (*whois) {
        tcp_query_cancel(&(*whois)->query);
        free(*whois);
    }
    *whois = NULL;
}
