#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "net/url.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void takes_urls_apart(void **state)
{
    static const struct {
        const char *text, *scheme, *host, *userinfo, *target;
        int port;
        bool is_ipv6, has_port;
    } cases[] = {
        {"https://api.openai.com/v1", "https", "api.openai.com", NULL, "/v1", 443, false, false},
        {"HTTPS://API.OpenAI.Com", "https", "api.openai.com", NULL, "", 443, false, false},
        {"http://127.0.0.1:8080?a=b", "http", "127.0.0.1", NULL, "?a=b", 8080, false, true},
        {"http://a_b-c.d#f", "http", "a_b-c.d", NULL, "#f", 80, false, false},
        {"socks5h://u:p%40w@proxy:1081", "socks5h", "proxy", "u:p%40w", "", 1081, false, true},
        {"socks5://proxy", "socks5", "proxy", NULL, "", 1080, false, false},
        {"postgres://u@db/x", "postgres", "db", "u", "/x", 0, false, false},
        {"http://[::1]:80/x", "http", "::1", NULL, "/x", 80, true, true},
        {"http://[0:0::0:1]", "http", "::1", NULL, "", 80, true, false},
        {"https://[2001:DB8::A]/", "https", "2001:db8::a", NULL, "/", 443, true, false},
        {"https://host/a@b:c", "https", "host", NULL, "/a@b:c", 443, false, false},
        {"https://host?next=https://x@y/", "https", "host", NULL, "?next=https://x@y/", 443, false,
         false},
        {"https://@host/", "https", "host", "", "/", 443, false, false},
        {"https://1.2.3.4.example/", "https", "1.2.3.4.example", NULL, "/", 443, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url url;
        struct error err = {0};
        if (url_parse(str_of(cases[i].text), &url, &err) != ST_OK)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(url.scheme, cases[i].scheme);
        assert_string_equal(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.is_ipv6, cases[i].is_ipv6);
        assert_int_equal(url.has_port, cases[i].has_port);
        assert_int_equal(url.has_userinfo, cases[i].userinfo != NULL);
        assert_true(str_eq(url.userinfo, str_of(cases[i].userinfo)));
        assert_true(str_eq(url.target, str_of(cases[i].target)));
    }
}

static const char *const disputable[] = {
    "",
    "host",
    "/path",
    "//host/",
    "https:/host",
    "https:host",
    "https:\\\\host",
    "://host",
    "1http://host",
    "ht tp://host",
    "a-scheme-that-is-too-long://host",
    "https://",
    "https:///path",
    "https://?q",
    "https://:443/",
    "https://user@/",
    "https://a@b@c/",
    "https://a@oapi.dingtalk.com@evil.com/",
    "https://evil.com\\@oapi.dingtalk.com",
    "https://evil.com\\.oapi.dingtalk.com/",
    "https://oapi.dingtalk.com\\evil",
    "https://evil.com%2f@oapi.dingtalk.com%00/",
    "https://oapi%2edingtalk.com/",
    "https://oapi.dingtalk.com%00.evil.com/",
    "https://oapi.dingtalk.com./",
    "https://oapi..dingtalk.com/",
    "https://.dingtalk.com/",
    "https://./",
    "https://oapi.dingtalk.com:/",
    "https://oapi.dingtalk.com:0/",
    "https://oapi.dingtalk.com:65536/",
    "https://oapi.dingtalk.com:443443/",
    "https://oapi.dingtalk.com:+443/",
    "https://oapi.dingtalk.com:-1/",
    "https://oapi.dingtalk.com:443:443/",
    "https://oapi.dingtalk.com:44a/",
    "https://oapi.dingtalk.com;evil.com/",
    "https://oapi.dingtalk.com,evil.com/",
    "https://oapi.dingtalk.com&evil.com/",
    "https://oapi\tdingtalk.com/",
    "https://oapi.dingtalk.com\r\nHost:evil/",
    " https://oapi.dingtalk.com/",
    "https://oapi.dingtalk.com/ ",
    "https://oapi。dingtalk。com/",
    "https://oapi.dingtalk.com/图",
    "https://oapi.dingtalk.com/\x7f",
    "https://[::1/",
    "https://::1/",
    "https://[]/",
    "https://[::1]x/",
    "https://[::1]:/",
    "https://[::1%25eth0]/",
    "https://[127.0.0.1]/",
    "https://[host]/",
    "https://ho[::1]st/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.0x1/",
    "https://1.2.3.4.5/",
    "https://256.0.0.1/",
};

static void refuses_what_parsers_could_disagree_about(void **state)
{
    for (size_t i = 0; i < COUNT(disputable); i++) {
        struct url url;
        struct error err = {0};
        if (url_parse(str_of(disputable[i]), &url, &err) != ST_INVAL)
            fail_msg("taken: %s", disputable[i]);
        assert_true(err.text[0] != '\0');
    }
    struct url url;
    assert_int_equal(url_parse(STR_LIT("https://a\0b/"), &url, NULL), ST_INVAL);
    assert_int_equal(url_parse((struct str){0}, &url, NULL), ST_INVAL);
}

static void refuses_hosts_labels_and_urls_that_are_too_long(void **state)
{
    char text[URL_SIZE_MAX + 2];
    struct url url;

    (void)snprintf(text, sizeof(text), "http://%064d.com", 0);
    assert_int_equal(url_parse(str_of(text), &url, NULL), ST_INVAL);
    (void)snprintf(text, sizeof(text), "http://%063d.com", 0);
    assert_int_equal(url_parse(str_of(text), &url, NULL), ST_OK);
    (void)snprintf(text, sizeof(text), "http://%060d.%060d.%060d.%060d.%09d.x", 0, 0, 0, 0, 0);
    assert_int_equal(url_parse(str_of(text), &url, NULL), ST_INVAL);

    memset(text, 'x', sizeof(text));
    memcpy(text, "http://host/", 12);
    assert_int_equal(url_parse((struct str){text, URL_SIZE_MAX}, &url, NULL), ST_OK);
    assert_int_equal(url_parse((struct str){text, URL_SIZE_MAX + 1}, &url, NULL), ST_INVAL);
}

static bool is_allowed(const char *text, const struct url_host_rule *rules, size_t n_rules)
{
    struct url url;
    return url_parse(str_of(text), &url, NULL) == ST_OK &&
           url_host_is_allowed(&url, rules, n_rules);
}

static void built_in_hosts_are_called_by_https_on_443_only(void **state)
{
    static const struct url_host_rule rules[] = {{"oapi.dingtalk.com", true},
                                                 {"api.dingtalk.com", true}};
    static const char *const good[] = {
        "https://oapi.dingtalk.com/robot/sendBySession?session=x",
        "https://OAPI.DingTalk.COM/robot",
        "https://api.dingtalk.com",
        "https://oapi.dingtalk.com:443/",
        "https://oapi.dingtalk.com/@evil.com",
    };
    static const char *const bad[] = {
        "http://oapi.dingtalk.com/",
        "https://oapi.dingtalk.com:8443/",
        "http://oapi.dingtalk.com:443/",
        "ftp://oapi.dingtalk.com:443/",
        "https://dingtalk.com/",
        "https://oapi.dingtalk.com.evil.com/",
        "https://evil-oapi.dingtalk.com/",
        "https://x.oapi.dingtalk.com/",
        "https://oapi.dingtalk.com./",
        "https://oapi.dingtalk.com@evil.com/",
        "https://oapi.dingtalk.com:443@x",
        "https://user@oapi.dingtalk.com/",
        "https://@oapi.dingtalk.com/",
        "https://evil.com\\@oapi.dingtalk.com",
        "https://evil.com/@oapi.dingtalk.com",
        "https://evil.com?@oapi.dingtalk.com/",
        "https://evil.com#@oapi.dingtalk.com/",
        "https://[::1]/",
        "https://127.0.0.1/",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        if (!is_allowed(good[i], rules, COUNT(rules)))
            fail_msg("not allowed: %s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (is_allowed(bad[i], rules, COUNT(rules)))
            fail_msg("allowed: %s", bad[i]);
    assert_false(is_allowed(good[0], NULL, 0));
}

static void listed_hosts_follow_their_entry(void **state)
{
    static const struct {
        const char *pattern, *url;
        bool want;
    } cases[] = {
        {"hook.local", "http://hook.local:9000/x", true},
        {"hook.local", "https://hook.local/x", true},
        {"Hook.Local", "https://hook.local/x", true},
        {"hook.local", "socks5://hook.local/x", false},
        {"hook.local", "http://u@hook.local/x", false},
        {"hook.local:9000", "http://hook.local:9000/x", true},
        {"hook.local:9000", "http://hook.local/x", false},
        {"hook.local:80", "http://hook.local/x", true},
        {"hook.local:443", "http://hook.local/x", false},
        {"*.corp.cn", "https://a.corp.cn/", true},
        {"*.corp.cn", "https://a.b.corp.cn:8443/", true},
        {"*.corp.cn", "https://corp.cn/", false},
        {"*.corp.cn", "https://evilcorp.cn/", false},
        {"*.corp.cn", "https://a.corp.cn.evil.com/", false},
        {"*.corp.cn:8443", "https://a.corp.cn/", false},
        {"*.corp.cn:8443", "https://a.corp.cn:8443/", true},
        {"127.0.0.1", "http://127.0.0.1:4000/", true},
        {"[::1]", "http://[::1]:4000/", true},
        {"[0::1]:80", "http://[::0:1]/", true},
        {"[::1]:80", "http://[::1]:81/", false},
        {"*", "http://hook.local/", false},
        {"http://hook.local", "http://hook.local/", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_host_rule rule = {cases[i].pattern, false};
        if (is_allowed(cases[i].url, &rule, 1) != cases[i].want)
            fail_msg("%s with %s", cases[i].url, cases[i].pattern);
    }
}

static void says_which_list_entries_are_usable(void **state)
{
    static const char *const good[] = {"oapi.dingtalk.com", "localhost", "a:1",     "*.corp.cn",
                                       "*.local:8080",      "[::1]",     "[::1]:1", "10.0.0.1"};
    static const char *const bad[] = {
        "",   "*",   "*.",      "*x.cn", "a.*.cn", "**.cn",   "a/",  "a/b",  "http://a",   "u@a",
        "a:", "a:0", "a:70000", "a b",   "a.",     "*.[::1]", "::1", "a\\b", "*.1.2.3.4x:"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(url_check_host_pattern(good[i], NULL), ST_OK);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct error err = {0};
        if (url_check_host_pattern(bad[i], &err) != ST_INVAL)
            fail_msg("taken: %s", bad[i]);
        assert_true(err.text[0] != '\0');
    }
}

static void checks_proxies(void **state)
{
    static const char *const good[] = {
        "",
        "http://proxy",
        "http://proxy:3128/",
        "https://u:p@proxy:443",
        "socks4://10.0.0.1:1080",
        "socks4a://proxy",
        "socks5://u:p%40ss@[::1]:1080",
        "socks5h://proxy",
    };
    static const char *const bad[] = {
        "proxy:3128",         "ftp://proxy",           "socks://proxy", "http://proxy/path",
        "http://proxy?x",     "http://u:p@ss@proxy:1", "http://",       "http://proxy:x",
        "socks6://proxy:123", "http://proxy:3128 ",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(url_check_proxy(good[i], NULL), ST_OK);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (url_check_proxy(bad[i], NULL) != ST_INVAL)
            fail_msg("taken: %s", bad[i]);
}

static void log_form_holds_no_secret(void **state)
{
    static const char *const cases[][2] = {
        {"https://oapi.dingtalk.com/robot/sendBySession?session=SECRET",
         "https://oapi.dingtalk.com:443"},
        {"socks5h://SECRET:SECRET@proxy", "socks5h://proxy:1080"},
        {"http://[::1]:80/SECRET#SECRET", "http://[::1]:80"},
        {"postgres://SECRET@db/SECRET", "postgres://db"},
        {"SECRET", "-"},
        {"https://SECRET@SECRET@host/", "-"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[300];
        url_for_log(cases[i][0], text, sizeof(text));
        assert_string_equal(text, cases[i][1]);
    }
    char tiny[8];
    url_for_log("https://host/", tiny, sizeof(tiny));
    assert_string_equal(tiny, "https:/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_urls_apart),
        cmocka_unit_test(refuses_what_parsers_could_disagree_about),
        cmocka_unit_test(refuses_hosts_labels_and_urls_that_are_too_long),
        cmocka_unit_test(built_in_hosts_are_called_by_https_on_443_only),
        cmocka_unit_test(listed_hosts_follow_their_entry),
        cmocka_unit_test(says_which_list_entries_are_usable),
        cmocka_unit_test(checks_proxies),
        cmocka_unit_test(log_form_holds_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
