#include "config/config.h"

#define DAY_S (24.0 * 3600)
#define MIB (1024.0 * 1024)

static const char *const providers[] = {"openai", "demo", "azure", "anthropic", NULL};
static const char *const modes[] = {"单聊|single", "串聊|chain", NULL};
static const char *const chat_types[] = {"0|all|不限", "1|private|只能单聊", "2|group|只能群聊",
                                         NULL};
static const char *const run_modes[] = {"http", "stream", NULL};
static const char *const answers[] = {"false|no|off|0", "true|yes|on|1", NULL};
static const char *const model_choices[] = {"nobody|没有人", "admins|管理员", "users|所有人", NULL};
static const char *const tools_users[] = {"all|所有人", "admins|管理员", "nobody|关闭", NULL};
static const char *const languages[] = {"zh|中文", "en|english", NULL};
static const char *const levels[] = {"error", "warn|warning", "info", "debug", NULL};

#define FIELD(field) .name = #field, .offset = offsetof(struct config, field)
#define SECONDS(key) .name = #key, .offset = offsetof(struct config, key##_s)
#define RANGE(low, high) .min = (low), .max = (high)

static const struct config_key table[] = {
    {FIELD(provider), .env = "PROVIDER", .type = CONFIG_ENUM, .fallback = "openai",
     .choices = providers, .section_zh = "大模型", .section_en = "The large language model",
     .help_zh =
         "openai：任何 OpenAI 兼容接口；anthropic：Claude 的原生接口；azure：同 azure_on: true；"
         "demo：内置的示例回答，不需要密钥",
     .help_en = "openai: any OpenAI-compatible endpoint; anthropic: Claude's native one; azure: as "
                "azure_on: true; demo: built-in example answers, no key"},
    {FIELD(api_key), .env = "APIKEY", .type = CONFIG_STRING, .fallback = "", .flags = CONFIG_SECRET,
     .help_zh = "接口密钥，可用逗号写多个，轮流使用；写了 base_url 的本地服务可以留空",
     .help_en = "the endpoint's key, or several by comma that take turns; may be empty for a local "
                "endpoint named by base_url"},
    {FIELD(base_url), .env = "BASE_URL", .type = CONFIG_URL, .fallback = "",
     .help_zh =
         "接口地址，如 https://api.deepseek.com；可带路径（/v1、/api/v3）；空为 api.openai.com，"
         "provider 为 anthropic 时为 api.anthropic.com",
     .help_en =
         "the endpoint, e.g. https://api.deepseek.com, with or without a path (/v1, /api/v3); "
         "empty: api.openai.com, with provider: anthropic api.anthropic.com"},
    {FIELD(api_root), .env = "API_ROOT", .type = CONFIG_URL, .fallback = "",
     .help_zh = "原样使用的接口根（后面直接接 /chat/completions），替代 base_url",
     .help_en = "used as it is (followed by /chat/completions) instead of base_url"},
    {FIELD(model), .env = "MODEL", .type = CONFIG_STRING, .fallback = "gpt-5.4-mini",
     .help_zh = "对话模型", .help_en = "the model for conversations"},
    {FIELD(image_model), .env = "IMAGE_MODEL", .type = CONFIG_STRING,
     .fallback = "gpt-image-2.6-flare", .help_zh = "画图模型", .help_en = "the model for images"},
    {FIELD(models), .env = "MODELS", .type = CONFIG_MODELS, .fallback = "",
     .help_zh = "几个模型，代替上面的一个：先问第一个，它在说出第一个字之前失败了就问下一个",
     .help_en = "several models instead of the one above: the first is asked, and the next ones "
                "where it fails before its first word"},
    {FIELD(model_choice), .env = "MODEL_CHOICE", .type = CONFIG_ENUM, .fallback = "nobody",
     .choices = model_choices, .flags = CONFIG_LIVE,
     .help_zh = "谁可以用“模型 名字”为自己的会话选模型：users、admins 或 nobody",
     .help_en = "who may choose a model for their session with 模型 NAME: users, admins or nobody"},
    {SECONDS(model_rest), .env = "MODEL_REST", .type = CONFIG_DURATION, .fallback = "30",
     RANGE(1, 600),
     .help_zh = "models 里连续失败三次的模型先歇多久（秒），再失败就加倍，最多 10 分钟",
     .help_en = "how long one of several models is left alone after three failures in a row "
                "(seconds); doubled with each further one, 10 minutes at most"},
    {FIELD(azure_on), .env = "AZURE_ON", .type = CONFIG_ENUM, .fallback = "false",
     .choices = answers,
     .help_zh = "true：使用 Azure OpenAI；此时 base_url 是代替 资源名.openai.azure.com 的地址"
                "（专用终结点、网关）",
     .help_en = "true: Azure OpenAI; base_url is then the address instead of "
                "RESOURCE.openai.azure.com (private endpoints, gateways)"},
    {FIELD(azure_openai_token), .env = "AZURE_OPENAI_TOKEN", .type = CONFIG_STRING, .fallback = "",
     .flags = CONFIG_SECRET, .help_zh = "Azure 的密钥；空则用 api_key",
     .help_en = "Azure's key; empty: api_key"},
    {FIELD(azure_resource_name), .env = "AZURE_RESOURCE_NAME", .type = CONFIG_STRING,
     .fallback = "", .help_zh = "Azure 的资源名", .help_en = "Azure's resource"},
    {FIELD(azure_deployment_name), .env = "AZURE_DEPLOYMENT_NAME", .type = CONFIG_STRING,
     .fallback = "", .help_zh = "对话模型的部署名；画图的部署名写在 image_model",
     .help_en = "the deployment for conversations; image_model names the one for images"},
    {FIELD(azure_api_version), .env = "AZURE_API_VERSION", .type = CONFIG_STRING, .fallback = "",
     .help_zh = "如 2024-10-21；空、v1 或 preview 为新的 /openai/v1 形式",
     .help_en = "e.g. 2024-10-21; empty, v1 or preview: the newer form, /openai/v1"},
    {FIELD(system_prompt), .env = "SYSTEM_PROMPT", .type = CONFIG_TEXT, .fallback = "",
     .help_zh = "每次提问前的系统提示；空为不发送",
     .help_en = "the system prompt before every question; empty: none is sent"},
    {FIELD(temperature), .env = "TEMPERATURE", .type = CONFIG_DOUBLE, .fallback = "", RANGE(0, 2),
     .help_zh = "采样温度；不写则不发送", .help_en = "sampling temperature; not sent when absent"},
    {FIELD(max_question_len), .env = "MAX_QUESTION_LEN", .type = CONFIG_INT, .fallback = "0",
     RANGE(0, 10e6), .flags = CONFIG_LIVE,
     .help_zh = "一个问题的上限（token），超过的不提问；0 为不限",
     .help_en = "limit of one question in tokens, a longer one is refused; 0: none"},
    {FIELD(max_answer_len), .env = "MAX_ANSWER_LEN", .type = CONFIG_INT, .fallback = "0",
     RANGE(0, 10e6), .help_zh = "一次回答的上限（token）；0 为不发送",
     .help_en = "limit of one answer in tokens; 0: not sent"},
    {FIELD(max_text), .env = "MAX_TEXT", .type = CONFIG_INT, .fallback = "16000", RANGE(256, 10e6),
     .flags = CONFIG_LIVE,
     .help_zh = "系统提示、上下文、问题与回答合计的窗口（token），放不下时最早的对话先离开",
     .help_en = "window of system prompt, context, question and answer in tokens; the oldest "
                "exchanges leave it first"},
    {SECONDS(llm_timeout), .env = "LLM_TIMEOUT", .type = CONFIG_DURATION, .fallback = "120",
     RANGE(1, 3600), .help_zh = "等待模型第一个字节、以及两次输出之间的最长时间（秒）",
     .help_en = "longest wait for the model's first byte and between its outputs (seconds)"},
    {SECONDS(image_timeout), .env = "IMAGE_TIMEOUT", .type = CONFIG_DURATION, .fallback = "300",
     RANGE(1, 3600), .help_zh = "一次画图的最长时间（秒）",
     .help_en = "longest time for one image (seconds)"},
    {FIELD(llm_parallel), .env = "LLM_PARALLEL", .type = CONFIG_INT, .fallback = "64",
     RANGE(1, 4096), .help_zh = "同时进行的模型请求数，其余的排队",
     .help_en = "requests to the model at once; further ones wait"},
    {FIELD(http_proxy), .env = "HTTP_PROXY", .type = CONFIG_URL, .fallback = "",
     .help_zh = "访问模型用的代理：http、https、socks5、socks5h，可带用户名密码；不用于钉钉",
     .help_en = "proxy for the model: http, https, socks5, socks5h, with user and password if "
                "needed; never used for DingTalk"},

    {FIELD(default_mode), .env = "DEFAULT_MODE", .type = CONFIG_ENUM, .fallback = "单聊",
     .choices = modes, .section_zh = "对话", .section_en = "Conversations", .flags = CONFIG_LIVE,
     .help_zh = "默认模式：单聊（每问独立）或 串聊（带上下文）",
     .help_en = "default mode: 单聊 or single (each question alone), 串聊 or chain (with context)"},
    {SECONDS(session_timeout), .env = "SESSION_TIMEOUT", .type = CONFIG_DURATION, .fallback = "600",
     RANGE(1, 7 * DAY_S), .flags = CONFIG_LIVE,
     .help_zh = "最后一次对话后上下文与模式保留多久：600、600s 或 10m",
     .help_en = "how long context and mode last after the last exchange: 600, 600s or 10m"},
    {FIELD(max_request), .env = "MAX_REQUEST", .type = CONFIG_INT, .fallback = "0", RANGE(0, 1e9),
     .flags = CONFIG_LIVE, .help_zh = "每人每天的提问和画图次数，0 为不限",
     .help_en = "questions and images per person and day; 0: no limit"},
    {FIELD(help), .env = "HELP", .type = CONFIG_TEXT, .fallback = "", .flags = CONFIG_LIVE,
     .help_zh = "替换“帮助”的内容（markdown）", .help_en = "replaces the help text (markdown)"},
    {FIELD(prompt_file), .env = "PROMPT_FILE", .type = CONFIG_STRING, .fallback = "prompt.yml",
     .flags = CONFIG_LIVE, .help_zh = "自己的提示词模板；文件不存在则用内置模板",
     .help_en = "your own prompt templates; the built-in ones where there is no such file"},
    {FIELD(language), .env = "LANGUAGE", .type = CONFIG_ENUM, .fallback = "zh",
     .choices = languages, .flags = CONFIG_LIVE | CONFIG_SHARED_ENV,
     .help_zh = "机器人说的话：zh 或 en",
     .help_en = "the language of the bridge's own words: zh or en"},
    {FIELD(timezone), .env = "TIMEZONE", .type = CONFIG_TIMEZONE, .fallback = "Asia/Shanghai",
     .help_zh = "时区：每天的次数在当地零点清零",
     .help_en = "time zone: daily counts begin at local midnight"},

    {FIELD(app_secrets), .env = "APP_SECRETS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_SECRET, .section_zh = "钉钉", .section_en = "DingTalk",
     .help_zh = "机器人的 AppSecret，可多个；写了就校验签名",
     .help_en = "the robots' AppSecrets; signatures are checked as soon as there is one"},
    {FIELD(credentials), .env = "DINGTALK_CREDENTIALS", .type = CONFIG_CREDENTIALS, .fallback = "",
     .flags = CONFIG_SECRET,
     .help_zh = "应用凭证 client_id 与 client_secret，可多个；密钥同样用于校验签名",
     .help_en = "applications' client_id and client_secret; the secrets check signatures as well"},
    {FIELD(run_mode), .env = "RUN_MODE", .type = CONFIG_ENUM, .fallback = "http",
     .choices = run_modes,
     .help_zh =
         "收消息的方式：http（钉钉回调本服务）或 stream（本服务主动连接钉钉，不需要公网地址）",
     .help_en = "how messages come in: http (DingTalk calls this service) or stream (this service "
                "connects to DingTalk; no public address needed)"},
    {SECONDS(stream_ping_interval), .env = "STREAM_PING_INTERVAL", .type = CONFIG_DURATION,
     .fallback = "20", RANGE(1, 600),
     .help_zh = "stream 连接的心跳间隔（秒），两个间隔内没有任何数据即重连",
     .help_en = "heartbeat of stream connections (seconds); after two of them without a byte the "
                "connection is made anew"},
    {FIELD(stream_mode), .env = "STREAM_MODE", .type = CONFIG_ENUM, .fallback = "false",
     .choices = answers,
     .help_zh = "true：用互动卡片边生成边显示回答（需要 credentials 和 card_template_id）",
     .help_en =
         "true: answers grow in interactive cards as they are written (needs credentials and "
         "card_template_id)"},
    {FIELD(card_template_id), .env = "CARD_TEMPLATE_ID", .type = CONFIG_STRING, .fallback = "",
     .help_zh = "卡片模板 ID；auto 为公共 AI 卡片；空为不用卡片，整段回复",
     .help_en = "the card's template; auto: the public AI card; empty: no cards, whole messages"},
    {FIELD(card_content_key), .env = "CARD_CONTENT_KEY", .type = CONFIG_STRING, .fallback = "",
     .help_zh = "模板里流式变量的名字；空为 content（auto 时为 msgContent）",
     .help_en = "the template's streaming variable; empty: content (with auto: msgContent)"},
    {FIELD(card_update_interval), .env = "CARD_UPDATE_INTERVAL", .type = CONFIG_INT,
     .fallback = "500", RANGE(100, 60000), .help_zh = "一张卡片两次更新之间至少多久（毫秒）",
     .help_en = "at least so long between two updates of a card (milliseconds)"},
    {FIELD(openapi_monthly_budget), .env = "OPENAPI_MONTHLY_BUDGET", .type = CONFIG_INT,
     .fallback = "0", RANGE(0, 1e9),
     .help_zh =
         "每月调用钉钉开放接口的预算（次），0 为不限；到八成通知管理员并放慢卡片，用完后用普通消息",
     .help_en =
         "budget of DingTalk API calls a month, 0: none; at 80 % the administrators are told "
         "and cards slow down, beyond it answers go as ordinary messages"},
    {FIELD(dingtalk_api_url), .env = "DINGTALK_API_URL", .type = CONFIG_URL,
     .fallback = "https://api.dingtalk.com", .help_zh = "钉钉新版接口的地址（专有云、测试时改）",
     .help_en = "DingTalk's newer API (change it for private clouds and tests)"},
    {FIELD(dingtalk_oapi_url), .env = "DINGTALK_OAPI_URL", .type = CONFIG_URL,
     .fallback = "https://oapi.dingtalk.com", .help_zh = "钉钉旧版接口的地址",
     .help_en = "DingTalk's older API"},
    {FIELD(webhook_hosts), .env = "WEBHOOK_HOSTS", .type = CONFIG_LIST, .fallback = "",
     .help_zh = "回复只发往这些主机；空为 oapi.dingtalk.com 与 api.dingtalk.com（https）",
     .help_en = "replies go to these hosts only; empty: oapi.dingtalk.com and api.dingtalk.com "
                "(https)"},
    {FIELD(dingtalk_proxy), .env = "DINGTALK_PROXY", .type = CONFIG_URL, .fallback = "",
     .help_zh = "访问钉钉用的代理，形式同 http_proxy",
     .help_en = "proxy for DingTalk, in the forms of http_proxy"},

    {FIELD(chat_type), .env = "CHAT_TYPE", .type = CONFIG_ENUM, .fallback = "0",
     .choices = chat_types, .flags = CONFIG_LIVE, .section_zh = "谁可以提问",
     .section_en = "Who may ask", .help_zh = "0：不限；1：只能私聊；2：只能群聊",
     .help_en = "0: everywhere; 1: private chats only; 2: groups only"},
    {FIELD(allow_groups), .env = "ALLOW_GROUPS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_LIVE, .help_zh = "可以提问的群（群 ID，在群里发送“群ID”可得）；空为所有群",
     .help_en = "groups that may ask, by the id that 群ID answers in the group; empty: all"},
    {FIELD(allow_outgoing_groups), .env = "ALLOW_OUTGOING_GROUPS", .type = CONFIG_LIST,
     .fallback = "", .flags = CONFIG_LIVE,
     .help_zh = "自定义（outgoing）机器人可以回答的群；空为所有群，写 disabled 为都不回答；"
                "列出的群里没有 userid 的人也能提问",
     .help_en = "groups where custom (outgoing) robots answer; empty: all, disabled: none; people "
                "without a userid may ask in the groups that are listed"},
    {FIELD(allow_users), .env = "ALLOW_USERS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_LIVE, .help_zh = "可以提问的人（userid，发送“我的ID”可得）；空为所有人",
     .help_en = "people who may ask, by the userid that 我的ID answers; empty: everybody"},
    {FIELD(deny_users), .env = "DENY_USERS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_LIVE, .help_zh = "不能提问的人（userid），优先于 allow_users",
     .help_en = "people who may not ask (userids); beats allow_users"},
    {FIELD(vip_users), .env = "VIP_USERS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_LIVE, .help_zh = "不受 max_request 限制的人（userid）",
     .help_en = "people without a daily limit (userids)"},
    {FIELD(admin_users), .env = "ADMIN_USERS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_LIVE,
     .help_zh = "管理员（userid）：不受任何名单和次数限制，可以在聊天里管理名单；"
                "只在签名校验过或 stream 模式下算数",
     .help_en = "administrators (userids): no list and no limit holds for them, and they change "
                "the lists in chat; only where signatures are checked or in stream mode"},

    {FIELD(sensitive_words), .env = "SENSITIVE_WORDS", .type = CONFIG_LIST, .fallback = "",
     .flags = CONFIG_LIVE, .section_zh = "敏感词", .section_en = "Words that are not said",
     .help_zh = "含有这些词的问题不提问，回答里的每个字换成 🚫；不分大小写和全角半角",
     .help_en = "questions with one of these words are refused, in answers each character of one "
                "becomes 🚫; case and full or half width make no difference"},
    {FIELD(sensitive_words_file), .env = "SENSITIVE_WORDS_FILE", .type = CONFIG_STRING,
     .fallback = "", .flags = CONFIG_LIVE,
     .help_zh = "更多的敏感词：UTF-8 文件，一行一个，# 开头的行是注释",
     .help_en = "more of them: a file in UTF-8, one word a line, lines that begin with # are "
                "comments"},

    {FIELD(tools_for), .env = "TOOLS_FOR", .type = CONFIG_ENUM, .fallback = "all",
     .choices = tools_users, .flags = CONFIG_LIVE, .section_zh = "查询工具", .section_en = "Tools",
     .help_zh = "谁可以用 #域名 和 #证书：all、admins（管理员）或 nobody",
     .help_en = "who may use #域名 (whois) and #证书 (certificates): all, admins or nobody"},
    {FIELD(tools_allow_private), .env = "TOOLS_ALLOW_PRIVATE", .type = CONFIG_ENUM,
     .fallback = "false", .choices = answers,
     .help_zh = "true：也可以查询内网地址；否则只连接公网地址",
     .help_en = "true: addresses of private networks may be called too, else public ones only"},
    {FIELD(whois_server), .env = "WHOIS_SERVER", .type = CONFIG_STRING,
     .fallback = "whois.iana.org",
     .help_zh = "先问哪个 whois 服务器：主机 或 主机:端口，可以在内网",
     .help_en =
         "the whois server that is asked first: HOST or HOST:PORT, also in a private network"},

    {FIELD(listen), .env = "LISTEN", .type = CONFIG_STRING, .fallback = "0.0.0.0",
     .section_zh = "服务", .section_en = "The service", .help_zh = "监听地址",
     .help_en = "address to listen on"},
    {FIELD(port), .env = "PORT", .type = CONFIG_INT, .fallback = "8090", RANGE(0, 65535),
     .help_zh = "监听端口；0 为任意空闲端口", .help_en = "port to listen on; 0: any free one"},
    {FIELD(service_url), .env = "SERVICE_URL", .type = CONFIG_URL, .fallback = "",
     .flags = CONFIG_LIVE,
     .help_zh = "别人访问本服务的地址，如 https://bot.example.com；显示图片需要它",
     .help_en = "where people reach this service, e.g. https://bot.example.com; images need it"},
    {FIELD(data_dir), .env = "DATA_DIR", .type = CONFIG_STRING, .fallback = "data",
     .help_zh = "数据目录：数据库与图片", .help_en = "data directory: database and images"},
    {FIELD(retention_days), .env = "RETENTION_DAYS", .type = CONFIG_INT, .fallback = "0",
     RANGE(0, 36500), .flags = CONFIG_LIVE,
     .help_zh = "对话记录保留多少天，更早的自动删除；0 为一直保留",
     .help_en = "days that what was said is kept; older exchanges are deleted; 0: kept for good"},
    {FIELD(log_level), .env = "LOG_LEVEL", .type = CONFIG_ENUM, .fallback = "info",
     .choices = levels, .flags = CONFIG_LIVE, .help_zh = "日志级别：error、warn、info、debug",
     .help_en = "log level: error, warn, info, debug"},
    {SECONDS(drain_timeout), .env = "DRAIN_TIMEOUT", .type = CONFIG_DURATION, .fallback = "10",
     RANGE(0, 3600), .help_zh = "停止时等待进行中的回答多久（秒），其余的下次启动后继续",
     .help_en = "how long stopping waits for running answers (seconds); the rest goes on at the "
                "next start"},

    {FIELD(max_connections), .env = "MAX_CONNECTIONS", .type = CONFIG_INT, .fallback = "512",
     RANGE(1, 60000), .section_zh = "上限", .section_en = "Limits",
     .help_zh = "同时的 HTTP 连接数，超过的在系统队列里等",
     .help_en = "HTTP connections at once; further ones wait in the system's queue"},
    {FIELD(max_body_bytes), .env = "MAX_BODY_BYTES", .type = CONFIG_INT, .fallback = "1048576",
     RANGE(4096, 8 * MIB), .help_zh = "一个请求体的上限（字节）",
     .help_en = "limit of a request's body (bytes)"},
    {FIELD(max_pending), .env = "MAX_PENDING", .type = CONFIG_INT, .fallback = "2000",
     RANGE(1, 1e6), .help_zh = "内存里未完成的消息数，超过时不再应答，由钉钉重发",
     .help_en = "unfinished messages in memory; further ones are not acknowledged and come again"},
    {FIELD(max_answer_bytes), .env = "MAX_ANSWER_BYTES", .type = CONFIG_INT, .fallback = "1048576",
     RANGE(4096, 16 * MIB), .help_zh = "一次回答的上限（字节）",
     .help_en = "limit of one answer (bytes)"},
    {FIELD(max_image_bytes), .env = "MAX_IMAGE_BYTES", .type = CONFIG_INT, .fallback = "20971520",
     RANGE(65536, 256 * MIB), .help_zh = "一张图片的上限（字节）",
     .help_en = "limit of one image (bytes)"},
};

