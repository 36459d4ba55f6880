/* What we need of libcrypto: HMAC, SHA-256, SHA-1, base64, random, comparison in constant time. */
#ifndef DB_UTIL_CRYPTO_H
#define DB_UTIL_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/attr.h"
#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define SHA256_SIZE 32
#define SHA1_SIZE 20

enum status crypto_hmac_sha256(struct str key, struct str data,
                               uint8_t ret_mac[SHA256_SIZE]) DB_MUST_CHECK;
enum status crypto_sha256(struct str data, uint8_t ret_hash[SHA256_SIZE]) DB_MUST_CHECK;
/* For protocols that prescribe it; not for anything secret. */
enum status crypto_sha1(struct str data, uint8_t ret_hash[SHA1_SIZE]) DB_MUST_CHECK;
/* True when equal; the time depends on the lengths only. */
bool crypto_equal(struct str a, struct str b);
/* Standard alphabet, padded, appended to `out`. */
enum status base64_encode(struct str data, struct buf *out) DB_MUST_CHECK;
/* Standard or URL alphabet, padding optional, ASCII white space skipped. ST_INVAL, or ST_TOO_LARGE
 * past out's maximum. */
enum status base64_decode(struct str text, struct buf *out) DB_MUST_CHECK;
/* Bytes from the system's random source. Aborts when the system has no randomness, as do the ones
 * below. */
void crypto_random_bytes(void *ret_bytes, size_t n_bytes);
/* Lower-case hex of n_bytes from the system's random source and a NUL: ret_hex holds 2·n_bytes+1.
 */
void crypto_random_hex(char *ret_hex, size_t n_bytes);
uint64_t crypto_random_u64(void);

#endif
