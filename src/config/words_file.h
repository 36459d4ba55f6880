/*
 * The file behind sensitive_words_file: one word a line, UTF-8. Blanks around a word are not part
 * of it; empty lines are skipped, and so are lines that begin with `#`. Private to src/config.
 */
#ifndef DB_CONFIG_WORDS_FILE_H
#define DB_CONFIG_WORDS_FILE_H

#include "config/config.h"

/* Adds the file's words to the list. Problems name file and line, `where` and `key` where there is
 * no line. */
void words_file_load(const char *file, const char *where, struct config_list *list,
                     struct config_problems *problems);

#endif
