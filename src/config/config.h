/*
 * The operator's settings: defaults, then the file (YAML or JSON, `//` comments tolerated in JSON),
 * then the environment. One table (config_keys) says what there is: it drives parsing, checking,
 * `check`, config.example.yml and the documentation.
 */
#ifndef DB_CONFIG_CONFIG_H
#define DB_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/log.h"
#include "util/status.h"

struct config_credential {
    char *client_id;
    char *client_secret;
};

/* The longest of the sensitive words. */
#define CONFIG_WORD_BYTES_MAX 256

/* One of several models. What a file leaves out is filled in when all of it has been read. */
struct config_model {
    char *name;
    int provider;  /* enum config_provider; -1: not named */
    char *api_key; /* several by comma */
    char *base_url;
    char *api_root;
    char *model;
    char *image_model;
    double temperature;     /* NAN: not sent */
    int64_t max_answer_len; /* -1: not named */
    char *http_proxy;
    char *azure_resource_name;
    char *azure_deployment_name;
    char *azure_api_version;
    int line; /* in the file; 0: it came from the environment */
};
#define CONFIG_MODELS_MAX 32
#define CONFIG_MODEL_NAME_BYTES_MAX 64

struct config_list {
    char **items;
    size_t n;
};

enum config_mode { CONFIG_MODE_SINGLE, CONFIG_MODE_CHAIN };
/* In the order of the predecessor's numbers. */
enum config_chat_type { CONFIG_CHAT_ALL, CONFIG_CHAT_PRIVATE, CONFIG_CHAT_GROUPS };
enum config_run_mode { CONFIG_RUN_HTTP, CONFIG_RUN_STREAM };
enum config_model_choice { CONFIG_CHOICE_NOBODY, CONFIG_CHOICE_ADMINS, CONFIG_CHOICE_USERS };
enum config_tools_for { CONFIG_TOOLS_ALL, CONFIG_TOOLS_ADMINS, CONFIG_TOOLS_NOBODY };
enum config_language { CONFIG_ZH, CONFIG_EN };
enum config_provider {
    CONFIG_PROVIDER_OPENAI,
    CONFIG_PROVIDER_DEMO,
    CONFIG_PROVIDER_AZURE,
    CONFIG_PROVIDER_ANTHROPIC,
};

struct config {
    int log_level; /* enum log_level */
    int provider;  /* enum config_provider */
    char *api_key; /* several by comma */
    char *base_url;
    char *api_root; /* used verbatim instead of base_url */
    char *model;
    char *image_model;
    struct config_model *models; /* instead of the one above, the first one first */
    size_t n_models;
    int model_choice; /* enum config_model_choice */
    int64_t model_rest_s;
    int azure_on;             /* yes or no: another word for provider: azure */
    char *azure_openai_token; /* "": api_key */
    char *azure_resource_name;
    char *azure_deployment_name;
    char *azure_api_version;
    char *system_prompt;
    double temperature;       /* NAN: not sent */
    int64_t max_answer_len;   /* tokens; 0: not sent */
    int64_t max_question_len; /* tokens; 0: no limit */
    int64_t max_text;         /* tokens of question, context and answer together */
    int64_t llm_timeout_s;
    int64_t image_timeout_s;
    char *http_proxy;
    char *dingtalk_proxy;
    int default_mode; /* enum config_mode */
    int64_t session_timeout_s;
    int64_t max_request;
    char *help;
    int language; /* enum config_language */
    char *timezone;
    char *listen;
    int64_t port;
    char *service_url;
    struct config_list app_secrets;
    struct config_credential *credentials;
    size_t n_credentials;
    int run_mode;    /* enum config_run_mode */
    int stream_mode; /* yes or no */
    char *card_template_id;
    char *card_content_key;
    int64_t card_update_interval; /* milliseconds */
    int64_t stream_ping_interval_s;
    int64_t openapi_monthly_budget;
    char *dingtalk_api_url;
    char *dingtalk_oapi_url;
    int chat_type; /* enum config_chat_type */
    struct config_list allow_groups;
    struct config_list allow_outgoing_groups;
    struct config_list allow_users;
    struct config_list deny_users;
    struct config_list vip_users;
    struct config_list admin_users;
    struct config_list sensitive_words;
    char *sensitive_words_file;
    struct config_list file_words; /* what that file lists */
    int tools_for;                 /* enum config_tools_for */
    int tools_allow_private;       /* yes or no */
    char *whois_server;
    struct config_list webhook_hosts; /* only what the operator listed; the built-in ones come on
                                         top while it is empty */
    char *data_dir;
    int64_t retention_days; /* 0: exchanges are kept */
    char *prompt_file;
    int64_t drain_timeout_s;
    int64_t max_connections;
    int64_t max_body_bytes;
    int64_t max_pending; /* turns in memory */
    int64_t max_answer_bytes;
    int64_t max_image_bytes;
    int64_t llm_parallel; /* LLM exchanges at once */

