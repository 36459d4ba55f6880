#include "util/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum status crypto_hmac_sha256(struct str key, struct str data, uint8_t ret_mac[SHA256_SIZE])
{
    unsigned int len = 0;
    if (key.n > INT32_MAX)
        return ST_TOO_LARGE;
    /* libcrypto takes a NULL for a missing argument, not for the empty text. */
    const char *bytes = data.n ? data.p : "";
    const unsigned char *mac = HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n,
                                    (const unsigned char *)bytes, data.n, ret_mac, &len);
    return mac && len == SHA256_SIZE ? ST_OK : ST_INTERNAL;
}

enum status crypto_sha256(struct str data, uint8_t ret_hash[SHA256_SIZE])
{
    unsigned int len = 0;
    return EVP_Digest(data.p, data.n, ret_hash, &len, EVP_sha256(), NULL) == 1 ? ST_OK
                                                                               : ST_INTERNAL;
}

enum status crypto_sha1(struct str data, uint8_t ret_hash[SHA1_SIZE])
{
    unsigned int len = 0;
    return EVP_Digest(data.p, data.n, ret_hash, &len, EVP_sha1(), NULL) == 1 ? ST_OK : ST_INTERNAL;
}

bool crypto_equal(struct str a, struct str b)
{
    return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

enum status base64_encode(struct str data, struct buf *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)data.p;
    for (size_t i = 0; i < data.n; i += 3) {
        size_t left = data.n - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (left > 2 ? p[i + 2] : 0);
        char quad[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                        left > 1 ? alphabet[bits >> 6 & 63] : '=',
                        left > 2 ? alphabet[bits & 63] : '='};
        buf_add(out, quad, sizeof(quad));
    }
    return buf_status(out);
}

/* Value of a digit of either alphabet, -1 for anything else. */
static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

enum status base64_decode(struct str text, struct buf *out)
{
    uint32_t bits = 0;
    size_t n_digits = 0, n_pads = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        int value = digit_value(c);
        if (c == '=') {
            n_pads++;
            continue;
        }
        if (value < 0 || n_pads > 0)
            return ST_INVAL;
        bits = bits << 6 | (uint32_t)value;
        n_digits++;
        if (n_digits % 4 == 0) {
            char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
            buf_add(out, bytes, sizeof(bytes));
        }
    }
    size_t rest = n_digits % 4;
    if (rest == 1 || n_pads > 2 || (n_pads > 0 && rest + n_pads != 4))
        return ST_INVAL;
    if (rest == 2)
        buf_putc(out, (char)(bits >> 4));
    if (rest == 3) {
        buf_putc(out, (char)(bits >> 10));
        buf_putc(out, (char)(bits >> 2));
    }
    return buf_status(out);
}

void crypto_random_bytes(void *ret_bytes, size_t n_bytes)
{
    for (size_t done = 0; done < n_bytes;) {
        ssize_t n = getrandom((char *)ret_bytes + done, n_bytes - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* without randomness every name and key we make could be guessed */
        done += (size_t)n;
    }
}

void crypto_random_hex(char *ret_hex, size_t n_bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n_bytes; i++) {
        uint8_t byte;
        crypto_random_bytes(&byte, 1);
        ret_hex[2 * i] = digits[byte >> 4];
        ret_hex[2 * i + 1] = digits[byte & 15];
    }
    ret_hex[2 * n_bytes] = '\0';
}

uint64_t crypto_random_u64(void)
{
    uint64_t value;
    crypto_random_bytes(&value, sizeof(value));
    return value;
}
