/* A prompt template: `#title 内容` asks prefix + 内容 + suffix. */
#ifndef DB_CHAT_TEMPLATE_H
#define DB_CHAT_TEMPLATE_H

struct template
{
    const char *title; /* with its leading '#' */
    const char *prefix;
    const char *suffix;
};

#endif
