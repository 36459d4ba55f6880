/* Any bytes as config.yml, config.json and prompt.yml. The first byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "config/prompts.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reader takes a name; JSON is told by its ending, which a link gives. */
static char *file_of(const uint8_t *data, size_t size, bool is_json)
{
    char *path = xasprintf("/tmp/dingbridge-fuzz-%d%s", (int)getpid(), is_json ? ".json" : ".yml");
    FILE *file = fopen(path, "wbe");
    if (!file || fwrite(data, 1, size, file) != size)
        abort();
    (void)fclose(file);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool is_json = data[0] == 'j';
    DB_CLEANUP(free_charp) char *path = file_of(data + 1, size - 1, is_json);
    struct config_problems problems = {0};
    if (data[0] == 'p') {
        struct prompts prompts;
        (void)!prompts_load(path, &prompts, &problems);
        prompts_done(&prompts);
    } else {
        struct config *config = NULL;
        struct buf report = BUF_INIT(1 << 22);
        if (config_load(path, NULL, NULL, &config, &problems) == ST_OK)
            config_write_effective(config, &report);
        buf_done(&report);
        config_free(config);
    }
    config_problems_done(&problems);
    (void)unlink(path);
    return 0;
}
