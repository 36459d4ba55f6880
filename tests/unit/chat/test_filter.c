#include "chat/filter.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_BYTES_MAX (1024 * 1024)
#define CHARACTERS_MAX 256

/* The text masked, in pieces that end where `cuts` has a bit set; 0: whole. */
static void mask(struct masker *masker, struct str text, uint64_t cuts, struct buf *out)
{
    size_t begin = 0;
    buf_clear(out);
    for (size_t i = 1; i <= text.n; i++) {
        if (i < text.n && !(i < 64 && (cuts >> i & 1)))
            continue;
        masker_add(masker, str_sub(text, begin, i - begin), out);
        begin = i;
    }
    masker_end(masker, out);
}

static void assert_masked(const char *const *words, size_t n, const char *text,
                          const char *expected)
{
    struct filter *filter = filter_new(words, n);
    struct masker *masker = masker_new(filter);
    struct buf out = BUF_INIT(TEXT_BYTES_MAX);
    mask(masker, str_of(text), 0, &out);
    assert_string_equal(buf_cstr(&out), expected);
    assert_int_equal(filter_finds(filter, str_of(text)), strcmp(text, expected) != 0);
    buf_done(&out);
    masker_free(masker);
    filter_unref(filter);
}

#define MASKED(text, expected, ...)                               \
    do {                                                          \
        const char *const listed[] = {__VA_ARGS__};               \
        assert_masked(listed, COUNT(listed), (text), (expected)); \
    } while (0)

static void every_character_of_a_word_is_masked(void **state)
{
    MASKED("这是机密文件，别外传", "这是🚫🚫文件，别🚫🚫", "机密", "外传");
    MASKED("a secret plan", "a 🚫🚫🚫🚫🚫🚫 plan", "secret");
    MASKED("机密机密", "🚫🚫🚫🚫", "机密");
    MASKED("机密", "🚫🚫", "机密");
    MASKED("秘机", "秘机", "机密");
    MASKED("", "", "机密");
    MASKED("🙂坏🙂", "🙂🚫🙂", "坏");
    MASKED("a🙂b", "a🚫b", "🙂");
}

static void overlapping_words_all_count(void **state)
{
    MASKED("abcde", "🚫🚫🚫🚫e", "abc", "bcd");
    MASKED("abcde", "🚫🚫🚫🚫🚫", "bc", "abcde");
    MASKED("abcdx", "a🚫🚫dx", "bc", "abcde");
    MASKED("ushers", "u🚫🚫🚫🚫s", "he", "she", "hers1", "her");
    MASKED("aaaa", "🚫🚫🚫🚫", "aaa");
    MASKED("aabaa", "🚫🚫b🚫🚫", "aa");
    MASKED("xabyab", "x🚫🚫y🚫🚫", "ab", "abz");
}

static void case_and_width_make_no_difference(void **state)
{
    MASKED("VPN vpn ＶＰＮ ｖｐN", "🚫🚫🚫 🚫🚫🚫 🚫🚫🚫 🚫🚫🚫", "Vpn");
    MASKED("vpn", "🚫🚫🚫", "ＶＰＮ");
    MASKED("a　b", "🚫🚫🚫", "a b");
    MASKED("１００％", "🚫🚫🚫🚫", "100%");
    MASKED("ÜBER über", "🚫🚫🚫🚫 🚫🚫🚫🚫", "Über");
    MASKED("ПРИВЕТ", "🚫🚫🚫🚫🚫🚫", "привет");
    MASKED("ΣΟΦΙΑ", "🚫🚫🚫🚫🚫", "σοφια");
    MASKED("ｶﾀｶﾅ", "🚫🚫🚫🚫", "カタカナ");
    MASKED("￥￡", "🚫🚫", "¥£");
    MASKED("＠～@~", "🚫🚫🚫🚫", "@~");
}

static void blank_words_are_ignored(void **state)
{
    const char *const words[] = {"", "  ", "　", "\t\n", " 词 ", "词", "词"};
    struct filter *filter = filter_new(words, COUNT(words));
    assert_int_equal(filter_count(filter), 1);
    assert_false(filter_finds(filter, STR_LIT("  \t 　 ")));
    assert_true(filter_finds(filter, STR_LIT("单词")));
    filter_unref(filter);
    MASKED("什么 都 行", "什么 都 行", "", " ");
}

static void a_filter_without_words_lets_everything_pass(void **state)
{
    assert_masked(NULL, 0, "什么都行", "什么都行");
}

