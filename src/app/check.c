/* `dingbridge check`: every problem of the configuration, and with --online whether the endpoint
 * knows the model. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/bridge.h"
#include "app/commands.h"
#include "llm/pool.h"
#include "util/buf.h"
#include "util/mem.h"

#define REPORT_BYTES_MAX (1024 * 1024)
#define ONLINE_TIMEOUT_MS (60 * 1000)

struct online {
    bool is_done;
    int exit_code;
    const char *name; /* of the model, as people call it */
    const char *model;
};

static void say_shutdown(const struct online *online, const struct llm_check *check)
{
    if (*check->shutdown_date)
        printf("警告 warning: %s 将于 %s 下线 will be shut down\n", online->model,
               check->shutdown_date);
}

static void on_checked(uint64_t id, const struct llm_check *check, void *arg)
{
    struct online *online = arg;
    online->is_done = true;
    if (check->outcome.failure != LLM_OK) {
        printf("错误 error: 模型服务 endpoint%s: %s: %s\n", online->name,
               llm_failure_name(check->outcome.failure), check->outcome.error.text);
        online->exit_code = EX_UNAVAILABLE;
    } else if (!check->has_model_list) {
        printf("在线 online%s: 模型服务有响应，但不提供模型列表 the endpoint answers but lists no "
               "models\n",
               online->name);
    } else if (!check->is_model_known) {
        printf("错误 error: model%s: 模型服务没有 %s the endpoint does not list it%s%s\n",
               online->name, online->model, *check->nearest ? "；相近的有 nearest: " : "",
               check->nearest);
        online->exit_code = EX_CONFIG;
    } else {
        printf("在线 online%s: %s 可用 is available\n", online->name, online->model);
        say_shutdown(online, check);
    }
}

static bool is_checked(void *arg)
{
    const struct online *online = arg;
    return online->is_done;
}

static int check_one(struct bridge *bridge, struct llm *llm, const char *name)
{
    struct online online = {.name = name, .model = llm->model};
    uint64_t id = llm_check(llm, on_checked, &online);
    if (!loop_run_until(bridge->loop, is_checked, &online, ONLINE_TIMEOUT_MS)) {
        llm_cancel(llm, id);
        printf("错误 error: 模型服务没有回应 the endpoint does not answer%s\n", name);
        return EX_UNAVAILABLE;
    }
    return online.exit_code;
}

/* Every model with every key; the first failure is the whole one. */
static int check_online(struct bridge *bridge)
{
    int exit_code = 0;
    const char *name, *before = "";
    struct llm *llm;
    int key = 1;
    bool is_alone = bridge->config->n_models == 0 && !pool_member(bridge->llm, 1, &name);
    for (size_t i = 0; (llm = pool_member(bridge->llm, i, &name)); i++) {
        key = strcmp(name, before) == 0 ? key + 1 : 1;
        before = name;
        DB_CLEANUP(free_charp)
        char *shown = is_alone ? xstrdup("") : xasprintf(" [%s #%d]", name, key);
        int one = check_one(bridge, llm, shown);
        exit_code = exit_code ? exit_code : one;
    }
    return exit_code;
}

int check_main(const struct options *options)
{
    struct config *config;
    int n_warnings = 0;
    int exit_code = bridge_load_config(options->config, &config, &n_warnings);
    if (exit_code)
        return exit_code;
    struct buf report = BUF_INIT(REPORT_BYTES_MAX);
    config_write_effective(config, &report);
    (void)fputs(buf_cstr(&report), stdout);
    buf_done(&report);
    struct bridge bridge = {0};
    exit_code = bridge_open(&bridge, config);
    if (exit_code == 0 && options->is_online)
        exit_code = check_online(&bridge);
    if (exit_code == 0)
        printf("配置可以使用 the configuration can be served（%d 个警告 warnings）\n", n_warnings);
    bridge_close(&bridge);
    return exit_code;
}
