/* Pictures that DingTalk does not take, made into ones that it does: libwebp and libpng behind one
 * face. Takes as long as it takes: for the worker thread. */
#ifndef DB_DINGTALK_PICTURE_H
#define DB_DINGTALK_PICTURE_H

#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define PICTURE_PIXELS_MAX (64 * 1024 * 1024)

/* A still WebP as PNG, appended to `out`. ST_INVAL for what is none (or is animated), ST_TOO_LARGE
 * past PICTURE_PIXELS_MAX or out's maximum. */
enum status picture_webp_to_png(struct str webp, struct buf *out) DB_MUST_CHECK;

#endif
