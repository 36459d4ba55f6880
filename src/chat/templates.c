#include "chat/templates.h"

size_t templates_hash_length(struct str text)
{
    if (str_starts(text, STR_LIT("#")))
        return 1;
    struct str wide = STR_LIT("＃");
    return str_starts(text, wide) ? wide.n : 0;
}

const struct template *templates_find(const struct template *items, size_t n, struct str text,
                                      struct str *ret_rest)
{
    size_t hash_len = templates_hash_length(text);
    struct str named = str_sub(text, hash_len, text.n);
    const struct template *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; hash_len > 0 && i < n; i++) {
        struct str title = str_of(items[i].title + 1);
        if (title.n > best_len && str_starts_nocase(named, title)) {
            best = &items[i];
            best_len = title.n;
        }
    }
    if (best)
        *ret_rest = str_trim(str_sub(named, best_len, named.n));
    return best;
}
