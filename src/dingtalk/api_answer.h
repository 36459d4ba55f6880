/* What an answer of DingTalk's OpenAPI means. Pure. */
#ifndef DB_DINGTALK_API_ANSWER_H
#define DB_DINGTALK_API_ANSWER_H

#include "dingtalk/api.h"
#include "util/json.h"

struct api_reading {
    enum api_result result;
    bool is_token_invalid; /* the access token is what was refused */
    json_t *value;         /* the reader's own; NULL when the body was no JSON object */
    char code[128];
    struct error error;
};
/* Fills the reading; api_reading_done frees what it holds. */
void api_answer_read(const struct http_response *response, bool is_oapi,
                     struct api_reading *ret_reading);
void api_reading_done(struct api_reading *reading);

#endif
