/* A small picture that the demo draws itself: a valid PNG without any image library. */
#ifndef DB_LLM_DEMO_PICTURE_H
#define DB_LLM_DEMO_PICTURE_H

#include "util/buf.h"

#define DEMO_PICTURE_BYTES_MAX ((size_t)16 * 1024)

/* Appends a PNG of 64 × 64 pixels, a colour gradient chosen by `seed`. `out` must have room for
 * DEMO_PICTURE_BYTES_MAX. */
void demo_picture_draw(unsigned seed, struct buf *out);

#endif
