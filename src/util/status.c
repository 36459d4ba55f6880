#include "util/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"

const char *status_name(enum status status)
{
    static const char *const names[] = {
        [ST_OK] = "ok",
        [ST_INVAL] = "invalid",
        [ST_TOO_LARGE] = "too_large",
        [ST_NOT_FOUND] = "not_found",
        [ST_CONFLICT] = "conflict",
        [ST_DENIED] = "denied",
        [ST_LIMITED] = "limited",
        [ST_TIMEOUT] = "timeout",
        [ST_CANCELLED] = "cancelled",
        [ST_NET] = "net",
        [ST_TLS] = "tls",
        [ST_PROTOCOL] = "protocol",
        [ST_UPSTREAM] = "upstream",
        [ST_STORE] = "store",
        [ST_INTERNAL] = "internal",
    };
    size_t index = (size_t)status;
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "unknown";
}

enum status error_set(struct error *ret_err, enum status status, int code, const char *fmt, ...)
{
    if (!ret_err)
        return status;
    /* Formatted aside first: an argument may be the text that is being replaced. */
    char text[sizeof(ret_err->text) + 4];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t len = n > 0 ? strlen(text) : 0;
    len = utf8_cut((struct str){text, len}, sizeof(ret_err->text) - 1);
    memcpy(ret_err->text, text, len);
    ret_err->text[len] = '\0';
    ret_err->status = status;
    ret_err->code = code;
    return status;
}
