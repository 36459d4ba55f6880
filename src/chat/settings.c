#include "chat/settings.h"

#include <stdlib.h>

#include "util/mem.h"

static struct chat_list copy_list(const struct chat_list *list)
{
    char **items = xcalloc(list->n + 1, sizeof(*items));
    for (size_t i = 0; i < list->n; i++)
        items[i] = xstrdup(list->items[i]);
    return (struct chat_list){(const char *const *)items, list->n};
}

static void drop(const void *mine)
{
    free((void *)(uintptr_t)mine);
}

static void drop_list(const struct chat_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        drop(list->items[i]);
    drop(list->items);
}

static struct template *copy_templates(const struct template *templates, size_t n)
{
    struct template *copies = xcalloc(n + 1, sizeof(*copies));
    for (size_t i = 0; i < n; i++)
        copies[i] = (struct template){xstrdup(templates[i].title), xstrdup(templates[i].prefix),
                                      xstrdup(templates[i].suffix)};
    return copies;
}

struct settings *settings_new(const struct chat_settings *values)
{
    struct settings *settings = xcalloc(1, sizeof(*settings));
    settings->refs = 1;
    settings->values = *values;
    settings->values.system_prompt = xstrdup(values->system_prompt);
    settings->values.help = xstrdup(values->help);
    settings->values.service_url = xstrdup(values->service_url);
    settings->values.templates = copy_templates(values->templates, values->n_templates);
    for (size_t i = 0; i < POLICY_N_LISTS; i++)
        settings->values.lists[i] = copy_list(&values->lists[i]);
    settings->values.words = copy_list(&values->words);
    return settings;
}

struct settings *settings_ref(struct settings *settings)
{
    settings->refs++;
    return settings;
}

void settings_unref(struct settings *settings)
{
    if (!settings || --settings->refs > 0)
        return;
    const struct chat_settings *values = &settings->values;
    drop(values->system_prompt);
    drop(values->help);
    drop(values->service_url);
    for (size_t i = 0; i < values->n_templates; i++) {
        drop(values->templates[i].title);
        drop(values->templates[i].prefix);
        drop(values->templates[i].suffix);
    }
    drop(values->templates);
    for (size_t i = 0; i < POLICY_N_LISTS; i++)
        drop_list(&values->lists[i]);
    drop_list(&values->words);
    free(settings);
}
