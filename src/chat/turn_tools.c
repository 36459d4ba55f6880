#include "chat/turn_tools.h"

#include <stdio.h>
#include <string.h>

#include "chat/commands.h"
#include "chat/turn.h"
#include "tools/tools.h"
#include "util/clock.h"
#include "util/log.h"

#define HTTPS_PORT 443
#define DAY_S (24 * 3600)

bool turn_tools_are_open(const struct turn *turn)
{
    switch (turn->chat->settings.tools_for) {
    case CHAT_TOOLS_FOR_ALL:
        return true;
    case CHAT_TOOLS_FOR_ADMINS:
        return policy_is_admin(access_policy(turn->chat->access), &turn->message);
    case CHAT_TOOLS_FOR_NOBODY:
        return false;
    }
    return false;
}

static bool is_english(const struct turn *turn)
{
    return turn->chat->settings.language == LANGUAGE_EN;
}

/* ---- the end of a lookup that gave nothing ---- */

static enum word failure_word(enum status status)
{
    switch ((int)status) {
    case ST_DENIED:
        return WORD_TOOL_PRIVATE;
    case ST_TIMEOUT:
        return WORD_TOOL_TIMEOUT;
    case ST_LIMITED:
        return WORD_TOOL_BUSY;
    case ST_TLS:
        return WORD_TOOL_NO_TLS;
    case ST_NOT_FOUND:
        return WORD_WHOIS_NO_SERVER;
    default:
        return WORD_TOOL_UNREACHABLE;
    }
}

static void say_failure(struct turn *turn, const char *tool, const struct error *error,
                        const char *host)
{
    log_event(LOG_INFO, "turn", "lookup_failed", LOG_S("ref", turn->reference), LOG_S("tool", tool),
              LOG_S("reason", status_name(error->status)), LOG_S("detail", error->text));
    turn_put(turn, failure_word(error->status), (const char *const[]){host, NULL});
    turn_say(turn);
}

/* The argument, or the usage where it is none. */
static bool read_target(struct turn *turn, struct str argument, struct target *ret_target)
{
    if (target_read(argument, ret_target) == ST_OK)
        return true;
    if (argument.n > 0)
        turn_put(turn, WORD_TOOL_NO_HOST, NULL);
    turn_put(turn, WORD_USAGE, (const char *const[]){turn->route.command->usage, NULL});
    turn_say(turn);
    return false;
}

/* "，还有 12 天"; nothing where the end is not known. */
static void put_days(struct turn *turn, int64_t until_s)
{
    if (until_s == 0)
        return;
    int64_t left_s = until_s - clock_wall_ms() / 1000;
    int64_t days = (left_s < 0 ? -left_s : left_s) / DAY_S;
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)days);
    turn_put(turn, left_s < 0 ? WORD_TOOL_DAYS_AGO : WORD_TOOL_DAYS_LEFT,
             (const char *const[]){text, NULL});
}

/* ---- #域名 ---- */

/* The registries' own words (EPP, RFC 5731 and RFC 3915), and those of some that do not use it. */
static const struct {
    const char *code;
    const char *zh;
    const char *en;
} statuses[] = {
    {"ok", "正常", "normal"},
    {"active", "正常", "normal"},
    {"connect", "正常", "normal"},
    {"inactive", "没有设置域名服务器", "has no name servers"},
    {"addPeriod", "刚注册", "just registered"},
    {"autoRenewPeriod", "刚自动续费", "just renewed automatically"},
    {"renewPeriod", "刚续费", "just renewed"},
    {"transferPeriod", "刚转移", "just transferred"},
    {"clientHold", "注册商暂停解析", "not resolved, by the registrar"},
    {"serverHold", "注册局暂停解析", "not resolved, by the registry"},
    {"clientTransferProhibited", "注册商锁定，禁止转移",
     "locked against transfer, by the registrar"},
    {"serverTransferProhibited", "注册局锁定，禁止转移",
     "locked against transfer, by the registry"},
    {"clientDeleteProhibited", "注册商锁定，禁止删除", "locked against deletion, by the registrar"},
    {"serverDeleteProhibited", "注册局锁定，禁止删除", "locked against deletion, by the registry"},
    {"clientUpdateProhibited", "注册商锁定，禁止修改", "locked against changes, by the registrar"},
    {"serverUpdateProhibited", "注册局锁定，禁止修改", "locked against changes, by the registry"},
    {"clientRenewProhibited", "注册商禁止续费", "may not be renewed, by the registrar"},
    {"serverRenewProhibited", "注册局禁止续费", "may not be renewed, by the registry"},
    {"pendingCreate", "正在注册", "being registered"},
    {"pendingDelete", "等待删除", "about to be deleted"},
    {"pendingRenew", "正在续费", "being renewed"},
    {"pendingRestore", "正在赎回", "being restored"},
    {"pendingTransfer", "正在转移", "being transferred"},
    {"pendingUpdate", "正在修改", "being changed"},
    {"redemptionPeriod", "赎回期：已过期，仍可赎回", "expired, may still be restored"},
};

