#include "llm/tokens.h"

#include <stdbool.h>

/* Weights in hundredths of a token, fitted to the o200k vocabulary. */
enum {
    WEIGHT_HAN = 78,
    WEIGHT_KANA = 65,
    WEIGHT_HANGUL = 60,
    WEIGHT_WIDE_PUNCTUATION = 75,
    WEIGHT_MARKED_LATIN = 20,
    WEIGHT_GREEK_CYRILLIC = 27,
    WEIGHT_EMOJI = 220,
    WEIGHT_OTHER = 45,
    WEIGHT_WORD = 92,
    WEIGHT_LONG_WORD_LETTER = 25,
    WEIGHT_DIGIT_GROUP = 140,
    WEIGHT_PUNCTUATION_FIRST = 60,
    WEIGHT_PUNCTUATION_MORE = 25,
    WEIGHT_NEWLINES = 100,
    WEIGHT_BLANKS = 80,
};
#define SHORT_WORD_LETTERS 6
#define MESSAGE_OVERHEAD 4
#define REQUEST_OVERHEAD 3
#define CALIBRATE_FROM_TOKENS 200

static const struct {
    uint32_t first, last;
    int64_t weight;
} ranges[] = {
    {0x00C0, 0x024F, WEIGHT_MARKED_LATIN},
    {0x0370, 0x052F, WEIGHT_GREEK_CYRILLIC},
    {0x1E00, 0x1EFF, WEIGHT_MARKED_LATIN},
    {0x2010, 0x2027, WEIGHT_WIDE_PUNCTUATION},
    {0x3000, 0x303F, WEIGHT_WIDE_PUNCTUATION},
    {0x3040, 0x30FF, WEIGHT_KANA},
    {0x3400, 0x4DBF, WEIGHT_HAN},
    {0x4E00, 0x9FFF, WEIGHT_HAN},
    {0xAC00, 0xD7AF, WEIGHT_HANGUL},
    {0xF900, 0xFAFF, WEIGHT_HAN},
    {0xFF00, 0xFFEF, WEIGHT_WIDE_PUNCTUATION},
    {0x1F000, 0x1FFFF, WEIGHT_EMOJI},
    {0x20000, 0x10FFFF, WEIGHT_HAN},
};

enum kind { KIND_LETTER, KIND_DIGIT, KIND_NEWLINE, KIND_BLANK, KIND_PUNCTUATION, KIND_WIDE };

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static enum kind kind_of(char c)
{
    if ((unsigned char)c >= 0x80)
        return KIND_WIDE;
    if (is_upper(c) || is_lower(c))
        return KIND_LETTER;
    if (c >= '0' && c <= '9')
        return KIND_DIGIT;
    if (c == '\n' || c == '\r')
        return KIND_NEWLINE;
    return c == ' ' || c == '\t' ? KIND_BLANK : KIND_PUNCTUATION;
}

static int64_t wide_weight(uint32_t cp)
{
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return ranges[i].weight;
    }
    return WEIGHT_OTHER;
}

static int64_t word_weight(size_t letters)
{
    size_t beyond = letters > SHORT_WORD_LETTERS ? letters - SHORT_WORD_LETTERS : 0;
    return WEIGHT_WORD + (int64_t)beyond * WEIGHT_LONG_WORD_LETTER;
}

/* A run of letters is several words where its case says so: `HTTPServer`, `camelCase`. */
static int64_t letters_weight(struct str run)
{
    int64_t weight = 0;
    size_t begin = 0;
    for (size_t i = 1; i < run.n; i++) {
        bool rises = is_lower(run.p[i - 1]) && is_upper(run.p[i]);
        bool capitals_end =
            is_upper(run.p[i - 1]) && is_upper(run.p[i]) && i + 1 < run.n && is_lower(run.p[i + 1]);
        if (rises || capitals_end) {
            weight += word_weight(i - begin);
            begin = i;
        }
    }
    return weight + word_weight(run.n - begin);
}

static int64_t run_weight(enum kind kind, struct str run)
{
    switch (kind) {
    case KIND_LETTER:
        return letters_weight(run);
    case KIND_DIGIT:
        return (int64_t)((run.n + 2) / 3) * WEIGHT_DIGIT_GROUP;
    case KIND_NEWLINE:
        return WEIGHT_NEWLINES;
    case KIND_BLANK:
        return run.n > 1 ? WEIGHT_BLANKS : 0;
    case KIND_PUNCTUATION:
        return WEIGHT_PUNCTUATION_FIRST + (int64_t)(run.n - 1) * WEIGHT_PUNCTUATION_MORE;
    case KIND_WIDE:
        break;
    }
    return 0;
}

int64_t tokens_estimate(struct str text)
{
    int64_t weight = 0;
    for (size_t i = 0; i < text.n;) {
        enum kind kind = kind_of(text.p[i]);
        if (kind == KIND_WIDE) {
            uint32_t cp;
            i += utf8_decode(str_sub(text, i, text.n), &cp);
            weight += wide_weight(cp);
            continue;
        }
        size_t end = i + 1;
        while (end < text.n && kind_of(text.p[end]) == kind)
            end++;
        weight += run_weight(kind, str_sub(text, i, end - i));
        i = end;
    }
    int64_t tokens = (weight + 99) / 100;
    return tokens > 0 ? tokens : 1;
}

int64_t tokens_estimate_messages(const struct llm_message *messages, size_t n_messages)
{
    int64_t tokens = REQUEST_OVERHEAD;
    for (size_t i = 0; i < n_messages; i++)
        tokens += tokens_estimate(str_of(messages[i].text)) + MESSAGE_OVERHEAD;
    return tokens;
}

double tokens_calibrate(double ratio, int64_t estimate, int64_t actual)
{
    if (estimate <= 0 || actual < CALIBRATE_FROM_TOKENS)
        return ratio;
    double moved = 0.8 * ratio + 0.2 * ((double)actual / (double)estimate);
    return moved < 0.5 ? 0.5 : moved > 2.0 ? 2.0 : moved;
}

int64_t tokens_budgeted(int64_t estimate, double ratio)
{
    double exact = (double)estimate * ratio * 1.15;
    int64_t whole = (int64_t)exact;
    return (double)whole < exact ? whole + 1 : whole;
}
