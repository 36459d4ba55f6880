/* Every sentence the bridge says to people, Chinese and English, by name. */
#ifndef DB_CHAT_WORDS_H
#define DB_CHAT_WORDS_H

#include "util/buf.h"

enum language { LANGUAGE_ZH, LANGUAGE_EN };

enum word {
    WORD_HELP_HEAD,
    WORD_HELP_ASK,
    WORD_MODE_SINGLE,       /* {0} time of fallback, {1} default mode, {2} timeout */
    WORD_MODE_CHAIN,        /* same */
    WORD_MODE_SINGLE_STAYS, /* the chosen mode is the default */
    WORD_MODE_CHAIN_STAYS,
    WORD_NAME_SINGLE,
    WORD_NAME_CHAIN,
    WORD_RESET, /* {0} default mode */
    WORD_TEMPLATES_HEAD,
    WORD_TEMPLATES_TAIL,
    WORD_TEMPLATE_SHOW, /* {0} title, {1} the template's text in a fence */
    WORD_IMAGE_HELP,
    WORD_IMAGE_ANSWER, /* {0} url, {1} prompt */
    WORD_IMAGE_NO_URL,
    WORD_IMAGE_NOT_SAVED, /* {0} reference */
    WORD_NOT_TEXT,
    WORD_GROUP_ID,          /* {0} the id */
    WORD_NO_GROUP_ID,       /* in a private chat */
    WORD_MY_ID,             /* {0} the id */
    WORD_NO_MY_ID,          /* {0} the opaque id of somebody without a staff id */
    WORD_NOT_ADMIN,         /* {0} the sender's id */
    WORD_NOT_ADMIN_UNKNOWN, /* the same, where nobody vouches for it */
    WORD_LIST_GROUPS,       /* names of lists */
    WORD_LIST_OUTGOING_GROUPS,
    WORD_LIST_ALLOWED_USERS,
    WORD_LIST_DENIED_USERS,
    WORD_LIST_VIP_USERS,
    WORD_LIST_QUOTAS,
    WORD_LIST_WORDS,
    WORD_LIST_ADDED, /* {0} list, {1} how many, {2} how many there are */
    WORD_LIST_TAKEN, /* same */
    WORD_LIST_SAME,  /* same */
    WORD_QUOTA_SET,  /* same */
    WORD_LIST_OPEN,  /* the list lets everybody in */
    WORD_LIST_CLOSED,
    WORD_LIST_FROM_FILE,
    WORD_LIST_MORE,
    WORD_ASK_PRIVATELY,
    WORD_USAGE, /* {0} */
    WORD_NOT_IDS,
    WORD_NOT_WORDS,
    WORD_NOT_A_QUOTA,
    WORD_LISTS_FULL,
    WORD_CHANGE_FAILED, /* {0} reference */
    WORD_RIGHTS_HEAD,   /* {0} the kind of chats */
    WORD_RIGHTS_CHANGES,
    WORD_RIGHTS_COMMANDS,
    WORD_CHATS_ALL,
    WORD_CHATS_PRIVATE,
    WORD_CHATS_GROUPS,
    WORD_ONLY_PRIVATE, /* refusals: {0} the id to hand to the administrator */
    WORD_ONLY_GROUPS,
    WORD_GROUP_NOT_LISTED,
    WORD_USER_DENIED,
    WORD_USER_NOT_LISTED,
    WORD_USER_UNKNOWN,
    WORD_USER_UNKNOWN_IN_GROUP,
    WORD_QUESTION_TOO_LONG, /* {0} its tokens, {1} the limit */
    WORD_SENSITIVE,
    WORD_SENSITIVE_LAST,
    WORD_LIMIT,         /* {0} limit, {1} time when it ends */
    WORD_BALANCE_HEAD,  /* {0} provider */
    WORD_BALANCE_TOTAL, /* {0} amount */
    WORD_BALANCE_USED,
    WORD_BALANCE_LEFT,
    WORD_BALANCE_UNLIMITED,
    WORD_BALANCE_EXPIRES, /* {0} date */
    WORD_BALANCE_NEVER,
    WORD_BALANCE_NONE, /* {0} provider */
    WORD_TOOLS_OFF,
    WORD_TOOL_NO_HOST,
    WORD_TOOL_PRIVATE, /* {0} the host, also of the failures below */
    WORD_TOOL_TIMEOUT,
    WORD_TOOL_BUSY,
    WORD_TOOL_NO_TLS,
    WORD_TOOL_UNREACHABLE,
    WORD_TOOL_DAYS_LEFT, /* {0} days */
    WORD_TOOL_DAYS_AGO,  /* {0} days */
    WORD_WHOIS_NO_SERVER,
    WORD_WHOIS_FREE,         /* {0} domain, {1} server */
    WORD_WHOIS_HEAD,         /* {0} domain */
    WORD_WHOIS_REGISTRAR,    /* {0} */
    WORD_WHOIS_CREATED,      /* {0} */
    WORD_WHOIS_EXPIRES,      /* {0} */
    WORD_WHOIS_STATUS,       /* {0} code, {1} meaning */
    WORD_WHOIS_OTHER_STATUS, /* {0} */
    WORD_WHOIS_RAW,          /* {0} the answer's beginning */
    WORD_WHOIS_SERVER,       /* {0} */
    WORD_TLS_HEAD,           /* {0} host */
    WORD_TLS_GOOD,
    WORD_TLS_EXPIRED,
    WORD_TLS_NOT_YET_VALID,
    WORD_TLS_SELF_SIGNED,
    WORD_TLS_UNTRUSTED,
    WORD_TLS_CHAIN_EXPIRED,
    WORD_TLS_NAME_MISMATCH, /* {0} host */
    WORD_TLS_OTHER,         /* {0} OpenSSL's words */
    WORD_TLS_SUBJECT,
    WORD_TLS_ISSUER,
    WORD_TLS_NAMES,
    WORD_TLS_MORE_NAMES, /* {0} how many there are */
    WORD_TLS_VALID,      /* {0} from, {1} until */
    WORD_TLS_PROTOCOL,
    WORD_TLS_ADDRESS,
    WORD_CUT_NOTE,     /* after a partial answer: {0} reason, {1} reference */
    WORD_STOPPED_NOTE, /* after the partial answer that somebody stopped */
    WORD_STOPPED,
    WORD_NOTHING_TO_STOP,
    WORD_NOTHING_TO_REPEAT,
    WORD_MODELS_HEAD,
    WORD_MODELS_TAIL,
    WORD_MODEL_IS_DEFAULT, /* behind a model in the list */
    WORD_MODEL_IS_CHOSEN,
    WORD_MODEL_RESTS,   /* {0} for how long */
    WORD_MODEL_CHOSEN,  /* {0} its name */
    WORD_MODEL_DEFAULT, /* the same */
    WORD_MODEL_UNKNOWN,
    WORD_MODEL_FOR_ADMINS,
    WORD_MODEL_FOR_NOBODY,
    WORD_BUDGET,      /* {0} calls made, {1} budget, {2} month */
    WORD_LENGTH_NOTE, /* the model's limit ended the text */
    WORD_FAILED,      /* {0} reason, {1} reference */
    WORD_FAIL_AUTH,
    WORD_FAIL_QUOTA,
    WORD_FAIL_RATE,
    WORD_FAIL_MODEL,
    WORD_FAIL_TOO_LONG,
    WORD_FAIL_REFUSED,
    WORD_FAIL_REQUEST,
    WORD_FAIL_BUSY,
    WORD_FAIL_CONNECT,
    WORD_FAIL_TIMEOUT,
    WORD_FAIL_CUT,
    WORD_FAIL_GARBLED,
    WORD_FAIL_EMPTY,
    WORD_FAIL_THOUGHT_OUT,
    WORD_FAIL_TOO_LARGE,
    WORD_FAIL_UNSUPPORTED,
    WORD_FAIL_CANCELLED,
    WORD_FAIL_INTERNAL,
    WORD_HISTORY_HELP,
    WORD_HISTORY_BAD,  /* {0} what was not understood; the help follows */
    WORD_HISTORY_LINK, /* {0} link, {1} its end, {2} what it shows */
    WORD_HISTORY_CARE, /* behind a link that a whole group sees */
    WORD_HISTORY_SENT,
    WORD_HISTORY_NONE, /* {0} what was asked for */
    WORD_HISTORY_NO_URL,
    WORD_HISTORY_FAILED, /* {0} reference */
    WORD_FORGET_ASK,
    WORD_FORGET_UNKNOWN,
    WORD_FORGET_FAILED, /* {0} reference */
    WORD_FORGOTTEN,     /* {0} exchanges */
    WORD_USAGE_OWN,
    WORD_USAGE_ALL,     /* {0} people this month */
    WORD_USAGE_COLUMNS, /* {0} the first one */
    WORD_USAGE_WHEN,
    WORD_USAGE_TODAY,
    WORD_USAGE_MONTH,
    WORD_USAGE_LEFT, /* {0} left, {1} limit */
    WORD_USAGE_NO_LIMIT,
    WORD_USAGE_USERS,
    WORD_USAGE_GROUPS,
    WORD_USAGE_MODELS,
    WORD_USAGE_USER,
    WORD_USAGE_GROUP,
    WORD_USAGE_MODEL,
    WORD_USAGE_NAMELESS,
    WORD_USAGE_METER,    /* {0} calls */
    WORD_USAGE_METER_OF, /* {0} calls, {1} budget */
    WORD_USAGE_METER_COLUMNS,
    WORD_USAGE_FAILED,     /* {0} reference */
    WORD_DURATION_SECONDS, /* {0} */
    WORD_DURATION_MINUTES, /* {0} */
    WORD_COUNT
};

/* Appends the sentence to `out`, with {0}, {1}, {2} replaced by args (NULL-terminated array; NULL
 * for none). */
void words_put(struct buf *out, enum language language, enum word word, const char *const *args);
/* The bare sentence, for words without arguments. */
const char *words_get(enum language language, enum word word);

#endif
