#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dingtalk/split.h"
#include "dingtalk/webhook_body.h"
#include "util/buf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void repeat(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(out, text);
}

static size_t count(const char *text, const char *needle)
{
    size_t n = 0;
    for (const char *at = strstr(text, needle); at; at = strstr(at + strlen(needle), needle))
        n++;
    return n;
}

static void check_parts(const struct split *split, size_t max, size_t (*cost)(struct str part))
{
    for (size_t i = 0; i < split->n; i++) {
        struct str part = str_of(split->parts[i]);
        if ((cost ? cost(part) : part.n) > max)
            fail_msg("part %zu of %zu is too long", i, split->n);
        assert_true(utf8_is_valid(part));
        assert_true(str_trim(part).n > 0);
    }
}

/* Bytes of the text that are not white space, in order: what no cut may change outside code. */
static char *essence(const struct split *split)
{
    struct buf out = BUF_INIT(8 << 20);
    for (size_t i = 0; i < split->n; i++) {
        for (const char *p = split->parts[i]; *p; p++) {
            if (!strchr(" \t\r\n", *p))
                buf_putc(&out, *p);
        }
    }
    return buf_steal(&out);
}

static void check_nothing_lost(struct str text, const struct split *split)
{
    struct split whole = split_markdown(text, text.n + 100, NULL);
    char *before = essence(&whole);
    char *after = essence(split);
    assert_string_equal(before, after);
    free(before);
    free(after);
    split_done(&whole);
}

static void leaves_a_text_that_fits_as_it_is(void **state)
{
    static const char *const texts[] = {"", " ", "a", "\n\n a \n", "```c\nx"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct split split = split_markdown(str_of(texts[i]), 100, NULL);
        assert_int_equal(split.n, 1);
        assert_string_equal(split.parts[0], texts[i]);
        split_done(&split);
        assert_int_equal(split.n, 0);
    }
}

