/* A whole file of text. Private to src/config. */
#ifndef DB_CONFIG_TEXT_FILE_H
#define DB_CONFIG_TEXT_FILE_H

#include "util/buf.h"
#include "util/status.h"

/* Appends the file's content. ST_NOT_FOUND: it cannot be read; ST_TOO_LARGE: more than `out` takes;
 * ST_INVAL: no UTF-8. */
enum status text_file_read(const char *file, struct buf *out, struct error *ret_err) DB_MUST_CHECK;

#endif
