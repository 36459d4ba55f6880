/* Collecting problems. Private to src/config. */
#ifndef DB_CONFIG_PROBLEMS_H
#define DB_CONFIG_PROBLEMS_H

#include "config/config.h"

/* Further warnings are left out: a file that is wrong altogether need not be told line by line. */
#define WARNINGS_MAX 100

void problems_add(struct config_problems *problems, bool is_error, const char *fmt, ...)
    DB_PRINTF(3, 4);
bool problems_have_error(const struct config_problems *problems);

#endif
