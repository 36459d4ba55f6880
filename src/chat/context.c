#include "chat/context.h"

#include <stdlib.h>
#include <string.h>

#include "llm/tokens.h"
#include "util/mem.h"

/* Each message costs a few tokens beyond its text. */
#define MESSAGE_OVERHEAD 4
#define REQUEST_OVERHEAD 3

enum store_mode context_mode(const struct store_session *session, enum store_mode fallback,
                             int64_t now_ms, int64_t timeout_ms)
{
    if (session->mode == STORE_MODE_DEFAULT || now_ms - session->last_active_ms > timeout_ms)
        return fallback;
    return session->mode;
}

static int64_t pair_tokens(const char *question, const char *answer)
{
    return tokens_estimate(str_of(question)) + tokens_estimate(str_of(answer)) +
           2 * MESSAGE_OVERHEAD;
}

/* Index of the oldest exchange that is linked to now without a silence over the timeout. */
static size_t run_begin(const struct store_session *session, const struct context_limits *limits)
{
    int64_t next_ms = limits->now_ms;
    size_t begin = session->n_context;
    while (begin > 0 && next_ms - session->context[begin - 1].ended_ms <= limits->timeout_ms) {
        begin--;
        next_ms = session->context[begin].started_ms;
    }
    return begin;
}

void context_select(const struct store_session *session, const struct context_limits *limits,
                    const char *system_prompt, struct str question, struct context *ret_context)
{
    size_t oldest = run_begin(session, limits);
    int64_t estimate = tokens_estimate(question) + MESSAGE_OVERHEAD + REQUEST_OVERHEAD;
    if (*system_prompt)
        estimate += tokens_estimate(str_of(system_prompt)) + MESSAGE_OVERHEAD;
    size_t begin = session->n_context;
    int64_t used = tokens_budgeted(estimate, limits->token_ratio);
    while (begin > oldest) {
        const struct store_exchange *exchange = &session->context[begin - 1];
        estimate += pair_tokens(exchange->question, exchange->answer);
        int64_t with_it = tokens_budgeted(estimate, limits->token_ratio);
        if (with_it > limits->budget_tokens)
            break;
        used = with_it;
        begin--;
    }
    size_t n = session->n_context - begin;
    *ret_context = (struct context){.n = 2 * n, .room_tokens = limits->budget_tokens - used};
    if (n == 0)
        return;
    ret_context->newest_id = session->context[session->n_context - 1].id;
    ret_context->messages = xcalloc(2 * n, sizeof(*ret_context->messages));
    for (size_t i = 0; i < n; i++) {
        const struct store_exchange *exchange = &session->context[begin + i];
        ret_context->messages[2 * i] = (struct llm_message){LLM_USER, xstrdup(exchange->question)};
        ret_context->messages[2 * i + 1] =
            (struct llm_message){LLM_ASSISTANT, xstrdup(exchange->answer)};
    }
}

static void free_message(const struct llm_message *message)
{
    free((char *)(uintptr_t)message->text); /* ours: made by xstrdup above */
}

static void drop_front(struct context *context, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_message(&context->messages[i]);
    context->n -= count;
    if (context->n > 0)
        memmove(context->messages, context->messages + count,
                context->n * sizeof(*context->messages));
}

void context_drop_newest(struct context *context)
{
    if (context->n == 0)
        return;
    context->n -= 2;
    const struct llm_message *newest = &context->messages[context->n];
    context->room_tokens += pair_tokens(newest[0].text, newest[1].text);
    free_message(&newest[0]);
    free_message(&newest[1]);
    context->newest_id = 0;
}

void context_make_room(struct context *context, int64_t tokens)
{
    while (context->n > 0 && context->room_tokens < tokens) {
        context->room_tokens += pair_tokens(context->messages[0].text, context->messages[1].text);
        drop_front(context, 2);
    }
}

void context_halve(struct context *context)
{
    size_t exchanges = context->n / 2;
    drop_front(context, 2 * ((exchanges + 1) / 2));
}

void context_done(struct context *context)
{
    if (context->n > 0)
        drop_front(context, context->n);
    free(context->messages);
    *context = (struct context){0};
}
