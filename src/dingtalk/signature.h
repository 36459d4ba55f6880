/*
 * The callback's signature: sign = Base64(HMAC-SHA256(secret, timestamp + "\n" + secret)), at most
 * an hour old or early (DingTalk documentation KB-0718, KB-0699). It does not cover the body.
 */
#ifndef DB_DINGTALK_SIGNATURE_H
#define DB_DINGTALK_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "util/status.h"
#include "util/str.h"

#define SIGNATURE_WINDOW_MS (60 * 60 * 1000)

/* ST_OK when one of the secrets made it (*ret_which: its index); ST_DENIED with the reason
 * otherwise. Every secret is tried, in constant time. */
enum status signature_check(struct str timestamp, struct str sign, int64_t now_ms,
                            const char *const *secrets, size_t n_secrets, size_t *ret_which,
                            struct error *ret_err) DB_MUST_CHECK;

#endif
