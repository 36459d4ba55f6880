#include "config/loading.h"

#include <string.h>

#include "config/problems.h"
#include "config/values.h"
#include "util/mem.h"

#define ALLOWED_BYTES_MAX 512
#define NAME_SHOWN_BYTES_MAX 80

void loading_complain(struct loading *loading, const struct config_key *key, const char *where,
                      const char *label)
{
    struct buf allowed = BUF_INIT(ALLOWED_BYTES_MAX);
    values_put_allowed(key, &allowed);
    problems_add(loading->problems, true, "%s: %s: 这个值不行，允许 not allowed here; allowed: %s",
                 where, label, buf_cstr(&allowed));
    buf_done(&allowed);
}

static const struct config_check *find_check(const struct loading *loading,
                                             const struct config_key *key)
{
    const struct config_check *check = loading->checks;
    while (check && check->key && strcmp(check->key, key->name) != 0)
        check++;
    return check && check->key ? check : NULL;
}

void loading_check(struct loading *loading, const void *object, const struct config_key *key,
                   const char *where, const char *label)
{
    const struct config_check *check = find_check(loading, key);
    if (!check)
        return;
    size_t n;
    char *const *texts = values_texts(object, key, &n);
    for (size_t i = 0; i < n; i++) {
        struct error error = {0};
        if (*texts[i] && check->is_usable(texts[i], &error) != ST_OK)
            problems_add(loading->problems, true,
                         "%s: %s: 这个值不行，允许 not allowed here (%s); allowed: %s", where,
                         label, error.text, check->allowed);
    }
}

void loading_set(struct loading *loading, void *object, const struct config_key *key,
                 struct str text, const char *where, const char *label)
{
    if (values_set(object, key, text) == ST_OK)
        loading_check(loading, object, key, where, label);
    else
        loading_complain(loading, key, where, label);
}

void loading_warn_unknown(struct loading *loading, const struct config_key *keys, size_t n_keys,
                          const char *where, const char *prefix, struct str name)
{
    const char *nearest = values_nearest_key(keys, n_keys, name);
    struct str shown = str_sub(name, 0, utf8_cut(name, NAME_SHOWN_BYTES_MAX));
    problems_add(loading->problems, false,
                 "%s: %s%.*s: 不认识的键，已忽略 unknown key, ignored%s%s%s", where, prefix,
                 (int)shown.n, shown.p, nearest ? "；是不是 did you mean " : "",
                 nearest ? nearest : "", nearest ? "?" : "");
}
