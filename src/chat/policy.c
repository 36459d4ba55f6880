#include "chat/policy.h"

#include <stdlib.h>

#include "util/map.h"
#include "util/mem.h"

struct policy {
    enum policy_chat_type chat_type;
    int64_t max_request;
    struct map *lists[POLICY_N_LISTS]; /* item → itself */
    struct map *quotas;                /* user → struct quota */
};

struct quota {
    char *user;
    int64_t limit;
};

struct policy *policy_new(enum policy_chat_type chat_type, int64_t max_request)
{
    struct policy *policy = xcalloc(1, sizeof(*policy));
    policy->chat_type = chat_type;
    policy->max_request = max_request;
    for (size_t i = 0; i < POLICY_N_LISTS; i++)
        policy->lists[i] = map_new();
    policy->quotas = map_new();
    return policy;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; i < POLICY_N_LISTS; i++) {
        for (char *item; (item = map_any(policy->lists[i]));) {
            (void)map_take(policy->lists[i], str_of(item));
            free(item);
        }
        map_free(policy->lists[i]);
    }
    for (struct quota *quota; (quota = map_any(policy->quotas));) {
        (void)map_take(policy->quotas, str_of(quota->user));
        free(quota->user);
        free(quota);
    }
    map_free(policy->quotas);
    free(policy);
}

void policy_add(struct policy *policy, enum policy_list list, struct str item)
{
    item = str_trim(item);
    if (item.n == 0 || map_get(policy->lists[list], item))
        return;
    char *copy = xstrndup(item.p, item.n);
    (void)map_put(policy->lists[list], item, copy);
}

void policy_remove(struct policy *policy, enum policy_list list, struct str item)
{
    free(map_take(policy->lists[list], str_trim(item)));
}

void policy_set_quota(struct policy *policy, struct str user, int64_t limit)
{
    struct quota *quota = map_get(policy->quotas, user);
    if (!quota) {
        quota = xcalloc(1, sizeof(*quota));
        quota->user = xstrndup(user.p, user.n);
        (void)map_put(policy->quotas, user, quota);
    }
    quota->limit = limit;
}

bool policy_has(const struct policy *policy, enum policy_list list, struct str item)
{
    return item.n > 0 && map_get(policy->lists[list], item) != NULL;
}

size_t policy_count(const struct policy *policy, enum policy_list list)
{
    return map_count(policy->lists[list]);
}

static bool is_open(const struct policy *policy, enum policy_list list)
{
    return policy_count(policy, list) == 0;
}

static bool has_role(const struct policy *policy, enum policy_list list,
                     const struct message *message)
{
    return message->is_vouched && policy_has(policy, list, str_of(message->sender_staff_id));
}

bool policy_is_admin(const struct policy *policy, const struct message *message)
{
    return has_role(policy, POLICY_ADMIN_USERS, message);
}

bool policy_is_vip(const struct policy *policy, const struct message *message)
{
    return has_role(policy, POLICY_VIP_USERS, message);
}

static enum policy_verdict judge_group(const struct policy *policy, const struct message *message)
{
    enum policy_list list = message->is_outgoing_robot ? POLICY_OUTGOING_GROUPS : POLICY_GROUPS;
    if (is_open(policy, list) || policy_has(policy, list, str_of(message->conversation)))
        return POLICY_PASS;
    return POLICY_GROUP_NOT_LISTED;
}

/* Whoever has no staff id cannot be looked up: where people are listed at all, only a group that
 * is open to such people lets him in. */
static enum policy_verdict judge_user(const struct policy *policy, const struct message *message)
{
    struct str user = str_of(message->sender_staff_id);
    if (user.n > 0)
        return is_open(policy, POLICY_ALLOWED_USERS) ||
                       policy_has(policy, POLICY_ALLOWED_USERS, user)
                   ? POLICY_PASS
                   : POLICY_USER_NOT_LISTED;
    bool are_listed =
        !is_open(policy, POLICY_ALLOWED_USERS) || !is_open(policy, POLICY_DENIED_USERS);
    bool is_open_group = message->is_group &&
                         policy_has(policy, POLICY_OUTGOING_GROUPS, str_of(message->conversation));
    return are_listed && !is_open_group ? POLICY_USER_UNKNOWN : POLICY_PASS;
}

static enum policy_verdict judge(const struct policy *policy, const struct message *message)
{
    if (policy_is_admin(policy, message))
        return POLICY_PASS;
    if (policy_has(policy, POLICY_DENIED_USERS, str_of(message->sender_staff_id)) ||
        policy_has(policy, POLICY_DENIED_USERS, str_of(message->sender)))
        return POLICY_USER_DENIED;
    if (policy->chat_type == POLICY_PRIVATE_CHATS && message->is_group)
        return POLICY_ONLY_PRIVATE;
    if (policy->chat_type == POLICY_GROUP_CHATS && !message->is_group)
        return POLICY_ONLY_GROUPS;
    enum policy_verdict verdict = message->is_group ? judge_group(policy, message) : POLICY_PASS;
    return verdict == POLICY_PASS ? judge_user(policy, message) : verdict;
}

struct policy_judgement policy_judge(const struct policy *policy, const struct message *message)
{
    static const enum word words[] = {
        [POLICY_ONLY_PRIVATE] = WORD_ONLY_PRIVATE,
        [POLICY_ONLY_GROUPS] = WORD_ONLY_GROUPS,
        [POLICY_GROUP_NOT_LISTED] = WORD_GROUP_NOT_LISTED,
        [POLICY_USER_DENIED] = WORD_USER_DENIED,
        [POLICY_USER_NOT_LISTED] = WORD_USER_NOT_LISTED,
        [POLICY_USER_UNKNOWN] = WORD_USER_UNKNOWN,
    };
    enum policy_verdict verdict = judge(policy, message);
    bool is_about_group = verdict == POLICY_ONLY_PRIVATE || verdict == POLICY_GROUP_NOT_LISTED ||
                          (verdict == POLICY_USER_UNKNOWN && message->is_group);
    const char *user = *message->sender_staff_id ? message->sender_staff_id : message->sender;
    return (struct policy_judgement){
        .verdict = verdict,
        .word = verdict == POLICY_USER_UNKNOWN && message->is_group ? WORD_USER_UNKNOWN_IN_GROUP
                                                                    : words[verdict],
        .id = is_about_group ? message->conversation : user,
    };
}

/* An own limit that gives more than everybody's is a privilege, and needs an identity as the roles
 * do. */
int64_t policy_daily_limit(const struct policy *policy, const struct message *message)
{
    const struct quota *quota = map_get(policy->quotas, str_of(message->sender_staff_id));
    int64_t common = policy->max_request;
    if (quota) {
        bool gives_more = common != 0 && (quota->limit == 0 || quota->limit > common);
        return gives_more && !message->is_vouched ? common : quota->limit;
    }
    return policy_is_admin(policy, message) || policy_is_vip(policy, message) ? 0 : common;
}
