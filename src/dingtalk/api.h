/*
 * DingTalk's OpenAPI for the applications whose credentials we hold: finds the application behind a
 * robot, adds its token, makes the call, reads both families of errors (DingTalk documentation
 * KB-0012, KB-0013, KB-0033). A token that DingTalk no longer takes is fetched anew once and the
 * call repeated; every other repetition is the caller's decision, since calls are metered.
 */
#ifndef DB_DINGTALK_API_H
#define DB_DINGTALK_API_H

#include <stdbool.h>
#include <stdint.h>

#include "chat/platform.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "util/json.h"

struct api;

struct api_credential {
    const char *client_id;
    const char *client_secret;
};

struct api_settings {
    const char *api_url;  /* "https://api.dingtalk.com", without a trailing slash */
    const char *oapi_url; /* "https://oapi.dingtalk.com" */
    const char *proxy;    /* "": none */
    const struct api_credential *credentials;
    size_t n_credentials;
    struct call_meter *meter; /* borrowed; NULL: nothing is counted */
};

/* Copies the settings; borrows loop and client. */
struct api *api_new(struct loop *loop, struct http_client *client,
                    const struct api_settings *settings);
void api_free(struct api *api); /* drops what runs, silently; NULL is fine */

/* Applications are named by their place among the credentials. */
#define API_NO_APP (-1)
/* Who may act as the robot of a message: the application that vouched for it, the one whose
 * client_id is the robot's code, or the only one there is. Never for outgoing robots. */
int api_find_app(const struct api *api, const struct message *message);
int api_find_client(const struct api *api, const char *client_id);
const char *api_client_id(const struct api *api, int app);
enum call_level api_level(const struct api *api);

enum api_result {
    API_OK,
    API_THROTTLED, /* too many in too short a time: later */
    API_BUSY,      /* 5xx, gateway, no connection before the request was out: again, soon */
    API_UNCERTAIN, /* sent, and not heard of: it may have happened */
    API_QUOTA,     /* the month's calls are used up */
    API_UNAUTHORIZED /* credentials, permission or address not accepted */,
    API_REFUSED, /* the call itself is wrong; `code` tells */
};
const char *api_result_name(enum api_result result);

struct api_answer {
    enum api_result result;
    const json_t *value; /* the whole document; NULL where there was none. Borrowed */
    struct str code;     /* DingTalk's word ("param.cardAlreadyExist"), or the errcode's digits */
    struct error error;  /* for the log; holds no secret */
};
/* Exactly once, never before api_call returned, not after api_cancel. */
typedef void (*api_fn)(uint64_t id, const struct api_answer *answer, void *arg);

struct api_request {
    int app;
    const char *method;
    const char *path;         /* below the family's URL; a query may follow */
    bool is_oapi;             /* the older family: token in the query, errcode in a 200 answer */
    const char *content_type; /* NULL: JSON */
    struct str body;          /* copied */
    const char *kind;         /* for the meter; NULL: a call that DingTalk does not meter */
    int64_t timeout_ms;       /* for the call, without the token; 0: 15 s */
};
uint64_t api_call(struct api *api, const struct api_request *request, api_fn fn, void *arg);
void api_cancel(struct api *api, uint64_t id); /* unknown ids are ignored */

/* Asks without a token and unmetered (a stream's ticket). */
uint64_t api_call_bare(struct api *api, const char *path, struct str body, api_fn fn, void *arg);

#endif
