#include "dingtalk/signature.h"

#include "util/buf.h"
#include "util/crypto.h"

#define TIMESTAMP_DIGITS_MAX 18 /* always fits an int64_t */
#define SIGN_TEXT_SIZE 44       /* base64 of 32 bytes */

/* Digits only: the header goes into the signed text as it stands, so it is read as strictly. */
static bool read_timestamp(struct str timestamp, int64_t *ret_ms)
{
    if (timestamp.n == 0 || timestamp.n > TIMESTAMP_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < timestamp.n; i++) {
        if (timestamp.p[i] < '0' || timestamp.p[i] > '9')
            return false;
    }
    return parse_i64(timestamp, 0, INT64_MAX, ret_ms) == ST_OK;
}

static bool is_made_by(struct str timestamp, struct str sign, struct str secret)
{
    struct buf signed_text = BUF_INIT(timestamp.n + 1 + secret.n);
    struct buf expected = BUF_INIT(SIGN_TEXT_SIZE);
    uint8_t mac[SHA256_SIZE];
    buf_add_str(&signed_text, timestamp);
    buf_putc(&signed_text, '\n');
    buf_add_str(&signed_text, secret);
    bool is_same =
        crypto_hmac_sha256(secret, buf_str(&signed_text), mac) == ST_OK &&
        base64_encode((struct str){(const char *)mac, sizeof(mac)}, &expected) == ST_OK &&
        crypto_equal(buf_str(&expected), sign);
    buf_done(&signed_text);
    buf_done(&expected);
    return is_same;
}

enum status signature_check(struct str timestamp, struct str sign, int64_t now_ms,
                            const char *const *secrets, size_t n_secrets, size_t *ret_which,
                            struct error *ret_err)
{
    if (timestamp.n == 0 || sign.n == 0)
        return error_set(ret_err, ST_DENIED, 0, "timestamp or sign header missing");
    int64_t made_ms;
    if (!read_timestamp(timestamp, &made_ms))
        return error_set(ret_err, ST_DENIED, 0, "timestamp is not in milliseconds");
    int64_t age_ms = now_ms - made_ms;
    if (age_ms >= SIGNATURE_WINDOW_MS || age_ms <= -SIGNATURE_WINDOW_MS)
        return error_set(ret_err, ST_DENIED, 0, "timestamp is %lld s away from this clock",
                         (long long)(age_ms / 1000));
    size_t which = n_secrets;
    for (size_t i = 0; i < n_secrets; i++) {
        struct str secret = str_of(secrets[i]);
        /* An empty secret is one that everybody knows. */
        if (secret.n > 0 && is_made_by(timestamp, sign, secret))
            which = i;
    }
    if (which == n_secrets)
        return error_set(ret_err, ST_DENIED, 0, "sign fits none of the secrets");
    *ret_which = which;
    return ST_OK;
}
