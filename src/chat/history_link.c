#include "chat/history_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/crypto.h"
#include "util/json.h"
#include "util/mem.h"

/* What the HMAC is over begins with it, so that no other use of the key gives a token. */
#define PURPOSE "dingbridge history 1\n"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The bytes of the blank that the text begins with; 0: none. */
static size_t blank_length(struct str text)
{
    if (text.n > 0 && is_blank(text.p[0]))
        return 1;
    return str_starts(text, STR_LIT("　")) ? 3 : 0;
}

static const struct {
    const char *name;
    size_t offset;
} conditions[] = {
    {"username", offsetof(struct history_wish, nick)},
    {"姓名", offsetof(struct history_wish, nick)},
    {"userid", offsetof(struct history_wish, user)},
    {"群", offsetof(struct history_wish, title)},
    {"日期", offsetof(struct history_wish, from_day)},
};
#define N_CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

/* Which condition the text begins with; N_CONDITIONS: none. *ret_len: of its name and colon. */
static size_t find_condition(struct str text, size_t *ret_len)
{
    for (size_t i = 0; i < N_CONDITIONS; i++) {
        struct str name = str_of(conditions[i].name);
        if (!str_starts_nocase(text, name))
            continue;
        struct str rest = str_sub(text, name.n, text.n);
        bool is_wide = str_starts(rest, STR_LIT("："));
        if (!is_wide && !str_starts(rest, STR_LIT(":")))
            continue;
        *ret_len = name.n + (is_wide ? 3 : 1);
        return i;
    }
    return N_CONDITIONS;
}

/* The length of the text up to the blank before the next condition. */
static size_t value_length(struct str text)
{
    size_t unused;
    for (size_t i = 0; i < text.n; i++) {
        size_t blank = blank_length(str_sub(text, i, text.n));
        if (blank && find_condition(str_sub(text, i + blank, text.n), &unused) < N_CONDITIONS)
            return i;
    }
    return text.n;
}

static enum status put_text(char field[HISTORY_TEXT_SIZE], struct str value)
{
    if (*field || value.n == 0 || value.n >= HISTORY_TEXT_SIZE || !utf8_is_valid(value) ||
        memchr(value.p, '\0', value.n))
        return ST_INVAL;
    memcpy(field, value.p, value.n);
    field[value.n] = '\0';
    return ST_OK;
}

static enum status put_day(char field[CLOCK_DAY_SIZE], struct str value, bool may_be_empty)
{
    int64_t begin_ms;
    if (value.n == 0 && may_be_empty)
        return ST_OK;
    if (clock_day_begin_ms(value, &begin_ms) != ST_OK)
        return ST_INVAL;
    memcpy(field, value.p, value.n);
    field[value.n] = '\0';
    return ST_OK;
}

enum status history_days_parse(struct str days, struct history_wish *wish)
{
    ptrdiff_t dots = str_find(days, STR_LIT(".."));
    struct str from = str_trim(dots < 0 ? days : str_sub(days, 0, (size_t)dots));
    struct str to = str_trim(dots < 0 ? days : str_sub(days, (size_t)dots + 2, days.n));
    if (*wish->from_day || *wish->to_day || (from.n == 0 && to.n == 0) ||
        put_day(wish->from_day, from, true) != ST_OK || put_day(wish->to_day, to, true) != ST_OK)
        return ST_INVAL;
    bool is_backward = *wish->from_day && *wish->to_day && strcmp(wish->from_day, wish->to_day) > 0;
    return is_backward ? ST_INVAL : ST_OK;
}

static enum status put_condition(struct history_wish *wish, size_t which, struct str value)
{
    size_t offset = conditions[which].offset;
    if (offset == offsetof(struct history_wish, from_day))
        return history_days_parse(value, wish);
    /* DingTalk's ids of conversations begin so. */
    if (offset == offsetof(struct history_wish, title) && str_starts(value, STR_LIT("cid")))
        offset = offsetof(struct history_wish, conversation);
    return put_text((char *)wish + offset, value);
}

