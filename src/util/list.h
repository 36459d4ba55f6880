/*
 * Intrusive doubly linked list: the node is embedded in the element. An initialised head or node
 * points at itself; removing a node that is in no list is allowed.
 */
#ifndef DB_UTIL_LIST_H
#define DB_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
/* Safe against removal of the current element. */
#define LIST_FOREACH(node, next_node, head)                                         \
    for (struct list *node = (head)->next, *next_node = node->next; node != (head); \
         node = next_node, next_node = node->next)

static inline void list_init(struct list *l)
{
    l->prev = l;
    l->next = l;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list *node = head->next;
    head->next = node->next;
    node->next->prev = head;
    list_init(node);
    return node;
}

#endif
