/*
 * Who may ask: decisions over lists that do not change while a policy lives. Pure; a change makes a
 * new policy.
 *
 * Users are named by their staff id, groups by their conversation id. A role needs an identity:
 * where the platform does not vouch for the sender (message.is_vouched), nobody is admin or VIP.
 */
#ifndef DB_CHAT_POLICY_H
#define DB_CHAT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chat/platform.h"
#include "chat/words.h"

enum policy_chat_type { POLICY_ALL_CHATS = 0, POLICY_PRIVATE_CHATS = 1, POLICY_GROUP_CHATS = 2 };

enum policy_list {
    POLICY_GROUPS,          /* empty: every group */
    POLICY_OUTGOING_GROUPS, /* where custom (outgoing) robots answer; empty: every group */
    POLICY_ALLOWED_USERS,   /* empty: everybody */
    POLICY_DENIED_USERS,    /* beats POLICY_ALLOWED_USERS */
    POLICY_VIP_USERS,       /* no daily limit */
    POLICY_ADMIN_USERS,     /* pass everywhere, no daily limit */
    POLICY_N_LISTS
};

struct policy;

/* `max_request`: questions a person and day; 0: no limit. */
struct policy *policy_new(enum policy_chat_type chat_type, int64_t max_request);
void policy_free(struct policy *policy); /* NULL is fine */
/* While it is being made. Blank items are ignored, copies are kept, twice is once. */
void policy_add(struct policy *policy, enum policy_list list, struct str item);
/* Takes an item out again. */
void policy_remove(struct policy *policy, enum policy_list list, struct str item);
/* A person's own daily limit instead of max_request; 0: none. */
void policy_set_quota(struct policy *policy, struct str user, int64_t limit);

enum policy_verdict {
    POLICY_PASS,
    POLICY_ONLY_PRIVATE, /* chat_type 1, in a group */
    POLICY_ONLY_GROUPS,  /* chat_type 2, in a private chat */
    POLICY_GROUP_NOT_LISTED,
    POLICY_USER_DENIED,
    POLICY_USER_NOT_LISTED,
    POLICY_USER_UNKNOWN, /* a user list is set and the sender has no staff id */
};

struct policy_judgement {
    enum policy_verdict verdict;
    enum word word; /* the refusal; {0} the id to hand to the administrator */
    const char *id; /* of the user or the group; borrowed from the message */
};

struct policy_judgement policy_judge(const struct policy *policy, const struct message *message);
bool policy_is_admin(const struct policy *policy, const struct message *message);
bool policy_is_vip(const struct policy *policy, const struct message *message);
/* The daily limit that holds for the sender; 0: none. */
int64_t policy_daily_limit(const struct policy *policy, const struct message *message);

bool policy_has(const struct policy *policy, enum policy_list list, struct str item);
size_t policy_count(const struct policy *policy, enum policy_list list);

#endif
