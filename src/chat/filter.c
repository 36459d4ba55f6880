#include "chat/filter.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "util/mem.h"

#define ROOT 0
#define NOT_UTF8 0xFFFFFFFFu /* no word has that */
#define CHARACTER_BYTES_MAX 4

/* A beginning of words. */
struct node {
    uint32_t parent;
    uint32_t symbol; /* the last character */
    uint32_t fail;   /* the longest of its own ends that begins words too */
    uint16_t depth;  /* in characters */
    uint16_t match;  /* characters of the longest word that ends here; 0: none */
};

/* From a node by a character to the next. Open addressing; `to` ROOT is free, for nothing leads
 * back to the root. */
struct edge {
    uint32_t from;
    uint32_t symbol;
    uint32_t to;
};

struct filter {
    int refs;
    size_t n_words;
    struct node *nodes; /* the root first */
    size_t n_nodes, nodes_cap;
    struct edge *edges;
    size_t edges_cap; /* a power of two, more than the edges */
    size_t longest;   /* characters */
    locale_t locale;  /* for case; 0: ASCII alone */
};

/* ---- characters ---- */

/* U+FF61…U+FF9F, the half-width forms of Japanese writing, in full width. */
static const uint16_t katakana[] = {
    0x3002, 0x300C, 0x300D, 0x3001, 0x30FB, 0x30F2, 0x30A1, 0x30A3, 0x30A5, 0x30A7, 0x30A9,
    0x30E3, 0x30E5, 0x30E7, 0x30C3, 0x30FC, 0x30A2, 0x30A4, 0x30A6, 0x30A8, 0x30AA, 0x30AB,
    0x30AD, 0x30AF, 0x30B1, 0x30B3, 0x30B5, 0x30B7, 0x30B9, 0x30BB, 0x30BD, 0x30BF, 0x30C1,
    0x30C4, 0x30C6, 0x30C8, 0x30CA, 0x30CB, 0x30CC, 0x30CD, 0x30CE, 0x30CF, 0x30D2, 0x30D5,
    0x30D8, 0x30DB, 0x30DE, 0x30DF, 0x30E0, 0x30E1, 0x30E2, 0x30E4, 0x30E6, 0x30E8, 0x30E9,
    0x30EA, 0x30EB, 0x30EC, 0x30ED, 0x30EF, 0x30F3, 0x3099, 0x309A};
/* U+FFE0…U+FFE6. */
static const uint16_t signs[] = {0xA2, 0xA3, 0xAC, 0xAF, 0xA6, 0xA5, 0x20A9};

static uint32_t fold_width(uint32_t cp)
{
    if (cp >= 0xFF01 && cp <= 0xFF5E)
        return cp - 0xFF01 + '!';
    if (cp >= 0xFF61 && cp <= 0xFF9F)
        return katakana[cp - 0xFF61];
    if (cp >= 0xFFE0 && cp <= 0xFFE6)
        return signs[cp - 0xFFE0];
    return cp == 0x3000 ? ' ' : cp;
}

/* What counts as the same gives the same. */
static uint32_t fold(const struct filter *filter, uint32_t cp)
{
    if (cp >= 0x3000)
        cp = fold_width(cp);
    if (cp < 0x80)
        return cp >= 'A' && cp <= 'Z' ? cp - 'A' + 'a' : cp;
    bool has_no_case = cp >= 0x2E80 && cp < 0xA640;
    return has_no_case || !filter->locale ? cp : (uint32_t)towlower_l((wint_t)cp, filter->locale);
}

/* The next character, folded. Its bytes are text's first ret_len; at least one. */
static uint32_t next_symbol(const struct filter *filter, struct str text, size_t *ret_len)
{
    uint32_t cp;
    *ret_len = utf8_decode(text, &cp);
    if (*ret_len == 1 && cp == 0xFFFD)
        return NOT_UTF8;
    return fold(filter, cp);
}

/* ---- the automaton ---- */

static size_t slot_of(const struct filter *filter, uint32_t from, uint32_t symbol)
{
    uint64_t key = ((uint64_t)from << 32 | symbol) * 0x9E3779B97F4A7C15u;
    return (size_t)(key >> 32) & (filter->edges_cap - 1);
}

/* Where the edge is, or would be. */
static struct edge *find_edge(const struct filter *filter, uint32_t from, uint32_t symbol)
{
    size_t slot = slot_of(filter, from, symbol);
    struct edge *edge = &filter->edges[slot];
    while (edge->to != ROOT && (edge->from != from || edge->symbol != symbol)) {
        slot = (slot + 1) & (filter->edges_cap - 1);
        edge = &filter->edges[slot];
    }
    return edge;
}

