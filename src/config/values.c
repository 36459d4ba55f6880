#include "config/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/mem.h"

static void *field_of(const void *object, const struct config_key *key)
{
    return (char *)(uintptr_t)object + key->offset;
}

const struct config_key *values_find_key(const struct config_key *keys, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(name, str_of(keys[i].name)))
            return &keys[i];
    }
    return NULL;
}

const char *values_nearest_key(const struct config_key *keys, size_t n, struct str name)
{
    const char *nearest = NULL;
    /* Two letters changed places, or one in four is wrong: further away is another word. */
    size_t best = name.n < 8 ? 2 : name.n / 4;
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(name, str_of(keys[i].name));
        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = keys[i].name;
        }
    }
    return nearest;
}

static enum status set_choice(const struct config_key *key, struct str text, int *ret_value)
{
    for (int i = 0; key->choices[i]; i++) {
        struct str rest = str_of(key->choices[i]);
        while (rest.n > 0) {
            if (str_eq_nocase(str_cut(&rest, '|'), text)) {
                *ret_value = i;
                return ST_OK;
            }
        }
    }
    return ST_INVAL;
}

void values_clear_list(struct config_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

void values_add_to_list(struct config_list *list, struct str item)
{
    list->items = xreallocarray(list->items, list->n + 1, sizeof(*list->items));
    list->items[list->n++] = xstrndup(item.p, item.n);
}

void values_clear_credentials(struct config *config)
{
    for (size_t i = 0; i < config->n_credentials; i++) {
        free(config->credentials[i].client_id);
        free(config->credentials[i].client_secret);
    }
    free(config->credentials);
    config->credentials = NULL;
    config->n_credentials = 0;
}

void values_add_credential(struct config *config, struct str client_id, struct str client_secret)
{
    size_t n = config->n_credentials;
    config->credentials = xreallocarray(config->credentials, n + 1, sizeof(*config->credentials));
    config->credentials[n].client_id = xstrndup(client_id.p, client_id.n);
    config->credentials[n].client_secret = xstrndup(client_secret.p, client_secret.n);
    config->n_credentials++;
}

static void set_list(struct config_list *list, struct str text)
{
    values_clear_list(list);
    while (text.n > 0) {
        struct str item = str_trim(str_cut(&text, ','));
        if (item.n > 0)
            values_add_to_list(list, item);
    }
}

static bool next_credential(struct str *rest, struct str *ret_id, struct str *ret_secret)
{
    struct str pair = str_trim(str_cut(rest, ','));
    *ret_id = str_trim(str_cut(&pair, ':'));
    *ret_secret = str_trim(pair);
    return ret_id->n > 0 && ret_secret->n > 0;
}

static enum status set_credentials(struct config *config, struct str text)
{
    struct str id;
    struct str secret;
    for (struct str rest = text; rest.n > 0;) {
        if (!next_credential(&rest, &id, &secret))
            return ST_INVAL;
    }
    values_clear_credentials(config);
    while (text.n > 0) {
        if (next_credential(&text, &id, &secret))
            values_add_credential(config, id, secret);
    }
    return ST_OK;
}

static bool is_timezone(struct str text)
{
    DB_CLEANUP(free_charp) char *name = xstrndup(text.p, text.n);
    return clock_knows_timezone(name);
}

static enum status set_string(char **field, struct str text)
{
    free(*field);
    *field = xstrndup(text.p, text.n);
    return ST_OK;
}

enum status values_set(void *object, const struct config_key *key, struct str text)
{
    void *field = field_of(object, key);
    switch (key->type) {
    case CONFIG_TIMEZONE:
        if (!is_timezone(text))
            return ST_INVAL;
        return set_string(field, text);
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_URL:
        return set_string(field, text);
    case CONFIG_INT:
        return parse_i64(text, (int64_t)key->min, (int64_t)key->max, field);
    case CONFIG_DURATION:
        return parse_duration_s(text, (int64_t)key->min, (int64_t)key->max, field);
    case CONFIG_DOUBLE:
        return parse_double(text, key->min, key->max, field);
    case CONFIG_ENUM:
        return set_choice(key, text, field);
    case CONFIG_LIST:
        set_list(field, text);
        return ST_OK;
    case CONFIG_CREDENTIALS:
        return set_credentials(object, text);
    case CONFIG_MODELS: /* config.c reads them */
        return ST_INVAL;
    }
    return ST_INVAL;
}

void values_clear_models(struct config *config)
{
    size_t n;
    const struct config_key *keys = config_model_keys(&n);
    for (size_t i = 0; i < config->n_models; i++) {
        for (size_t k = 0; k < n; k++) {
            if (keys[k].type == CONFIG_STRING || keys[k].type == CONFIG_URL)
                free(*(char **)field_of(&config->models[i], &keys[k]));
        }
    }
    free(config->models);
    config->models = NULL;
    config->n_models = 0;
}

struct config_model *values_add_model(struct config *config)
{
    size_t n;
    const struct config_key *keys = config_model_keys(&n);
    config->models = xreallocarray(config->models, config->n_models + 1, sizeof(*config->models));
    struct config_model *model = &config->models[config->n_models++];
    *model =
        (struct config_model){.provider = -1, .temperature = (double)NAN, .max_answer_len = -1};
    for (size_t k = 0; k < n; k++) {
        if (keys[k].type == CONFIG_STRING || keys[k].type == CONFIG_URL)
            *(char **)field_of(model, &keys[k]) = xstrdup("");
    }
    return model;
}

void values_clear(struct config *config)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        void *field = field_of(config, &keys[i]);
        switch (keys[i].type) {
        case CONFIG_STRING:
        case CONFIG_TEXT:
        case CONFIG_URL:
        case CONFIG_TIMEZONE:
            free(*(char **)field);
            break;
        case CONFIG_LIST:
            values_clear_list(field);
            break;
        case CONFIG_CREDENTIALS:
            values_clear_credentials(config);
            break;
        case CONFIG_MODELS:
            values_clear_models(config);
            break;
        case CONFIG_INT:
        case CONFIG_DOUBLE:
        case CONFIG_DURATION:
        case CONFIG_ENUM:
            break;
        }
    }
}

