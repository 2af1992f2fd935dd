/* SPDX-License-Identifier: MIT */
/*
 * Queues of structures that embed their own link: nothing is allocated, order
 * is first in, first out, and any entry can be removed in constant time.
 *
 *     struct request { struct list_node node; ... };
 *
 *     list_append(&queue, &request->node);
 *     list_each (struct request, r, &queue, node)
 *         ...
 *
 * A zeroed node is in no list. A list is made by list_init.
 */
#ifndef KERNEL_LIST_H
#define KERNEL_LIST_H

#include "xen/base.h"

struct list_node {
    struct list_node *next, **link; /* *link is this one; NULL: in no list */
};

struct list {
    struct list_node *first, **last; /* *last is NULL: the next goes there */
};

static inline void list_init(struct list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static inline bool list_is_empty(const struct list *list)
{
    return !list->first;
}

static inline bool list_has(const struct list_node *node)
{
    return node->link;
}

/* The node must be in no list. */
static inline void list_append(struct list *list, struct list_node *node)
{
    node->next = NULL;
    node->link = list->last;
    *list->last = node;
    list->last = &node->next;
}

/* The node must be in this list. */
static inline void list_remove(struct list *list, struct list_node *node)
{
    *node->link = node->next;
    if (node->next)
        node->next->link = node->link;
    else
        list->last = node->link;
    node->next = NULL;
    node->link = NULL;
}

/* Move all entries to `to`, which need not be a list yet, and empty `from`. */
static inline void list_move(struct list *to, struct list *from)
{
    list_init(to);
    if (!from->first)
        return;
    to->first = from->first;
    to->first->link = &to->first;
    to->last = from->last;
    list_init(from);
}

/* The structure whose member MEMBER is this node; NULL for NULL. */
#define list_entry(node, type, member)                    \
    ({                                                    \
        struct list_node *node_ = (node);                 \
        node_ ? container_of(node_, type, member) : NULL; \
    })

#define list_first(queue, type, member) list_entry((queue)->first, type, member)

/* Remove and return the first entry; NULL: the list is empty. */
#define list_take(queue, type, member)           \
    ({                                           \
        struct list *list_ = (queue);            \
        struct list_node *first_ = list_->first; \
        if (first_)                              \
            list_remove(list_, first_);          \
        list_entry(first_, type, member);        \
    })

/* For each entry in turn. The body may remove the current entry only if it then
 * leaves the loop. */
#define list_each(type, entry, queue, member)                  \
    for (type *entry = list_first(queue, type, member); entry; \
         entry = list_entry(entry->member.next, type, member))

#endif