static void prefers_paragraphs_to_lines_to_characters(void **state)
{
    static const struct {
        const char *text;
        const char *parts[4];
    } cases[] = {
        /* 30 + 30 + 30 bytes and gaps, 64 a part */
        {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa\n\nbbbbbbbbb bbbbbbbbb bbbbbbbbbb\n\n"
         "ccccccccc ccccccccc cccccccccc",
         {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa\n\nbbbbbbbbb bbbbbbbbb bbbbbbbbbb",
          "ccccccccc ccccccccc cccccccccc"}},
        {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa\n\nbbbbbbbbb bbbbbbbbb\nbbbbbbbbbb\n"
         "ccccccccc ccccccccc cccccccccc",
         {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa",
          "bbbbbbbbb bbbbbbbbb\nbbbbbbbbbb\nccccccccc ccccccccc cccccccccc"}},
        {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa\nbbbbbbbbb bbbbbbbbb bbbbbbbbbb\n"
         "ccccccccc ccccccccc cccccccccc",
         {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa\nbbbbbbbbb bbbbbbbbb bbbbbbbbbb",
          "ccccccccc ccccccccc cccccccccc"}},
        {"a\n\nbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
         {"a", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}},
        /* a heading stays with what it heads */
        {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa\n\n## bbb\n\nccccccccc ccccccccc cccccccccc",
         {"aaaaaaaaa aaaaaaaaa aaaaaaaaaa", "## bbb\n\nccccccccc ccccccccc cccccccccc"}},
        /* blanks, then sentences, then anywhere */
        {"aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa",
         {"aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa aaaaaaaaaa", "aaaaaaaaaa aaaaaaaaaa"}},
        {"一二三四五六七八九十一二三四五。六七八九十一二三四五",
         {"一二三四五六七八九十一二三四五。", "六七八九十一二三四五"}},
        {"一二三四五六七八九十一二三四五六七八九十一二三四五",
         {"一二三四五六七八九十一二三四五六七八九十一", "二三四五"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct split split = split_markdown(str_of(cases[i].text), 64, NULL);
        check_parts(&split, 64, NULL);
        for (size_t j = 0; j < split.n; j++) {
            assert_non_null(cases[i].parts[j]);
            assert_string_equal(split.parts[j], cases[i].parts[j]);
        }
        assert_null(cases[i].parts[split.n]);
        split_done(&split);
    }
}

static void closes_and_reopens_fences(void **state)
{
    static const struct {
        const char *before, *line, *after;
        const char *open, *close; /* how parts in the middle begin and end */
    } cases[] = {
        {"```python\n", "print(1)\n", "```\n", "```python\n", "\n```"},
        {"intro\n\n```\n", "print(1)\n", "```\n\nend", "```\n", "\n```"},
        {"~~~~sh -x\n", "echo ```\n", "~~~~\n", "~~~~sh\n", "\n~~~~"},
        {"````md\n", "```c\nx\n```\n", "````", "````md\n", "\n````"},
        {"- item\n\n    ```js\n", "    f()\n", "    ```\n", "```js\nf()\n", "\n```"},
        {"- ```js\n", "  f()\n", "  ```\n", "```js\nf()\n", "\n```"},
        {"1. ```js\n", "   if (x) {\n       f()\n", "   ```\n", "```js\n", "\n```"},
        {"> ```js\n", "> f()\n", "> ```\n", "> ```js\n> f()\n", "\n> ```"},
        {"```text\n", "never closed\n", "", "```text\n", "\n```"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = BUF_INIT(1 << 20);
        buf_puts(&text, cases[i].before);
        repeat(&text, cases[i].line, 200);
        buf_puts(&text, cases[i].after);
        struct split split = split_markdown(buf_str(&text), 200, NULL);
        check_parts(&split, 200, NULL);
        assert_true(split.n > 3);
        for (size_t j = 1; j < split.n - 1; j++) {
            if (!str_starts(str_of(split.parts[j]), str_of(cases[i].open)) ||
                !str_ends(str_of(split.parts[j]), str_of(cases[i].close)))
                fail_msg("case %zu part %zu:\n%s", i, j, split.parts[j]);
        }
        split_done(&split);
        buf_done(&text);
    }
}

static void keeps_every_line_of_cut_code(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    buf_puts(&text, "  before\n\n```c\n");
    for (int i = 0; i < 400; i++)
        buf_printf(&text, "    int v%d; /* %s */\n%s", i, "中文", i % 7 ? "" : "\n");
    buf_puts(&text, "```\n\nafter");
    struct split split = split_markdown(buf_str(&text), 500, NULL);
    check_parts(&split, 500, NULL);
    int next = 0;
    for (size_t i = 0; i < split.n; i++) {
        assert_int_equal(count(split.parts[i], "```") % 2, 0);
        for (;;) {
            char want[64];
            struct buf line = BUF_INIT(sizeof(want) - 1);
            buf_printf(&line, "    int v%d; /* 中文 */\n", next);
            bool is_here = strstr(split.parts[i], buf_cstr(&line)) != NULL;
            buf_done(&line);
            if (!is_here)
                break;
            next++;
        }
    }
    assert_int_equal(next, 400);
    assert_true(str_starts(str_of(split.parts[0]), STR_LIT("before\n\n```c\n    int v0;")));
    assert_true(str_ends(str_of(split.parts[split.n - 1]), STR_LIT("```\n\nafter")));
    split_done(&split);
    buf_done(&text);
}

static void moves_an_indented_fence_at_the_start_of_a_part_to_the_margin(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    repeat(&text, "wordy ", 30);
    buf_puts(&text, "\n\n    ```js\n    f()\n    ```\n\nend of the text, which is a little longer");
    struct split split = split_markdown(buf_str(&text), 190, NULL);
    assert_int_equal(split.n, 2);
    assert_string_equal(split.parts[1],
                        "```js\nf()\n```\n\nend of the text, which is a little longer");
    split_done(&split);
    buf_done(&text);
}

static void makes_no_empty_fences(void **state)
{
    /* A closing line may be longer than the one we would write. */
    static const char *const closers[] = {"```\n", "```````````\n", "   ```     \n"};
    for (size_t n = 0; n < 80 * COUNT(closers); n++) {
        struct buf text = BUF_INIT(1 << 20);
        repeat(&text, "x", n / COUNT(closers) + 1);
        buf_puts(&text, "\n\n```c\n");
        repeat(&text, "code();\n", 20);
        buf_puts(&text, closers[n % COUNT(closers)]);
        buf_puts(&text, "\ntail of the text");
        struct split split = split_markdown(buf_str(&text), 100, NULL);
        check_parts(&split, 100, NULL);
        for (size_t i = 0; i < split.n; i++) {
            assert_null(strstr(split.parts[i], "```c\n```"));
            assert_null(strstr(split.parts[i], "```c\n   ```"));
        }
        split_done(&split);
        buf_done(&text);
    }
}

static void does_not_tear_characters_apart(void **state)
{
    static const char *const units[] = {
        "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7", /* a family */
        "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD",                                         /* skin tone */
        "e\xCC\x81",                                                                /* accent */
        "\xE2\x9D\xA4\xEF\xB8\x8F", /* variation selector */
    };
    for (size_t i = 0; i < COUNT(units); i++) {
        struct buf text = BUF_INIT(1 << 20);
        repeat(&text, units[i], 200);
        struct split split = split_markdown(buf_str(&text), 101, NULL);
        check_parts(&split, 101, NULL);
        check_nothing_lost(buf_str(&text), &split);
        for (size_t j = 0; j < split.n; j++)
            assert_int_equal(strlen(split.parts[j]) % strlen(units[i]), 0);
        split_done(&split);
        buf_done(&text);
    }
}

static void keeps_every_limit_for_nasty_texts(void **state)
{
    static const char *const units[] = {
        "\"",
        "\\",
        "\n",
        "\x01",
        "\t",
        " ",
        "中",
        "\xF0\x9F\x98\x80",
        "a\n",
        "a\n\n",
        "# h\n",
        "```\n",
        "```c\nx\n```\n",
        "````````````````````",
        "~~~",
        "> ```\n",
        "- ```x\n",
        "    ```\n",
        "`",
        "\\`",
        "\xE3\x80\x80",
        "\r\n",
        "1. ",
        "> ",
        "- - - ",
        "\xE2\x80\x8D",
        "```aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    };
    static const size_t limits[] = {1, 64, 100, 333};
    for (size_t i = 0; i < COUNT(units) * COUNT(units); i++) {
        struct buf text = BUF_INIT(1 << 20);
        repeat(&text, units[i % COUNT(units)], 80);
        repeat(&text, units[i / COUNT(units)], 80);
        for (size_t j = 0; j < COUNT(limits); j++) {
            size_t max = limits[j] < SPLIT_MAX_SMALLEST ? SPLIT_MAX_SMALLEST : limits[j];
            struct split split = split_markdown(buf_str(&text), limits[j], webhook_text_cost);
            struct split again = split_markdown(buf_str(&text), limits[j], webhook_text_cost);
            assert_int_equal(split.n, again.n);
            for (size_t k = 0; k < split.n; k++)
                assert_string_equal(split.parts[k], again.parts[k]);
            if (str_trim(buf_str(&text)).n > 0)
                check_parts(&split, max, webhook_text_cost);
            split_done(&split);
            split_done(&again);
        }
        buf_done(&text);
    }
}

static void loses_nothing_outside_code(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 300; i++)
        buf_printf(&text,
                   "## Title %d\n\n- point %d with **words**\n  - nested `code` 中文，%d。\n\n", i,
                   i, i);
    repeat(&text, "enormous", 1000);
    for (size_t max = 64; max < 3000; max += 97) {
        struct split split = split_markdown(buf_str(&text), max, webhook_text_cost);
        check_parts(&split, max, webhook_text_cost);
        check_nothing_lost(buf_str(&text), &split);
        split_done(&split);
    }
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_a_text_that_fits_as_it_is),
        cmocka_unit_test(prefers_paragraphs_to_lines_to_characters),
        cmocka_unit_test(closes_and_reopens_fences),
        cmocka_unit_test(keeps_every_line_of_cut_code),
        cmocka_unit_test(moves_an_indented_fence_at_the_start_of_a_part_to_the_margin),
        cmocka_unit_test(makes_no_empty_fences),
        cmocka_unit_test(does_not_tear_characters_apart),
        cmocka_unit_test(keeps_every_limit_for_nasty_texts),
        cmocka_unit_test(loses_nothing_outside_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
