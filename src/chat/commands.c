#include "chat/commands.h"

#include <stdio.h>

#include "chat/admin.h"
#include "chat/history.h"
#include "chat/models.h"
#include "chat/turn.h"
#include "chat/turn_tools.h"
#include "chat/usage.h"
#include "util/clock.h"
#include "util/log.h"

static bool is_english(const struct turn *turn)
{
    return turn->chat->settings.language == LANGUAGE_EN;
}

static void run_help(struct turn *turn, struct str argument)
{
    if (*turn->chat->settings.help) {
        buf_puts(&turn->shown, turn->chat->settings.help);
        turn_say(turn);
        return;
    }
    turn_put(turn, WORD_HELP_HEAD, NULL);
    size_t n;
    const struct command *table = commands_table(&n);
    bool is_admin = policy_is_admin(access_policy(turn->chat->access), &turn->message);
    for (size_t i = 0; i < n; i++) {
        bool is_his = is_admin ? !table[i].order : !table[i].is_for_admins;
        is_his = is_his && (!table[i].is_tool || turn_tools_are_open(turn));
        if (table[i].usage && is_his)
            buf_printf(&turn->shown, "- **%s**：%s\n", table[i].usage,
                       is_english(turn) ? table[i].help_en : table[i].help_zh);
    }
    turn_put(turn, WORD_HELP_ASK, NULL);
    turn_say(turn);
}

static void write_duration(const struct turn *turn, int64_t seconds, struct buf *out)
{
    bool is_minutes = seconds % 60 == 0;
    char number[24];
    (void)snprintf(number, sizeof(number), "%lld",
                   (long long)(is_minutes ? seconds / 60 : seconds));
    words_put(out, turn->chat->settings.language,
              is_minutes ? WORD_DURATION_MINUTES : WORD_DURATION_SECONDS,
              (const char *const[]){number, NULL});
}

static const char *default_mode_name(const struct turn *turn)
{
    const struct chat_settings *settings = &turn->chat->settings;
    return words_get(settings->language,
                     settings->is_chain_default ? WORD_NAME_CHAIN : WORD_NAME_SINGLE);
}

static void set_mode(struct turn *turn, enum store_mode mode)
{
    const struct chat_settings *settings = &turn->chat->settings;
    bool is_chain = mode == STORE_MODE_CHAIN;
    bool is_default = settings->is_chain_default == is_chain;
    char until[CLOCK_HM_SIZE];
    clock_local_minute(clock_wall_ms() + settings->session_timeout_s * 1000, until);
    struct buf timeout = BUF_INIT(64);
    write_duration(turn, settings->session_timeout_s, &timeout);
    enum word word = is_chain ? (is_default ? WORD_MODE_CHAIN_STAYS : WORD_MODE_CHAIN)
                              : (is_default ? WORD_MODE_SINGLE_STAYS : WORD_MODE_SINGLE);
    turn_put(turn, word,
             (const char *const[]){until, default_mode_name(turn), buf_cstr(&timeout), NULL});
    buf_done(&timeout);
    turn->change = STORE_SESSION_SET_MODE;
    turn->new_mode = mode;
    turn_say(turn);
}

static void run_single(struct turn *turn, struct str argument)
{
    set_mode(turn, STORE_MODE_SINGLE);
}

static void run_chain(struct turn *turn, struct str argument)
{
    set_mode(turn, STORE_MODE_CHAIN);
}

static void run_reset(struct turn *turn, struct str argument)
{
    turn_put(turn, WORD_RESET, (const char *const[]){default_mode_name(turn), NULL});
    turn->change = STORE_SESSION_FORGET;
    turn_say(turn);
}

static void run_templates(struct turn *turn, struct str argument)
{
    const struct chat_settings *settings = &turn->chat->settings;
    turn_put(turn, WORD_TEMPLATES_HEAD, NULL);
    for (size_t i = 0; i < settings->n_templates; i++)
        buf_printf(&turn->shown, "- `%s`\n", settings->templates[i].title);
    turn_put(turn, WORD_TEMPLATES_TAIL, NULL);
    turn_say(turn);
}

static void run_image_help(struct turn *turn, struct str argument)
{
    turn_put(turn, WORD_IMAGE_HELP, NULL);
    turn_say(turn);
}

