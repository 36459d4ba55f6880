#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "util/mem.h"

#define KEY "api_key: sk-1234567890\n"

struct loaded {
    enum status status;
    struct config *config;
    struct config_problems problems;
    char *file;
};

static enum status is_good(const char *text, struct error *ret_err)
{
    return strstr(text, "bad") ? error_set(ret_err, ST_INVAL, 0, "it is bad") : ST_OK;
}

static const struct config_check checks[] = {{"service_url", is_good, "good ones"},
                                             {"webhook_hosts", is_good, "good ones"},
                                             {NULL, NULL, NULL}};

static char *write_file(const char *suffix, struct str text)
{
    char *file = xasprintf("/tmp/dingbridge-test-%d%s", (int)getpid(), suffix);
    FILE *stream = fopen(file, "wbe");
    assert_non_null(stream);
    assert_int_equal(fwrite(text.p, 1, text.n, stream), text.n);
    assert_int_equal(fclose(stream), 0);
    return file;
}

static struct loaded load_all(const char *suffix, struct str text, char *const *environment)
{
    struct loaded loaded = {.file = write_file(suffix, text)};
    loaded.status = config_load(loaded.file, environment, checks, &loaded.config, &loaded.problems);
    return loaded;
}

static struct loaded load(const char *text)
{
    return load_all(".yml", str_of(text), NULL);
}

static void unload(struct loaded *loaded)
{
    (void)unlink(loaded->file);
    free(loaded->file);
    config_free(loaded->config);
    config_problems_done(&loaded->problems);
}

/* True when a problem of that kind holds the text. */
static bool is_told(const struct loaded *loaded, bool is_error, const char *text)
{
    for (size_t i = 0; i < loaded->problems.n; i++) {
        if (loaded->problems.items[i].is_error == is_error &&
            strstr(loaded->problems.items[i].text, text))
            return true;
    }
    return false;
}

static void assert_refused(const char *text, const char *where)
{
    struct loaded loaded = load(text);
    if (loaded.status != ST_INVAL || !is_told(&loaded, true, where))
        fail_msg("%s: %s", text, loaded.problems.n ? loaded.problems.items[0].text : "no problem");
    assert_null(loaded.config);
    unload(&loaded);
}

static void every_key_has_a_default_a_variable_a_help_and_a_place(void **state)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    assert_true(n > 30);
    assert_non_null(keys[0].section_zh);
    for (size_t i = 0; i < n; i++) {
        assert_true(keys[i].offset < sizeof(struct config));
        assert_true(*keys[i].env && *keys[i].help_zh && *keys[i].help_en);
        assert_true((keys[i].choices != NULL) == (keys[i].type == CONFIG_ENUM));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(keys[i].name, keys[j].name);
            assert_string_not_equal(keys[i].env, keys[j].env);
            assert_int_not_equal(keys[i].offset, keys[j].offset);
        }
    }
}

static void an_almost_empty_file_gives_the_defaults(void **state)
{
    struct loaded loaded = load(KEY);
    assert_int_equal(loaded.status, ST_OK);
    const struct config *config = loaded.config;
    assert_string_equal(config->api_key, "sk-1234567890");
    assert_string_equal(config->model, "gpt-5.4-mini");
    assert_int_equal(config->port, 8090);
    assert_int_equal(config->session_timeout_s, 600);
    assert_int_equal(config->default_mode, CONFIG_MODE_SINGLE);
    assert_int_equal(config->language, CONFIG_ZH);
    assert_true(isnan(config->temperature));
    assert_string_equal(config->timezone, "Asia/Shanghai");
    assert_int_equal(config->webhook_hosts.n, 0);
    assert_string_equal(config->file, loaded.file);
    assert_true(is_told(&loaded, false, "app_secrets"));
    assert_true(is_told(&loaded, false, "service_url"));
    unload(&loaded);
}

