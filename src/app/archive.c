/* `dingbridge export` and `dingbridge forget`: what one person said, past the running program. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/bridge.h"
#include "app/commands.h"
#include "chat/history_link.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"
#include "web/history_format.h"

#define READ_ITEMS 200
#define READ_BYTES (4LL * 1024 * 1024)
#define PART_BYTES_MAX (512 * 1024 * 1024)
#define WHAT_BYTES_MAX 4096
/* One answer of the store; forgetting is many transactions. */
#define WAIT_MS (3600LL * 1000)

struct archive {
    struct config *config;
    struct loop *loop;
    struct store *store;
    struct history_wish wish;
    struct store_said_query query;
    enum history_format format;
    enum language language;
    bool is_done;
    bool has_more;
    enum status status;
    int64_t n_exchanges;
    bool is_unwritten; /* standard output took no more */
};

static int complain(int exit_code, const char *what)
{
    (void)fprintf(stderr, "dingbridge: %s\n", what);
    return exit_code;
}

static int read_options(const struct options *options, struct archive *archive)
{
    const char *user = options->user;
    if (!user || !*user || strlen(user) >= sizeof(archive->wish.user))
        return complain(EX_USAGE, "需要 --user 用户ID which user? --user ID");
    memcpy(archive->wish.user, user, strlen(user) + 1);
    if (!history_format_find(str_of(options->format ? options->format : "jsonl"), &archive->format))
        return complain(EX_USAGE, "--format 只能是 must be: jsonl, csv, md");
    struct buf days = BUF_INIT(WHAT_BYTES_MAX);
    buf_printf(&days, "%s..%s", options->from ? options->from : "", options->to ? options->to : "");
    enum status status = ST_OK;
    if (days.len > 2 || buf_status(&days) != ST_OK)
        status = history_days_parse(buf_str(&days), &archive->wish);
    buf_done(&days);
    if (status != ST_OK)
        return complain(EX_USAGE, "--from、--to 写成 are written 2026-11-23");
    return 0;
}

/* After the configuration, since days are local. */
static int open_archive(const struct options *options, struct archive *archive)
{
    int exit_code = bridge_load_config(options->config, &archive->config, NULL);
    if (exit_code)
        return exit_code;
    const struct config *config = archive->config;
    archive->language = config->language == CONFIG_EN ? LANGUAGE_EN : LANGUAGE_ZH;
    if (clock_set_timezone(config->timezone) != ST_OK)
        return complain(EX_CONFIG, "timezone: 系统没有这个时区 unknown to the system");
    exit_code = read_options(options, archive);
    if (exit_code)
        return exit_code;
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/dingbridge.db", config->data_dir);
    if (access(path, F_OK) != 0) {
        (void)fprintf(stderr, "dingbridge: %s: %s\n", path, strerror(errno));
        return EX_NOINPUT;
    }
    struct error error = {0};
    if (loop_new(&archive->loop) != ST_OK)
        return complain(EX_OSERR, "libevent");
    if (store_open_sqlite(archive->loop, path, &archive->store, &error) != ST_OK) {
        (void)fprintf(stderr,
                      "dingbridge: %s\n正在运行的服务占用着数据库时，请先停止它。If the bridge is "
                      "running, stop it first.\n",
                      error.text);
        return EX_IOERR;
    }
    archive->query = history_wish_query(&archive->wish);
    return 0;
}

static void close_archive(struct archive *archive)
{
    store_close(archive->store);
    loop_free(archive->loop);
    config_free(archive->config);
}

static bool is_done(void *arg)
{
    const struct archive *archive = arg;
    return archive->is_done;
}

static bool wait_done(struct archive *archive)
{
    return loop_run_until(archive->loop, is_done, archive, WAIT_MS) && archive->status == ST_OK;
}

static void on_noted(enum status status, void *arg)
{
    struct archive *archive = arg;
    archive->status = status;
    archive->is_done = true;
}

