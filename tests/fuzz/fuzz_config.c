/* Any bytes as config.yml, config.json and prompt.yml. The first byte chooses. */
#include <assert.h>
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

/* Every problem is one line that can be shown; a failure has an error among them, a success none.
 */
static void check_problems(const struct config_problems *problems, bool is_ok)
{
    bool has_error = false;
    for (size_t i = 0; i < problems->n; i++) {
        struct str text = str_of(problems->items[i].text);
        assert(text.n > 0 && utf8_is_valid(text));
        for (size_t k = 0; k < text.n; k++)
            assert((unsigned char)text.p[k] >= ' ');
        has_error |= problems->items[i].is_error;
    }
    assert(has_error != is_ok);
}

static void check_prompts(const char *path)
{
    struct prompts prompts = {0};
    struct config_problems problems = {0};
    enum status status = prompts_load(path, &prompts, &problems);
    check_problems(&problems, status == ST_OK);
    for (size_t i = 0; i < prompts.n; i++)
        assert(prompts.items[i].title[0] == '#' && prompts.items[i].title[1] &&
               prompts.items[i].prefix && prompts.items[i].suffix);
    prompts_done(&prompts);
    config_problems_done(&problems);
}

static void check_config(const char *path)
{
    struct config *config = NULL;
    struct config_problems problems = {0};
    enum status status = config_load(path, NULL, NULL, &config, &problems);
    check_problems(&problems, status == ST_OK);
    assert((config != NULL) == (status == ST_OK));
    if (config) {
        struct buf report = BUF_INIT(1 << 22);
        assert(config->port >= 1 && config->port <= 65535);
        assert(config->session_timeout_s > 0 && config->max_pending > 0);
        assert(config->max_text > 0 && config->llm_parallel > 0);
        config_write_effective(config, &report);
        assert(report.len > 0 && buf_status(&report) == ST_OK);
        buf_done(&report);
    }
    config_free(config);
    config_problems_done(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    DB_CLEANUP(free_charp) char *path = file_of(data + 1, size - 1, data[0] == 'j');
    if (data[0] == 'p')
        check_prompts(path);
    else
        check_config(path);
    (void)unlink(path);
    return 0;
}
