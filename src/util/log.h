/*
 * The log: one event a line on standard error,
 *     2026-11-23T21:00:00.123+08:00 info turn answered ref=7f3a9c age_ms=812 model="gpt-5.4-mini"
 * Values with blanks, quotes, control or non-printing bytes are quoted and escaped, so that a peer
 * cannot forge a line; values are cut at 512 bytes. Never hand it a secret or the text of a
 * message. May be called from any thread.
 *
 * Levels: error = someone must act; warn = degraded and going on; info = life cycle; debug = steps.
 */
#ifndef DB_UTIL_LOG_H
#define DB_UTIL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_field {
    const char *key;
    struct str text; /* used when is_number is false */
    int64_t number;
    bool is_number;
};

#define LOG_S(k, v) ((struct log_field){.key = (k), .text = str_of(v)})
#define LOG_STR(k, v) ((struct log_field){.key = (k), .text = (v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v), .is_number = true})

/* log_event(LOG_INFO, "turn", "answered", LOG_S("ref", ref), LOG_I("age_ms", age)); at least one
 * field. */
#define log_event(level, module, event, ...)                     \
    do {                                                         \
        const struct log_field log_fields_[] = {__VA_ARGS__};    \
        log_write((level), (module), (event), log_fields_,       \
                  sizeof(log_fields_) / sizeof(log_fields_[0])); \
    } while (0)

void log_write(enum log_level level, const char *module, const char *event,
               const struct log_field *fields, size_t n_fields);

void log_set_level(enum log_level level); /* default LOG_INFO */
bool log_is_on(enum log_level level);

/* Texts given here are replaced by *** wherever a value holds them, as the last defence against
 * leaks. The texts are copied; ones shorter than 6 bytes are ignored. Call at start, before
 * threads. */
void log_add_secret(const char *secret);
/* Replaces the registered secrets, everything that looks like a bearer key (sk-…), and the query
 * and user-info of URLs, by ***; the result is a new string. Also used for words shown to people.
 */
char *log_masked(struct str text) DB_MUST_CHECK;

#endif
