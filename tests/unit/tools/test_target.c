#include "tools/target.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void what_people_type_is_read(void **state)
{
    static const struct {
        const char *typed;
        const char *host;
        int port;
        bool is_address;
    } rows[] = {
        {"example.com", "example.com", 0, false},
        {"  Example.COM.  ", "example.com", 0, false},
        {"example.com:8443", "example.com", 8443, false},
        {"https://www.example.com/path?q=1#x", "www.example.com", 0, false},
        {"http://example.com:81", "example.com", 81, false},
        {"_dmarc.example.com", "_dmarc.example.com", 0, false},
        {"a-b.c1.example", "a-b.c1.example", 0, false},
        {"例子.中国", "xn--fsqu00a.xn--fiqs8s", 0, false},
        {"例子。中国", "xn--fsqu00a.xn--fiqs8s", 0, false},
        {"ｅｘａｍｐｌｅ．ｃｏｍ", "example.com", 0, false},
        {"xn--fsqu00a.xn--fiqs8s", "xn--fsqu00a.xn--fiqs8s", 0, false},
        {"faß.de", "xn--fa-hia.de", 0, false},
        {"192.0.2.1", "192.0.2.1", 0, true},
        {"192.0.2.1:443", "192.0.2.1", 443, true},
        {"2001:db8::1", "2001:db8::1", 0, true},
        {"[2001:db8::1]:443", "2001:db8::1", 443, true},
        {"[::1]", "::1", 0, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct target target;
        if (target_read(str_of(rows[i].typed), &target) != ST_OK)
            fail_msg("%s", rows[i].typed);
        assert_string_equal(target.host, rows[i].host);
        assert_int_equal(target.port, rows[i].port);
        assert_int_equal(target.is_address, rows[i].is_address);
    }
}

static void what_names_no_host_is_refused(void **state)
{
    static const char *const rows[] = {
        "",         " ",          ".",           "com",         "localhost",  "example..com",
        ".com.cn",  "-a.com",     "a-.com",      "a b.com",     "a.com\r\nb", "a.com\tx",
        "a@b.com",  "a.com:",     "a.com:0",     "a.com:65536", "a.com:x",    "a.com:+1",
        "127.1",    "0x7f.1",     "2130706433",  "1.2.3.4.5",   "[::1",       "[::1]x",
        "[a.com]",  "::1]:443",   "a.com:1:2",   "-T all.com",  "\xFF.com",   "a`b.com",
        "https://", "https:///x", "http://[::1", "[fe80::1%1]", "a%2e.com",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct target target;
        if (target_read(str_of(rows[i]), &target) == ST_OK)
            fail_msg("\"%s\" gave %s:%d", rows[i], target.host, target.port);
    }
    struct target target;
    assert_int_equal(target_read(STR_LIT("a.com\0.evil"), &target), ST_INVAL);
}

static void lengths_have_their_limits(void **state)
{
    char text[300];
    struct target target;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 60 == 59 ? '.' : 'a';
    assert_int_equal(target_read((struct str){text, 253}, &target), ST_OK);
    assert_int_equal(target_read((struct str){text, 254}, &target), ST_INVAL);
    memset(text, 'a', sizeof(text));
    memcpy(text + 63, ".com", 4);
    assert_int_equal(target_read((struct str){text, 67}, &target), ST_OK);
    memset(text, 'a', sizeof(text));
    memcpy(text + 64, ".com", 4);
    assert_int_equal(target_read((struct str){text, 68}, &target), ST_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_type_is_read),
        cmocka_unit_test(what_names_no_host_is_refused),
        cmocka_unit_test(lengths_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