enum status history_wish_parse(struct str typed, struct history_wish *ret_wish, struct str *ret_bad)
{
    struct history_wish wish = {0};
    struct str rest = str_trim(typed);
    *ret_bad = rest;
    if (rest.n == 0)
        return ST_INVAL;
    while (rest.n > 0) {
        size_t name_len = 0;
        size_t which = find_condition(rest, &name_len);
        size_t len = name_len + value_length(str_sub(rest, name_len, rest.n));
        struct str value = str_trim(str_sub(rest, name_len, len - name_len));
        *ret_bad = str_sub(rest, 0, len);
        if (which == N_CONDITIONS || put_condition(&wish, which, value) != ST_OK)
            return ST_INVAL;
        rest = str_trim(str_sub(rest, len, rest.n));
    }
    *ret_bad = (struct str){0};
    *ret_wish = wish;
    return ST_OK;
}

void history_wish_write(const struct history_wish *wish, struct buf *out)
{
    size_t from = out->len;
    if (*wish->user)
        buf_printf(out, " userid:%s", wish->user);
    if (*wish->nick)
        buf_printf(out, " username:%s", wish->nick);
    if (*wish->conversation)
        buf_printf(out, " 群:%s", wish->conversation);
    if (*wish->title)
        buf_printf(out, " 群:%s", wish->title);
    if (*wish->from_day && strcmp(wish->from_day, wish->to_day) == 0)
        buf_printf(out, " 日期:%s", wish->from_day);
    else if (*wish->from_day || *wish->to_day)
        buf_printf(out, " 日期:%s..%s", wish->from_day, wish->to_day);
    if (from == 0)
        buf_consume(out, out->len > 0);
}

struct store_said_query history_wish_query(const struct history_wish *wish)
{
    struct store_said_query query = {.user = wish->user,
                                     .nick = wish->nick,
                                     .conversation = wish->conversation,
                                     .conversation_title = wish->title};
    int64_t begin_ms;
    if (clock_day_begin_ms(str_of(wish->from_day), &begin_ms) == ST_OK)
        query.from_ms = begin_ms;
    if (clock_day_begin_ms(str_of(wish->to_day), &begin_ms) == ST_OK)
        query.to_ms = clock_next_midnight_ms(begin_ms);
    return query;
}

/* ---- the key ---- */

static enum status write_key(const char *path, struct history_key *key, struct error *ret_err)
{
    crypto_random_bytes(key->bytes, sizeof(key->bytes));
    DB_CLEANUP(free_charp) char *temporary = xasprintf("%s.part", path);
    (void)unlink(temporary); /* a start that was interrupted */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_whole = fd >= 0 && write(fd, key->bytes, sizeof(key->bytes)) == sizeof(key->bytes) &&
                    fsync(fd) == 0;
    int problem = errno;
    if (fd >= 0)
        (void)close(fd);
    if (is_whole && rename(temporary, path) == 0)
        return ST_OK;
    if (is_whole)
        problem = errno;
    (void)unlink(temporary);
    return error_set(ret_err, ST_STORE, problem, "%s cannot be written: %s", path,
                     strerror(problem));
}

enum status history_key_open(const char *path, struct history_key *ret_key, struct error *ret_err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return write_key(path, ret_key, ret_err);
    if (fd < 0)
        return error_set(ret_err, ST_STORE, errno, "%s cannot be read: %s", path, strerror(errno));
    uint8_t bytes[sizeof(ret_key->bytes) + 1];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    (void)fchmod(fd, 0600); /* a copy may have come back readable for others */
    (void)close(fd);
    if (n != (ssize_t)sizeof(ret_key->bytes))
        return error_set(ret_err, ST_STORE, 0,
                         "%s is no key; remove it, and a new one is made (older links end)", path);
    memcpy(ret_key->bytes, bytes, sizeof(ret_key->bytes));
    return ST_OK;
}

/* ---- tokens ---- */

static enum status make_mac(const struct history_key *key, struct str payload,
                            uint8_t ret_mac[SHA256_SIZE])
{
    struct buf signed_text = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    buf_add_str(&signed_text, STR_LIT(PURPOSE));
    buf_add_str(&signed_text, payload);
    enum status status = buf_status(&signed_text);
    if (status == ST_OK)
        status = crypto_hmac_sha256((struct str){(const char *)key->bytes, sizeof(key->bytes)},
                                    buf_str(&signed_text), ret_mac);
    buf_done(&signed_text);
    return status;
}

