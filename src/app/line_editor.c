#include "app/line_editor.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <histedit.h>

#include "util/buf.h"
#include "util/mem.h"

#define HISTORY_LINES 500
#define LINE_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define CONTROL_D 4

struct line_editor {
    EditLine *edit;
    HistoryW *history;
    wchar_t wide_prompt[32];
    struct buf line;
    bool is_started;
};

/* Line editing takes characters by the locale's encoding; ours is always UTF-8. */
static void set_utf8_locale(void)
{
    const char *name = setlocale(LC_CTYPE, "");
    if (!name || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
}

static wchar_t *give_prompt(EditLine *edit)
{
    struct line_editor *editor = NULL;
    el_wget(edit, EL_CLIENTDATA, &editor);
    return editor->wide_prompt;
}

struct line_editor *line_editor_new(const char *prompt)
{
    set_utf8_locale();
    EditLine *edit = el_init("dingbridge", stdin, stdout, stderr);
    HistoryW *history = history_winit();
    if (!edit || !history)
        return NULL; /* no memory: the program is about to end */
    struct line_editor *editor = xcalloc(1, sizeof(*editor));
    *editor =
        (struct line_editor){.edit = edit, .history = history, .line = BUF_INIT(LINE_BYTES_MAX)};
    for (size_t i = 0; prompt[i] && i + 1 < sizeof(editor->wide_prompt) / sizeof(wchar_t); i++)
        editor->wide_prompt[i] = (unsigned char)prompt[i];
    HistEventW event;
    (void)history_w(history, &event, H_SETSIZE, HISTORY_LINES);
    (void)history_w(history, &event, H_SETUNIQUE, 1);
    (void)el_wset(edit, EL_CLIENTDATA, editor);
    (void)el_wset(edit, EL_PROMPT, give_prompt);
    (void)el_wset(edit, EL_EDITOR, L"emacs");
    (void)el_wset(edit, EL_HIST, history_w, history);
    (void)el_source(edit, NULL); /* the person's own ~/.editrc */
    return editor;
}

void line_editor_start(struct line_editor *editor)
{
    if (!editor->is_started)
        (void)el_wset(editor->edit, EL_UNBUFFERED, 1);
    editor->is_started = true;
}

void line_editor_stop(struct line_editor *editor)
{
    if (editor->is_started)
        (void)el_wset(editor->edit, EL_UNBUFFERED, 0);
    editor->is_started = false;
}

static void take_line(struct line_editor *editor, const wchar_t *wide, size_t n)
{
    mbstate_t state = {0};
    char bytes[MB_LEN_MAX];
    buf_clear(&editor->line);
    for (size_t i = 0; i < n; i++) {
        size_t len = wcrtomb(bytes, wide[i], &state);
        if (len != (size_t)-1)
            (void)buf_add(&editor->line, bytes, len);
    }
    if (n == 0)
        return;
    wchar_t *copy = xcalloc(n + 1, sizeof(*copy)); /* with an end of its own */
    memcpy(copy, wide, n * sizeof(*copy));
    HistEventW event;
    (void)history_w(editor->history, &event, H_ENTER, copy);
    free(copy);
}

enum line_editor_event line_editor_read(struct line_editor *editor, struct str *ret_line)
{
    int n = 0;
    const wchar_t *wide = el_wgets(editor->edit, &n);
    if (!wide || n <= 0)
        return n < 0 ? LINE_EDITOR_END : LINE_EDITOR_MORE;
    if (n == 1 && wide[0] == CONTROL_D)
        return LINE_EDITOR_END;
    if (wide[n - 1] != L'\n' && wide[n - 1] != L'\r')
        return LINE_EDITOR_MORE;
    take_line(editor, wide, (size_t)n - 1);
    *ret_line = buf_str(&editor->line);
    return LINE_EDITOR_LINE;
}

void line_editor_resize(struct line_editor *editor)
{
    el_resize(editor->edit);
}

void line_editor_free(struct line_editor *editor)
{
    if (!editor)
        return;
    line_editor_stop(editor);
    el_end(editor->edit);
    history_wend(editor->history);
    buf_done(&editor->line);
    free(editor);
}
