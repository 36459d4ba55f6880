#include "tools/whois_answer.h"

#include <string.h>
#include <time.h>

enum field { CREATED, EXPIRES, REGISTRAR, STATUS, REFERRAL, NO_FIELD };

/* In lower case. */
static const struct {
    const char *key;
    enum field field;
} keys[] = {
    {"creation date", CREATED},
    {"created", CREATED},
    {"created on", CREATED},
    {"created date", CREATED},
    {"create date", CREATED},
    {"domain created", CREATED},
    {"domain create date", CREATED},
    {"domain registration date", CREATED},
    {"domain record activated", CREATED},
    {"registration time", CREATED},
    {"registration date", CREATED},
    {"registered on", CREATED},
    {"registered", CREATED},
    {"registered date", CREATED},
    {"record created", CREATED},
    {"registry expiry date", EXPIRES},
    {"registrar registration expiration date", EXPIRES},
    {"expiration date", EXPIRES},
    {"expiration time", EXPIRES},
    {"expiry date", EXPIRES},
    {"expiry", EXPIRES},
    {"expires", EXPIRES},
    {"expires on", EXPIRES},
    {"expire", EXPIRES},
    {"expire date", EXPIRES},
    {"domain expires", EXPIRES},
    {"domain expiration date", EXPIRES},
    {"record expires on", EXPIRES},
    {"paid-till", EXPIRES},
    {"valid until", EXPIRES},
    {"validity", EXPIRES},
    {"renewal date", EXPIRES},
    {"registrar", REGISTRAR},
    {"registrar name", REGISTRAR},
    {"registrar organization", REGISTRAR},
    {"sponsoring registrar", REGISTRAR},
    {"current registrar", REGISTRAR},
    {"domain status", STATUS},
    {"status", STATUS},
    {"state", STATUS},
    {"epp status", STATUS},
    {"eppstatus", STATUS},
    {"registration status", STATUS},
    {"registrar whois server", REFERRAL},
    {"whois server", REFERRAL},
    {"whois", REFERRAL},
    {"refer", REFERRAL},
};

/* What servers say of a domain that nobody has; in lower case. */
static const char *const free_words[] = {"no match",
                                         "not found",
                                         "no matching record",
                                         "no entries found",
                                         "no data found",
                                         "no object found",
                                         "nothing found",
                                         "not registered",
                                         "is free",
                                         "status: free",
                                         "status: available",
                                         "is available for",
                                         "no information",
                                         "does not exist",
                                         "no found",
                                         "available for registration",
                                         "object does not exist"};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Cleaned of what could be more than text where it is shown. `keeps_lines`: but for line ends. */
static void set_text(char *ret_text, size_t size, struct str text, bool keeps_lines)
{
    size_t n = 0;
    uint32_t cp;
    for (size_t at = 0, len; (len = utf8_decode(str_sub(text, at, text.n), &cp)) > 0; at += len) {
        bool is_line_end = cp == '\n' && keeps_lines;
        bool is_control = (cp < ' ' && !is_line_end) || (cp >= 0x7F && cp < 0xA0);
        if (cp == '\r' || n + len >= size)
            continue;
        if (is_control || cp == '`' || (len == 1 && cp == 0xFFFD))
            ret_text[n++] = cp == '`' ? '\'' : ' ';
        else
            for (size_t i = 0; i < len; i++)
                ret_text[n++] = text.p[at + i];
    }
    ret_text[n] = '\0';
}

/* ---- dates ---- */

static bool is_digits(struct str text, size_t n)
{
    if (text.n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    }
    return true;
}

static int number(struct str text, size_t at, size_t n)
{
    int value = 0;
    for (size_t i = at; i < at + n; i++)
        value = value * 10 + (text.p[i] - '0');
    return value;
}

static int month_of(struct str text)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; i < 12 && text.n >= 3; i++) {
        if (lower(text.p[0]) == names[i * 3] && lower(text.p[1]) == names[i * 3 + 1] &&
            lower(text.p[2]) == names[i * 3 + 2])
            return i + 1;
    }
    return 0;
}

static bool is_date_sign(char c)
{
    return c == '-' || c == '.' || c == '/' || c == ' ';
}

static bool split_date(struct str text, int *ret_year, int *ret_month, int *ret_day)
{
    if (is_digits(text, 8)) { /* 20261124 */
        *ret_year = number(text, 0, 4);
        *ret_month = number(text, 4, 2);
        *ret_day = number(text, 6, 2);
        return true;
    }
    if (text.n >= 10 && is_digits(text, 4) && is_date_sign(text.p[4]) &&
        is_digits(str_sub(text, 5, 2), 2) && is_date_sign(text.p[7]) &&
        is_digits(str_sub(text, 8, 2), 2)) { /* 2026-11-24 */
        *ret_year = number(text, 0, 4);
        *ret_month = number(text, 5, 2);
        *ret_day = number(text, 8, 2);
        return true;
    }
    if (text.n >= 11 && is_digits(text, 2) && is_date_sign(text.p[2]) &&
        month_of(str_sub(text, 3, 3)) > 0 && is_date_sign(text.p[6]) &&
        is_digits(str_sub(text, 7, 4), 4)) { /* 24-Nov-2026 */
        *ret_year = number(text, 7, 4);
        *ret_month = month_of(str_sub(text, 3, 3));
        *ret_day = number(text, 0, 2);
        return true;
    }
    if (text.n >= 10 && is_digits(text, 2) && text.p[2] == '.' &&
        is_digits(str_sub(text, 3, 2), 2) && text.p[5] == '.' &&
        is_digits(str_sub(text, 6, 4), 4)) { /* 24.11.2026 */
        *ret_year = number(text, 6, 4);
        *ret_month = number(text, 3, 2);
        *ret_day = number(text, 0, 2);
        return true;
    }
    return false;
}

