/* The OpenAI dialect: chat completions, the old completions, images, balances, over an http_client.
 */
#ifndef DB_LLM_OPENAI_H
#define DB_LLM_OPENAI_H

#include <stdbool.h>

#include "llm/llm.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/work.h"

struct openai_settings {
    const char *root;    /* from root_resolve */
    const char *api_key; /* "" sends no Authorization */
    const char *model;
    const char *image_model;
    const char *system_prompt; /* "": none. Prepended to every question */
    const char *proxy;         /* "": none */
    bool has_temperature;
    double temperature;
    int64_t max_answer_tokens; /* 0: not sent */
    int64_t timeout_ms;        /* first byte, and longest silence afterwards */
    int64_t image_timeout_ms;
    size_t max_answer_bytes;
    size_t max_image_bytes;
};

/* Copies the settings; borrows loop, client and work (where images are decoded), which must outlive
 * it. */
struct llm *openai_new(struct loop *loop, struct http_client *client, struct work *work,
                       const struct openai_settings *settings);

#endif
