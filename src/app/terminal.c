/*
 * `dingbridge chat`: the terminal as a private chat on the same core. A line is a message; its
 * answer is printed as it comes; Ctrl-C stops a running answer, a second one (or Ctrl-D) ends the
 * program. Lines from a pipe are taken one after another.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/bridge.h"
#include "app/commands.h"
#include "app/line_editor.h"
#include "util/buf.h"
#include "util/crypto.h"
#include "util/log.h"
#include "util/mem.h"

#define LINE_BYTES_MAX ((size_t)256 * 1024)
#define CHUNK_BYTES ((size_t)16 * 1024)
#define PROMPT "> "

struct terminal {
    struct platform platform; /* first: chat knows the terminal by this face */
    struct bridge bridge;
    struct watch *watch;        /* NULL for a plain file */
    struct line_editor *editor; /* NULL where nobody types */
    bool is_answering;
    bool is_prompting; /* the line editor has the terminal */
    bool is_ended;     /* no more input */
    bool is_quitting;  /* Ctrl-C at the prompt */
    bool is_skipping;  /* what comes up to the next line's end belongs to one that is too long */
    struct buf piped;  /* what came through a pipe and is not a message yet */
};

struct terminal_sink {
    struct sink sink; /* first */
    struct terminal *terminal;
    size_t printed_bytes;
    struct sink_outcome outcome;
    bool is_freed; /* by its owner while its end is still on the way */
    bool is_ending;
};

static void next_line(struct terminal *terminal);

/* Control characters would steer the terminal, which is for nobody but its owner to do. */
static void print_text(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c >= ' ' && c != 0x7F) || c == '\n' || c == '\t')
            (void)putchar(c);
    }
    (void)fflush(stdout);
}

static void sink_begin(struct sink *sink)
{
    (void)sink;
}

static void sink_grow(struct sink *base, struct str text)
{
    struct terminal_sink *sink = (struct terminal_sink *)(void *)base;
    if (text.n < sink->printed_bytes) { /* the terminal cannot take anything back */
        print_text(STR_LIT("\n----\n"));
        sink->printed_bytes = 0;
    }
    print_text(str_sub(text, sink->printed_bytes, text.n));
    sink->printed_bytes = text.n;
}

static void sink_end(void *arg)
{
    struct terminal_sink *sink = arg;
    struct terminal *terminal = sink->terminal;
    if (sink->is_freed) {
        free(sink);
        return;
    }
    sink->is_ending = false;
    terminal->is_answering = false;
    sink->sink.handlers->on_done(&sink->sink, &sink->outcome, sink->sink.arg);
    next_line(terminal);
}

/* What has been printed while it grew is the beginning of the whole reply. */
static void sink_finish(struct sink *base, const struct reply *reply)
{
    struct terminal_sink *sink = (struct terminal_sink *)(void *)base;
    print_text(str_sub(reply->markdown, sink->printed_bytes, reply->markdown.n));
    print_text(STR_LIT("\n"));
    sink->outcome = (struct sink_outcome){.status = ST_OK, .parts_sent = 1, .parts_total = 1};
    sink->is_ending = true;
    loop_defer(sink->terminal->bridge.loop, sink_end, sink);
}

static void sink_go_on(struct sink *sink)
{
    (void)sink; /* one part: there is nothing to go on with */
}

static void sink_free(struct sink *base)
{
    struct terminal_sink *sink = (struct terminal_sink *)(void *)base;
    if (sink->is_ending)
        sink->is_freed = true;
    else
        free(sink);
}

static const struct sink_ops sink_ops = {
    .begin = sink_begin,
    .grow = sink_grow,
    .finish = sink_finish,
    .fail = sink_finish,
    .go_on = sink_go_on,
    .free = sink_free,
};

static struct sink *open_sink(struct platform *platform, const struct message *message,
                              const struct sink_handlers *handlers, void *arg)
{
    struct terminal_sink *sink = xcalloc(1, sizeof(*sink));
    sink->sink = (struct sink){&sink_ops, handlers, arg};
    sink->terminal = (struct terminal *)(void *)platform;
    return &sink->sink;
}

static void platform_free(struct platform *platform)
{
    (void)platform; /* lives on the stack of terminal_main */
}

static const struct platform_ops platform_ops = {
    .name = "terminal", .open_sink = open_sink, .free = platform_free};

static const char *sender_name(void)
{
    const char *name = getenv("USER");
    return name && *name && utf8_is_valid(str_of(name)) ? name : "user";
}