    char *file; /* where it was read from; "" when there was none */
};

enum config_type {
    CONFIG_STRING,
    CONFIG_TEXT, /* may have several lines */
    CONFIG_URL,  /* may hold a password: masked where shown */
    CONFIG_INT,
    CONFIG_DOUBLE,
    CONFIG_DURATION, /* seconds; 600, 600s, 10m */
    CONFIG_ENUM,
    CONFIG_LIST,        /* of strings; by comma in the environment */
    CONFIG_CREDENTIALS, /* {client_id, client_secret}; `id:secret,id:secret` in the environment */
    CONFIG_MODELS,      /* a list of struct config_model; the same in YAML in the environment */
    CONFIG_TIMEZONE,
};

enum {
    CONFIG_SECRET = 1 << 0, /* never shown */
    /* The system knows the variable too (LANGUAGE=en_US:en): what is not allowed there is not ours
     * and ignored. */
    CONFIG_SHARED_ENV = 1 << 1,
    CONFIG_LIVE = 1 << 2, /* a new value counts without a restart */
};

struct config_key {
    const char *name;
    const char *env; /* the name in capitals works as well */
    enum config_type type;
    const char *fallback;       /* the default as one would write it; "" for none */
    double min, max;            /* numbers and durations (seconds) */
    const char *const *choices; /* enums: NULL-terminated, position = value; spellings of one value
                                   are joined by '|' */
    unsigned flags;
    size_t offset;          /* into struct config, or struct config_model */
    const char *section_zh; /* heading in the example file; NULL continues the section above */
    const char *section_en;
    const char *help_zh; /* one line, with unit */
    const char *help_en;
};
const struct config_key *config_keys(size_t *ret_n);
/* What one entry of `models` may have. */
const struct config_key *config_model_keys(size_t *ret_n);

/* What was found wrong, or worth saying. */
struct config_problem {
    bool is_error; /* else a warning */
    char *text;    /* "config.yml:12: max_request: … allowed: …" */
};
struct config_problems {
    struct config_problem *items;
    size_t n;
};
void config_problems_done(struct config_problems *problems);

/*
 * Finds the file: `path` when given, else config.yml, else config.json in the working directory; ""
 * when there is none. The result is the caller's.
 */
char *config_find(const char *path) DB_MUST_CHECK;

/*
 * What a key's text has to be beyond its type, where only another room knows it (a URL, a proxy):
 * handed in by who may ask that room. For a list, each item is checked.
 */
struct config_check {
    const char *key;
    enum status (*is_usable)(const char *text, struct error *ret_err); /* "" is never asked about */
    const char *allowed; /* in a few words both languages read */
};

/*
 * Reads defaults, the file (`file` "" = none) and the environment (`environ` style array). Every
 * problem is collected; ST_INVAL when one is an error, ST_NOT_FOUND when the file cannot be read.
 * `checks` is a list that ends with a NULL key; NULL for none. `ret_config` is written in both
 * cases of success with or without warnings, and is NULL on failure.
 */
enum status config_load(const char *file, char *const *environment,
                        const struct config_check *checks, struct config **ret_config,
                        struct config_problems *ret_problems) DB_MUST_CHECK;
void config_free(struct config *config); /* NULL is fine */

/* The whole commented example file, from the table. */
void config_write_example(struct buf *out);
/* The table of keys as Markdown, Chinese or English: for the README files. */
void config_write_docs(struct buf *out, enum config_language language);
/* The names of the keys that have other values in b, joined by commas: of those that may change
 * while the program runs, or of those that need a restart. */
void config_write_changes(const struct config *a, const struct config *b, bool is_live,
                          struct buf *out);
/* One line a key, value as in force, secrets as ***. */
void config_write_effective(const struct config *config, struct buf *out);

#endif
