/*
 * Pictures go up to DingTalk and are shown by the id they get there (media/upload, DingTalk
 * documentation KB-0646): jpg, gif and png of at most 20 MB; WebP is converted on the worker.
 */
#ifndef DB_DINGTALK_MEDIA_H
#define DB_DINGTALK_MEDIA_H

#include "chat/platform.h"
#include "dingtalk/api.h"
#include "net/work.h"

struct media;

/* Borrows both. */
struct media *media_new(struct api *api, struct work *work);
/* After work_free. Drops what is under way, silently. NULL is fine. */
void media_free(struct media *media);

/* The bytes are copied. fn gets the id, or NULL when there is none; never before this returned. */
void media_upload(struct media *media, int app, struct str bytes, const char *content_type,
                  picture_published_fn fn, void *arg);

#endif
