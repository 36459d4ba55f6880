/* How fast the filter masks, against looking for one word after another. Prints; asserts nothing.
 *
 *     build/tests/bench/bench_filter [WORDS]
 */
#include <stdio.h>
#include <string.h>

#include "chat/filter.h"
#include "util/clock.h"
#include "util/mem.h"

#define WORDS 10000
#define TEXT_BYTES (4 * 1024 * 1024)
#define PIECE_BYTES 64
#define NAIVE_PART 64 /* it gets that part of the text */

static uint64_t state = 1;

static uint32_t random_below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

/* One of the 2000 most usual places of the CJK block, as bytes. */
static void add_character(struct buf *out)
{
    uint32_t cp = 0x4E00 + random_below(2000);
    const char bytes[] = {(char)(0xE0 | cp >> 12), (char)(0x80 | (cp >> 6 & 0x3F)),
                          (char)(0x80 | (cp & 0x3F))};
    (void)buf_add(out, bytes, sizeof(bytes));
}

static char **make_words(size_t n)
{
    char **words = xcalloc(n, sizeof(*words));
    for (size_t i = 0; i < n; i++) {
        struct buf word = BUF_INIT(64);
        for (uint32_t k = 2 + random_below(4); k > 0; k--)
            add_character(&word);
        words[i] = buf_steal(&word);
    }
    return words;
}

static double megabytes_a_second(size_t bytes, int64_t ms)
{
    return (double)bytes / 1e6 / ((double)(ms > 0 ? ms : 1) / 1e3);
}

static double run_masker(struct filter *filter, struct str text)
{
    struct masker *masker = masker_new(filter);
    struct buf out = BUF_INIT(text.n * FILTER_GROWTH_MAX);
    int64_t begin_ms = clock_mono_ms();
    for (size_t at = 0; at < text.n; at += PIECE_BYTES)
        masker_add(masker, str_sub(text, at, PIECE_BYTES), &out);
    masker_end(masker, &out);
    int64_t ms = clock_mono_ms() - begin_ms;
    buf_done(&out);
    masker_free(masker);
    return megabytes_a_second(text.n, ms);
}

static double run_naive(char *const *words, size_t n, struct str text)
{
    size_t found = 0;
    int64_t begin_ms = clock_mono_ms();
    for (size_t i = 0; i < n; i++) {
        struct str word = str_of(words[i]);
        struct str rest = text;
        for (ptrdiff_t at; (at = str_find(rest, word)) >= 0; found++)
            rest = str_sub(rest, (size_t)at + word.n, rest.n);
    }
    double speed = megabytes_a_second(text.n, clock_mono_ms() - begin_ms);
    printf("  (%zu found one after another)\n", found);
    return speed;
}

int main(int argc, char **argv)
{
    int64_t n = WORDS;
    if (argc > 1 && parse_i64(str_of(argv[1]), 1, 1000000, &n) != ST_OK)
        return 64;
    char **words = make_words((size_t)n);
    struct buf text = BUF_INIT(TEXT_BYTES + 8);
    while (text.len < TEXT_BYTES)
        add_character(&text);
    int64_t begin_ms = clock_mono_ms();
    struct filter *filter = filter_new((const char *const *)words, (size_t)n);
    printf("%zu words: made in %lld ms\n", filter_count(filter),
           (long long)(clock_mono_ms() - begin_ms));
    double masked = run_masker(filter, buf_str(&text));
    double naive = run_naive(words, (size_t)n, str_sub(buf_str(&text), 0, TEXT_BYTES / NAIVE_PART));
    printf("  masker %.1f MB/s, one after another %.3f MB/s, ratio %.0f\n", masked, naive,
           masked / naive);
    filter_unref(filter);
    for (size_t i = 0; i < (size_t)n; i++)
        free_charp(&words[i]);
    free_charp((char **)(void *)&words);
    buf_done(&text);
    return 0;
}