static void every_type_is_read(void **state)
{
    struct loaded loaded =
        load(KEY "port: \"0\"\nsession_timeout: 10m\nllm_timeout: 90s\ntemperature: 0.5\n"
                 "default_mode: 串聊\nlanguage: EN\nlog_level: warning\nmax_request: 5\n"
                 "system_prompt: |\n  一\n  二\nhelp: \"a\\nb\"\nmodel:   spaced   \n"
                 "app_secrets:\n  - one\n  - ' two '\nwebhook_hosts: a.example, *.b.example:8443\n"
                 "credentials:\n  - client_id: id1\n    client_secret: s1\n  - {client_id: id2, "
                 "client_secret: s2}\nhttp_proxy: null\nbase_url: ~\n");
    assert_int_equal(loaded.status, ST_OK);
    const struct config *config = loaded.config;
    assert_int_equal(config->port, 0);
    assert_int_equal(config->session_timeout_s, 600);
    assert_int_equal(config->llm_timeout_s, 90);
    assert_false(isnan(config->temperature));
    assert_true(config->temperature > 0.49 && config->temperature < 0.51);
    assert_int_equal(config->default_mode, CONFIG_MODE_CHAIN);
    assert_int_equal(config->language, CONFIG_EN);
    assert_int_equal(config->log_level, LOG_WARN);
    assert_int_equal(config->max_request, 5);
    assert_string_equal(config->system_prompt, "一\n二\n");
    assert_string_equal(config->help, "a\nb");
    assert_string_equal(config->model, "spaced");
    assert_int_equal(config->app_secrets.n, 2);
    assert_string_equal(config->app_secrets.items[1], "two");
    assert_int_equal(config->webhook_hosts.n, 2);
    assert_string_equal(config->webhook_hosts.items[1], "*.b.example:8443");
    assert_int_equal(config->n_credentials, 2);
    assert_string_equal(config->credentials[1].client_id, "id2");
    assert_string_equal(config->credentials[1].client_secret, "s2");
    assert_string_equal(config->http_proxy, "");
    assert_false(is_told(&loaded, false, "app_secrets"));
    unload(&loaded);
}

static void bad_values_are_told_with_file_line_key_and_what_is_allowed(void **state)
{
    assert_refused(KEY "\nport: 99999\n", ".yml:3: port: ");
    assert_refused(KEY "port: 99999\n", "0…65535");
    assert_refused(KEY "port: http\n", "0…65535");
    assert_refused(KEY "port: [1]\n", "0…65535");
    assert_refused(KEY "default_mode: 群聊\n", "串聊 chain");
    assert_refused(KEY "session_timeout: soon\n", "10m");
    assert_refused(KEY "session_timeout: 8d\n", "604800");
    assert_refused(KEY "max_request: -1\n", "0…");
    assert_refused(KEY "temperature: 2.5\n", "0…2");
    assert_refused(KEY "temperature: nan\n", "0…2");
    assert_refused(KEY "timezone: Mars/Base\n", "Asia/Shanghai");
    assert_refused(KEY "app_secrets: {a: b}\n", "app_secrets");
    assert_refused(KEY "app_secrets: [[a]]\n", "app_secrets");
    assert_refused(KEY "credentials: [{client_id: a}]\n", "client_secret");
    assert_refused(KEY "credentials: [a]\n", "client_secret");
    assert_refused(KEY "credentials: a\n", "client_secret");
    assert_refused(KEY "model: {a: b}\n", "model");
    assert_refused("port: 1\n", "api_key");
    assert_refused(KEY "port: [\n", "malformed");
    assert_refused(KEY "a: b: c\n", ".yml:2: ");
    assert_refused("- a\n", ".yml:1: ");
    assert_refused("just words\n", ".yml:1: ");
}