static struct store_session_key session_key(void)
{
    return (struct store_session_key){"terminal", "terminal", sender_name()};
}

static void on_receipt(enum receipt receipt, void *arg)
{
    struct terminal *terminal = arg;
    if (receipt == RECEIPT_STORED)
        return;
    (void)fputs("没能保存这条消息 the message could not be stored\n", stderr);
    terminal->is_answering = false;
    next_line(terminal);
}

static void tell_too_long(void)
{
    (void)fprintf(stderr, "这一行太长（超过 %zu 字节），没有发送 this line is too long, not sent\n",
                  LINE_BYTES_MAX);
}

static void send_line(struct terminal *terminal, const char *line)
{
    if (str_of(line).n > LINE_BYTES_MAX) {
        tell_too_long();
        return;
    }
    if (!utf8_is_valid(str_of(line))) {
        (void)fputs("不是有效的 UTF-8 文字 not valid UTF-8\n", stderr);
        return;
    }
    char msg_id[33];
    crypto_random_hex(msg_id, 16);
    struct message message = {
        .platform = "terminal",
        .robot = "terminal",
        .app = "",
        .is_vouched = true,
        .msg_id = msg_id,
        .conversation = "terminal",
        .conversation_title = "",
        .sender = sender_name(),
        .sender_staff_id = sender_name(),
        .sender_nick = sender_name(),
        .robot_nick = "",
        .kind = "text",
        .text = line,
        .reply_to = "",
    };
    terminal->is_answering = true;
    struct receiver *receiver = chat_receiver(terminal->bridge.chat);
    receiver->receive(receiver, &message, on_receipt, terminal);
}

/* What nobody reads must not wake the loop either. */
static void stop_listening(struct terminal *terminal)
{
    if (terminal->editor)
        line_editor_stop(terminal->editor);
    terminal->is_prompting = false;
    if (terminal->watch)
        watch_set(terminal->watch, false, false);
}

static void end_input(struct terminal *terminal)
{
    terminal->is_ended = true;
    stop_listening(terminal);
    next_line(terminal);
}

/* The next complete line of what came through the pipe; NULL when there is none yet. The caller
 * frees it. */
static char *take_piped_line(struct terminal *terminal)
{
    struct str text = buf_str(&terminal->piped);
    ptrdiff_t end = str_find(text, STR_LIT("\n"));
    if (end < 0 && text.n > LINE_BYTES_MAX) {
        terminal->is_skipping = true;
        buf_clear(&terminal->piped);
    }
    if (end < 0 && (!terminal->is_ended || terminal->piped.len == 0))
        return NULL;
    size_t len = end < 0 ? text.n : (size_t)end;
    char *line = xstrndup(text.p, len);
    buf_consume(&terminal->piped, end < 0 ? len : len + 1);
    return line;
}

static void send_piped_lines(struct terminal *terminal)
{
    for (char *line; !terminal->is_answering && (line = take_piped_line(terminal));) {
        if (terminal->is_skipping)
            tell_too_long();
        else
            send_line(terminal, line);
        terminal->is_skipping = false;
        free(line);
    }
}

static void read_piped(void *arg);

/* A plain file cannot be watched for readiness, and need not: it never makes anybody wait. */
static void listen_for_input(struct terminal *terminal)
{
    if (!terminal->watch) {
        loop_defer(terminal->bridge.loop, read_piped, terminal);
        return;
    }
    if (terminal->editor)
        line_editor_start(terminal->editor);
    terminal->is_prompting = terminal->editor != NULL;
    watch_set(terminal->watch, true, false);
}

/* Ready for another message: the prompt, the next piped line, or the end. */
static void next_line(struct terminal *terminal)
{
    if (!terminal->editor)
        send_piped_lines(terminal);
    if (terminal->is_answering)
        stop_listening(terminal);
    else if (terminal->is_ended)
        loop_stop(terminal->bridge.loop);
    else
        listen_for_input(terminal);
}

