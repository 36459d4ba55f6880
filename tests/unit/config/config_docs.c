/* Prints what is written from the table of keys: `config_docs example|zh|en`. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "config/config.h"

int main(int argc, char **argv)
{
    struct buf out = BUF_INIT(1 << 20);
    if (argc == 2 && strcmp(argv[1], "example") == 0)
        config_write_example(&out);
    else if (argc == 2 && strcmp(argv[1], "zh") == 0)
        config_write_docs(&out, CONFIG_ZH);
    else if (argc == 2 && strcmp(argv[1], "en") == 0)
        config_write_docs(&out, CONFIG_EN);
    else
        return EX_USAGE;
    (void)fputs(buf_cstr(&out), stdout);
    buf_done(&out);
    return 0;
}