static void grow_edges(struct filter *filter)
{
    struct edge *old = filter->edges;
    size_t old_cap = filter->edges_cap;
    filter->edges_cap = old_cap * 2;
    filter->edges = xcalloc(filter->edges_cap, sizeof(*filter->edges));
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].to != ROOT)
            *find_edge(filter, old[i].from, old[i].symbol) = old[i];
    }
    free(old);
}

static uint32_t add_node(struct filter *filter, uint32_t parent, uint32_t symbol)
{
    if (filter->n_nodes == filter->nodes_cap) {
        filter->nodes_cap *= 2;
        filter->nodes = xreallocarray(filter->nodes, filter->nodes_cap, sizeof(*filter->nodes));
    }
    if (filter->n_nodes * 2 > filter->edges_cap)
        grow_edges(filter);
    uint32_t id = (uint32_t)filter->n_nodes++;
    filter->nodes[id] = (struct node){
        .parent = parent, .symbol = symbol, .depth = (uint16_t)(filter->nodes[parent].depth + 1)};
    *find_edge(filter, parent, symbol) = (struct edge){parent, symbol, id};
    return id;
}

static void add_word(struct filter *filter, struct str word)
{
    uint32_t at = ROOT;
    size_t len;
    word = str_trim(word);
    if (word.n == 0 || word.n > FILTER_WORD_BYTES_MAX || !utf8_is_valid(word))
        return;
    for (struct str rest = word; rest.n > 0; rest = str_sub(rest, len, rest.n)) {
        uint32_t symbol = next_symbol(filter, rest, &len);
        uint32_t to = find_edge(filter, at, symbol)->to;
        at = to != ROOT ? to : add_node(filter, at, symbol);
    }
    struct node *end = &filter->nodes[at];
    filter->n_words += end->match == 0;
    end->match = end->depth;
    if (end->depth > filter->longest)
        filter->longest = end->depth;
}

/* Over the text's next character. */
static uint32_t step(const struct filter *filter, uint32_t at, uint32_t symbol)
{
    for (;;) {
        uint32_t to = find_edge(filter, at, symbol)->to;
        if (to != ROOT || at == ROOT)
            return to;
        at = filter->nodes[at].fail;
    }
}

/* From the root outwards, each node by its parent's. */
static void link_ends(struct filter *filter)
{
    /* By depth: count, then place. */
    size_t *begins = xcalloc(filter->longest + 2, sizeof(*begins));
    uint32_t *order = xcalloc(filter->n_nodes, sizeof(*order));
    for (size_t i = 0; i < filter->n_nodes; i++)
        begins[filter->nodes[i].depth + 1]++;
    for (size_t i = 1; i < filter->longest + 2; i++)
        begins[i] += begins[i - 1];
    for (size_t i = 0; i < filter->n_nodes; i++)
        order[begins[filter->nodes[i].depth]++] = (uint32_t)i;
    for (size_t i = 1; i < filter->n_nodes; i++) {
        struct node *node = &filter->nodes[order[i]];
        if (node->parent != ROOT)
            node->fail = step(filter, filter->nodes[node->parent].fail, node->symbol);
        if (node->match == 0)
            node->match = filter->nodes[node->fail].match;
    }
    free(order);
    free(begins);
}

struct filter *filter_new(const char *const *words, size_t n)
{
    struct filter *filter = xcalloc(1, sizeof(*filter));
    filter->refs = 1;
    filter->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    filter->nodes_cap = 64;
    filter->nodes = xcalloc(filter->nodes_cap, sizeof(*filter->nodes));
    filter->n_nodes = 1;
    filter->edges_cap = 128;
    filter->edges = xcalloc(filter->edges_cap, sizeof(*filter->edges));
    for (size_t i = 0; i < n; i++)
        add_word(filter, str_of(words[i]));
    link_ends(filter);
    return filter;
}

struct filter *filter_ref(struct filter *filter)
{
    filter->refs++;
    return filter;
}

void filter_unref(struct filter *filter)
{
    if (!filter || --filter->refs > 0)
        return;
    if (filter->locale)
        freelocale(filter->locale);
    free(filter->nodes);
    free(filter->edges);
    free(filter);
}

size_t filter_count(const struct filter *filter)
{
    return filter->n_words;
}

bool filter_finds(const struct filter *filter, struct str text)
{
    uint32_t at = ROOT;
    size_t len;
    for (; text.n > 0; text = str_sub(text, len, text.n)) {
        at = step(filter, at, next_symbol(filter, text, &len));
        if (filter->nodes[at].match > 0)
            return true;
    }
    return false;
}

/* ---- masking ---- */

struct character {
    char bytes[CHARACTER_BYTES_MAX];
    uint8_t n;
};

/* From `begin` up to `end`, counted in characters of the text. */
struct span {
    uint64_t begin;
    uint64_t end;
};