static void read_piped(void *arg)
{
    struct terminal *terminal = arg;
    char chunk[CHUNK_BYTES];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
    if (n > 0)
        (void)buf_add(&terminal->piped, chunk, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        end_input(terminal);
    else
        next_line(terminal);
}

static void read_key(struct terminal *terminal)
{
    struct str line;
    enum line_editor_event event = line_editor_read(terminal->editor, &line);
    if (event == LINE_EDITOR_MORE)
        return;
    stop_listening(terminal);
    if (event == LINE_EDITOR_END) {
        (void)putchar('\n');
        end_input(terminal);
        return;
    }
    DB_CLEANUP(free_charp) char *text = xstrndup(line.p, line.n);
    send_line(terminal, text);
    next_line(terminal);
}

static void on_input(int fd, bool is_readable, bool is_writable, void *arg)
{
    struct terminal *terminal = arg;
    if (!terminal->editor)
        read_piped(terminal);
    else if (terminal->is_prompting)
        read_key(terminal);
}

static void on_interrupt(void *arg)
{
    struct terminal *terminal = arg;
    struct store_session_key key = session_key();
    if (terminal->is_answering && chat_cancel_answer(terminal->bridge.chat, &key))
        return;
    terminal->is_quitting = true;
    stop_listening(terminal);
    (void)putchar('\n');
    loop_stop(terminal->bridge.loop);
}

static void on_terminate(void *arg)
{
    struct terminal *terminal = arg;
    loop_stop(terminal->bridge.loop);
}

static bool is_plain(int fd)
{
    struct stat info;
    return fstat(fd, &info) != 0 || (!S_ISFIFO(info.st_mode) && !S_ISSOCK(info.st_mode));
}

static void on_resize(void *arg)
{
    struct terminal *terminal = arg;
    line_editor_resize(terminal->editor);
}

static void start_input(struct terminal *terminal)
{
    struct loop *loop = terminal->bridge.loop;
    if (isatty(STDIN_FILENO)) {
        terminal->editor = line_editor_new(PROMPT);
        if (terminal->editor)
            loop_on_signal(loop, SIGWINCH, on_resize, terminal);
        puts("DingBridge 终端对话：帮助 查看命令，Ctrl-C 停止回答，Ctrl-D 退出\n"
             "DingBridge in the terminal: 帮助 lists the commands, Ctrl-C stops an answer, Ctrl-D "
             "ends");
    }
    if (terminal->editor || !is_plain(STDIN_FILENO))
        terminal->watch = watch_new(loop, STDIN_FILENO, "terminal", on_input, terminal);
    next_line(terminal);
}

/* Nobody serves images here, but they lie in a file. */
static void name_images(struct config *config)
{
    if (*config->service_url)
        return;
    DB_CLEANUP(free_charp) char *here = getcwd(NULL, 0);
    bool is_absolute = config->data_dir[0] == '/';
    char *url = xasprintf("file://%s%s%s", is_absolute || !here ? "" : here, is_absolute ? "" : "/",
                          config->data_dir);
    free(config->service_url);
    config->service_url = url;
}

/* Whoever can start the program here could change its lists as well. */
static void make_admin(struct config *config)
{
    struct config_list *admins = &config->admin_users;
    admins->items = xreallocarray(admins->items, admins->n + 1, sizeof(*admins->items));
    admins->items[admins->n++] = xstrdup(sender_name());
}

int terminal_main(const struct options *options)
{
    struct config *config;
    int exit_code = bridge_load_config(options->config, &config, NULL);
    if (exit_code)
        return exit_code;
    struct terminal terminal = {.platform.ops = &platform_ops};
    buf_init(&terminal.piped, LINE_BYTES_MAX + CHUNK_BYTES + 1);
    if (config->log_level > LOG_WARN && config->log_level != LOG_DEBUG)
        config->log_level = LOG_WARN; /* the log shares the screen with the conversation */
    name_images(config);
    make_admin(config);
    exit_code = bridge_open(&terminal.bridge, config);
    if (exit_code == 0)
        exit_code = bridge_open_data(&terminal.bridge, "terminal.db");
    if (exit_code == 0) {
        bridge_open_chat(&terminal.bridge, &terminal.platform);
        loop_on_signal(terminal.bridge.loop, SIGINT, on_interrupt, &terminal);
        loop_on_signal(terminal.bridge.loop, SIGTERM, on_terminate, &terminal);
        loop_on_signal(terminal.bridge.loop, SIGHUP, on_terminate, &terminal);
        start_input(&terminal);
        loop_run(terminal.bridge.loop);
    }
    stop_listening(&terminal);
    bridge_quiesce(&terminal.bridge);
    watch_free(terminal.watch);
    line_editor_free(terminal.editor);
    bridge_close(&terminal.bridge);
    buf_done(&terminal.piped);
    return exit_code;
}
