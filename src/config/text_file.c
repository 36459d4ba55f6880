#include "config/text_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum status text_file_read(const char *file, struct buf *out, struct error *ret_err)
{
    FILE *stream = fopen(file, "rbe");
    if (!stream)
        return error_set(ret_err, ST_NOT_FOUND, 0, "%s", strerror(errno));
    char chunk[8192];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), stream)) > 0 && buf_add(out, chunk, n) == ST_OK)
        ;
    bool is_broken = ferror(stream);
    (void)fclose(stream);
    if (is_broken) /* a directory, for instance */
        return error_set(ret_err, ST_NOT_FOUND, 0, "it cannot be read");
    if (buf_status(out) != ST_OK)
        return error_set(ret_err, ST_TOO_LARGE, 0, "larger than %zu bytes", out->max);
    if (!utf8_is_valid(buf_str(out)))
        return error_set(ret_err, ST_INVAL, 0, "not UTF-8 (请存为 UTF-8 编码)");
    return ST_OK;
}
