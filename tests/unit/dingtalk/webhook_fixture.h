/* A session webhook that answers by a script, and a sink that sends to it. */
#ifndef DB_TESTS_WEBHOOK_FIXTURE_H
#define DB_TESTS_WEBHOOK_FIXTURE_H

#include <stdbool.h>

#include "dingtalk/webhook.h"
#include "util/json.h"

#define ANSWERS_MAX 16
#define BODIES_MAX 64

/* What the webhook does with a message: an errcode as JSON writes it, an HTTP status, or one of
 * these. */
enum {
    HANG = -1001,        /* never answers */
    CUT = -1002,         /* the connection ends without an answer */
    HUGE_ANSWER = -1003, /* more than anybody wants to read */
};
struct answer {
    int http_status; /* or one of the above; 0: 200 */
    const char *errcode;
};

struct fixture {
    struct loop *loop;
    struct http_client *client;
    struct platform *platform;
    struct sink *sink;
    char url[128];
    bool is_held; /* on_part does not go on by itself */
    int n_parts;  /* what on_part said last */
    int n_done;
    struct sink_outcome outcome;
};

struct fixture *fixture_new(const struct answer *answers, size_t n_answers,
                            const struct webhook_settings *settings);
void fixture_free(struct fixture *f);

/* A group message of staff member 0258369, to be changed at will. */
struct message fixture_message(const struct fixture *f);
/* Opens a sink for the message and lets it send. */
void fixture_start(struct fixture *f, const struct message *message, const struct reply *reply);
/* Turns the loop until the sink is done, or until the webhook has got n messages; fails otherwise.
 */
void fixture_run(struct fixture *f);
void fixture_run_to(struct fixture *f, size_t n_bodies);
/* Turns the loop as long as it has something to do at once. */
void fixture_settle(struct fixture *f);

/* What the webhook got so far. */
size_t fixture_n_bodies(void);
const json_t *fixture_body(size_t i);
size_t fixture_body_bytes(size_t i);
const char *fixture_text(size_t i);
const char *fixture_mentioned(size_t i); /* "" when nobody is mentioned by id */

#endif
