/*
 * A line typed at a terminal: editing keys, Chinese characters whole, history. The terminal is in
 * editing mode only between start and stop, so that what runs meanwhile prints undisturbed. Wraps
 * libedit's native interface; its imitation of readline loses long lines of wide characters.
 */
#ifndef DB_APP_LINE_EDITOR_H
#define DB_APP_LINE_EDITOR_H

#include <stddef.h>

#include "util/str.h"

struct line_editor;

enum line_editor_event {
    LINE_EDITOR_MORE, /* no whole line yet */
    LINE_EDITOR_LINE,
    LINE_EDITOR_END, /* Ctrl-D on an empty line, or the terminal is gone */
};

/* On standard input and output; sets the locale's encoding to UTF-8. `prompt` is ASCII, borrowed.
 * NULL when libedit gives none. */
struct line_editor *line_editor_new(const char *prompt);
/* Shows the prompt and begins a line. */
void line_editor_start(struct line_editor *editor);
/* Gives the terminal back; what stood on the line is forgotten. */
void line_editor_stop(struct line_editor *editor);
/* To be called when input is readable, between start and stop: takes one key. With
 * LINE_EDITOR_LINE, *ret_line is the line without its end, valid until the next call. */
enum line_editor_event line_editor_read(struct line_editor *editor, struct str *ret_line);
/* The terminal's size has changed. */
void line_editor_resize(struct line_editor *editor);
void line_editor_free(struct line_editor *editor); /* stops; NULL is fine */

#endif
