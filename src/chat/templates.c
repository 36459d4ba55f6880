#include "chat/templates.h"

const struct template *templates_find(const struct template *items, size_t n, struct str text,
                                      struct str *ret_rest)
{
    const struct template *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < n; i++) {
        struct str title = str_of(items[i].title);
        if (title.n > best_len && str_starts_nocase(text, title)) {
            best = &items[i];
            best_len = title.n;
        }
    }
    if (best)
        *ret_rest = str_trim(str_sub(text, best_len, text.n));
    return best;
}
