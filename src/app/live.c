#include "app/live.h"

#include <stdlib.h>

#include "chat/templates.h"
#include "util/log.h"
#include "util/mem.h"

#define NAMES_BYTES_MAX 4096

static struct chat_list list_of(const struct config_list *list)
{
    return (struct chat_list){(const char *const *)list->items, list->n};
}

/* The operator's templates, or the built-in ones where there is no such file. The array is the
 * caller's, unless it is the built-in one. */
static struct template *templates_of(const struct prompts *prompts)
{
    struct template *templates = xcalloc(prompts->n + 1, sizeof(*templates));
    for (size_t i = 0; i < prompts->n; i++) {
        const struct prompt *prompt = &prompts->items[i];
        templates[i] = (struct template){prompt->title, prompt->prefix, prompt->suffix};
    }
    return templates;
}

static void fill_lists(const struct config *live, struct chat_settings *settings)
{
    settings->lists[POLICY_GROUPS] = list_of(&live->allow_groups);
    settings->lists[POLICY_OUTGOING_GROUPS] = list_of(&live->allow_outgoing_groups);
    settings->lists[POLICY_ALLOWED_USERS] = list_of(&live->allow_users);
    settings->lists[POLICY_DENIED_USERS] = list_of(&live->deny_users);
    settings->lists[POLICY_VIP_USERS] = list_of(&live->vip_users);
    settings->lists[POLICY_ADMIN_USERS] = list_of(&live->admin_users);
}

/* Those of the list and those of the file. The array is the caller's. */
static const char **join_words(const struct config *live, struct chat_list *ret_words)
{
    const struct config_list *lists[] = {&live->sensitive_words, &live->file_words};
    const char **words = xcalloc(lists[0]->n + lists[1]->n + 1, sizeof(*words));
    size_t n = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (size_t k = 0; k < lists[i]->n; k++)
            words[n++] = lists[i]->items[k];
    }
    *ret_words = (struct chat_list){words, n};
    return words;
}

void live_with_settings(const struct bridge *bridge, const struct prompts *prompts,
                        void (*use)(const struct chat_settings *settings, void *arg), void *arg)
{
    const struct config *live = bridge->live;
    const struct config *config = bridge->config;
    struct template *own = prompts->is_there ? templates_of(prompts) : NULL;
    size_t n_builtin;
    const struct template *builtin = templates_builtin(&n_builtin);
    struct chat_settings settings = {
        .language = live->language == CONFIG_EN ? LANGUAGE_EN : LANGUAGE_ZH,
        .is_chain_default = live->default_mode == CONFIG_MODE_CHAIN,
        .session_timeout_s = live->session_timeout_s,
        .max_request = live->max_request,
        .max_question_tokens = live->max_question_len,
        .max_text_tokens = live->max_text,
        .answer_tokens = config->max_answer_len,
        .max_answer_bytes = (size_t)config->max_answer_bytes,
        .max_image_bytes = (size_t)config->max_image_bytes,
        .max_pending = (size_t)config->max_pending,
        .llm_parallel = (size_t)config->llm_parallel,
        .system_prompt = config->system_prompt,
        .help = live->help,
        .service_url = live->service_url,
        .templates = own ? own : builtin,
        .n_templates = own ? prompts->n : n_builtin,
        .retention_days = live->retention_days,
        .model_choice = (enum chat_model_choice)live->model_choice,
        .tools_for = (enum chat_tools_for)live->tools_for,
        .chat_type = (enum policy_chat_type)live->chat_type,
    };
    fill_lists(live, &settings);
    const char **words = join_words(live, &settings.words);
    use(&settings, arg);
    free((void *)words);
    free(own);
}

static void apply(const struct chat_settings *settings, void *arg)
{
    chat_apply(arg, settings);
}

static void log_problems(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        log_event(problems->items[i].is_error ? LOG_ERROR : LOG_WARN, "config", "problem",
                  LOG_S("text", problems->items[i].text));
}

static void tell(const struct bridge *bridge, const struct config *before)
{
    struct buf changed = BUF_INIT(NAMES_BYTES_MAX);
    struct buf later = BUF_INIT(NAMES_BYTES_MAX);
    config_write_changes(before, bridge->live, true, &changed);
    config_write_changes(bridge->config, bridge->live, false, &later);
    log_event(LOG_INFO, "config", "reloaded", LOG_S("file", bridge->live->file),
              LOG_S("changed", buf_cstr(&changed)));
    if (later.len > 0)
        log_event(LOG_WARN, "config", "restart_needed", LOG_S("keys", buf_cstr(&later)));
    buf_done(&changed);
    buf_done(&later);
}

static enum status read_again(const struct bridge *bridge, struct config **ret_config,
                              struct prompts *ret_prompts)
{
    struct config_problems problems = {0};
    const char *file = bridge->config->file;
    enum status status = bridge_read_config(*file ? file : NULL, ret_config, &problems);
    if (status == ST_OK) {
        status = prompts_load((*ret_config)->prompt_file, ret_prompts, &problems);
        if (status == ST_NOT_FOUND)
            status = ST_OK; /* the built-in ones */
        if (status != ST_OK)
            config_free(*ret_config);
    }
    log_problems(&problems);
    config_problems_done(&problems);
    return status;
}

void live_reload(struct bridge *bridge)
{
    struct config *config;
    struct prompts prompts = {0};
    enum status status = read_again(bridge, &config, &prompts);
    if (status != ST_OK) {
        log_event(LOG_ERROR, "config", "not_reloaded", LOG_S("reason", status_name(status)),
                  LOG_S("meaning", "everything stays as it was 一切照旧"));
        return;
    }
    struct config *before = bridge->live;
    bridge->live = config;
    log_set_level((enum log_level)config->log_level);
    live_with_settings(bridge, &prompts, apply, bridge->chat);
    tell(bridge, before);
    if (before != bridge->config)
        config_free(before);
    prompts_done(&prompts);
}