static void what_another_room_refuses_is_told_the_same_way(void **state)
{
    assert_refused(KEY "\nservice_url: bad\n", ".yml:3: service_url: ");
    assert_refused(KEY "\nservice_url: bad\n", "(it is bad); allowed: good ones");
    assert_refused(KEY "webhook_hosts:\n  - good\n  - bad\n", ".yml:2: webhook_hosts: ");
    assert_refused(KEY "webhook_hosts: a, b, bad\n", ".yml:2: webhook_hosts: ");
    static char bad[] = "SERVICE_URL=bad";
    char *environment[] = {bad, NULL};
    struct loaded loaded = load_all(".yml", str_of(KEY "service_url: ok\n"), environment);
    assert_int_equal(loaded.status, ST_INVAL);
    assert_true(is_told(&loaded, true, "SERVICE_URL: service_url: "));
    unload(&loaded);
    loaded = load(KEY "service_url: \"\"\nwebhook_hosts: [good]\nmodel: bad\n");
    assert_int_equal(loaded.status, ST_OK);
    unload(&loaded);
}

static void every_form_of_a_duration_is_read_in_yaml_json_and_the_environment(void **state)
{
    static const char *const forms[] = {"600", "\"600\"", "600s", "\"600s\"",
                                        "10m", "\"10m\"", "10M"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        DB_CLEANUP(free_charp) char *text = xasprintf(KEY "session_timeout: %s\n", forms[i]);
        struct loaded loaded = load(text);
        assert_int_equal(loaded.status, ST_OK);
        assert_int_equal(loaded.config->session_timeout_s, 600);
        unload(&loaded);
        if (forms[i][0] != '"' && i != 0)
            continue;
        DB_CLEANUP(free_charp)
        char *json = xasprintf("{\"api_key\": \"k\", \"session_timeout\": %s}", forms[i]);
        loaded = load_all(".json", str_of(json), NULL);
        assert_int_equal(loaded.status, ST_OK);
        assert_int_equal(loaded.config->session_timeout_s, 600);
        unload(&loaded);
    }
    static char bare[] = "SESSION_TIMEOUT=600", seconds[] = "SESSION_TIMEOUT=600s",
                minutes[] = "SESSION_TIMEOUT=10m";
    char *const variables[] = {bare, seconds, minutes};
    for (size_t i = 0; i < 3; i++) {
        char *environment[] = {variables[i], NULL};
        struct loaded loaded = load_all(".yml", str_of(KEY "session_timeout: 5\n"), environment);
        assert_int_equal(loaded.status, ST_OK);
        assert_int_equal(loaded.config->session_timeout_s, 600);
        unload(&loaded);
    }
}

static void an_answer_share_that_leaves_no_context_is_told(void **state)
{
    struct loaded loaded = load(KEY "max_text: 4096\nmax_answer_len: 4096\n");
    assert_int_equal(loaded.status, ST_OK);
    assert_true(is_told(&loaded, false, "max_answer_len"));
    unload(&loaded);
    loaded = load(KEY "max_text: 4096\nmax_answer_len: 2048\n");
    assert_false(is_told(&loaded, false, "max_answer_len"));
    unload(&loaded);
}

static void a_bad_secret_is_not_repeated_in_the_problem(void **state)
{
    struct loaded loaded = load("api_key: [sk-very-secret]\ncredentials: very-secret\n");
    assert_int_equal(loaded.status, ST_INVAL);
    for (size_t i = 0; i < loaded.problems.n; i++)
        assert_null(strstr(loaded.problems.items[i].text, "very-secret"));
    unload(&loaded);
}

static void an_unknown_key_is_a_warning_with_the_nearest_one(void **state)
{
    struct loaded loaded = load(KEY "max_requst: 5\nsomething_else_entirely: 1\n1: 2\n");
    assert_int_equal(loaded.status, ST_OK);
    assert_true(is_told(&loaded, false, ".yml:2: max_requst"));
    assert_true(is_told(&loaded, false, "max_request?"));
    assert_true(is_told(&loaded, false, "something_else_entirely"));
    assert_false(is_told(&loaded, false,
                         "something_else_entirely: 不认识的键，已忽略 unknown key, "
                         "ignored；"));
    unload(&loaded);
}

