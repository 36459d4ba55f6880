/* What is different in another reading of the settings. */
#include <string.h>

#include "config/config.h"
#include "config/values.h"

static bool are_lists_equal(const struct config_list *a, const struct config_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool are_credentials_equal(const struct config *a, const struct config *b)
{
    if (a->n_credentials != b->n_credentials)
        return false;
    for (size_t i = 0; i < a->n_credentials; i++) {
        if (strcmp(a->credentials[i].client_id, b->credentials[i].client_id) != 0 ||
            strcmp(a->credentials[i].client_secret, b->credentials[i].client_secret) != 0)
            return false;
    }
    return true;
}

static bool are_models_equal(const struct config *a, const struct config *b);

/* Of two struct config, or two struct config_model. */
static bool is_equal(const void *a, const void *b, const struct config_key *key)
{
    const void *left = (const char *)a + key->offset;
    const void *right = (const char *)b + key->offset;
    switch (key->type) {
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_URL:
    case CONFIG_TIMEZONE:
        return strcmp(*(char *const *)left, *(char *const *)right) == 0;
    case CONFIG_INT:
    case CONFIG_DURATION:
        return *(const int64_t *)left == *(const int64_t *)right;
    case CONFIG_DOUBLE: /* also where it is absent */
        return memcmp(left, right, sizeof(double)) == 0;
    case CONFIG_ENUM:
        return *(const int *)left == *(const int *)right;
    case CONFIG_LIST:
        return are_lists_equal(left, right);
    case CONFIG_CREDENTIALS:
        return are_credentials_equal(a, b);
    case CONFIG_MODELS:
        return are_models_equal(a, b);
    }
    return true;
}

static bool are_models_equal(const struct config *a, const struct config *b)
{
    size_t n;
    const struct config_key *keys = config_model_keys(&n);
    if (a->n_models != b->n_models)
        return false;
    for (size_t i = 0; i < a->n_models; i++) {
        for (size_t k = 0; k < n; k++) {
            if (!is_equal(&a->models[i], &b->models[i], &keys[k]))
                return false;
        }
    }
    return true;
}

void config_write_changes(const struct config *a, const struct config *b, bool is_live,
                          struct buf *out)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        if (((keys[i].flags & CONFIG_LIVE) != 0) != is_live || is_equal(a, b, &keys[i]))
            continue;
        buf_puts(out, out->len > 0 ? "," : "");
        buf_puts(out, keys[i].name);
    }
}