enum status whois_date_read(struct str text, char ret_day[11], int64_t *ret_s)
{
    int year, month, day;
    text = str_trim(text);
    if (!split_date(text, &year, &month, &day) || year < 1970 || month < 1 || month > 12 ||
        day < 1 || day > 31)
        return ST_INVAL;
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *ret_s = (int64_t)timegm(&tm);
    if (strftime(ret_day, 11, "%Y-%m-%d", &tm) != 10)
        return ST_INVAL;
    return ST_OK;
}

/* ---- lines ---- */

static enum field field_of(struct str key)
{
    while (key.n > 0 && (key.p[key.n - 1] == '.' || key.p[key.n - 1] == ' '))
        key.n--;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (str_eq_nocase(key, str_of(keys[i].key)))
            return keys[i].field;
    }
    return NO_FIELD;
}

/* `key: value`, `[key] value`. */
static enum field split_line(struct str line, struct str *ret_value)
{
    char sign = ':';
    line = str_trim(line);
    if (line.n == 0 || memchr("%#;>", line.p[0], 4))
        return NO_FIELD;
    if (line.p[0] == '[') {
        line = str_sub(line, 1, line.n);
        sign = ']';
    }
    if (!memchr(line.p, sign, line.n))
        return NO_FIELD;
    struct str key = str_trim(str_cut(&line, sign));
    *ret_value = str_trim(line);
    return field_of(key);
}

static size_t indent_of(struct str line)
{
    size_t n = 0;
    while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
        n++;
    return n;
}

static void set_date(struct str value, char *ret_text, int64_t *ret_s)
{
    char day[11];
    if (whois_date_read(value, day, ret_s) == ST_OK)
        value = str_of(day);
    set_text(ret_text, WHOIS_TEXT_SIZE, value, false);
}

/* "clientHold https://icann.org/epp#clientHold", "ok (…)", "REGISTERED, DELEGATED". */
static void add_statuses(struct whois_facts *facts, struct str value)
{
    while (value.n > 0 && facts->n_statuses < WHOIS_STATUSES_MAX) {
        struct str one = str_trim(str_cut(&value, ','));
        ptrdiff_t link = str_find(one, STR_LIT("http"));
        ptrdiff_t note = str_find(one, STR_LIT("("));
        if (link > 0)
            one = str_trim(str_sub(one, 0, (size_t)link));
        if (note > 0 && (size_t)note < one.n)
            one = str_trim(str_sub(one, 0, (size_t)note));
        char text[WHOIS_TEXT_SIZE];
        set_text(text, sizeof(text), one, false);
        bool is_new = *text != '\0';
        for (size_t i = 0; i < facts->n_statuses; i++)
            is_new = is_new && !str_eq_nocase(str_of(facts->statuses[i]), str_of(text));
        if (is_new)
            memcpy(facts->statuses[facts->n_statuses++], text, sizeof(text));
    }
}

static void take_field(struct whois_facts *facts, enum field field, struct str value)
{
    int64_t ignored;
    if (value.n == 0)
        return;
    if (field == CREATED && !*facts->created)
        set_date(value, facts->created, &ignored);
    else if (field == EXPIRES && !*facts->expires)
        set_date(value, facts->expires, &facts->expires_s);
    else if (field == REGISTRAR && !*facts->registrar)
        set_text(facts->registrar, WHOIS_TEXT_SIZE, value, false);
    else if (field == REFERRAL && !*facts->referral)
        set_text(facts->referral, WHOIS_TEXT_SIZE, value, false);
    else if (field == STATUS)
        add_statuses(facts, value);
}

/* A key alone has its value on the next line, further in. */
static struct str value_below(struct str line, struct str rest)
{
    struct str next = str_cut(&rest, '\n');
    bool is_below = str_trim(next).n > 0 && indent_of(next) > indent_of(line);
    return is_below ? str_trim(next) : (struct str){0};
}

static bool has_free_word(struct str answer)
{
    for (size_t i = 0; i < sizeof(free_words) / sizeof(free_words[0]); i++) {
        struct str word = str_of(free_words[i]);
        for (size_t at = 0; at + word.n <= answer.n; at++) {
            if (str_eq_nocase(str_sub(answer, at, word.n), word))
                return true;
        }
    }
    return false;
}

void whois_answer_read(struct str answer, struct whois_facts *facts)
{
    size_t n_before = facts->n_statuses;
    *facts->referral = '\0';
    for (struct str rest = answer; rest.n > 0;) {
        struct str value = {0};
        struct str line = str_cut(&rest, '\n');
        enum field field = split_line(line, &value);
        if (field == NO_FIELD || (field == STATUS && n_before > 0))
            continue; /* two servers' spellings of the same status are one too many */
        take_field(facts, field, value.n > 0 ? value : value_below(line, rest));
    }
    bool has_facts = *facts->created || *facts->expires || *facts->registrar;
    facts->is_free = !has_facts && has_free_word(answer);
    set_text(facts->excerpt, sizeof(facts->excerpt), str_trim(answer), true);
}

bool whois_answer_server(struct str answer, char ret_server[WHOIS_TEXT_SIZE])
{
    struct whois_facts facts = {0};
    whois_answer_read(answer, &facts);
    memcpy(ret_server, facts.referral, sizeof(facts.referral));
    return *ret_server != '\0';
}