/* base64 in the URL's alphabet, without padding. */
static enum status write_base64url(struct str data, struct buf *out)
{
    size_t from = out->len;
    if (base64_encode(data, out) != ST_OK)
        return ST_TOO_LARGE;
    while (out->len > from && out->data[out->len - 1] == '=')
        buf_truncate(out, out->len - 1);
    for (size_t i = from; i < out->len; i++)
        out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
    return buf_status(out);
}

/* A text of the token by its letter. */
struct text_field {
    const char *letter;
    size_t offset;
    size_t size;
};
static const struct text_field text_fields[] = {
    {"u", offsetof(struct history_grant, wish.user), HISTORY_TEXT_SIZE},
    {"n", offsetof(struct history_grant, wish.nick), HISTORY_TEXT_SIZE},
    {"c", offsetof(struct history_grant, wish.conversation), HISTORY_TEXT_SIZE},
    {"t", offsetof(struct history_grant, wish.title), HISTORY_TEXT_SIZE},
    {"f", offsetof(struct history_grant, wish.from_day), CLOCK_DAY_SIZE},
    {"l", offsetof(struct history_grant, wish.to_day), CLOCK_DAY_SIZE},
    {"b", offsetof(struct history_grant, by), HISTORY_TEXT_SIZE},
};
#define N_TEXT_FIELDS (sizeof(text_fields) / sizeof(text_fields[0]))

enum status history_token_write(const struct history_key *key, const struct history_grant *grant,
                                struct buf *out)
{
    DB_CLEANUP(json_unref) json_t *object = json_object();
    json_object_set_new(object, "e", json_integer(grant->expires_ms));
    for (size_t i = 0; i < N_TEXT_FIELDS; i++) {
        const char *text = (const char *)grant + text_fields[i].offset;
        if (*text)
            json_object_set_new(object, text_fields[i].letter, json_string(text));
    }
    struct buf payload = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    struct buf whole = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    uint8_t mac[SHA256_SIZE];
    enum status status = json_write(object, &payload);
    if (status == ST_OK)
        status = make_mac(key, buf_str(&payload), mac);
    if (status == ST_OK) {
        buf_add(&whole, mac, sizeof(mac));
        buf_add_str(&whole, buf_str(&payload));
        status = write_base64url(buf_str(&whole), out);
    }
    buf_done(&payload);
    buf_done(&whole);
    return status;
}

/* Signed by us, so it is as we wrote it; what does not fit all the same is refused. */
static enum status read_payload(struct str payload, struct history_grant *grant)
{
    DB_CLEANUP(json_unref) json_t *object = NULL;
    if (json_parse(payload, &object, NULL) != ST_OK || !json_is_object(object))
        return ST_DENIED;
    grant->expires_ms = json_i64(object, "e", 0);
    for (size_t i = 0; i < N_TEXT_FIELDS; i++) {
        struct str text = json_str(object, text_fields[i].letter);
        if (text.n >= text_fields[i].size)
            return ST_DENIED;
        if (text.n > 0)
            memcpy((char *)grant + text_fields[i].offset, text.p, text.n);
    }
    return ST_OK;
}

enum status history_token_read(const struct history_key *key, struct str token, int64_t now_ms,
                               struct history_grant *ret_grant)
{
    struct history_grant grant = {0};
    struct buf whole = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    struct buf again = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    uint8_t mac[SHA256_SIZE];
    enum status status = ST_DENIED;
    /* Written back it has to be the same: one link is one text. */
    if (token.n <= HISTORY_TOKEN_BYTES_MAX && base64_decode(token, &whole) == ST_OK &&
        whole.len > SHA256_SIZE && write_base64url(buf_str(&whole), &again) == ST_OK &&
        str_eq(buf_str(&again), token)) {
        struct str payload = str_sub(buf_str(&whole), SHA256_SIZE, whole.len);
        if (make_mac(key, payload, mac) == ST_OK &&
            crypto_equal((struct str){(const char *)mac, sizeof(mac)},
                         str_sub(buf_str(&whole), 0, SHA256_SIZE)))
            status = read_payload(payload, &grant);
    }
    buf_done(&whole);
    buf_done(&again);
    if (status == ST_OK && now_ms >= grant.expires_ms)
        status = ST_TIMEOUT;
    if (status == ST_OK)
        *ret_grant = grant;
    return status;
}
