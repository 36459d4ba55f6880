#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/mem.h"

#define TEXT_BYTES_MAX 1024

void problems_add(struct config_problems *problems, bool is_error, const char *fmt, ...)
{
    if (!is_error && problems->n >= WARNINGS_MAX)
        return;
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    problems->items = xreallocarray(problems->items, problems->n + 1, sizeof(*problems->items));
    problems->items[problems->n++] = (struct config_problem){is_error, xstrdup(text)};
}

bool problems_have_error(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        if (problems->items[i].is_error)
            return true;
    }
    return false;
}

void config_problems_done(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        free(problems->items[i].text);
    free(problems->items);
    *problems = (struct config_problems){0};
}
