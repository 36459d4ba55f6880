/* Signature headers: three lines of the input are timestamp, sign and secret. Nothing but the one
 * right sign of a fresh timestamp gets in. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dingtalk/signature.h"
#include "util/crypto.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_right_sign(struct str timestamp, struct str sign, const char *secret)
{
    struct buf text = BUF_INIT(1 << 20);
    struct buf want = BUF_INIT(64);
    uint8_t mac[SHA256_SIZE];
    buf_add_str(&text, timestamp);
    buf_putc(&text, '\n');
    buf_puts(&text, secret);
    assert(crypto_hmac_sha256(str_of(secret), buf_str(&text), mac) == ST_OK);
    assert(base64_encode((struct str){(const char *)mac, sizeof(mac)}, &want) == ST_OK);
    assert(str_eq(buf_str(&want), sign));
    buf_done(&text);
    buf_done(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str timestamp = str_cut(&rest, '\n');
    struct str sign = str_cut(&rest, '\n');
    DB_CLEANUP(free_charp) char *secret = xstrndup(rest.n ? rest.p : "", rest.n);
    const char *secrets[] = {"", secret};

    int64_t now_ms = 1684493546276;
    (void)!parse_i64(timestamp, 0, INT64_MAX / 2, &now_ms);
    static const int64_t offsets_ms[] = {0, SIGNATURE_WINDOW_MS - 1, SIGNATURE_WINDOW_MS};
    for (size_t i = 0; i < 3; i++) {
        struct error error = {0};
        size_t which;
        if (signature_check(timestamp, sign, now_ms + offsets_ms[i], secrets, 2, &which, &error) ==
            ST_OK) {
            assert(which == 1 && *secret && offsets_ms[i] < SIGNATURE_WINDOW_MS);
            check_right_sign(timestamp, sign, secret);
        } else {
            assert(error.status == ST_DENIED && error.text[0]);
        }
    }
    return 0;
}
