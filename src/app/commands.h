/* The program's subcommands. Each returns a sysexits code. */
#ifndef DB_APP_COMMANDS_H
#define DB_APP_COMMANDS_H

#include <stdbool.h>

struct options {
    const char *config; /* NULL: the default places */
    bool is_online;     /* check: ask the endpoint as well */
    const char *user;   /* export, forget: whose; NULL where an option was not given */
    const char *format; /* export: "jsonl", "csv", "md" */
    const char *from;   /* export: first and last day */
    const char *to;
};

int serve_main(const struct options *options);
int check_main(const struct options *options);
int terminal_main(const struct options *options);
int export_main(const struct options *options);
int forget_main(const struct options *options);

#endif
