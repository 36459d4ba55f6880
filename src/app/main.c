#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/commands.h"

static const char usage_text[] =
    "用法 usage: dingbridge [serve|check|chat|export|forget|version] [--config FILE] [--help]\n"
    "\n"
    "  serve     运行机器人（默认）                 run the bridge (default)\n"
    "  check     检查配置，列出所有问题             check the configuration, print every problem\n"
    "            --online 同时询问模型服务          also ask the model service\n"
    "  chat      在终端里对话，不需要钉钉           talk in the terminal, without DingTalk\n"
    "  export    导出一个人的对话记录               write what one person said\n"
    "            --user ID [--format jsonl|csv|md] [--from 2026-11-01] [--to 2026-11-20]\n"
    "  forget    删除一个人的对话记录               delete what one person said\n"
    "            --user ID                          both: stop the bridge first 先停止服务\n"
    "  version   版本号                             print the version\n"
    "\n"
    "  -c, --config FILE   配置文件（YAML 或 JSON）；默认为当前目录的 config.yml，其次 "
    "config.json\n"
    "                      configuration, YAML or JSON; default config.yml, else config.json, "
    "here\n"
    "  -h, --help          显示这份说明             this text\n"
    "\n"
    "环境变量优先于配置文件。没有任何配置时以演示模式运行。所有配置项见 config.example.yml。\n"
    "The environment beats the file. Without any configuration the bridge runs in demo mode.\n"
    "Every key is in config.example.yml.\n"
    "\n"
    "退出码 exit codes: 0 正常 ok · 64 用法 usage · 66 找不到文件 no file · 69 端口或服务不可用 "
    "unavailable ·\n"
    "73 无法创建数据目录 cannot create · 74 存储 store · 78 配置 configuration\n";

static int version_main(const struct options *options)
{
    (void)options;
    puts("dingbridge " DINGBRIDGE_VERSION);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct options *options);
} subcommands[] = {
    {"serve", serve_main},   {"check", check_main},   {"chat", terminal_main},
    {"export", export_main}, {"forget", forget_main}, {"version", version_main},
};

static int refuse(const char *what, const char *text)
{
    (void)fprintf(stderr, "dingbridge: %s: %s\n\n%s", what, text, usage_text);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    /* A peer that leaves, or a full disk, is an error value and not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);

    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"online", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {"user", required_argument, NULL, 'u'},
        {"format", required_argument, NULL, 'f'},
        {"from", required_argument, NULL, 'b'},
        {"to", required_argument, NULL, 'e'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    const char *name = "serve";
    for (int option; (option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1;) {
        if (option == 'c')
            options.config = optarg;
        else if (option == 'o')
            options.is_online = true;
        else if (option == 'u')
            options.user = optarg;
        else if (option == 'f')
            options.format = optarg;
        else if (option == 'b')
            options.from = optarg;
        else if (option == 'e')
            options.to = optarg;
        else if (option == 'v')
            return version_main(&options);
        else if (option == 'h')
            return fputs(usage_text, stdout) < 0 ? EX_IOERR : 0;
        else
            return refuse("不认识的选项 unknown option", argv[optind - 1]);
    }
    if (optind < argc)
        name = argv[optind++];
    if (optind < argc)
        return refuse("多余的参数 unexpected argument", argv[optind]);
    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].run(&options);
    }
    return refuse("不认识的命令 unknown command", name);
}