#define PART(field) .name = #field, .env = "", .offset = offsetof(struct config_model, field)

static const struct config_key model_table[] = {
    {PART(name), .type = CONFIG_STRING, .fallback = ""},
    {PART(provider), .type = CONFIG_ENUM, .fallback = "", .choices = providers},
    {PART(api_key), .type = CONFIG_STRING, .fallback = "", .flags = CONFIG_SECRET},
    {PART(base_url), .type = CONFIG_URL, .fallback = ""},
    {PART(api_root), .type = CONFIG_URL, .fallback = ""},
    {PART(model), .type = CONFIG_STRING, .fallback = ""},
    {PART(image_model), .type = CONFIG_STRING, .fallback = ""},
    {PART(temperature), .type = CONFIG_DOUBLE, .fallback = "", RANGE(0, 2)},
    {PART(max_answer_len), .type = CONFIG_INT, .fallback = "", RANGE(0, 10e6)},
    {PART(http_proxy), .type = CONFIG_URL, .fallback = ""},
    {PART(azure_resource_name), .type = CONFIG_STRING, .fallback = ""},
    {PART(azure_deployment_name), .type = CONFIG_STRING, .fallback = ""},
    {PART(azure_api_version), .type = CONFIG_STRING, .fallback = ""},
};

const struct config_key *config_model_keys(size_t *ret_n)
{
    *ret_n = sizeof(model_table) / sizeof(model_table[0]);
    return model_table;
}

const struct config_key *config_keys(size_t *ret_n)
{
    *ret_n = sizeof(table) / sizeof(table[0]);
    return table;
}