static void put_status(struct turn *turn, const char *status)
{
    const char *meaning = NULL;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]) && !meaning; i++) {
        if (str_eq_nocase(str_of(status), str_of(statuses[i].code)))
            meaning = is_english(turn) ? statuses[i].en : statuses[i].zh;
    }
    if (meaning)
        turn_put(turn, WORD_WHOIS_STATUS, (const char *const[]){status, meaning, NULL});
    else
        turn_put(turn, WORD_WHOIS_OTHER_STATUS, (const char *const[]){status, NULL});
}

static void put_fact(struct turn *turn, enum word word, const char *value)
{
    if (*value)
        turn_put(turn, word, (const char *const[]){value, NULL});
}

static void put_facts(struct turn *turn, const struct whois_facts *facts)
{
    put_fact(turn, WORD_WHOIS_REGISTRAR, facts->registrar);
    put_fact(turn, WORD_WHOIS_CREATED, facts->created);
    put_fact(turn, WORD_WHOIS_EXPIRES, facts->expires);
    if (*facts->expires)
        put_days(turn, facts->expires_s);
    for (size_t i = 0; i < facts->n_statuses; i++)
        put_status(turn, facts->statuses[i]);
}

static void on_whois(const struct whois_result *result, void *arg)
{
    struct turn *turn = arg;
    turn->lookup_id = 0;
    if (turn->chat->is_stopped)
        return;
    if (result->status != ST_OK) {
        say_failure(turn, "whois", &result->error, result->server);
        return;
    }
    const struct whois_facts *facts = result->facts;
    const char *const args[] = {turn->looked_up, result->server, NULL};
    bool has_facts =
        *facts->created || *facts->expires || *facts->registrar || facts->n_statuses > 0;
    if (facts->is_free) {
        turn_put(turn, WORD_WHOIS_FREE, args);
    } else {
        turn_put(turn, WORD_WHOIS_HEAD, args);
        if (has_facts)
            put_facts(turn, facts);
        else
            turn_put(turn, WORD_WHOIS_RAW, (const char *const[]){facts->excerpt, NULL});
        turn_put(turn, WORD_WHOIS_SERVER, (const char *const[]){result->server, NULL});
    }
    turn_say(turn);
}

void turn_whois(struct turn *turn, struct str argument)
{
    struct target target;
    if (!read_target(turn, argument, &target))
        return;
    if (target.is_address) {
        turn_put(turn, WORD_TOOL_NO_HOST, NULL);
        turn_say(turn);
        return;
    }
    /* People copy the address of a site; the domain is what is registered. */
    struct str domain = str_of(target.host);
    struct str bare = str_sub(domain, 4, domain.n);
    if (str_starts(domain, STR_LIT("www.")) && str_find(bare, STR_LIT(".")) > 0)
        domain = bare;
    memcpy(turn->looked_up, domain.p, domain.n);
    turn_set_state(turn, TURN_LOOKING);
    turn->lookup_id = tools_whois(turn->chat->tools, turn->looked_up, on_whois, turn);
}

/* ---- #证书 ---- */

