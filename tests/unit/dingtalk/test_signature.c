#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "dingtalk/signature.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Reference dingtalk.md §1.2: computed with openssl. */
static const struct {
    const char *timestamp;
    int64_t ms;
    const char *secret;
    const char *sign;
} vectors[] = {
    {"1684493546276", 1684493546276, "client-secret-for-test",
     "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
    {"1577262236757", 1577262236757, "this is a secret",
     "DJrE6qdyVGCQz9z5r2MDuNcNAhwYnuAkyj13cx169CA="},
    {"1700000000000", 1700000000000, "SEC0123456789abcdef",
     "TSZbRFUuvaSQaRKUpF970OPCb2/LcQAP3wOvwZIzBZk="},
};

static enum status check(const char *timestamp, const char *sign, int64_t now_ms,
                         const char *const *secrets, size_t n_secrets)
{
    struct error error = {0};
    size_t which = SIZE_MAX;
    enum status status = signature_check(str_of(timestamp), str_of(sign), now_ms, secrets,
                                         n_secrets, &which, &error);
    assert_true(status == ST_OK ? which < n_secrets : which == SIZE_MAX);
    if (status != ST_OK)
        assert_true(error.status == ST_DENIED && error.text[0] != '\0');
    return status;
}

static void knows_the_published_vectors(void **state)
{
    for (size_t i = 0; i < COUNT(vectors); i++)
        assert_int_equal(
            check(vectors[i].timestamp, vectors[i].sign, vectors[i].ms, &vectors[i].secret, 1),
            ST_OK);
}

static void tries_every_secret(void **state)
{
    const char *secrets[] = {"one", vectors[1].secret, "", vectors[0].secret};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            check(vectors[i].timestamp, vectors[i].sign, vectors[i].ms, secrets, COUNT(secrets)),
            ST_OK);
    assert_int_equal(
        check(vectors[2].timestamp, vectors[2].sign, vectors[2].ms, secrets, COUNT(secrets)),
        ST_DENIED);
    assert_int_equal(check(vectors[0].timestamp, vectors[0].sign, vectors[0].ms, secrets, 0),
                     ST_DENIED);
}

static void takes_an_hour_early_or_late_and_no_more(void **state)
{
    static const struct {
        int64_t offset_ms;
        enum status status;
    } cases[] = {
        {0, ST_OK},
        {SIGNATURE_WINDOW_MS - 1, ST_OK},
        {-SIGNATURE_WINDOW_MS + 1, ST_OK},
        {SIGNATURE_WINDOW_MS, ST_DENIED},
        {-SIGNATURE_WINDOW_MS, ST_DENIED},
        {365LL * 24 * SIGNATURE_WINDOW_MS, ST_DENIED},
        {-365LL * 24 * SIGNATURE_WINDOW_MS, ST_DENIED},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(check(vectors[0].timestamp, vectors[0].sign,
                               vectors[0].ms + cases[i].offset_ms, &vectors[0].secret, 1),
                         cases[i].status);
}

static void refuses_everything_else(void **state)
{
    static const struct {
        const char *timestamp;
        const char *sign;
    } cases[] = {
        {"", ""},
        {"1684493546276", ""},
        {"", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {"+1684493546276", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {" 1684493546276", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {"-1684493546276", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {"1684493546276.0", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {"99999999999999999999999999", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {"1684493546277", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU="},
        {"1684493546276", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU"},
        {"1684493546276", "nwBJQmaBLv9+5/sSS/66jcFc1/kGY5wo38L88LOGfRU= "},
        {"1684493546276", "nwBJQmaBLv9%2B5%2FsSS%2F66jcFc1%2FkGY5wo38L88LOGfRU%3D"},
        {"1684493546276", "NWBJQMABLV9+5/SSS/66JCFC1/KGY5WO38L88LOGFRU="},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(
            check(cases[i].timestamp, cases[i].sign, vectors[0].ms, &vectors[0].secret, 1),
            ST_DENIED);
}

static void an_empty_secret_makes_no_signature(void **state)
{
    /* HMAC-SHA256 with the empty key over "1684493546276\n": anybody can compute it. */
    const char *secret = "";
    assert_int_equal(check("1684493546276", "68R+0p4huIOUMPZvjmVWS6QMmx4t5kKPvHUD9flcwzY=",
                           1684493546276, &secret, 1),
                     ST_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_published_vectors),
        cmocka_unit_test(tries_every_secret),
        cmocka_unit_test(takes_an_hour_early_or_late_and_no_more),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(an_empty_secret_makes_no_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
