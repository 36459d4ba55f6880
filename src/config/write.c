/* What is written from the table of keys: the example file, the documentation, the report of
 * `check`. */
#include "config/config.h"
#include "config/values.h"

static void put_default(const struct config_key *key, struct buf *out)
{
    if (key->type == CONFIG_LIST)
        buf_printf(out, "# %s: []\n", key->name);
    else if (key->type == CONFIG_CREDENTIALS)
        buf_printf(out,
                   "# %s:\n#   - client_id: dingxxxxxxxxxxxx\n#     client_secret: xxxxxxxxxxxx\n",
                   key->name);
    else if (key->type == CONFIG_MODELS)
        buf_puts(out, "# models:\n#   - name: 快\n#     base_url: https://api.deepseek.com\n"
                      "#     api_key: sk-xxxx,sk-yyyy\n#     model: deepseek-flash\n"
                      "#   - name: claude\n#     provider: anthropic\n#     api_key: sk-ant-xxxx\n"
                      "#     model: claude-sonnet-5-5\n");
    else
        buf_printf(out, "# %s: %s\n", key->name, *key->fallback ? key->fallback : "\"\"");
}

void config_write_example(struct buf *out)
{
    buf_puts(out,
             "## DingBridge 的配置。复制为 config.yml，去掉所需行开头的“# ”再修改；其余保持默认。\n"
             "## Settings of DingBridge. Copy to config.yml, take the \"# \" off the lines you "
             "need; the rest keeps its default.\n"
             "## 每个键也可以用环境变量给出，环境变量优先。 Each key is an environment variable "
             "as well, which wins.\n");
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        const struct config_key *key = &keys[i];
        if (key->section_zh)
            buf_printf(out, "\n\n## ==== %s  %s ====\n", key->section_zh, key->section_en);
        buf_printf(out, "\n## %s\n## %s\n", key->help_zh, key->help_en);
        if (key->type != CONFIG_STRING && key->type != CONFIG_TEXT && key->type != CONFIG_URL &&
            key->type != CONFIG_LIST && key->type != CONFIG_CREDENTIALS &&
            key->type != CONFIG_MODELS) {
            struct buf allowed = BUF_INIT(512);
            values_put_allowed(key, &allowed);
            buf_printf(out, "## 允许 allowed: %s\n", buf_cstr(&allowed));
            buf_done(&allowed);
        }
        put_default(key, out);
    }
}

static void put_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

void config_write_docs(struct buf *out, enum config_language language)
{
    bool is_zh = language == CONFIG_ZH;
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        const struct config_key *key = &keys[i];
        if (key->section_zh) {
            buf_printf(out, "%s**%s**\n\n", i ? "\n" : "",
                       is_zh ? key->section_zh : key->section_en);
            buf_puts(out, is_zh ? "| 键 | 环境变量 | 默认 | 说明 |\n|---|---|---|---|\n"
                                : "| Key | Environment | Default | Meaning |\n|---|---|---|---|\n");
        }
        buf_printf(out, "| `%s` | `%s` | %s%s%s | ", key->name, key->env, *key->fallback ? "`" : "",
                   key->fallback, *key->fallback ? "`" : "");
        put_cell(out, is_zh ? key->help_zh : key->help_en);
        buf_puts(out, key->flags & CONFIG_LIVE ? " ↻" : "");
        buf_puts(out, " |\n");
    }
}

void config_write_effective(const struct config *config, struct buf *out)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s: ", keys[i].name);
        values_put(config, &keys[i], out);
        buf_putc(out, '\n');
    }
}
