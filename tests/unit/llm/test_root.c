#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "llm/root.h"

static void resolves_what_people_write(void **state)
{
    static const struct {
        const char *base_url;
        const char *root;
    } rows[] = {
        {"", "https://api.openai.com/v1"},
        {"api.openai.com", "https://api.openai.com/v1"},
        {"https://api.openai.com/", "https://api.openai.com/v1"},
        {"https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"},
        {"https://relay.example.com", "https://relay.example.com/v1"},
        {"https://relay.example.com/openai", "https://relay.example.com/openai/v1"},
        {"https://Relay.example.com:8443//proxy/v1/", "https://relay.example.com:8443/proxy/v1"},
        {"https://ark.cn-beijing.volces.com", "https://ark.cn-beijing.volces.com/api/v3"},
        {"https://ark.cn-beijing.volces.com/api", "https://ark.cn-beijing.volces.com/api/v3"},
        {"https://ark.cn-beijing.volces.com/api/v3", "https://ark.cn-beijing.volces.com/api/v3"},
        {"https://open.bigmodel.cn/api/paas/v4/", "https://open.bigmodel.cn/api/paas/v4"},
        {"https://open.bigmodel.cn/api/coding/paas/v4",
         "https://open.bigmodel.cn/api/coding/paas/v4"},
        {"https://dashscope.aliyuncs.com/compatible-mode",
         "https://dashscope.aliyuncs.com/compatible-mode/v1"},
        {"https://openrouter.ai/api", "https://openrouter.ai/api/v1"},
        {"localhost:11434", "http://localhost:11434/v1"},
        {"https://generativelanguage.googleapis.com/v1beta/openai/",
         "https://generativelanguage.googleapis.com/v1beta/openai"},
        {"https://api.groq.com/openai", "https://api.groq.com/openai/v1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char root[ROOT_SIZE_MAX];
        assert_int_equal(root_resolve(rows[i].base_url, root, NULL), ST_OK);
        assert_string_equal(root, rows[i].root);
    }
}

static void refuses_what_is_no_root(void **state)
{
    static const char *const rows[] = {"ftp://x",     "https://u:p@x", "https://x/v1?key=1",
                                       "https://x y", "https://",      "https://x#y"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char root[ROOT_SIZE_MAX];
        struct error error = {0};
        assert_int_equal(root_resolve(rows[i], root, &error), ST_INVAL);
        assert_true(error.text[0] != '\0');
    }
}

static void takes_a_root_apart(void **state)
{
    char text[ROOT_SIZE_MAX];
    root_origin("https://x.example:8443/proxy/v1", text);
    assert_string_equal(text, "https://x.example:8443");
    root_billing_base("https://x.example/proxy/v1", text);
    assert_string_equal(text, "https://x.example/proxy");
    root_billing_base("https://x.example/proxy", text);
    assert_string_equal(text, "https://x.example/proxy");
    root_host("https://x.example:8443/v1", text, sizeof(text));
    assert_string_equal(text, "x.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_what_people_write),
        cmocka_unit_test(refuses_what_is_no_root),
        cmocka_unit_test(takes_a_root_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