static void words_that_are_too_long_or_no_text_are_left_out(void **state)
{
    char longest[FILTER_WORD_BYTES_MAX + 2];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *const words[] = {longest, longest + 1, "\xE6\x9C", "a\xFF"};
    struct filter *filter = filter_new(words, COUNT(words));
    assert_int_equal(filter_count(filter), 1);
    assert_true(filter_finds(filter, str_of(longest)));
    assert_false(filter_finds(filter, str_of(longest + 2)));
    filter_unref(filter);
}

static void bytes_that_are_no_text_pass_and_stand_between_words(void **state)
{
    MASKED("\xFF\xE6词\xF0\x9F", "\xFF\xE6🚫\xF0\x9F", "词");
    MASKED("a\xFF"
           "b",
           "a\xFF"
           "b",
           "ab");
    MASKED("\xE6\x9C\xE6\x9C\xBA", "\xE6\x9C🚫", "机");
    MASKED("\xE0\x80\x80x", "\xE0\x80\x80🚫", "x");
    MASKED("\xED\xA0\x80\xEF\xBF\xBDx", "\xED\xA0\x80🚫🚫", "x", "\xEF\xBF\xBD");
}

static void every_way_of_cutting_gives_the_same(void **state)
{
    static const char *const words[] = {"机密", "密件", "密件袋", "ab", "bcd", "VPN", "🙂🙂"};
    static const char *const texts[] = {
        "机密件x",      "密密件ab",   "ａｂcｄx",         "🙂🙂🙂",
        "机\xE6\x9C密", "xVＰＮ密件", "\xF0\x9F\x99密件",
    };
    struct filter *filter = filter_new(words, COUNT(words));
    struct masker *masker = masker_new(filter);
    struct buf whole = BUF_INIT(TEXT_BYTES_MAX), parts = BUF_INIT(TEXT_BYTES_MAX);
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct str text = str_of(texts[i]);
        assert_true(text.n <= 18);
        mask(masker, text, 0, &whole);
        for (uint64_t cuts = 0; cuts < 1u << text.n; cuts += 2) {
            mask(masker, text, cuts, &parts);
            assert_string_equal(buf_cstr(&parts), buf_cstr(&whole));
        }
    }
    buf_done(&whole);
    buf_done(&parts);
    masker_free(masker);
    filter_unref(filter);
}

static void what_was_put_out_holds_back_only_a_possible_word(void **state)
{
    static const struct {
        const char *piece;
        const char *so_far;
    } steps[] = {
        {"看这", "看这"},
        {"个机", "看这个"}, /* may become 机密 */
        {"器", "看这个机器"},
        {"机密", "看这个机器🚫🚫"}, /* is a word; 机密文件 makes no difference to these two */
        {"文", "看这个机器🚫🚫"},
        {"x", "看这个机器🚫🚫文x"},
        {"机密文件", "看这个机器🚫🚫文x🚫🚫🚫🚫"},
        {"\xE6", "看这个机器🚫🚫文x🚫🚫🚫🚫"},
        {"\x9C", "看这个机器🚫🚫文x🚫🚫🚫🚫"},
        {"\xBA", "看这个机器🚫🚫文x🚫🚫🚫🚫"},
    };
    static const char *const words[] = {"机密", "机密文件"};
    struct filter *filter = filter_new(words, COUNT(words));
    struct masker *masker = masker_new(filter);
    struct buf out = BUF_INIT(TEXT_BYTES_MAX);
    for (size_t i = 0; i < COUNT(steps); i++) {
        masker_add(masker, str_of(steps[i].piece), &out);
        assert_string_equal(buf_cstr(&out), steps[i].so_far);
    }
    masker_end(masker, &out);
    assert_string_equal(buf_cstr(&out), "看这个机器🚫🚫文x🚫🚫🚫🚫机");
    buf_clear(&out);
    masker_add(masker, STR_LIT("密"), &out); /* another text begins */
    assert_string_equal(buf_cstr(&out), "密");
    buf_done(&out);
    masker_free(masker);
    filter_unref(filter);
}

static void a_masker_keeps_its_filter(void **state)
{
    const char *const words[] = {"词"};
    struct filter *filter = filter_new(words, 1);
    struct masker *masker = masker_new(filter);
    filter_unref(filter);
    struct buf out = BUF_INIT(64);
    masker_add(masker, STR_LIT("词"), &out);
    assert_string_equal(buf_cstr(&out), "🚫");
    buf_done(&out);
    masker_free(masker);
}

