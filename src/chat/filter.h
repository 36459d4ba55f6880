/*
 * Words that are not to be said: thousands of them in one pass over a text (Aho and Corasick, CACM
 * 18(6), 1975), whatever their number.
 *
 * A word is found wherever its characters stand together, also inside other words. Upper and lower
 * case are the same, and so are full and half width (`ＶＰＮ` and `vpn`). Characters are code
 * points. Of words that overlap, each counts: a character is masked when any word covers it, so
 * what is shown never depends on what comes later.
 */
#ifndef DB_CHAT_FILTER_H
#define DB_CHAT_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/str.h"

/* What stands for each masked character (U+1F6AB). */
#define FILTER_MASK "🚫"
/* A masked text has at most that many bytes for each of its own. */
#define FILTER_GROWTH_MAX 4
/* Longer words are left out. */
#define FILTER_WORD_BYTES_MAX 256

/* A set of words. Does not change while it lives; a change makes a new filter, and whoever masks
 * by the old one keeps it alive. */
struct filter;

/* Blanks around a word are not part of it; blank words are ignored, twice is once. Copies what it
 * needs. The caller holds the first reference. */
struct filter *filter_new(const char *const *words, size_t n);
struct filter *filter_ref(struct filter *filter);
void filter_unref(struct filter *filter); /* NULL is fine */
/* How many different words there are. */
size_t filter_count(const struct filter *filter);
/* Whether a word is in the text. */
bool filter_finds(const struct filter *filter, struct str text);

/*
 * Masks a text that comes in pieces, cut anywhere, also inside a character. What has been put out
 * is final: only what may still become a word is held back, always fewer characters than the
 * longest word has. The pieces joined give the same for every way of cutting. Bytes that are no
 * UTF-8 pass as they are and stand between words.
 */
struct masker;

struct masker *masker_new(struct filter *filter); /* keeps the filter */
void masker_free(struct masker *masker);          /* NULL is fine */
/* Appends to `out` what is final now. */
void masker_add(struct masker *masker, struct str piece, struct buf *out);
/* The text ends here: appends the rest. The masker can begin with another text then. */
void masker_end(struct masker *masker, struct buf *out);

#endif
