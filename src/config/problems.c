#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/mem.h"
#include "util/str.h"

#define TEXT_BYTES_MAX 1024

/* Keys and values of the file stand in it: whole characters, and none that would steer a terminal
 * or end the line. */
static void make_showable(char text[TEXT_BYTES_MAX])
{
    size_t len = strlen(text);
    if (len == TEXT_BYTES_MAX - 1) {
        while (len > 0 && !utf8_is_valid((struct str){text, len}))
            len--;
        text[len] = '\0';
    }
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
}

void problems_add(struct config_problems *problems, bool is_error, const char *fmt, ...)
{
    if (!is_error && problems->n >= WARNINGS_MAX)
        return;
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    make_showable(text);
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