static void only_a_slip_of_the_keys_is_taken_for_another_key(void **state)
{
    struct loaded loaded = load(KEY "deny_users: [a]\nallow_users: [a]\nvip_users: [a]\nprot: 1\n"
                                    "defualt_mode: 1\napikey: 1\n");
    assert_int_equal(loaded.status, ST_OK);
    assert_false(is_told(&loaded, false, "admin_users"));
    assert_true(is_told(&loaded, false, "port?"));
    assert_true(is_told(&loaded, false, "default_mode?"));
    assert_true(is_told(&loaded, false, "api_key?"));
    unload(&loaded);
}

static void the_predecessors_file_is_read(void **state)
{
    struct loaded loaded = load(
        "# openai api_key\napi_key: \"xxxxxxxxx\"\nbase_url: \"\"\nmodel: \"gpt-3.5-turbo\"\n"
        "session_timeout: \"600s\"\nhttp_proxy: \"\"\ndefault_mode: \"单聊\"\nmax_request: 0\n"
        "port: \"8090\"\nservice_url: \"http://xxxxxx\"\nlog_level: \"info\"\n"
        "app_secrets: [\"one\",\"two\"]\nhelp: \"### 一\\n\\n二\"\nmax_answer_len: 2048\n"
        "max_text: 4096\ncredentials:\n  - client_id: \"id\"\n    client_secret: \"secret\"\n");
    assert_int_equal(loaded.status, ST_OK);
    assert_int_equal(loaded.problems.n, 0);
    assert_int_equal(loaded.config->session_timeout_s, 600);
    assert_int_equal(loaded.config->port, 8090);
    assert_string_equal(loaded.config->model, "gpt-3.5-turbo");
    assert_string_equal(loaded.config->base_url, "");
    assert_string_equal(loaded.config->help, "### 一\n\n二");
    assert_int_equal(loaded.config->app_secrets.n, 2);
    unload(&loaded);
    static char variables[][40] = {"APIKEY=k",
                                   "BASE_URL=http://x",
                                   "MODEL=m",
                                   "SESSION_TIMEOUT=60",
                                   "HTTP_PROXY=http://p:1",
                                   "DEFAULT_MODE=串聊",
                                   "MAX_REQUEST=3",
                                   "PORT=81",
                                   "SERVICE_URL=http://s"};
    char *environment[10] = {NULL};
    for (size_t i = 0; i < 9; i++)
        environment[i] = variables[i];
    struct config_problems problems = {0};
    struct config *config = NULL;
    assert_int_equal(config_load("", environment, NULL, &config, &problems), ST_OK);
    assert_string_equal(config->api_key, "k");
    assert_string_equal(config->base_url, "http://x");
    assert_string_equal(config->model, "m");
    assert_int_equal(config->session_timeout_s, 60);
    assert_string_equal(config->http_proxy, "http://p:1");
    assert_int_equal(config->default_mode, CONFIG_MODE_CHAIN);
    assert_int_equal(config->max_request, 3);
    assert_int_equal(config->port, 81);
    assert_string_equal(config->service_url, "http://s");
    config_free(config);
    config_problems_done(&problems);
}

static void of_a_key_written_twice_the_later_counts_and_is_told(void **state)
{
    struct loaded loaded = load(KEY "port: 1\nport: 2\n");
    assert_int_equal(loaded.status, ST_OK);
    assert_int_equal(loaded.config->port, 2);
    assert_true(is_told(&loaded, false, ".yml:2: port"));
    unload(&loaded);
}

