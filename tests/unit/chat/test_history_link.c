#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chat/history_link.h"
#include "util/crypto.h"
#include "util/mem.h"

#define NOW_MS 1795000000000LL

static const struct history_key key = {.bytes = {1, 2, 3}};

static struct history_grant grant_of(const char *typed)
{
    struct history_grant grant = {.by = "boss", .expires_ms = NOW_MS + HISTORY_LINK_LIFE_MS};
    struct str bad;
    assert_int_equal(history_wish_parse(str_of(typed), &grant.wish, &bad), ST_OK);
    return grant;
}

static void expect_parsed(const char *typed, const char *written)
{
    struct history_grant grant = grant_of(typed);
    struct buf text = BUF_INIT(4096);
    history_wish_write(&grant.wish, &text);
    assert_string_equal(buf_cstr(&text), written);
    buf_done(&text);
}

static void a_wish_is_read_as_people_write_it(void **state)
{
    expect_parsed("username:张三", "username:张三");
    expect_parsed("  UserName：张三　", "username:张三");
    expect_parsed("姓名:张三 丰", "username:张三 丰");
    expect_parsed("群:a:b 日期:2026-11-01", "群:a:b 日期:2026-11-01");
    expect_parsed("群:cidabc userid:u", "userid:u 群:cidabc");
    expect_parsed("日期: 2026-11-01 .. 2026-11-20　username:x",
                  "username:x 日期:2026-11-01..2026-11-20");
    expect_parsed("日期:..2026-11-20", "日期:..2026-11-20");
    expect_parsed("日期:2026-11-20..", "日期:2026-11-20..");
    expect_parsed("username:my userid:x", "userid:x username:my");
    expect_parsed("username:someuserid:x", "username:someuserid:x");
}

static void expect_bad(const char *typed, const char *want)
{
    struct history_wish wish;
    struct str bad;
    assert_int_equal(history_wish_parse(str_of(typed), &wish, &bad), ST_INVAL);
    assert_int_equal(bad.n, strlen(want));
    assert_memory_equal(bad.p, want, bad.n);
}

static void what_is_not_understood_is_named(void **state)
{
    expect_bad("", "");
    expect_bad(" 　", "");
    expect_bad("张三", "张三");
    expect_bad("username:a 日期:2026-13-01", "日期:2026-13-01");
    expect_bad("日期:2026-02-29", "日期:2026-02-29");
    expect_bad("日期:..", "日期:..");
    expect_bad("日期:2026-1-1", "日期:2026-1-1");
    expect_bad("日期:+026-01-01", "日期:+026-01-01");
    expect_bad("日期:2026-11-02..2026-11-01 userid:u", "日期:2026-11-02..2026-11-01");
    expect_bad("userid:a userid:b", "userid:b");
    expect_bad("username: userid:b", "username:");
    expect_bad("username:a\xff", "username:a\xff");
    char typed[400];
    memset(typed, 'x', sizeof(typed));
    memcpy(typed, "userid:", 7);
    typed[7 + HISTORY_TEXT_SIZE] = '\0';
    expect_bad(typed, typed);
    typed[7 + HISTORY_TEXT_SIZE - 1] = '\0';
    expect_parsed(typed, typed);
}

static void days_become_local_times(void **state)
{
    struct history_grant grant = grant_of("日期:2026-11-23 username:a");
    struct store_said_query query = history_wish_query(&grant.wish);
    assert_int_equal(query.from_ms, 1795363200000); /* 16:00 UTC of the day before */
    assert_int_equal(query.to_ms - query.from_ms, 24 * 3600 * 1000);
    assert_string_equal(query.nick, "a");
    assert_string_equal(query.user, "");
    grant = grant_of("username:a");
    query = history_wish_query(&grant.wish);
    assert_int_equal(query.from_ms, 0);
    assert_int_equal(query.to_ms, 0);
}

