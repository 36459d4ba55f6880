#include "llm/llm.h"

const char *llm_failure_name(enum llm_failure failure)
{
    static const char *const names[] = {
        [LLM_OK] = "ok",
        [LLM_FAIL_AUTH] = "auth",
        [LLM_FAIL_QUOTA] = "quota",
        [LLM_FAIL_RATE] = "rate",
        [LLM_FAIL_MODEL] = "model",
        [LLM_FAIL_TOO_LONG] = "too_long",
        [LLM_FAIL_REFUSED] = "refused",
        [LLM_FAIL_REQUEST] = "request",
        [LLM_FAIL_BUSY] = "busy",
        [LLM_FAIL_CONNECT] = "connect",
        [LLM_FAIL_TIMEOUT] = "timeout",
        [LLM_FAIL_CUT] = "cut",
        [LLM_FAIL_GARBLED] = "garbled",
        [LLM_FAIL_EMPTY] = "empty",
        [LLM_FAIL_THOUGHT_OUT] = "thought_out",
        [LLM_FAIL_TOO_LARGE] = "too_large",
        [LLM_FAIL_UNSUPPORTED] = "unsupported",
        [LLM_FAIL_CANCELLED] = "cancelled",
        [LLM_FAIL_INTERNAL] = "internal",
    };
    size_t i = (size_t)failure;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : names[LLM_FAIL_INTERNAL];
}

uint64_t llm_ask(struct llm *llm, const char *model, const struct llm_message *messages,
                 size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    return llm->ops->ask(llm, model, messages, n_messages, handlers, arg);
}

uint64_t llm_draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg)
{
    return llm->ops->draw(llm, prompt, fn, arg);
}

uint64_t llm_balance(struct llm *llm, llm_balance_fn fn, void *arg)
{
    return llm->ops->balance(llm, fn, arg);
}

uint64_t llm_check(struct llm *llm, llm_check_fn fn, void *arg)
{
    return llm->ops->check(llm, fn, arg);
}

size_t llm_choices(const struct llm *llm, struct llm_choice *ret_choices, size_t max)
{
    if (llm->ops->choices)
        return llm->ops->choices(llm, ret_choices, max);
    if (max > 0)
        ret_choices[0] = (struct llm_choice){.name = llm->model, .model = llm->model};
    return max > 0;
}

void llm_get_stats(const struct llm *llm, struct llm_stats *ret_stats)
{
    *ret_stats = (struct llm_stats){0};
    if (llm->ops->stats)
        llm->ops->stats(llm, ret_stats);
}

void llm_cancel(struct llm *llm, uint64_t id)
{
    llm->ops->cancel(llm, id);
}

void llm_free(struct llm *llm)
{
    if (llm)
        llm->ops->free(llm);
}