static void json_with_comments_and_tabs_is_read(void **state)
{
    struct loaded loaded = load_all(
        ".json",
        str_of("\xef\xbb\xbf{\n\t\"api_key\":\"a//b\\\"//\", // a \"comment\"\n\t/* two\n lines "
               "*/\"base_url\": \"https://x.example\\/v1\",\n\t\"port\":8091,\n\t\"max_request\": "
               "\"3\" , \"http_proxy\": \"\",\n\t\"default_mode\": \"\\u4e32\\u804a\" // end\n}\n"),
        NULL);
    assert_int_equal(loaded.status, ST_OK);
    assert_string_equal(loaded.config->api_key, "a//b\"//");
    assert_string_equal(loaded.config->base_url, "https://x.example/v1");
    assert_int_equal(loaded.config->port, 8091);
    assert_int_equal(loaded.config->max_request, 3);
    assert_int_equal(loaded.config->default_mode, CONFIG_MODE_CHAIN);
    unload(&loaded);
    loaded = load_all(".json",
                      str_of("{\"api_key\": \"k\", \"help\": \"\\ud83d\\udc4b\\n\\u4f60 "
                             "\\\\ud83d\\\\udc4b\", \"port\": 1}"),
                      NULL);
    assert_int_equal(loaded.status, ST_OK);
    assert_string_equal(loaded.config->help, "👋\n你 \\ud83d\\udc4b");
    unload(&loaded);
    loaded = load_all(".json", str_of("{\"help\":\n\"\\ud83d alone\"}"), NULL);
    assert_true(is_told(&loaded, true, ".json:2: "));
    unload(&loaded);
    loaded = load_all(".json", str_of("{\n/* a\nb */\n\"port\": -1, \"api_key\": \"k\"}"), NULL);
    assert_true(is_told(&loaded, true, ".json:4: port"));
    unload(&loaded);
}

static void the_environment_beats_the_file_and_empty_variables_count_for_nothing(void **state)
{
    static char key[] = "APIKEY=env-key";
    static char other[] = "API_KEY=other-key";
    static char port[] = "PORT=7000";
    static char model[] = "MODEL=  ";
    static char secrets[] = "APP_SECRETS=a , b,,";
    static char credentials[] = "DINGTALK_CREDENTIALS=id:se:cret,id2:s2";
    static char language[] = "LANGUAGE=de_DE:de";
    char *environment[] = {key, other, port, model, secrets, credentials, language, NULL};
    struct loaded loaded =
        load_all(".yml", str_of(KEY "port: 1\nmodel: filed\nlanguage: en\n"), environment);
    assert_int_equal(loaded.status, ST_OK);
    assert_string_equal(loaded.config->api_key, "env-key");
    assert_int_equal(loaded.config->port, 7000);
    assert_string_equal(loaded.config->model, "filed");
    assert_int_equal(loaded.config->app_secrets.n, 2);
    assert_string_equal(loaded.config->app_secrets.items[1], "b");
    assert_int_equal(loaded.config->n_credentials, 2);
    assert_string_equal(loaded.config->credentials[0].client_secret, "se:cret");
    assert_int_equal(loaded.config->language, CONFIG_EN);
    unload(&loaded);
    char *only_other[] = {other, NULL};
    loaded = load_all(".yml", str_of("port: 1\n"), only_other);
    assert_string_equal(loaded.config->api_key, "other-key");
    unload(&loaded);
    static char bad[] = "PORT=many";
    char *bad_environment[] = {bad, NULL};
    loaded = load_all(".yml", str_of(KEY), bad_environment);
    assert_int_equal(loaded.status, ST_INVAL);
    assert_true(is_told(&loaded, true, "PORT: port: "));
    unload(&loaded);
}

static void a_key_is_needed_unless_the_endpoint_is_local_or_a_demo(void **state)
{
    static const char *const fine[] = {"base_url: http://127.0.0.1:11434\n",
                                       "api_root: http://127.0.0.1:1/x\n", "provider: demo\n"};
    for (size_t i = 0; i < 3; i++) {
        struct loaded loaded = load(fine[i]);
        assert_int_equal(loaded.status, ST_OK);
        unload(&loaded);
    }
    struct loaded loaded = load("");
    assert_int_equal(loaded.status, ST_INVAL);
    unload(&loaded);
    loaded = load("base_url: http://a\napi_root: http://b\n");
    assert_true(is_told(&loaded, false, "base_url"));
    unload(&loaded);
}

