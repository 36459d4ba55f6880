/* A loop, an OpenAI provider and a server with scripted replies, and what came of one question. */
#ifndef DB_TESTS_ASK_FIXTURE_H
#define DB_TESTS_ASK_FIXTURE_H

#include "llm/openai.h"
#include "llm/endpoint.h"
#include "../net/scripted_server.h"

/* What the server says to one request, and how it goes on. */
enum reply_end {
    REPLY_CLOSE, /* ends the connection */
    REPLY_KEEP,  /* reads the next request from it */
    REPLY_RESET,
    REPLY_HANG,  /* says nothing more until the client has gone */
    REPLY_THINK, /* keeps thinking until the client has gone */
    REPLY_DRIP,  /* keeps sending comments until the client has gone */
};
struct reply {
    const char *text;
    size_t n; /* 0: up to the NUL */
    enum reply_end end;
};

struct ask_fixture {
    struct loop *loop;
    struct http_client *client;
    struct work *work;
    struct scripted_server *server;
    const struct provider *provider;   /* NULL: OpenAI */
    struct endpoint_settings settings; /* to be changed before ask_fixture_open */
    struct llm *llm;
    struct endpoint *endpoint; /* the same */
};

/* The replies in their order; the last one is repeated. NULL text ends the list. */
void ask_fixture_begin(struct ask_fixture *fixture, const struct reply *replies);
void ask_fixture_open(struct ask_fixture *fixture);
void ask_fixture_end(struct ask_fixture *fixture);
/* Requests read so far. */
int ask_fixture_requests(void);
/* The body of request `number`, from 1, as JSON; the caller's. */
json_t *ask_fixture_body(struct ask_fixture *fixture, int number);

struct question {
    struct ask_fixture *fixture;
    uint64_t id;
    bool has_started;
    void (*on_text)(struct question *question);
    int n_texts, n_done;
    struct buf text;
    enum llm_failure failure;
    struct error error;
    char request_id[128];
    int tries;
    bool is_partial, is_length_cut;
    struct llm_usage usage;
    char model[64];
};

void question_start(struct question *question, struct ask_fixture *fixture);
void question_finish(struct question *question);
/* Both, with the one message "hello". */
void question_run(struct question *question, struct ask_fixture *fixture);
void question_done(struct question *question);
/* Runs the loop until `is_true(arg)`; fails the test after 20 s. */
void run_until(struct ask_fixture *fixture, bool (*is_true)(void *arg), void *arg);
void run_until_requests(struct ask_fixture *fixture, int n);
/* Lets the loop run for a while in which something must not happen. */
void run_for_ms(struct ask_fixture *fixture, int64_t ms);

#define HEAD_EVENTS \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define HEAD_JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define PIECE(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define THOUGHT(text) "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"" text "\"}}]}\n\n"
#define FINISH(reason) "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
#define USAGE "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n"
#define DONE "data: [DONE]\n\n"
#define ANSWER HEAD_EVENTS PIECE("Hel") PIECE("lo") FINISH("stop") USAGE DONE
#define REFUSAL(status, headers, body)                                  \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n" headers \
    "Connection: close\r\n\r\n" body

#endif
