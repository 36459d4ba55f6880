/* DingTalk's API, that answers as the test says, and an `api` with one application that calls it.
 */
#ifndef DB_TESTS_API_FIXTURE_H
#define DB_TESTS_API_FIXTURE_H

#include "dingtalk/api.h"
#include "util/json.h"

#define API_CALLS_MAX 256

/* Instead of an HTTP status. */
enum {
    HANG = -1001, /* never answers */
    CUT = -1002,  /* the connection ends without an answer */
};
struct api_said {
    int http_status;
    const char *body; /* lives on */
};
struct api_heard {
    char line[256]; /* "POST /v1.0/…" */
    char head[2048];
    json_t *body; /* NULL when it was no JSON */
};
/* What the n-th call (from 0, tokens included) is answered; in a thread of its own. */
typedef struct api_said (*api_answer_fn)(size_t n, const struct api_heard *heard);

#define API_TOKEN_PATH "POST /v1.0/oauth2/accessToken"

struct api_fixture {
    struct loop *loop;
    struct http_client *client;
    struct api *api;
    char url[64];
};

void api_fixture_begin(struct api_fixture *f, api_answer_fn answer, struct call_meter *meter);
void api_fixture_end(struct api_fixture *f);

size_t api_n_heard(void);
const struct api_heard *api_heard(size_t i);
size_t api_n_heard_of(const char *line); /* whose line begins so */

/* Turns the loop until that is true; fails the test after twenty seconds. */
void api_run_until(struct api_fixture *f, bool (*is_there)(void *arg), void *arg);
/* Turns the loop as long as it has something to do at once. */
void api_settle(struct api_fixture *f);

/* Said to every token call in its turn: token-1, token-2, … */
struct api_said api_say_token(void);

#endif