static void what_is_no_file_no_utf8_or_too_large_is_told(void **state)
{
    struct config *config = NULL;
    struct config_problems problems = {0};
    assert_int_equal(config_load("/nowhere/x.yml", NULL, NULL, &config, &problems), ST_NOT_FOUND);
    assert_non_null(strstr(problems.items[0].text, "/nowhere/x.yml"));
    config_problems_done(&problems);
    assert_int_equal(config_load("/tmp", NULL, NULL, &config, &problems), ST_NOT_FOUND);
    config_problems_done(&problems);
    struct loaded loaded = load(KEY "model: \xff\xfe\n");
    assert_int_equal(loaded.status, ST_INVAL);
    unload(&loaded);
    loaded = load_all(".yml", STR_LIT(KEY "model: a\0b\n"), NULL);
    assert_int_equal(loaded.status, ST_INVAL);
    unload(&loaded);
    char *large = xcalloc(1, 2 * 1024 * 1024);
    memset(large, '#', 2 * 1024 * 1024 - 1);
    loaded = load(large);
    assert_int_equal(loaded.status, ST_INVAL);
    unload(&loaded);
    free(large);
}

static void many_unknown_keys_do_not_hide_an_error(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    buf_puts(&text, KEY);
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "unknown_key_%d: 1\n", i);
    buf_puts(&text, "port: x\n");
    struct loaded loaded = load(buf_cstr(&text));
    assert_true(loaded.problems.n < 200);
    assert_true(is_told(&loaded, true, "port"));
    unload(&loaded);
    buf_done(&text);
}

static void models_are_read_with_what_they_leave_out(void **state)
{
    struct loaded loaded = load(
        KEY "base_url: https://x.example\nmodel: unused\nimage_model: pic\ntemperature: 0.5\n"
            "http_proxy: http://p.example:1\nmodels:\n  - model: a\n  - name: 二\n"
            "    provider: anthropic\n    api_key: sk-ant-1234\n    model: b\n    temperature: 1\n"
            "    max_answer_len: 7\n  - {provider: azure, azure_resource_name: r, api_key: k,\n"
            "     azure_deployment_name: d}\n");
    assert_int_equal(loaded.status, ST_OK);
    const struct config_model *models = loaded.config->models;
    assert_int_equal(loaded.config->n_models, 3);
    assert_string_equal(models[0].name, "a");
    assert_int_equal(models[0].provider, CONFIG_PROVIDER_OPENAI);
    assert_string_equal(models[0].api_key, "sk-1234567890");
    assert_string_equal(models[0].base_url, "https://x.example");
    assert_string_equal(models[0].image_model, "pic");
    assert_string_equal(models[0].http_proxy, "http://p.example:1");
    assert_true(models[0].temperature > 0.4 && models[0].temperature < 0.6);
    /* Nothing of an account goes to another one. */
    assert_string_equal(models[1].name, "二");
    assert_int_equal(models[1].provider, CONFIG_PROVIDER_ANTHROPIC);
    assert_string_equal(models[1].base_url, "");
    assert_string_equal(models[1].image_model, "");
    assert_int_equal(models[1].max_answer_len, 7);
    assert_true(models[1].temperature > 0.9);
    assert_string_equal(models[2].model, "d");
    struct buf report = BUF_INIT(100000);
    config_write_effective(loaded.config, &report);
    assert_non_null(
        strstr(buf_cstr(&report), "models: a (openai a), 二 (anthropic b), d (azure d)"));
    assert_null(strstr(buf_cstr(&report), "sk-ant-1234"));
    buf_done(&report);
    unload(&loaded);
}

