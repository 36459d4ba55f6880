/*
 * Where messages come from and answers go: the face between the life of a message (src/chat) and a
 * chat platform. DingTalk implements it (src/dingtalk), and so does the terminal
 * (src/app/terminal).
 */
#ifndef DB_CHAT_PLATFORM_H
#define DB_CHAT_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "util/status.h"
#include "util/str.h"

/*
 * One message that somebody sent to a robot, checked: every string is valid UTF-8 without NUL, ""
 * where absent. Strings are borrowed from whoever hands the message over, for the call.
 */
struct message {
    const char *platform; /* "dingtalk", "terminal" */
    const char *robot;    /* which robot: with msg_id the key of de-duplication */
    const char *app; /* the platform's own name for who may act as that robot; "" when unknown */
    const char *msg_id;
    const char *conversation;
    const char *conversation_title;
    bool is_group;
    const char
        *sender; /* stable key of the person: staff id where there is one, else the opaque id */
    const char *sender_staff_id;
    const char *sender_nick;      /* shown, never a key */
    const char *robot_nick;       /* "" when unknown */
    bool is_only_robot_mentioned; /* nobody else was mentioned: a leading @… in the text is the
                                     robot */
    bool is_outgoing_robot;       /* custom robot of a group: mentions by nick */
    bool is_vouched;      /* the platform itself vouches for the sender: a signature or a stream */
    const char *kind;     /* "text", or the platform's word for what is not text */
    const char *text;     /* as typed; "" when kind is not "text" */
    bool is_text_missing; /* a text message without a body: quota frame */
    const char *reply_to; /* the platform's own address for answers (session webhook) */
    int64_t reply_until_ms; /* wall clock when that address ends; 0 = unknown */
    int64_t created_ms;     /* the platform's time of the message; 0 = unknown */
};

enum reply_kind {
    REPLY_ANSWER, /* markdown from the model */
    REPLY_NOTICE, /* words of the bridge: help, confirmations, refusals, errors; markdown */
};

struct reply {
    enum reply_kind kind;
    struct str markdown;
    const char *title; /* NULL: the platform makes one from the text */
    int parts_done;    /* parts of this very text that were delivered before a restart: skip them */
};

struct sink_outcome {
    enum status status; /* ST_OK: all delivered. ST_NOT_FOUND: the address has ended; ST_DENIED:
                           address not allowed */
    struct error error;
    int parts_sent; /* including reply.parts_done */
    int parts_total;
};

struct sink;
struct sink_handlers {
    /* After each delivered part but the last; the sink goes on when `sink_go_on` is called (so that
     * progress is on disk first). */
    void (*on_part)(struct sink *sink, int parts_sent, void *arg);
    /* Exactly once for finish or fail, never before they returned. The sink may be freed from here.
     */
    void (*on_done)(struct sink *sink, const struct sink_outcome *outcome, void *arg);
};

/* One answer on its way to one place. begin → grow* → finish or fail, then free. */
struct sink_ops {
    void (*begin)(struct sink *); /* the answer is being made */
    void (*grow)(struct sink *,
                 struct str text_so_far); /* the whole text so far; may be ignored or thinned out.
                                            Shorter than before: it begins anew */
    void (*finish)(struct sink *, const struct reply *); /* copied */
    void (*fail)(
        struct sink *,
        const struct reply *);    /* what the person is told instead, or after a partial answer */
    void (*go_on)(struct sink *); /* answer to on_part */
    void (*free)(struct sink *);  /* cancels what runs, silently */
};

struct sink {
    const struct sink_ops *ops;
    const struct sink_handlers *handlers;
    void *arg;
};

/* Makes sinks for messages. */
struct platform {
    const struct platform_ops *ops;
};
/* `address` is what a markdown image may point at; NULL when the picture could not be taken. Never
 * before publish_picture returned. */
typedef void (*picture_published_fn)(const char *address, void *arg);
struct platform_ops {
    const char *name;
    /* Never NULL: a message that cannot be answered gives a sink that fails. The message is copied
     * as far as needed. */
    struct sink *(*open_sink)(struct platform *, const struct message *,
                              const struct sink_handlers *, void *arg);
    /* Puts a picture where the platform can show it. False: it has no such place for this message's
     * robot, and fn is not called. The bytes are copied. */
    bool (*publish_picture)(struct platform *, const struct message *, struct str bytes,
                            const char *content_type, picture_published_fn fn, void *arg);
    /* A notice that answers no message, to one person; as well as it goes. False: there is no way
     * to. */
    bool (*notify)(struct platform *, const char *app, const char *staff_id, struct str markdown);
    void (*free)(struct platform *); /* what it still owes is dropped silently */
};

/*
 * What a platform tells about its metered calls, and asks before it makes one that can be left out.
 * `kind` names the call in few words ("card_update").
 */
enum call_level {
    CALLS_FREE,      /* as many as wanted */
    CALLS_SPARING,   /* most of the month's budget is used up: fewer */
    CALLS_EXHAUSTED, /* none that has a free way around it */
};
struct call_meter {
    void (*count)(struct call_meter *, const char *app, const char *kind);
    enum call_level (*level)(struct call_meter *);
};

/* Where a platform hands over what came in. */
enum receipt {
    RECEIPT_STORED,    /* acknowledge: it will be answered */
    RECEIPT_KNOWN,     /* acknowledge: it came before */
    RECEIPT_NOT_STORED /* do not acknowledge: it must come again */
};
typedef void (*receipt_fn)(enum receipt receipt, void *arg);
struct receiver {
    void (*receive)(struct receiver *, const struct message *, receipt_fn, void *arg);
    /* The sender wants his running answer to stop; what was said so far is kept. False when none
     * runs. */
    bool (*stop)(struct receiver *, const char *robot, const char *conversation,
                 const char *sender);
};

#endif