static void ten_thousand_words_are_each_found(void **state)
{
    enum { N = 10000 };
    char **words = xcalloc(N, sizeof(*words));
    for (size_t i = 0; i < N; i++)
        words[i] = xasprintf("词%zu号", i * 7);
    struct filter *filter = filter_new((const char *const *)words, N);
    assert_int_equal(filter_count(filter), N);
    for (size_t i = 0; i < N; i++) {
        assert_true(filter_finds(filter, str_of(words[i])));
        DB_CLEANUP(free_charp) char *other = xasprintf("词%zu号", i * 7 + 1);
        assert_false(filter_finds(filter, str_of(other)));
    }
    for (size_t i = 0; i < N; i++)
        free(words[i]);
    free(words);
    filter_unref(filter);
}

/* ---- against one that looks for every word at every place ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

/* Few characters, so that words meet and overlap; each with its other forms. */
static const char *const alphabet[][3] = {{"a", "A", "ａ"},
                                          {"b", "Ｂ", "B"},
                                          {"机", "机", "机"},
                                          {"密", "密", "密"},
                                          {"🙂", "🙂", "🙂"}};

struct characters {
    size_t n;
    uint8_t letters[CHARACTERS_MAX];
    struct str bytes[CHARACTERS_MAX];
};

static void make_text(size_t n, struct characters *made, struct buf *out)
{
    buf_clear(out);
    made->n = n;
    for (size_t i = 0; i < n; i++) {
        made->letters[i] = (uint8_t)random_below(COUNT(alphabet));
        made->bytes[i] = str_of(alphabet[made->letters[i]][random_below(3)]);
        buf_add_str(out, made->bytes[i]);
    }
}

static void mask_slowly(const struct characters *words, size_t n, const struct characters *text,
                        struct buf *out)
{
    bool is_masked[CHARACTERS_MAX] = {0};
    for (size_t at = 0; at < text->n; at++) {
        for (size_t i = 0; i < n; i++) {
            if (at + words[i].n <= text->n &&
                memcmp(words[i].letters, text->letters + at, words[i].n) == 0)
                memset(is_masked + at, 1, words[i].n);
        }
    }
    buf_clear(out);
    for (size_t at = 0; at < text->n; at++)
        buf_add_str(out, is_masked[at] ? STR_LIT(FILTER_MASK) : text->bytes[at]);
}

/* In random pieces; what is put out on the way is a beginning of the whole. */
static void assert_pieces(struct masker *masker, struct str text, const char *expected)
{
    struct buf out = BUF_INIT(TEXT_BYTES_MAX);
    for (size_t at = 0, n; at < text.n; at += n) {
        n = 1 + random_below(9);
        masker_add(masker, str_sub(text, at, n), &out);
        assert_memory_equal(buf_cstr(&out), expected, out.len);
    }
    masker_end(masker, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_done(&out);
}

static void random_texts_are_masked_as_by_looking_everywhere(void **state)
{
    enum { WORDS_MAX = 8, ROUNDS = 3000 };
    static struct characters made[WORDS_MAX], text;
    struct buf bytes = BUF_INIT(TEXT_BYTES_MAX), expected = BUF_INIT(TEXT_BYTES_MAX);
    for (uint64_t seed = 1; seed < ROUNDS; seed++) {
        random_state = seed;
        size_t n = 1 + random_below(WORDS_MAX);
        char *words[WORDS_MAX];
        for (size_t i = 0; i < n; i++) {
            make_text(1 + random_below(5), &made[i], &bytes);
            words[i] = xstrdup(buf_cstr(&bytes));
        }
        struct filter *filter = filter_new((const char *const *)words, n);
        struct masker *masker = masker_new(filter);
        make_text(random_below(60), &text, &bytes);
        mask_slowly(made, n, &text, &expected);
        assert_pieces(masker, buf_str(&bytes), buf_cstr(&expected));
        masker_free(masker);
        filter_unref(filter);
        for (size_t i = 0; i < n; i++)
            free(words[i]);
    }
    buf_done(&bytes);
    buf_done(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_of_a_word_is_masked),
        cmocka_unit_test(overlapping_words_all_count),
        cmocka_unit_test(case_and_width_make_no_difference),
        cmocka_unit_test(blank_words_are_ignored),
        cmocka_unit_test(a_filter_without_words_lets_everything_pass),
        cmocka_unit_test(words_that_are_too_long_or_no_text_are_left_out),
        cmocka_unit_test(bytes_that_are_no_text_pass_and_stand_between_words),
        cmocka_unit_test(every_way_of_cutting_gives_the_same),
        cmocka_unit_test(what_was_put_out_holds_back_only_a_possible_word),
        cmocka_unit_test(a_masker_keeps_its_filter),
        cmocka_unit_test(ten_thousand_words_are_each_found),
        cmocka_unit_test(random_texts_are_masked_as_by_looking_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