static void what_is_wrong_with_models_is_told(void **state)
{
    assert_refused("models: a\n", ":1: models: ");
    assert_refused("models: [a]\n", ":1: models: ");
    assert_refused("models:\n - {model: a, api_key: k}\n - {model: A, api_key: k}\n",
                   ":3: models[2].name");
    assert_refused("models:\n - model: a\n", ":2: models[1].api_key");
    assert_refused("models:\n - api_key: k\n", ":2: models[1].model");
    assert_refused("models:\n - {model: [a], api_key: k}\n", ":2: models[1].model");
    assert_refused("models:\n - {model: a, api_key: k, provider: x}\n", ":2: models[1].provider");
    assert_refused("models:\n - {model: a, api_key: k, max_answer_len: -1}\n",
                   ":2: models[1].max_answer_len");
    assert_refused("models:\n - {provider: azure, model: a, api_key: k}\n",
                   ":2: models[1].azure_resource_name");
    struct buf many = BUF_INIT(10000);
    buf_puts(&many, "models:\n");
    for (int i = 0; i <= CONFIG_MODELS_MAX; i++)
        buf_printf(&many, " - {model: m%d, api_key: k}\n", i);
    assert_refused(buf_cstr(&many), ":1: models: ");
    buf_done(&many);
}

static void models_may_come_from_the_environment(void **state)
{
    static char right[] = "MODELS=[{model: e, api_key: k}]", wrong[] = "MODELS=[{model: e";
    static char nameless[] = "MODELS=[{api_key: k}]";
    struct loaded loaded = load_all(".yml", STR_LIT("models: [{model: a, api_key: k}]\n"),
                                    (char *const[]){right, NULL});
    assert_int_equal(loaded.status, ST_OK);
    assert_int_equal(loaded.config->n_models, 1);
    assert_string_equal(loaded.config->models[0].model, "e");
    unload(&loaded);
    loaded = load_all(".yml", STR_LIT(KEY), (char *const[]){wrong, NULL});
    assert_true(is_told(&loaded, true, "environment MODELS: models: "));
    unload(&loaded);
    loaded = load_all(".yml", STR_LIT(KEY), (char *const[]){nameless, NULL});
    assert_true(is_told(&loaded, true, "environment MODELS: models[1].model: "));
    unload(&loaded);
}

static void the_report_names_every_key_and_hides_every_secret(void **state)
{
    struct loaded loaded =
        load(KEY "app_secrets: [hidden-one]\ncredentials: [{client_id: visible, client_secret: "
                 "hidden-two}]\nhttp_proxy: http://user:hidden-three@proxy:1\nhelp: \"a\\nb\"\n");
    struct buf report = BUF_INIT(1 << 20);
    config_write_effective(loaded.config, &report);
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        DB_CLEANUP(free_charp) char *line = xasprintf("%s: ", keys[i].name);
        assert_non_null(strstr(buf_cstr(&report), line));
    }
    assert_null(strstr(buf_cstr(&report), "hidden"));
    assert_null(strstr(buf_cstr(&report), "sk-1234567890"));
    assert_non_null(strstr(buf_cstr(&report), "api_key: ***\n"));
    assert_non_null(strstr(buf_cstr(&report), "help: a\\nb\n"));
    assert_non_null(strstr(buf_cstr(&report), "default_mode: 单聊\n"));
    buf_done(&report);
    unload(&loaded);
}

/* The text of a file of the project. */
static struct buf project_file(const char *name)
{
    struct buf text = BUF_INIT(1 << 20);
    char chunk[4096];
    size_t n;
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", PROJECT_ROOT, name);
    FILE *stream = fopen(path, "rbe");
    assert_non_null(stream);
    while ((n = fread(chunk, 1, sizeof(chunk), stream)) > 0)
        buf_add(&text, chunk, n);
    (void)fclose(stream);
    return text;
}

/* When one of these fails, run tools/write_config_docs. */
static void
the_example_file_is_the_tables_and_can_be_loaded_with_every_line_uncommented(void **state)
{
    struct buf file = project_file("config.example.yml");
    struct buf made = BUF_INIT(1 << 20);
    config_write_example(&made);
    assert_string_equal(buf_cstr(&file), buf_cstr(&made));
    struct buf bare = BUF_INIT(1 << 20);
    for (struct str rest = buf_str(&made); rest.n > 0;) {
        struct str line = str_cut(&rest, '\n');
        if (str_starts(line, STR_LIT("# ")))
            line = str_sub(line, 2, line.n);
        buf_add_str(&bare, line);
        buf_putc(&bare, '\n');
    }
    buf_puts(&bare, "provider: demo\n");
    struct loaded loaded = load(buf_cstr(&bare));
    if (loaded.status != ST_OK)
        fail_msg("%s", loaded.problems.items[0].text);
    for (size_t i = 0; i < loaded.problems.n; i++)
        assert_null(strstr(loaded.problems.items[i].text, "unknown key"));
    unload(&loaded);
    buf_done(&bare);
    buf_done(&made);
    buf_done(&file);
}