static void run_balance(struct turn *turn, struct str argument)
{
    turn_look_up_balance(turn);
}

static void run_draw(struct turn *turn, struct str argument)
{
    if (argument.n == 0)
        run_image_help(turn, argument);
    else
        turn_draw(turn, argument);
}

static void arrive_stop(struct turn *turn)
{
    struct store_session_key key = turn_session_key(turn);
    turn->did_stop = chat_cancel_answer(turn->chat, &key);
}

static void run_stop(struct turn *turn, struct str argument)
{
    turn_put(turn, turn->did_stop ? WORD_STOPPED : WORD_NOTHING_TO_STOP, NULL);
    turn_say(turn);
}

static void run_again(struct turn *turn, struct str argument)
{
    turn_ask_again(turn);
}

static void run_group_id(struct turn *turn, struct str argument)
{
    const struct message *message = &turn->message;
    log_event(LOG_INFO, "turn", "group_id", LOG_S("ref", turn->reference),
              LOG_S("id", message->conversation), LOG_S("title", message->conversation_title),
              LOG_S("robot", message->is_outgoing_robot ? "outgoing" : "internal"));
    turn_put(turn, message->is_group ? WORD_GROUP_ID : WORD_NO_GROUP_ID,
             (const char *const[]){message->conversation, NULL});
    turn_say(turn);
}