char *const *values_texts(const void *object, const struct config_key *key, size_t *ret_n)
{
    const void *field = field_of(object, key);
    if (key->type == CONFIG_LIST) {
        const struct config_list *list = field;
        *ret_n = list->n;
        return list->items;
    }
    *ret_n = key->type == CONFIG_STRING || key->type == CONFIG_TEXT || key->type == CONFIG_URL;
    return field;
}

static void put_choices(const struct config_key *key, struct buf *out)
{
    for (int i = 0; key->choices[i]; i++) {
        for (struct str rest = str_of(key->choices[i]); rest.n > 0;) {
            if (out->len > 0)
                buf_putc(out, ' ');
            buf_add_str(out, str_cut(&rest, '|'));
        }
    }
}

void values_put_allowed(const struct config_key *key, struct buf *out)
{
    switch (key->type) {
    case CONFIG_INT:
        buf_printf(out, "%lld…%lld", (long long)key->min, (long long)key->max);
        break;
    case CONFIG_DOUBLE:
        buf_printf(out, "%g…%g", key->min, key->max);
        break;
    case CONFIG_DURATION:
        buf_printf(out, "600, 600s, 10m, 2h (%lld…%lld s)", (long long)key->min,
                   (long long)key->max);
        break;
    case CONFIG_ENUM:
        put_choices(key, out);
        break;
    case CONFIG_TIMEZONE:
        buf_puts(out, "UTC, Asia/Shanghai, … (/usr/share/zoneinfo)");
        break;
    case CONFIG_LIST:
        buf_puts(out, "一个列表 a list: [a, b]");
        break;
    case CONFIG_CREDENTIALS:
        buf_puts(out, "一个列表 a list of {client_id, client_secret}; id:secret,id:secret");
        break;
    case CONFIG_MODELS:
        buf_puts(out, "一个列表 a list of {name, provider, base_url, api_key, model, …}");
        break;
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_URL:
        buf_puts(out, "一段文字 a text");
        break;
    }
}

/* A URL may carry a password, a text several lines. */
static void put_string(const struct config_key *key, const char *value, struct buf *out)
{
    DB_CLEANUP(free_charp)
    char *shown = key->type == CONFIG_URL ? log_masked(str_of(value)) : xstrdup(value);
    for (const char *p = shown; *p; p++) {
        if (*p == '\n')
            buf_puts(out, "\\n");
        else
            buf_putc(out, *p);
    }
}

static void put_list(const struct config_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->n; i++) {
        buf_puts(out, i ? ", " : "");
        buf_puts(out, list->items[i]);
    }
}

/* What each is called, and whom it asks for what. */
static void put_models(const struct config *config, struct buf *out)
{
    size_t n;
    const struct config_key *keys = config_model_keys(&n);
    const struct config_key *provider = values_find_key(keys, n, STR_LIT("provider"));
    for (size_t i = 0; i < config->n_models; i++) {
        const struct config_model *model = &config->models[i];
        buf_printf(out, "%s%s (%s %s)", i ? ", " : "", model->name,
                   model->provider < 0 ? "?" : provider->choices[model->provider], model->model);
    }
}

static bool is_set(const struct config *config, const struct config_key *key)
{
    const void *field = field_of(config, key);
    if (key->type == CONFIG_LIST)
        return ((const struct config_list *)field)->n > 0;
    if (key->type == CONFIG_CREDENTIALS)
        return config->n_credentials > 0;
    return key->type != CONFIG_STRING || **(char *const *)field;
}

void values_put(const struct config *config, const struct config_key *key, struct buf *out)
{
    const void *field = field_of(config, key);
    if (key->flags & CONFIG_SECRET) {
        buf_puts(out, is_set(config, key) ? "***" : "");
        return;
    }
    switch (key->type) {
    case CONFIG_INT:
    case CONFIG_DURATION:
        buf_printf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case CONFIG_DOUBLE:
        if (!isnan(*(const double *)field))
            buf_printf(out, "%g", *(const double *)field);
        break;
    case CONFIG_ENUM: {
        struct str spellings = str_of(key->choices[*(const int *)field]);
        buf_add_str(out, str_cut(&spellings, '|'));
        break;
    }
    case CONFIG_LIST:
        put_list(field, out);
        break;
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_URL:
    case CONFIG_TIMEZONE:
        put_string(key, *(char *const *)field, out);
        break;
    case CONFIG_MODELS:
        put_models(config, out);
        break;
    case CONFIG_CREDENTIALS:
        break;
    }
}
