#include "chat/words.h"

#include <assert.h>
#include <string.h>

struct sentence {
    const char *zh;
    const char *en;
};

static const struct sentence sentences[WORD_COUNT] = {
    [WORD_HELP_HEAD] = {"### 我能做什么\n\n", "### What I can do\n\n"},
    [WORD_HELP_ASK] =
        {"\n直接发送问题即可提问：群里先 @我，私聊直接说。单聊时每个问题互不相干，串聊会记住上文。",
         "\nJust send your question: mention me first in a group, or write directly in a private "
         "chat. In 单聊 "
         "every question stands alone; 串聊 remembers what was said."},
    [WORD_MODE_SINGLE] =
        {"已进入**单聊**模式：每个问题单独回答。{2}没有新消息（最早 {0}）后回到默认的{1}模式。",
         "**单聊** mode: every question is answered alone. After {2} without a message (not before "
         "{0}) it falls "
         "back to {1}, the default."},
    [WORD_MODE_CHAIN] = {"已进入**串聊**模式：我会记住上文。{2}没有新消息（最早 "
                         "{0}）后忘记上文，回到默认的{1}模式。发送 重置 可立即忘记。",
                         "**串聊** mode: I remember what was said. After {2} without a message "
                         "(not before {0}) I forget it and "
                         "fall back to {1}, the default. Send 重置 to forget at once."},
    [WORD_MODE_SINGLE_STAYS] =
        {"已进入**单聊**模式：每个问题单独回答。这也是默认模式。",
         "**单聊** mode: every question is answered alone. This is the default mode."},
    [WORD_MODE_CHAIN_STAYS] = {"已进入**串聊**模式：我会记住上文，{2}没有新消息（最早 "
                               "{0}）后忘记。这也是默认模式。发送 重置 可立即忘记。",
                               "**串聊** mode: I remember what was said and forget it after {2} "
                               "without a message (not before {0}). "
                               "This is the default mode. Send 重置 to forget at once."},
    [WORD_NAME_SINGLE] = {"单聊", "单聊 (single)"},
    [WORD_NAME_CHAIN] = {"串聊", "串聊 (chained)"},
    [WORD_RESET] = {"已重置：上文已忘记，模式回到{0}。",
                    "Reset: what was said is forgotten, the mode is {0} again."},
    [WORD_TEMPLATES_HEAD] = {"### 模板\n\n", "### Templates\n\n"},
    [WORD_TEMPLATES_TAIL] =
        {"\n用法：`#模板名 内容`；只发送 `#模板名` 可以看到模板的全文。",
         "\nUse: `#template your text`; a bare `#template` shows its full text."},
    [WORD_TEMPLATE_SHOW] = {"### {0}\n\n{1}\n\n用法：`{0} 内容`",
                            "### {0}\n\n{1}\n\nUse: `{0} your text`"},
    [WORD_IMAGE_HELP] =
        {"### 画图\n\n发送 `#图片 描述`，我会按描述画一张图。描述越具体越好，例如：\n\n`#图片 "
         "雪后的故宫，清晨，水彩画`",
         "### Images\n\nSend `#图片 description` and I will draw it. The more precise the better, "
         "for example:\n\n"
         "`#图片 a red panda in a library, watercolour`"},
    [WORD_IMAGE_ANSWER] = {"![图片]({0})\n\n{1}", "![image]({0})\n\n{1}"},
    [WORD_IMAGE_NO_URL] =
        {"图片已画好，但还不能显示：请管理员在配置里填写 service_url（钉钉能访问到的本服务地址）。",
         "The image is ready but cannot be shown: the administrator has to set service_url, this "
         "service's "
         "address as DingTalk reaches it."},
    [WORD_IMAGE_NOT_SAVED] =
        {"图片已画好，但没能保存。请把编号 {0} 告诉管理员。",
         "The image was drawn but could not be saved. Please give the reference {0} to the "
         "administrator."},
    [WORD_NOT_TEXT] =
        {"我现在只能读文字消息，还看不了图片、语音、文件和富文本。请把问题打成文字再发给我。",
         "I can only read text messages so far: no pictures, voice, files or rich text. Please "
         "type "
         "your question."},
    [WORD_GROUP_ID] = {"本群的 ID：`{0}`", "This group's id: `{0}`"},
    [WORD_NO_GROUP_ID] = {"这里是私聊，没有群 ID；请在群里 @我 发送“群ID”。这个会话的 ID：`{0}`",
                          "This is a private chat and no group; send 群ID in a group. This "
                          "conversation's id: `{0}`"},
    [WORD_MY_ID] = {"您的 ID：`{0}`", "Your id: `{0}`"},
    [WORD_NO_MY_ID] =
        {"我看不到您的企业 userid（外部群成员没有），名单上写不了您。您在这里的编号：`{0}`",
         "I cannot see a userid of yours in this company (guests have none), so no list can hold "
         "you. Your number here: `{0}`"},
    [WORD_NOT_ADMIN] =
        {"这个指令只有管理员能用。如果您应该是管理员，请让部署的人把您的 ID `{0}` 写进 "
         "admin_users。",
         "This command is for administrators. If you should be one, ask the operator to add your "
         "id `{0}` to admin_users."},
    [WORD_NOT_ADMIN_UNKNOWN] =
        {"这个指令只有管理员能用，而这里无法确认您（`{0}`）的身份：需要部署的人配置 app_secrets "
         "或 credentials。",
         "This command is for administrators, and nobody vouches here that you are `{0}`: the "
         "operator has to set app_secrets or credentials."},
    [WORD_LIST_GROUPS] = {"允许的群", "groups that may ask"},
    [WORD_LIST_OUTGOING_GROUPS] = {"允许的普通群（自定义机器人）",
                                   "groups of custom robots that may ask"},
    [WORD_LIST_ALLOWED_USERS] = {"允许名单", "people who may ask"},
    [WORD_LIST_DENIED_USERS] = {"禁止名单", "people who may not ask"},
    [WORD_LIST_VIP_USERS] = {"VIP 名单", "VIPs without a daily limit"},
    [WORD_LIST_QUOTAS] = {"个人额度", "own daily limits"},
    [WORD_LIST_WORDS] = {"敏感词", "words that are not said"},
    [WORD_LIST_ADDED] = {"已生效。{0}：新加入 {1} 个，现有 {2} 个。",
                         "Done. {0}: {1} added, {2} in all."},
    [WORD_LIST_TAKEN] = {"已生效。{0}：移出 {1} 个，现有 {2} 个。",
                         "Done. {0}: {1} taken out, {2} left."},
    [WORD_LIST_SAME] = {"本来就是这样，没有变化。{0}：现有 {2} 个。",
                        "Nothing to change. {0}: {2} in all."},
    [WORD_QUOTA_SET] = {"已生效。{0}：改了 {1} 个，现有 {2} 个。",
                        "Done. {0}: {1} set, {2} in all."},
    [WORD_LIST_OPEN] = {"\n\n名单是空的，不作限制。\n\n",
                        "\n\nThe list is empty: it keeps nobody out.\n\n"},
    [WORD_LIST_CLOSED] = {"\n\n只有名单上的可以提问。\n\n",
                          "\n\nOnly what is on the list may ask.\n\n"},
    [WORD_LIST_FROM_FILE] = {"（配置文件）", " (configuration)"},
    [WORD_LIST_MORE] = {"- ……（没有全部列出）\n", "- … (not all are listed)\n"},
    [WORD_ASK_PRIVATELY] = {"\n群里不公开大家的 ID，请私聊我发送同样的指令查看。\n",
                            "\nIds are not shown in a group: send me the same in a private "
                            "chat.\n"},
    [WORD_USAGE] = {"\n\n用法：`{0}`", "\n\nUse: `{0}`"},
    [WORD_NOT_IDS] =
        {"没有改动：里面有不是 ID 的内容。请写 userid 而不是昵称，对方给我发送“我的ID”即可得到；"
         "一次最多 100 个。",
         "Nothing was changed: not all of that are ids. Use userids, not nicknames (people get "
         "theirs by 我的ID), at most 100 at once."},
    [WORD_NOT_WORDS] =
        {"没有改动：词之间用空格或逗号隔开，每个不超过 128 字节，一次最多 100 个。",
         "Nothing was changed: words are separated by blanks or commas, each has at most 128 "
         "bytes, at most 100 at once."},
    [WORD_NOT_A_QUOTA] = {"没有改动：要写 ID 和每天的次数，0 为不限。",
                          "Nothing was changed: name an id and a number a day, 0 for no limit."},
    [WORD_LISTS_FULL] = {"没有改动：名单太长了，请改用配置文件。",
                         "Nothing was changed: the lists are full; use the configuration file."},
    [WORD_CHANGE_FAILED] = {"没能保存，没有改动（编号 {0}）。",
                            "It could not be stored, nothing was changed (reference {0})."},
    [WORD_RIGHTS_HEAD] = {"### 权限\n\n对话类型：{0}\n\n",
                          "### Who may ask\n\nKind of chats: {0}\n\n"},
    [WORD_RIGHTS_CHANGES] = {"\n**最近的变更**\n\n", "\n**Newest changes**\n\n"},
    [WORD_RIGHTS_COMMANDS] = {"\n**指令**\n\n", "\n**Commands**\n\n"},
    [WORD_CHATS_ALL] = {"私聊和群聊", "private chats and groups"},
    [WORD_CHATS_PRIVATE] = {"只能私聊", "private chats only"},
    [WORD_CHATS_GROUPS] = {"只能群聊", "groups only"},
    [WORD_ONLY_PRIVATE] =
        {"管理员设置了只能私聊：请点我的头像，再点“发消息”。确需在本群使用，请把群 ID `{0}` "
         "告诉管理员。",
         "The administrator allows private chats only: write to me directly. If this group needs "
         "me, please give its id `{0}` to the administrator."},
    [WORD_ONLY_GROUPS] =
        {"管理员设置了只能在群里提问：请在群里 @我。确需私聊，请把您的 ID `{0}` 告诉管理员。",
         "The administrator allows groups only: mention me in a group. If you need a private "
         "chat, please give your id `{0}` to the administrator."},
    [WORD_GROUP_NOT_LISTED] =
        {"本群还没有开通机器人。需要开通，请把群 ID `{0}` 告诉管理员。",
         "This group may not ask yet. To change that, please give its id `{0}` to the "
         "administrator."},
    [WORD_USER_DENIED] = {"您不能使用这个机器人。如有疑问，请把您的 ID `{0}` 告诉管理员。",
                          "You may not use this robot. If that is a mistake, please give your id "
                          "`{0}` to the administrator."},
    [WORD_USER_NOT_LISTED] =
        {"您还没有使用权限。需要开通，请把您的 ID `{0}` 告诉管理员。",
         "You may not ask yet. To change that, please give your id `{0}` to the administrator."},
    [WORD_USER_UNKNOWN] =
        {"这里只对名单上的同事开放，而我看不到您的企业 userid，无法确认您的身份。"
         "如有疑问，请把这个 ID `{0}` 告诉管理员。",
         "Only listed colleagues may ask here, and I cannot see a userid of yours in this "
         "company. If that is a mistake, please give the id `{0}` to the administrator."},
    [WORD_USER_UNKNOWN_IN_GROUP] =
        {"这里只对名单上的同事开放，而我看不到您的企业 userid，无法确认您的身份。"
         "需要对本群开放，请把群 ID `{0}` 告诉管理员。",
         "Only listed colleagues may ask here, and I cannot see a userid of yours in this "
         "company. To open this group, please give its id `{0}` to the administrator."},
    [WORD_QUESTION_TOO_LONG] =
        {"这个问题太长了：约 {0} token，上限是 {1}。请缩短或分几次发送。这次不计入次数。",
         "This question is too long: about {0} tokens, and the limit is {1}. Please shorten it or "
         "send it in pieces. It was not counted."},
    [WORD_SENSITIVE] = {"问题里有不允许的词，没有提问。请换个说法再问。这次不计入次数。",
                        "Your question has a word that is not allowed here, so it was not asked. "
                        "Please rephrase it. It was not counted."},
    [WORD_SENSITIVE_LAST] =
        {"上一个问题里有现在不允许的词，没有再问。请换个说法。",
         "Your last question has a word that is not allowed any more, so it was not asked again. "
         "Please rephrase it."},
    [WORD_LIMIT] =
        {"今天的提问次数已达上限（每人每天 {0} 次），{1} 后可以继续提问。命令（如 "
         "帮助、重置）不受影响。",
         "You have reached today's 上限 (limit: {0} questions a person and day). You can ask again "
         "after {1}. Commands such as 帮助 still work."},
    [WORD_BALANCE_HEAD] = {"### 余额（{0}）\n\n", "### Balance ({0})\n\n"},
    [WORD_BALANCE_TOTAL] = {"- 总额：{0}\n", "- Total: {0}\n"},
    [WORD_BALANCE_USED] = {"- 已用：{0}\n", "- Used: {0}\n"},
    [WORD_BALANCE_LEFT] = {"- 剩余：{0}\n", "- Left: {0}\n"},
    [WORD_BALANCE_UNLIMITED] = {"- 剩余：不限额\n", "- Left: unlimited\n"},
    [WORD_BALANCE_EXPIRES] = {"- 有效期至：{0}\n", "- Expires: {0}\n"},
    [WORD_BALANCE_NEVER] = {"- 有效期：长期\n", "- Expires: never\n"},
    [WORD_BALANCE_NONE] =
        {"这个服务商（{0}）没有提供余额查询接口，请到它的控制台查看。",
         "This provider ({0}) has no way to ask for a balance. Please look at its console."},
    [WORD_TOOLS_OFF] = {"管理员关闭了查询工具。", "The administrator has switched this off."},
    [WORD_TOOL_NO_HOST] = {"请写一个域名，例如 example.com。",
                           "Please name a host, such as example.com."},
    [WORD_TOOL_PRIVATE] = {"`{0}` 是内网或保留地址，不能查询。",
                           "`{0}` is not a public address, and is not called."},
    [WORD_TOOL_TIMEOUT] = {"`{0}` 太久没有回应，请稍后再试。",
                           "`{0}` took too long; please try later."},
    [WORD_TOOL_BUSY] = {"同时查询的人太多，请稍后再试。",
                        "Too many lookups at once; please try later."},
    [WORD_TOOL_NO_TLS] = {"`{0}` 没有完成 TLS 握手：这个端口可能不是 HTTPS。",
                          "`{0}` made no TLS handshake: the port may not speak TLS."},
    [WORD_TOOL_UNREACHABLE] = {"连接不上 `{0}`：请检查域名和端口。",
                               "`{0}` could not be reached: please check name and port."},
    [WORD_TOOL_DAYS_LEFT] = {"- 还有 {0} 天\n", "- {0} days left\n"},
    [WORD_TOOL_DAYS_AGO] = {"- **已过期 {0} 天**\n", "- **expired {0} days ago**\n"},
    [WORD_WHOIS_NO_SERVER] = {"没有找到这个后缀的 whois 服务器：后缀可能不存在，或者不提供 whois。",
                              "No whois server is known for this ending: it may not exist, or "
                              "offer no whois."},
    [WORD_WHOIS_FREE] = {"`{0}` 没有注册（{1}）。", "`{0}` is not registered ({1})."},
    [WORD_WHOIS_HEAD] = {"### 域名 {0}\n\n", "### Domain {0}\n\n"},
    [WORD_WHOIS_REGISTRAR] = {"- 注册商：`{0}`\n", "- Registrar: `{0}`\n"},
    [WORD_WHOIS_CREATED] = {"- 注册时间：`{0}`\n", "- Registered: `{0}`\n"},
    [WORD_WHOIS_EXPIRES] = {"- 到期时间：`{0}`\n", "- Expires: `{0}`\n"},
    [WORD_WHOIS_STATUS] = {"- 状态：{1}（`{0}`）\n", "- Status: {1} (`{0}`)\n"},
    [WORD_WHOIS_OTHER_STATUS] = {"- 状态：`{0}`\n", "- Status: `{0}`\n"},
    [WORD_WHOIS_RAW] = {"服务器的回答：\n\n```\n{0}\n```\n\n",
                        "The server's answer:\n\n```\n{0}\n```\n\n"},
    [WORD_WHOIS_SERVER] = {"- 来源：`{0}`\n", "- Source: `{0}`\n"},
    [WORD_TLS_HEAD] = {"### 证书 {0}\n\n", "### Certificate of {0}\n\n"},
    [WORD_TLS_GOOD] = {"- ✅ 可信\n", "- ✅ trusted\n"},
    [WORD_TLS_EXPIRED] = {"- ⚠️ 证书已过期\n", "- ⚠️ it has expired\n"},
    [WORD_TLS_NOT_YET_VALID] = {"- ⚠️ 证书还没有生效\n",
                                "- ⚠️ it is not valid yet\n"},
    [WORD_TLS_SELF_SIGNED] = {"- ⚠️ 自签名证书，浏览器不信任\n",
                              "- ⚠️ it is self-signed: browsers do not trust it\n"},
    [WORD_TLS_UNTRUSTED] =
        {"- ⚠️ "
         "证书链不可信：缺少中间证书，或者颁发者不在信任列表里\n",
         "- ⚠️ it is not trusted: a certificate in between is missing, or its "
         "issuer is unknown\n"},
    [WORD_TLS_CHAIN_EXPIRED] = {"- ⚠️ 证书链上的上级证书不在有效期内\n",
                                "- ⚠️ a certificate above it is not valid now\n"},
    [WORD_TLS_NAME_MISMATCH] = {"- ⚠️ 证书不是给 `{0}` 的，域名不匹配\n",
                                "- ⚠️ it is not for `{0}`: the names do not match\n"},
    [WORD_TLS_OTHER] = {"- ⚠️ 其他问题：`{0}`\n", "- ⚠️ another problem: `{0}`\n"},
    [WORD_TLS_SUBJECT] = {"- 颁发给：", "- Issued to: "},
    [WORD_TLS_ISSUER] = {"- 颁发者：", "- Issued by: "},
    [WORD_TLS_NAMES] = {"- 域名：", "- Names: "},
    [WORD_TLS_MORE_NAMES] = {" 等 {0} 个", " and more, {0} in all"},
    [WORD_TLS_VALID] = {"- 有效期：{0} 至 {1}\n", "- Valid: {0} to {1}\n"},
    [WORD_TLS_PROTOCOL] = {"- 协议：", "- Protocol: "},
    [WORD_TLS_ADDRESS] = {"- 地址：", "- Address: "},
    [WORD_CUT_NOTE] = {"\n\n> ⚠️ 回答没有说完：{0}（编号 {1}）",
                       "\n\n> ⚠️ The answer is not complete: {0} (reference {1})"},
    [WORD_STOPPED_NOTE] = {"\n\n> ⏹ 已停止", "\n\n> ⏹ Stopped"},
    [WORD_STOPPED] = {"已停止。", "Stopped."},
    [WORD_NOTHING_TO_STOP] = {"现在没有正在进行的回答。", "No answer is running."},
    [WORD_NOTHING_TO_REPEAT] = {"还没有可以重新回答的问题，请先提问。",
                                "There is no question to ask again yet."},
    [WORD_MODELS_HEAD] = {"### 模型\n\n", "### Models\n\n"},
    [WORD_MODELS_TAIL] =
        {"\n发送 `模型 名字` 为自己在这里选一个，`模型 默认` 恢复默认。",
         "\nSend `模型 NAME` to choose one for yourself here, `模型 默认` to return "
         "to the default."},
    [WORD_MODEL_IS_DEFAULT] = {"，默认", ", default"},
    [WORD_MODEL_IS_CHOSEN] = {"，正在用", ", in use"},
    [WORD_MODEL_RESTS] = {"，暂时不可用，{0}后再试", ", out of order, tried again in {0}"},
    [WORD_MODEL_CHOSEN] = {"好的，在这里为您改用模型 **{0}**。它不可用时会自动换别的。发送“模型 "
                           "默认”恢复。",
                           "Model **{0}** answers you here from now on, and another one where it "
                           "fails. Send 模型 默认 to return to the default."},
    [WORD_MODEL_DEFAULT] = {"好的，恢复使用默认的模型 **{0}**。",
                            "The default model **{0}** answers you here again."},
    [WORD_MODEL_UNKNOWN] = {"没有这个名字的模型。\n\n", "There is no model of that name.\n\n"},
    [WORD_MODEL_FOR_ADMINS] = {"只有管理员可以选模型。发送“模型”看有哪些。",
                               "Only administrators may choose a model. Send 模型 to see which "
                               "there are."},
    [WORD_MODEL_FOR_NOBODY] =
        {"这里没有开放选模型（配置键 model_choice）。发送“模型”看有哪些。",
         "Choosing a model is not open here (the key model_choice). Send 模型 "
         "to see which there are."},
    [WORD_BUDGET] = {"### 钉钉接口用量提醒\n\n{2} 已调用钉钉开放接口 {0} 次，达到预算 {1} "
                     "次的八成：卡片更新会放慢；用完后改用普通消息回复。",
                     "### DingTalk API usage\n\n{0} of {1} budgeted calls were made in {2}: cards "
                     "update more rarely now; when the budget is used up, answers go as ordinary "
                     "messages."},
    [WORD_LENGTH_NOTE] =
        {"\n\n> 回答到达了长度上限，可以发送“继续”（串聊模式）。",
         "\n\n> The answer reached its length limit; in 串聊 mode you can ask to go on."},
    [WORD_FAILED] = {"抱歉，这次没能回答：{0}（编号 {1}）",
                     "Sorry, no answer this time: {0} (reference {1})"},
    [WORD_FAIL_AUTH] =
        {"模型服务拒绝了密钥，请联系管理员检查 api_key。",
         "the model service refused the key; the administrator should check api_key."},
    [WORD_FAIL_QUOTA] = {"模型服务的额度已用完，请联系管理员充值。",
                         "the model service's quota is used up; please tell the administrator."},
    [WORD_FAIL_RATE] = {"模型服务请求太频繁，请稍后再试。",
                        "too many requests at the model service; please try later."},
    [WORD_FAIL_MODEL] =
        {"找不到配置的模型，请联系管理员检查 model 和 base_url。",
         "the configured model was not found; the administrator should check model and base_url."},
    [WORD_FAIL_TOO_LONG] = {"内容太长，超过了模型的上限，请缩短问题。",
                            "the text is too long for the model; please shorten it."},
    [WORD_FAIL_REFUSED] = {"内容没有通过模型服务的安全检查，请换个说法。",
                           "the model service's content check refused it; please rephrase."},
    [WORD_FAIL_REQUEST] = {"模型服务不接受这个请求。",
                           "the model service did not accept the request."},
    [WORD_FAIL_BUSY] = {"模型服务暂时不可用，请稍后再试。",
                        "the model service is not available; please try later."},
    [WORD_FAIL_CONNECT] = {"连接不上模型服务。", "the model service could not be reached."},
    [WORD_FAIL_TIMEOUT] = {"模型服务太久没有回应，超时了。", "the model service took too long."},
    [WORD_FAIL_CUT] = {"模型服务的回答中途断开了。", "the model service's answer was cut off."},
    [WORD_FAIL_GARBLED] =
        {"模型服务返回了看不懂的内容（可能是网关或网页）。",
         "the model service returned something that is no answer (a gateway or a web page?)."},
    [WORD_FAIL_EMPTY] = {"模型服务返回了空的回答。", "the model service returned an empty answer."},
    [WORD_FAIL_THOUGHT_OUT] =
        {"回答的长度额度都用在思考上了，请管理员调大 max_answer_len。",
         "the answer's budget was used up by thinking; the administrator should raise "
         "max_answer_len."},
    [WORD_FAIL_TOO_LARGE] = {"回答太大了。", "the answer is too large."},
    [WORD_FAIL_UNSUPPORTED] = {"模型服务不支持这个功能。",
                               "the model service does not support this."},
    [WORD_FAIL_CANCELLED] = {"已停止。", "stopped."},
    [WORD_FAIL_INTERNAL] = {"程序内部出错。", "an internal error."},
    [WORD_HISTORY_HELP] =
        {"### 查对话\n\n发送 `#查对话` 和条件，得到一个 24 小时内有效的链接：\n\n"
         "- `#查对话 username:张三`：按昵称\n- `#查对话 userid:123`：按 userid\n"
         "- `#查对话 群:产品组`：按群名或群 ID\n- `#查对话 日期:2026-11-01..2026-11-20`：按日期\n\n"
         "条件可以一起用，中间空一格。查询和打开链接都会记入审计。",
         "### Reading what was said\n\nSend `#查对话` with conditions to get a link for 24 "
         "hours:\n\n"
         "- `#查对话 username:Zhang`: by nick\n- `#查对话 userid:123`: by userid\n"
         "- `#查对话 群:Product`: by a group's title or id\n"
         "- `#查对话 日期:2026-11-01..2026-11-20`: by days\n\nConditions can be combined, with a "
         "blank between them. Asking and opening are both in the audit log."},
    [WORD_HISTORY_BAD] = {"看不懂“{0}”。\n\n", "“{0}” was not understood.\n\n"},
    [WORD_HISTORY_LINK] =
        {"### 查对话\n\n条件：`{2}`\n\n[打开对话记录]({0})\n\n有效至 {1}。打开时会记入审计。",
         "### What was said\n\nConditions: `{2}`\n\n[Open it]({0})\n\nThe link ends at {1}. "
         "Opening it is in the audit log."},
    [WORD_HISTORY_CARE] = {"\n\n**群里的人都能打开这个链接**，下次请私聊我查询。",
                           "\n\n**Everybody in this group can open the link**; next time ask me in "
                           "a private chat."},
    [WORD_HISTORY_SENT] = {"链接已私聊发给您。", "The link was sent to you in a private chat."},
    [WORD_HISTORY_NONE] = {"没有找到对话：`{0}`", "Nothing was said: `{0}`"},
    [WORD_HISTORY_NO_URL] =
        {"不能给出链接：请先在配置里填写 service_url（浏览器能访问到的本服务地址）。",
         "There can be no link: the configuration needs service_url, this service's address as "
         "browsers reach it."},
    [WORD_HISTORY_FAILED] = {"暂时查不了（编号 {0}）。",
                             "It cannot be looked up now (reference {0})."},
    [WORD_FORGET_ASK] =
        {"将删除您和我的全部对话记录（问题和回答），不能恢复；用量的数字会保留。\n\n"
         "确定的话请发送 `#遗忘我 确认`。",
         "This deletes everything you asked me and my answers, for good; the counts of your usage "
         "stay.\n\nIf you mean it, send `#遗忘我 确认`."},
    [WORD_FORGET_UNKNOWN] =
        {"不能确认您的身份，所以没有删除：请管理员配置签名校验（app_secrets）或 stream 模式。",
         "Nothing was deleted, because nobody vouches for who you are: the administrator has to "
         "set app_secrets or use stream mode."},
    [WORD_FORGET_FAILED] = {"没能全部删除，请再试一次（编号 {0}）。",
                            "Not everything could be deleted; please try again (reference {0})."},
    [WORD_FORGOTTEN] = {"已删除您的 {0} 条对话记录，上文也已忘记。",
                        "{0} exchanges of yours are deleted, and I have forgotten them."},
    [WORD_USAGE_OWN] = {"### 我的用量\n\n", "### Your usage\n\n"},
    [WORD_USAGE_ALL] = {"### 用量\n\n本月有 {0} 人使用。\n\n",
                        "### Usage\n\nPeople this month: {0}.\n\n"},
    [WORD_USAGE_COLUMNS] = {"| {0} | 次数 | 输入 token | 输出 token |\n|---|---|---|---|\n",
                            "| {0} | requests | tokens in | tokens out |\n|---|---|---|---|\n"},
    [WORD_USAGE_WHEN] = {"时间", "when"},
    [WORD_USAGE_TODAY] = {"今天", "today"},
    [WORD_USAGE_MONTH] = {"本月", "this month"},
    [WORD_USAGE_LEFT] = {"\n今天还可以提问 {0} 次（每天 {1} 次）。", "\nLeft today: {0} of {1}."},
    [WORD_USAGE_NO_LIMIT] = {"\n次数不限。", "\nThere is no daily limit."},
    [WORD_USAGE_USERS] = {"\n**本月使用最多的人**\n\n",
                          "\n**People with the most requests this month**\n\n"},
    [WORD_USAGE_GROUPS] = {"\n**本月使用最多的群**\n\n", "\n**Groups**\n\n"},
    [WORD_USAGE_MODELS] = {"\n**本月的模型**\n\n", "\n**Models**\n\n"},
    [WORD_USAGE_USER] = {"人", "person"},
    [WORD_USAGE_GROUP] = {"群", "group"},
    [WORD_USAGE_MODEL] = {"模型", "model"},
    [WORD_USAGE_NAMELESS] = {"（未记名）", "(no name)"},
    [WORD_USAGE_METER] = {"\n**本月调用钉钉接口：{0} 次**\n\n",
                          "\n**DingTalk API calls this month: {0}**\n\n"},
    [WORD_USAGE_METER_OF] = {"\n**本月调用钉钉接口：{0} 次，预算 {1} 次**\n\n",
                             "\n**DingTalk API calls this month: {0} of a budget of {1}**\n\n"},
    [WORD_USAGE_METER_COLUMNS] = {"| 应用 | 接口 | 次数 |\n|---|---|---|\n",
                                  "| application | call | times |\n|---|---|---|\n"},
    [WORD_USAGE_FAILED] = {"用量暂时查不了（编号 {0}）。",
                           "The usage cannot be read now (reference {0})."},
    [WORD_DURATION_SECONDS] = {"{0} 秒", "{0} seconds"},
    [WORD_DURATION_MINUTES] = {"{0} 分钟", "{0} minutes"},
};

const char *words_get(enum language language, enum word word)
{
    assert(word < WORD_COUNT);
    return language == LANGUAGE_EN ? sentences[word].en : sentences[word].zh;
}

void words_put(struct buf *out, enum language language, enum word word, const char *const *args)
{
    size_t n_args = 0;
    while (args && args[n_args])
        n_args++;
    for (const char *p = words_get(language, word); *p;) {
        size_t index = (size_t)(p[0] == '{' && p[1] ? p[1] - '0' : 9);
        if (args && index < n_args && p[2] == '}') {
            buf_puts(out, args[index]);
            p += 3;
        } else {
            buf_putc(out, *p++);
        }
    }
}