static void run_my_id(struct turn *turn, struct str argument)
{
    const struct message *message = &turn->message;
    bool is_known = *message->sender_staff_id != '\0';
    turn_put(turn, is_known ? WORD_MY_ID : WORD_NO_MY_ID,
             (const char *const[]){is_known ? message->sender_staff_id : message->sender, NULL});
    turn_say(turn);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A row for those who administer. */
#define ORDER(adding, which, how, zh, en, ...)                                                    \
    {                                                                                             \
        .names = NAMES(__VA_ARGS__), .takes_text = true, .run = admin_change, .usage = how,       \
        .help_zh = zh, .help_en = en, .is_for_admins = true, .order = &(const struct admin_order) \
        {                                                                                         \
            which, adding                                                                         \
        }                                                                                         \
    }

static const struct command table[] = {
    {NAMES("", "帮助"), false, false, run_help, "帮助", "显示这份说明", "this text"},
    {NAMES("单聊"), false, false, run_single, "单聊", "每个问题单独回答，不记上文",
     "every question is answered alone"},
    {NAMES("串聊"), false, false, run_chain, "串聊", "带着上文连续对话",
     "a conversation that remembers what was said"},
    {NAMES("重置", "退出", "结束"), false, false, run_reset, "重置 / 退出 / 结束",
     "忘记上文，回到默认模式", "forget what was said and return to the default mode"},
    {NAMES("模板"), false, false, run_templates, "模板", "列出提示词模板，用法 `#模板名 内容`",
     "list the prompt templates; use `#template your text`"},
    {NAMES("图片"), false, false, run_image_help, "图片", "画图的用法", "how to draw images"},
    {NAMES("#图片"), true, true, run_draw, "#图片 描述", "按描述画一张图",
     "draw an image of the description"},
    {NAMES("停止"), false, false, run_stop, "停止", "停止正在进行的回答，保留已说的部分",
     "stop the running answer and keep what was said", .arrive = arrive_stop},
    {NAMES("重新生成"), false, false, run_again, "重新生成", "把上一个问题再问一遍",
     "ask the last question again", .is_asking = true},
    {NAMES("模型"), false, false, models_run, "模型 / 模型 名字", "列出模型，或为自己选一个",
     "list the models, or choose one for yourself", .takes_word = true},
    {NAMES("余额"), false, false, run_balance, "余额", "查询模型服务的余额",
     "the balance at the model service"},
    {NAMES("#域名"), true, false, turn_whois, "#域名 example.com", "域名的注册商、注册与到期时间",
     "a domain's registrar, and when it was registered and expires", .is_tool = true},
    {NAMES("#证书"), true, false, turn_certificate, "#证书 example.com",
     "网站的证书：颁发者、有效期、问题", "a site's certificate: issuer, validity, problems",
     .is_tool = true},
    {NAMES("群ID"), false, false, run_group_id, "群ID", "这个群的 ID", "this group's id",
     .is_for_all = true},
    {NAMES("我的ID"), false, false, run_my_id, "我的ID", "我的 ID", "your own id",
     .is_for_all = true},
    {NAMES("用量"), false, false, usage_show_own, "用量", "今天和本月用了多少，还剩多少次",
     "how much you used today and this month, and what is left"},
    {NAMES("#遗忘我"), false, false, history_ask_to_forget, "#遗忘我", "删除自己的全部对话记录",
     "delete all that you said", .is_for_all = true},
    {NAMES("#遗忘我 确认", "#遗忘我确认"), false, false, history_forget, NULL, NULL, NULL,
     .is_for_all = true},

    {NAMES("用量 全部", "用量全部"), false, false, usage_show_all, "用量 全部",
     "所有人的用量：人、群、模型、接口调用", "everybody's usage: people, groups, models, API calls",
     .is_for_admins = true},
    {NAMES("查对话"), false, false, history_explain, "查对话", "查看对话记录的用法",
     "how to read what was said", .is_for_admins = true},
    {NAMES("#查对话"), true, false, history_give_link, "#查对话 username:张三",
     "得到查看对话记录的链接", "a link to what was said", .is_for_admins = true},
    {NAMES("#权限"), false, false, admin_show, "#权限", "谁可以提问，最近的变更，管理指令",
     "who may ask, the newest changes, the administrators' commands", .is_for_admins = true},
    ORDER(true, ACCESS_ALLOWED_USERS, "#允许用户 ID", "加入允许名单；不写 ID 则查看名单",
          "let a person ask; without an id: show the list", "#允许用户"),
    ORDER(false, ACCESS_ALLOWED_USERS, "#取消允许用户 ID", "移出允许名单", "the reverse",
          "#取消允许用户", "#删除允许用户"),
    ORDER(true, ACCESS_DENIED_USERS, "#禁止用户 ID", "加入禁止名单，优先于允许名单",
          "keep a person out, whatever else lets him in", "#禁止用户"),
    ORDER(false, ACCESS_DENIED_USERS, "#取消禁止用户 ID", "移出禁止名单", "the reverse",
          "#取消禁止用户", "#删除禁止用户"),
    ORDER(true, ACCESS_GROUPS, "#允许群 群ID", "允许一个群；在群里不写 ID 就是本群",
          "let a group ask; without an id: this group", "#允许群"),
    ORDER(false, ACCESS_GROUPS, "#取消允许群 群ID", "不再允许这个群", "the reverse", "#取消允许群",
          "#删除允许群"),
    ORDER(true, ACCESS_OUTGOING_GROUPS, "#允许普通群 群ID", "允许自定义（outgoing）机器人的群",
          "let a group of a custom (outgoing) robot ask", "#允许普通群"),
    ORDER(false, ACCESS_OUTGOING_GROUPS, "#取消允许普通群 群ID", "不再允许这个群", "the reverse",
          "#取消允许普通群", "#删除允许普通群"),
    ORDER(true, ACCESS_VIP_USERS, "#设为VIP ID", "不受每天次数的限制", "no daily limit",
          "#设为VIP"),
    ORDER(false, ACCESS_VIP_USERS, "#取消VIP ID", "不再是 VIP", "the reverse", "#取消VIP",
          "#删除VIP"),
    ORDER(true, ACCESS_QUOTAS, "#额度 ID 50", "个人每天的次数；0 为不限",
          "own daily limit; 0: none", "#额度"),
    ORDER(false, ACCESS_QUOTAS, "#取消额度 ID", "回到共同的次数", "back to the common limit",
          "#取消额度", "#删除额度"),
    ORDER(true, ACCESS_WORDS, "#敏感词 增加 词", "问题里不能有、回答里遮住的词；不写词则查看",
          "a word that is not said; without one: show the list", "#敏感词 增加", "#敏感词增加"),
    ORDER(false, ACCESS_WORDS, "#敏感词 删除 词", "不再是敏感词", "the reverse", "#敏感词 删除",
          "#敏感词删除"),
    {NAMES("#敏感词"), false, false, admin_show_words, .is_for_admins = true},
};

const struct command *commands_table(size_t *ret_n)
{
    *ret_n = sizeof(table) / sizeof(table[0]);
    return table;
}
