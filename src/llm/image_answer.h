/*
 * What an answer to /images/generations holds: the image itself, or a link to it. Millions of bytes
 * of base64 in JSON take a tenth of a second and more, so that reading is a job for the worker
 * (net/work.h): it touches nothing but its struct.
 */
#ifndef DB_LLM_IMAGE_ANSWER_H
#define DB_LLM_IMAGE_ANSWER_H

#include "llm/problem.h"
#include "util/buf.h"
#include "util/str.h"

struct image_type {
    const char *content_type; /* "image/png", "image/jpeg", "image/gif", "image/webp" */
    const char *extension;    /* "png", "jpg", "gif", "webp" */
};
/* By the content: what servers and models say about it is often wrong. NULL: none of the four. */
const struct image_type *image_type_of(struct str bytes);

struct image_answer {
    struct buf body;        /* the answer's; freed once it has been read */
    struct buf bytes;       /* the image; its maximum is the limit */
    char *link;             /* or where it is: an absolute http or https URL; else NULL */
    struct problem problem; /* LLM_OK with one of both */
};

/* What `body` holds moves in, and leaves it empty. */
struct image_answer *image_answer_new_take(struct buf *body, size_t max_image_bytes);
void image_answer_free(struct image_answer *answer); /* NULL is fine */
/* The job. `arg` is the struct image_answer. */
void image_answer_read(void *arg);

#endif