struct masker {
    struct filter *filter;
    uint32_t at;
    char cut[CHARACTER_BYTES_MAX]; /* the beginning of a character */
    size_t cut_n;
    /* What is held back: characters [put, seen), in a ring, and the words found in them: apart
     * from each other, in order. All of it begins before `put` ends at it. */
    struct character *held;
    struct span *spans;
    size_t cap; /* of both: a power of two, more than the longest word has characters */
    uint64_t put, seen;
    uint64_t first_span, end_span;
};

struct masker *masker_new(struct filter *filter)
{
    struct masker *masker = xcalloc(1, sizeof(*masker));
    masker->filter = filter_ref(filter);
    masker->cap = 2;
    while (masker->cap < filter->longest + 1)
        masker->cap *= 2;
    masker->held = xcalloc(masker->cap, sizeof(*masker->held));
    masker->spans = xcalloc(masker->cap, sizeof(*masker->spans));
    return masker;
}

void masker_free(struct masker *masker)
{
    if (!masker)
        return;
    filter_unref(masker->filter);
    free(masker->held);
    free(masker->spans);
    free(masker);
}

static struct span *span_at(struct masker *masker, uint64_t i)
{
    return &masker->spans[i & (masker->cap - 1)];
}

/* A word of n characters ends with the last one seen. */
static void note_word(struct masker *masker, uint64_t n)
{
    uint64_t begin = masker->seen - n;
    while (masker->end_span > masker->first_span) {
        const struct span *last = span_at(masker, masker->end_span - 1);
        if (last->end < begin)
            break;
        if (last->begin < begin)
            begin = last->begin;
        masker->end_span--;
    }
    *span_at(masker, masker->end_span++) = (struct span){begin, masker->seen};
}

/* Puts out what is masked already, and what stands before `open`, where a word may still begin. */
static void put_final(struct masker *masker, uint64_t open, struct buf *out)
{
    while (masker->put < masker->seen) {
        const struct span *span = span_at(masker, masker->first_span);
        bool has_span = masker->first_span < masker->end_span;
        if (has_span && span->end <= masker->put) {
            masker->first_span++;
            continue;
        }
        bool is_masked = has_span && span->begin <= masker->put;
        if (!is_masked && masker->put >= open)
            return;
        const struct character *character = &masker->held[masker->put & (masker->cap - 1)];
        if (is_masked)
            (void)buf_add_str(out, STR_LIT(FILTER_MASK));
        else
            (void)buf_add(out, character->bytes, character->n);
        masker->put++;
    }
}

static void take_character(struct masker *masker, struct str bytes, uint32_t symbol,
                           struct buf *out)
{
    struct character *character = &masker->held[masker->seen & (masker->cap - 1)];
    memcpy(character->bytes, bytes.p, bytes.n);
    character->n = (uint8_t)bytes.n;
    masker->seen++;
    masker->at = step(masker->filter, masker->at, symbol);
    const struct node *node = &masker->filter->nodes[masker->at];
    if (node->match > 0)
        note_word(masker, node->match);
    put_final(masker, masker->seen - node->depth, out);
}

/* Whether more bytes may make a character of these. */
static bool is_cut(struct str s)
{
    unsigned char first = (unsigned char)s.p[0];
    size_t whole = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || s.n >= whole)
        return false;
    for (size_t i = 1; i < s.n; i++) {
        if (((unsigned char)s.p[i] & 0xC0) != 0x80)
            return false;
    }
    return true;
}

/* Takes the characters of the text; returns how many bytes are left, the beginning of one. */
static size_t take_text(struct masker *masker, struct str text, bool is_end, struct buf *out)
{
    size_t len;
    for (; text.n > 0; text = str_sub(text, len, text.n)) {
        if (!is_end && text.n < CHARACTER_BYTES_MAX && is_cut(text))
            return text.n;
        uint32_t symbol = next_symbol(masker->filter, text, &len);
        take_character(masker, str_sub(text, 0, len), symbol, out);
    }
    return 0;
}

void masker_add(struct masker *masker, struct str piece, struct buf *out)
{
    /* First what the last piece left, with as many bytes as it takes. */
    while (masker->cut_n > 0 && piece.n > 0) {
        masker->cut[masker->cut_n++] = piece.p[0];
        piece = str_sub(piece, 1, piece.n);
        size_t left = take_text(masker, (struct str){masker->cut, masker->cut_n}, false, out);
        memmove(masker->cut, masker->cut + masker->cut_n - left, left);
        masker->cut_n = left;
    }
    size_t left = take_text(masker, piece, false, out);
    if (left > 0) {
        memcpy(masker->cut, piece.p + piece.n - left, left);
        masker->cut_n = left;
    }
}

void masker_end(struct masker *masker, struct buf *out)
{
    (void)take_text(masker, (struct str){masker->cut, masker->cut_n}, true, out);
    put_final(masker, masker->seen, out);
    masker->cut_n = 0;
    masker->at = ROOT;
}
