/* What people type when they mean a host: `example.com`, `例子.中国`, `https://example.com/path`,
 * `example.com:8443`, `192.0.2.1`, `[2001:db8::1]:443`. */
#ifndef DB_TOOLS_TARGET_H
#define DB_TOOLS_TARGET_H

#include <stdbool.h>

#include "util/status.h"
#include "util/str.h"

#define TARGET_HOST_SIZE 256

struct target {
    char
        host[TARGET_HOST_SIZE]; /* lower case, in ASCII (IDNA 2008); no trailing dot, no brackets */
    int port;                   /* 0: none was named */
    bool is_address;
};

/* ST_INVAL for what is no host name with at least one dot, and no address. */
enum status target_read(struct str typed, struct target *ret_target) DB_MUST_CHECK;

#endif