static const struct {
    enum tls_problem problem;
    enum word word;
} problem_words[] = {
    {TLS_EXPIRED, WORD_TLS_EXPIRED},
    {TLS_NOT_YET_VALID, WORD_TLS_NOT_YET_VALID},
    {TLS_SELF_SIGNED, WORD_TLS_SELF_SIGNED},
    {TLS_UNTRUSTED, WORD_TLS_UNTRUSTED},
    {TLS_CHAIN_EXPIRED, WORD_TLS_CHAIN_EXPIRED},
    {TLS_NAME_MISMATCH, WORD_TLS_NAME_MISMATCH},
};

/* What a peer wrote, between backquotes. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_putc(out, '`');
    for (; *text; text++)
        buf_putc(out, *text == '`' ? '\'' : *text);
    buf_putc(out, '`');
}

static void put_line(struct turn *turn, enum word word, const char *text)
{
    if (!*text)
        return;
    turn_put(turn, word, NULL);
    put_quoted(&turn->shown, text);
    buf_putc(&turn->shown, '\n');
}

static void put_names(struct turn *turn, const struct tls_certificate *certificate)
{
    if (certificate->n_names == 0)
        return;
    turn_put(turn, WORD_TLS_NAMES, NULL);
    for (size_t i = 0; i < certificate->n_names && i < TLS_NAMES_MAX; i++) {
        buf_puts(&turn->shown, i > 0 ? "、" : "");
        put_quoted(&turn->shown, certificate->names[i]);
    }
    if (certificate->n_names > TLS_NAMES_MAX) {
        char count[24];
        (void)snprintf(count, sizeof(count), "%zu", certificate->n_names);
        turn_put(turn, WORD_TLS_MORE_NAMES, (const char *const[]){count, NULL});
    }
    buf_putc(&turn->shown, '\n');
}

static void put_validity(struct turn *turn, const struct tls_certificate *certificate)
{
    char from[CLOCK_HM_SIZE], until[CLOCK_HM_SIZE];
    clock_local_minute(certificate->not_before_s * 1000, from);
    clock_local_minute(certificate->not_after_s * 1000, until);
    turn_put(turn, WORD_TLS_VALID, (const char *const[]){from, until, NULL});
    put_days(turn, certificate->not_after_s);
}

static void put_problems(struct turn *turn, const struct tls_certificate *certificate)
{
    const char *const host[] = {turn->looked_up, NULL};
    if (certificate->problems == 0)
        turn_put(turn, WORD_TLS_GOOD, NULL);
    for (size_t i = 0; i < sizeof(problem_words) / sizeof(problem_words[0]); i++) {
        if (certificate->problems & problem_words[i].problem)
            turn_put(turn, problem_words[i].word, host);
    }
    if (certificate->problems & TLS_OTHER)
        turn_put(turn, WORD_TLS_OTHER, (const char *const[]){certificate->other, NULL});
}

static void on_certificate(const struct tls_probe_result *result, void *arg)
{
    struct turn *turn = arg;
    turn->lookup_id = 0;
    if (turn->chat->is_stopped)
        return;
    if (result->status != ST_OK) {
        say_failure(turn, "certificate", &result->error, turn->looked_up);
        return;
    }
    const struct tls_certificate *certificate = result->certificate;
    turn_put(turn, WORD_TLS_HEAD, (const char *const[]){turn->looked_up, NULL});
    put_problems(turn, certificate);
    put_line(turn, WORD_TLS_SUBJECT, certificate->subject);
    put_line(turn, WORD_TLS_ISSUER, certificate->issuer);
    put_names(turn, certificate);
    put_validity(turn, certificate);
    put_line(turn, WORD_TLS_PROTOCOL, certificate->protocol);
    put_line(turn, WORD_TLS_ADDRESS, certificate->address);
    turn_say(turn);
}

void turn_certificate(struct turn *turn, struct str argument)
{
    struct target target;
    if (!read_target(turn, argument, &target))
        return;
    memcpy(turn->looked_up, target.host, sizeof(turn->looked_up));
    turn_set_state(turn, TURN_LOOKING);
    turn->lookup_id =
        tools_certificate(turn->chat->tools, target.host, target.port ? target.port : HTTPS_PORT,
                          on_certificate, turn);
}

void turn_stop_lookup(struct turn *turn)
{
    if (turn->lookup_id)
        tools_cancel(turn->chat->tools, turn->lookup_id);
    turn->lookup_id = 0;
}
