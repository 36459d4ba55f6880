#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

#include "dingtalk/picture.h"
#include "util/mem.h"

#define WIDTH 37
#define HEIGHT 23

static void paint(uint8_t *pixels)
{
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        pixels[4 * i] = (uint8_t)(i * 7);
        pixels[4 * i + 1] = (uint8_t)(i / WIDTH * 11);
        pixels[4 * i + 2] = (uint8_t)(255 - i);
        pixels[4 * i + 3] = (uint8_t)(i % 5 == 0 ? 128 : 255);
    }
}

static struct str encode(const uint8_t *pixels)
{
    uint8_t *webp = NULL;
    size_t n = WebPEncodeLosslessRGBA(pixels, WIDTH, HEIGHT, 4 * WIDTH, &webp);
    assert_true(n > 0);
    return (struct str){(char *)webp, n};
}

static void the_png_shows_the_same_pixels(void **state)
{
    static uint8_t pixels[4 * WIDTH * HEIGHT], got[4 * WIDTH * HEIGHT];
    paint(pixels);
    struct str webp = encode(pixels);
    struct buf png = BUF_INIT(1 << 20);
    assert_int_equal(picture_webp_to_png(webp, &png), ST_OK);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, png.data, png.len));
    image.format = PNG_FORMAT_RGBA;
    assert_int_equal(image.width, WIDTH);
    assert_int_equal(image.height, HEIGHT);
    assert_true(png_image_finish_read(&image, NULL, got, 0, NULL));
    assert_memory_equal(got, pixels, sizeof(pixels));
    buf_done(&png);
    WebPFree((void *)(uintptr_t)webp.p);
}

static void what_is_no_whole_webp_is_refused(void **state)
{
    static uint8_t pixels[4 * WIDTH * HEIGHT];
    paint(pixels);
    struct str webp = encode(pixels);
    struct buf png = BUF_INIT(1 << 20);
    for (size_t n = 0; n < webp.n; n++) {
        char *part = xmalloc(n + 1); /* so that a sanitizer sees who reads behind it */
        memcpy(part, webp.p, n);
        assert_int_equal(picture_webp_to_png((struct str){part, n}, &png), ST_INVAL);
        free(part);
    }
    assert_int_equal(picture_webp_to_png(STR_LIT("\x89PNG\r\n\x1a\n"), &png), ST_INVAL);
    assert_int_equal(png.len, 0);
    WebPFree((void *)(uintptr_t)webp.p);
    buf_done(&png);
}

static void a_limit_is_kept(void **state)
{
    static uint8_t pixels[4 * WIDTH * HEIGHT];
    paint(pixels);
    struct str webp = encode(pixels);
    struct buf png = BUF_INIT(64);
    assert_int_equal(picture_webp_to_png(webp, &png), ST_TOO_LARGE);
    assert_int_equal(png.len, 0);
    buf_done(&png);
    WebPFree((void *)(uintptr_t)webp.p);
}

/* A head alone that promises 16,383 by 16,383 pixels: nobody makes room for them. */
static void a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded(void **state)
{
    char head[] = "RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"
                  "\xfe\x3f\x00\xfe\x3f\x00\x00\x00\x00\x00";
    struct buf png = BUF_INIT(1 << 20);
    assert_int_not_equal(picture_webp_to_png((struct str){head, sizeof(head) - 1}, &png), ST_OK);
    buf_done(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_png_shows_the_same_pixels),
        cmocka_unit_test(what_is_no_whole_webp_is_refused),
        cmocka_unit_test(a_limit_is_kept),
        cmocka_unit_test(a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