static void a_token_gives_back_what_was_granted_until_its_end(void **state)
{
    struct history_grant grant = grant_of("username:张三 群:甲 日期:2026-11-01..2026-11-20");
    struct buf token = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    assert_int_equal(history_token_write(&key, &grant, &token), ST_OK);
    struct history_grant got;
    assert_int_equal(history_token_read(&key, buf_str(&token), NOW_MS, &got), ST_OK);
    assert_memory_equal(&got, &grant, sizeof(got));
    int64_t end_ms = grant.expires_ms;
    assert_int_equal(history_token_read(&key, buf_str(&token), end_ms - 1, &got), ST_OK);
    assert_int_equal(history_token_read(&key, buf_str(&token), end_ms, &got), ST_TIMEOUT);
    assert_int_equal(history_token_read(&key, buf_str(&token), INT64_MAX, &got), ST_TIMEOUT);
    const struct history_key other = {.bytes = {1, 2, 4}};
    assert_int_equal(history_token_read(&other, buf_str(&token), NOW_MS, &got), ST_DENIED);
    buf_done(&token);
}

/* Every character replaced by others, every length, every text that is longer. */
static void a_token_that_was_changed_anywhere_opens_nothing(void **state)
{
    struct history_grant grant = grant_of("userid:u1"), got;
    struct buf token = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    assert_int_equal(history_token_write(&key, &grant, &token), ST_OK);
    static const char others[] = "ABab01-_+/= %\n.";
    for (size_t i = 0; i < token.len; i++) {
        char was = token.data[i];
        for (const char *c = others; *c; c++) {
            token.data[i] = *c;
            enum status want = *c == was ? ST_OK : ST_DENIED;
            assert_int_equal(history_token_read(&key, buf_str(&token), NOW_MS, &got), want);
        }
        token.data[i] = was;
        assert_int_equal(history_token_read(&key, str_sub(buf_str(&token), 0, i), NOW_MS, &got),
                         ST_DENIED);
    }
    size_t len = token.len;
    for (const char *c = others; *c; c++) {
        buf_putc(&token, *c);
        assert_int_equal(history_token_read(&key, buf_str(&token), NOW_MS, &got), ST_DENIED);
        buf_truncate(&token, len);
    }
    buf_done(&token);
}

/* A signature of the same key over something else, as a token. */
static void a_signature_made_for_something_else_opens_nothing(void **state)
{
    static const char payload[] = "{\"e\":9999999999999,\"u\":\"u1\"}";
    uint8_t mac[SHA256_SIZE];
    assert_int_equal(crypto_hmac_sha256((struct str){(const char *)key.bytes, sizeof(key.bytes)},
                                        STR_LIT(payload), mac),
                     ST_OK);
    struct buf whole = BUF_INIT(1024), token = BUF_INIT(1024);
    buf_add(&whole, mac, sizeof(mac));
    buf_puts(&whole, payload);
    assert_int_equal(base64_encode(buf_str(&whole), &token), ST_OK);
    struct history_grant got;
    assert_int_equal(history_token_read(&key, buf_str(&token), NOW_MS, &got), ST_DENIED);
    buf_done(&whole);
    buf_done(&token);
}

static void the_key_is_made_once_and_for_its_owner_alone(void **state)
{
    char dir[] = "/tmp/dingbridge-key-XXXXXX";
    assert_non_null(mkdtemp(dir));
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/history.key", dir);
    struct history_key first, second;
    struct stat info;
    assert_int_equal(history_key_open(path, &first, NULL), ST_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(history_key_open(path, &second, NULL), ST_OK);
    assert_memory_equal(&first, &second, sizeof(first));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    assert_int_equal(truncate(path, 31), 0); /* no key, and none is put in its place */
    struct error error = {0};
    assert_int_equal(history_key_open(path, &second, &error), ST_STORE);
    assert_non_null(strstr(error.text, "remove it"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(history_key_open(path, &second, NULL), ST_OK);
    assert_memory_not_equal(&first, &second, sizeof(first));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(history_key_open(path, &second, &error), ST_STORE);
}

int main(void)
{
    if (clock_set_timezone("Asia/Shanghai") != ST_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_is_read_as_people_write_it),
        cmocka_unit_test(what_is_not_understood_is_named),
        cmocka_unit_test(days_become_local_times),
        cmocka_unit_test(a_token_gives_back_what_was_granted_until_its_end),
        cmocka_unit_test(a_token_that_was_changed_anywhere_opens_nothing),
        cmocka_unit_test(a_signature_made_for_something_else_opens_nothing),
        cmocka_unit_test(the_key_is_made_once_and_for_its_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
