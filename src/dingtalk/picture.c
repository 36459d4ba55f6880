#include "dingtalk/picture.h"

#include <png.h>
#include <string.h>
#include <webp/decode.h>

/* Appends the pixels, four bytes each, as PNG. */
static enum status write_png(const uint8_t *pixels, int width, int height, struct buf *out)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)width,
        .height = (png_uint_32)height,
        .format = PNG_FORMAT_RGBA,
    };
    png_alloc_size_t size = 0;
    if (!png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, NULL))
        return ST_INVAL;
    if (size > out->max - out->len)
        return ST_TOO_LARGE;
    struct buf png = BUF_INIT(size);
    static const char zeros[4096];
    for (size_t left = size; left > 0;) {
        size_t n = left < sizeof(zeros) ? left : sizeof(zeros);
        buf_add(&png, zeros, n);
        left -= n;
    }
    enum status status = ST_INVAL;
    if (png_image_write_to_memory(&image, png.data, &size, 0, pixels, 0, NULL))
        status = buf_add(out, png.data, size);
    buf_done(&png);
    return status;
}

enum status picture_webp_to_png(struct str webp, struct buf *out)
{
    WebPBitstreamFeatures features;
    const uint8_t *data = (const uint8_t *)webp.p;
    if (WebPGetFeatures(data, webp.n, &features) != VP8_STATUS_OK || features.has_animation)
        return ST_INVAL;
    if ((int64_t)features.width * features.height > PICTURE_PIXELS_MAX)
        return ST_TOO_LARGE;
    int width, height;
    uint8_t *pixels = WebPDecodeRGBA(data, webp.n, &width, &height);
    if (!pixels)
        return ST_INVAL;
    enum status status = write_png(pixels, width, height, out);
    WebPFree(pixels);
    return status;
}
