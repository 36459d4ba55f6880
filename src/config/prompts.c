#include "config/prompts.h"

#include <stdlib.h>

#include "config/problems.h"
#include "config/yaml_file.h"
#include "util/mem.h"

#define TITLE_BYTES_MAX 128

struct reading {
    const struct yaml_file *yaml;
    const char *file;
    struct prompts *prompts;
    struct config_problems *problems;
};

static const struct prompt *find(const struct prompts *prompts, struct str title)
{
    for (size_t i = 0; i < prompts->n; i++) {
        if (str_eq_nocase(str_of(prompts->items[i].title), title))
            return &prompts->items[i];
    }
    return NULL;
}

static char *copy_of(struct str text)
{
    return xstrndup(text.p, text.n);
}

static void take_entry(struct reading *reading, int entry)
{
    const struct yaml_file *yaml = reading->yaml;
    struct str title = str_trim(yaml_file_text(yaml, yaml_file_find(yaml, entry, "title")));
    int line = yaml_file_line(yaml, entry);
    const char *why = NULL;
    bool has_hash = str_starts(title, STR_LIT("#"));
    if (title.n == has_hash || title.n > TITLE_BYTES_MAX)
        why = "没有可用的 title，已忽略 no usable title, ignored";
    DB_CLEANUP(free_charp)
    char *full = xasprintf("%s%.*s", has_hash ? "" : "#", (int)(why ? 0 : title.n), title.p);
    if (!why && find(reading->prompts, str_of(full)))
        why = "title 重复，已忽略 this title was there before, ignored";
    if (why) {
        problems_add(reading->problems, false, "%s:%d: %s", reading->file, line, why);
        return;
    }
    /* The older form has one text before the question. */
    int prefix = yaml_file_find(yaml, entry, "prefix");
    struct prompts *prompts = reading->prompts;
    prompts->items = xreallocarray(prompts->items, prompts->n + 1, sizeof(*prompts->items));
    prompts->items[prompts->n++] = (struct prompt){
        .title = xstrdup(full),
        .prefix =
            copy_of(yaml_file_text(yaml, prefix ? prefix : yaml_file_find(yaml, entry, "content"))),
        .suffix = copy_of(yaml_file_text(yaml, yaml_file_find(yaml, entry, "suffix"))),
    };
}

enum status prompts_load(const char *file, struct prompts *ret_prompts,
                         struct config_problems *problems)
{
    struct error error;
    struct yaml_file *yaml;
    *ret_prompts = (struct prompts){0};
    enum status status = *file ? yaml_file_load(file, &yaml, &error) : ST_NOT_FOUND;
    if (status == ST_NOT_FOUND)
        return status;
    if (status != ST_OK) {
        problems_add(problems, true, "%s:%d: 格式有误 malformed: %s", file, error.code, error.text);
        return ST_INVAL;
    }
    ret_prompts->is_there = true;
    int root = yaml_file_root(yaml);
    enum yaml_kind kind = yaml_file_kind_of(yaml, root);
    struct reading reading = {yaml, file, ret_prompts, problems};
    for (size_t i = 0; kind == YAML_LIST && i < yaml_file_count(yaml, root); i++)
        take_entry(&reading, yaml_file_item(yaml, root, i));
    yaml_file_free(yaml);
    if (kind != YAML_LIST && kind != YAML_NULL) {
        problems_add(problems, true,
                     "%s:1: 应该是“- title: …”的列表 expected a list of `- title: …`", file);
        return ST_INVAL;
    }
    return ST_OK;
}

void prompts_done(struct prompts *prompts)
{
    for (size_t i = 0; i < prompts->n; i++) {
        free(prompts->items[i].title);
        free(prompts->items[i].prefix);
        free(prompts->items[i].suffix);
    }
    free(prompts->items);
    *prompts = (struct prompts){0};
}