/* Who did it is not known here: whoever may read the data directory. */
static bool note(struct archive *archive, const char *verb)
{
    struct buf what = BUF_INIT(WHAT_BYTES_MAX);
    buf_puts(&what, verb);
    history_wish_write(&archive->wish, &what);
    const struct store_audit audit = {.at_ms = clock_wall_ms(),
                                      .who = "",
                                      .nick = "",
                                      .place = "command line",
                                      .what = buf_cstr(&what)};
    const struct store_setting_change change = {.audit = &audit};
    archive->is_done = false;
    store_change_settings(archive->store, &change, on_noted, archive);
    buf_done(&what);
    return wait_done(archive);
}

/* ---- export ---- */

static void print(struct archive *archive, const struct buf *text)
{
    if (buf_status(text) != ST_OK || fwrite(buf_cstr(text), 1, text->len, stdout) != text->len)
        archive->is_unwritten = true;
}

static void on_said(const struct store_said_result *result, void *arg)
{
    struct archive *archive = arg;
    struct buf text = BUF_INIT(PART_BYTES_MAX);
    for (size_t i = 0; i < result->n_items; i++) {
        history_format_put(archive->format, archive->language, &result->items[i], &text);
        archive->query.after_ms = result->items[i].started_ms;
        archive->query.after_id = result->items[i].id;
    }
    archive->n_exchanges += (int64_t)result->n_items;
    archive->has_more = result->has_more;
    archive->status = result->status;
    archive->is_done = true;
    print(archive, &text);
    buf_done(&text);
}

static int write_all(struct archive *archive)
{
    struct buf head = BUF_INIT(WHAT_BYTES_MAX * 4);
    struct buf what = BUF_INIT(WHAT_BYTES_MAX);
    history_wish_write(&archive->wish, &what);
    history_format_begin(archive->format, archive->language, buf_cstr(&what), &head);
    print(archive, &head);
    buf_done(&head);
    buf_done(&what);
    archive->query.max_items = READ_ITEMS;
    archive->query.max_bytes = READ_BYTES;
    do {
        archive->is_done = false;
        store_read_said(archive->store, &archive->query, on_said, archive);
        if (!wait_done(archive))
            return complain(EX_IOERR, "数据库读不出来 the database cannot be read");
    } while (archive->has_more && !archive->is_unwritten);
    if (archive->is_unwritten || fflush(stdout) != 0)
        return complain(EX_IOERR, "写不出去 the output cannot be written");
    (void)fprintf(stderr, "导出 %lld 条 exchanges exported: %lld\n",
                  (long long)archive->n_exchanges, (long long)archive->n_exchanges);
    return 0;
}

int export_main(const struct options *options)
{
    struct archive archive = {0};
    log_set_level(LOG_WARN);
    int exit_code = open_archive(options, &archive);
    if (exit_code == 0)
        exit_code = note(&archive, "dingbridge export")
                        ? write_all(&archive)
                        : complain(EX_IOERR, "数据库不能用 the database cannot be used");
    close_archive(&archive);
    return exit_code;
}

/* ---- forget ---- */

static void on_forgotten(enum status status, int64_t n_exchanges, void *arg)
{
    struct archive *archive = arg;
    archive->status = status;
    archive->n_exchanges = n_exchanges;
    archive->is_done = true;
}

int forget_main(const struct options *options)
{
    struct archive archive = {0};
    log_set_level(LOG_WARN);
    int exit_code = options->format || options->from || options->to
                        ? complain(EX_USAGE, "forget 只有 has only: --user, --config")
                        : open_archive(options, &archive);
    if (exit_code == 0) {
        const struct store_forget what = {.user = archive.wish.user};
        store_forget(archive.store, &what, on_forgotten, &archive);
        bool is_good = wait_done(&archive) && note(&archive, "dingbridge forget");
        if (is_good)
            printf("已删除 %lld 条对话记录 exchanges deleted: %lld\n",
                   (long long)archive.n_exchanges, (long long)archive.n_exchanges);
        else
            exit_code = complain(EX_IOERR, "没能全部删除 not everything could be deleted");
    }
    close_archive(&archive);
    return exit_code;
}
