#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "util/crypto.h"

static void to_hex(const uint8_t *bytes, size_t n, char *ret_hex)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
}

/* FIPS 180-4 and RFC 4231. */
static void hashes_and_macs_match_the_published_vectors(void **state)
{
    uint8_t out[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    assert_int_equal(crypto_sha256(STR_LIT("abc"), out), ST_OK);
    to_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(crypto_sha256((struct str){0}, out), ST_OK);
    to_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    assert_int_equal(
        crypto_hmac_sha256(STR_LIT("Jefe"), STR_LIT("what do ya want for nothing?"), out), ST_OK);
    to_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xaa, sizeof(key));
    assert_int_equal(
        crypto_hmac_sha256((struct str){key, sizeof(key)},
                           STR_LIT("Test Using Larger Than Block-Size Key - Hash Key First"), out),
        ST_OK);
    to_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void nothing_signed_with_nothing_has_its_mac_too(void **state)
{
    uint8_t out[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    assert_int_equal(crypto_hmac_sha256((struct str){0}, (struct str){0}, out), ST_OK);
    to_hex(out, sizeof(out), hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void a_key_that_libcrypto_cannot_count_is_refused(void **state)
{
    uint8_t out[SHA256_SIZE];
    volatile size_t huge = (size_t)INT32_MAX + 1;
    assert_int_equal(crypto_hmac_sha256((struct str){"k", huge}, STR_LIT("x"), out), ST_TOO_LARGE);
}

static void texts_are_equal_only_byte_for_byte(void **state)
{
    static const struct {
        struct str a, b;
        bool want;
    } rows[] = {
        {{"", 0}, {"", 0}, true},         {{NULL, 0}, {"", 0}, true},
        {{"abc", 3}, {"abc", 3}, true},   {{"abc", 3}, {"abd", 3}, false},
        {{"abc", 3}, {"ABC", 3}, false},  {{"abc", 3}, {"abcd", 4}, false},
        {{"", 0}, {"a", 1}, false},       {{"a\0b", 3}, {"a\0c", 3}, false},
        {{"a\0b", 3}, {"a\0b", 3}, true}, {{"\xff", 1}, {"\x7f", 1}, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(crypto_equal(rows[i].a, rows[i].b), rows[i].want);
        assert_int_equal(crypto_equal(rows[i].b, rows[i].a), rows[i].want);
    }
}

/* RFC 4648. */
static void base64_matches_the_published_vectors_both_ways(void **state)
{
    static const struct {
        struct str plain;
        const char *text;
    } rows[] = {
        {{"", 0}, ""},
        {{"f", 1}, "Zg=="},
        {{"fo", 2}, "Zm8="},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg=="},
        {{"fooba", 5}, "Zm9vYmE="},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\0\0\0", 3}, "AAAA"},
        {{"\xff\xff\xfe", 3}, "///+"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf text = BUF_INIT(64);
        struct buf plain = BUF_INIT(64);
        assert_int_equal(base64_encode(rows[i].plain, &text), ST_OK);
        assert_string_equal(buf_cstr(&text), rows[i].text);
        assert_int_equal(base64_decode(buf_str(&text), &plain), ST_OK);
        assert_true(str_eq(buf_str(&plain), rows[i].plain));
        buf_done(&text);
        buf_done(&plain);
    }
}

static void base64_reads_every_spelling_that_peers_use(void **state)
{
    static const struct {
        struct str text;
        enum status want;
        struct str plain;
    } rows[] = {
        {STR_LIT("Zm9vYg"), ST_OK, STR_LIT("foob")},
        {STR_LIT("Zm 9v\r\n\tYg=\n="), ST_OK, STR_LIT("foob")},
        {STR_LIT("__-_-w"), ST_OK, STR_LIT("\xff\xff\xbf\xfb")},
        {STR_LIT("//+/+w=="), ST_OK, STR_LIT("\xff\xff\xbf\xfb")},
        {STR_LIT("Z"), ST_INVAL, {0}},
        {STR_LIT("Zm9vY"), ST_INVAL, {0}},
        {STR_LIT("="), ST_INVAL, {0}},
        {STR_LIT("===="), ST_INVAL, {0}},
        {STR_LIT("Zg="), ST_INVAL, {0}},
        {STR_LIT("Zg==="), ST_INVAL, {0}},
        {STR_LIT("Zm9v="), ST_INVAL, {0}},
        {STR_LIT("Zg==Zg=="), ST_INVAL, {0}},
        {STR_LIT("Z=g="), ST_INVAL, {0}},
        {STR_LIT("Zm9\0"), ST_INVAL, {0}},
        {STR_LIT("Zm9\xff"), ST_INVAL, {0}},
        {STR_LIT("Zm9,"), ST_INVAL, {0}},
        {STR_LIT("data:image/png;base64,Zm9v"), ST_INVAL, {0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf plain = BUF_INIT(64);
        assert_int_equal(base64_decode(rows[i].text, &plain), rows[i].want);
        if (rows[i].want == ST_OK)
            assert_true(str_eq(buf_str(&plain), rows[i].plain));
        buf_done(&plain);
    }
}

static void base64_keeps_the_maximum_of_its_buffer(void **state)
{
    struct buf out = BUF_INIT(3);
    assert_int_equal(base64_encode(STR_LIT("x"), &out), ST_TOO_LARGE);
    buf_clear(&out);
    assert_int_equal(base64_decode(STR_LIT("Zm9v"), &out), ST_OK);
    assert_int_equal(base64_decode(STR_LIT("Zg"), &out), ST_TOO_LARGE);
    buf_done(&out);
}

static void random_names_are_hex_of_the_asked_length_and_differ(void **state)
{
    char first[33];
    char second[33];
    crypto_random_hex(first, 16);
    crypto_random_hex(second, 16);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_string_not_equal(first, second);
    char nothing[1] = {'x'};
    crypto_random_hex(nothing, 0);
    assert_int_equal(nothing[0], '\0');
    assert_true(crypto_random_u64() != crypto_random_u64());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_macs_match_the_published_vectors),
        cmocka_unit_test(nothing_signed_with_nothing_has_its_mac_too),
        cmocka_unit_test(a_key_that_libcrypto_cannot_count_is_refused),
        cmocka_unit_test(texts_are_equal_only_byte_for_byte),
        cmocka_unit_test(base64_matches_the_published_vectors_both_ways),
        cmocka_unit_test(base64_reads_every_spelling_that_peers_use),
        cmocka_unit_test(base64_keeps_the_maximum_of_its_buffer),
        cmocka_unit_test(random_names_are_hex_of_the_asked_length_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
