#include "llm/demo_picture.h"

#include <stdint.h>

/* PNG (W3C, third edition) with the pixels in one stored block of deflate (RFC 1951 §3.2.4) within
 * zlib's frame (RFC 1950): valid, and in need of no compressor. */

#define SIDE 64
#define ROW_BYTES (1 + SIDE * 3) /* filter type 0, then red, green, blue */
#define PIXEL_BYTES (SIDE * ROW_BYTES)

static void put_u32(struct buf *out, uint32_t value)
{
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    (void)buf_add(out, bytes, sizeof(bytes));
}

static uint32_t crc32_of(struct str bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.n; i++) {
        crc ^= (unsigned char)bytes.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
    }
    return ~crc;
}

static uint32_t adler32_of(struct str bytes)
{
    uint32_t low = 1;
    uint32_t high = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        low = (low + (unsigned char)bytes.p[i]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

/* The checksum covers the four letters of the type and the data. */
static void put_chunk(struct buf *out, const char *type, struct str data)
{
    put_u32(out, (uint32_t)data.n);
    size_t start = out->len;
    (void)buf_puts(out, type);
    (void)buf_add_str(out, data);
    put_u32(out, crc32_of(str_sub(buf_str(out), start, out->len)));
}

static void put_pixels(struct buf *out, unsigned seed)
{
    for (unsigned y = 0; y < SIDE; y++) {
        (void)buf_putc(out, 0);
        for (unsigned x = 0; x < SIDE; x++) {
            (void)buf_putc(out, (char)(x * 4));
            (void)buf_putc(out, (char)(y * 4));
            (void)buf_putc(out, (char)seed);
        }
    }
}

static void put_zlib(struct buf *out, struct str bytes)
{
    const unsigned char head[] = {0x78,
                                  0x01, /* zlib: deflate, 32 KiB window, fastest */
                                  0x01, /* the last block, stored */
                                  (unsigned char)bytes.n,
                                  (unsigned char)(bytes.n >> 8),
                                  (unsigned char)~bytes.n,
                                  (unsigned char)(~bytes.n >> 8)};
    (void)buf_add(out, head, sizeof(head));
    (void)buf_add_str(out, bytes);
    put_u32(out, adler32_of(bytes));
}

void demo_picture_draw(unsigned seed, struct buf *out)
{
    struct buf header = BUF_INIT(32);
    put_u32(&header, SIDE);
    put_u32(&header, SIDE);
    (void)buf_add(&header, "\x08\x02\0\0\0", 5); /* 8 bits a channel, RGB, not interlaced */

    struct buf pixels = BUF_INIT(PIXEL_BYTES);
    put_pixels(&pixels, seed);
    struct buf packed = BUF_INIT(PIXEL_BYTES + 64);
    put_zlib(&packed, buf_str(&pixels));

    (void)buf_add(out, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(out, "IHDR", buf_str(&header));
    put_chunk(out, "IDAT", buf_str(&packed));
    put_chunk(out, "IEND", STR_LIT(""));
    buf_done(&header);
    buf_done(&pixels);
    buf_done(&packed);
}