static void both_readmes_hold_the_table_of_keys(void **state)
{
    static const char *const names[] = {"README.md", "README.en.md"};
    for (int i = 0; i < 2; i++) {
        struct buf text = project_file(names[i]);
        struct buf made = BUF_INIT(1 << 20);
        buf_puts(&made, "<!-- keys:begin -->\n");
        config_write_docs(&made, i == 0 ? CONFIG_ZH : CONFIG_EN);
        buf_puts(&made, "<!-- keys:end -->");
        if (!strstr(buf_cstr(&text), buf_cstr(&made)))
            fail_msg("the table in %s is not the program's", names[i]);
        buf_done(&made);
        buf_done(&text);
    }
}

static void a_problem_is_one_showable_line_whatever_the_key(void **state)
{
    struct loaded loaded = load(KEY "\"a\\e[31m\\nb\\tc\": 1\n");
    bool is_found = false;
    for (size_t i = 0; i < loaded.problems.n; i++) {
        const char *text = loaded.problems.items[i].text;
        assert_null(strpbrk(text, "\x1b\n\t"));
        is_found |= strstr(text, "a?[31m?b?c") != NULL;
    }
    assert_true(is_found);
    unload(&loaded);

    struct buf file = BUF_INIT(8192);
    buf_puts(&file, KEY "x");
    for (int i = 0; i < 800; i++)
        buf_puts(&file, "周");
    buf_puts(&file, ": 1\n");
    loaded = load(buf_cstr(&file));
    for (size_t i = 0; i < loaded.problems.n; i++)
        assert_true(utf8_is_valid(str_of(loaded.problems.items[i].text)));
    unload(&loaded);
    buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_a_default_a_variable_a_help_and_a_place),
        cmocka_unit_test(an_almost_empty_file_gives_the_defaults),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(bad_values_are_told_with_file_line_key_and_what_is_allowed),
        cmocka_unit_test(what_another_room_refuses_is_told_the_same_way),
        cmocka_unit_test(every_form_of_a_duration_is_read_in_yaml_json_and_the_environment),
        cmocka_unit_test(an_answer_share_that_leaves_no_context_is_told),
        cmocka_unit_test(a_bad_secret_is_not_repeated_in_the_problem),
        cmocka_unit_test(an_unknown_key_is_a_warning_with_the_nearest_one),
        cmocka_unit_test(only_a_slip_of_the_keys_is_taken_for_another_key),
        cmocka_unit_test(the_predecessors_file_is_read),
        cmocka_unit_test(of_a_key_written_twice_the_later_counts_and_is_told),
        cmocka_unit_test(json_with_comments_and_tabs_is_read),
        cmocka_unit_test(the_environment_beats_the_file_and_empty_variables_count_for_nothing),
        cmocka_unit_test(a_key_is_needed_unless_the_endpoint_is_local_or_a_demo),
        cmocka_unit_test(what_is_no_file_no_utf8_or_too_large_is_told),
        cmocka_unit_test(many_unknown_keys_do_not_hide_an_error),
        cmocka_unit_test(models_are_read_with_what_they_leave_out),
        cmocka_unit_test(what_is_wrong_with_models_is_told),
        cmocka_unit_test(models_may_come_from_the_environment),
        cmocka_unit_test(the_report_names_every_key_and_hides_every_secret),
        cmocka_unit_test(
            the_example_file_is_the_tables_and_can_be_loaded_with_every_line_uncommented),
        cmocka_unit_test(both_readmes_hold_the_table_of_keys),
        cmocka_unit_test(a_problem_is_one_showable_line_whatever_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
