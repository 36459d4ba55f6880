/*
 * What a TLS server shows of itself: the handshake is made, whatever its certificate is worth, and
 * nothing is sent. OpenSSL by itself, because libcurl tells either that a certificate is bad or
 * what it holds.
 */
#ifndef DB_NET_TLS_PROBE_H
#define DB_NET_TLS_PROBE_H

#include "net/dial.h"

/* The certificates that are trusted: those that SSL_CERT_FILE and SSL_CERT_DIR name, else the
 * system's. Reading them takes some ten milliseconds: at start. NULL when OpenSSL fails. */
struct tls_trust;
struct tls_trust *tls_trust_new(void) DB_MUST_CHECK;
void tls_trust_free(struct tls_trust *trust); /* NULL is fine */

enum tls_problem {
    TLS_EXPIRED = 1 << 0,
    TLS_NOT_YET_VALID = 1 << 1,
    TLS_SELF_SIGNED = 1 << 2,
    TLS_UNTRUSTED = 1 << 3,     /* no way from the certificate to one that is trusted */
    TLS_CHAIN_EXPIRED = 1 << 4, /* one above it */
    TLS_NAME_MISMATCH = 1 << 5,
    TLS_OTHER = 1 << 6, /* see `other` */
};

#define TLS_TEXT_SIZE 256
#define TLS_NAMES_MAX 20

/* Texts are UTF-8 of one line, cut to their size; "" where there is none. */
struct tls_certificate {
    char address[DIAL_ADDRESS_SIZE];
    char protocol[16];           /* "TLSv1.3" */
    char subject[TLS_TEXT_SIZE]; /* the common name, else the organisation */
    char issuer[TLS_TEXT_SIZE];  /* organisation, common name */
    char names[TLS_NAMES_MAX][TLS_TEXT_SIZE];
    size_t n_names; /* all there are; the array holds the first ones */
    int64_t not_before_s, not_after_s;
    unsigned problems; /* of enum tls_problem */
    char other[TLS_TEXT_SIZE];
};

struct tls_probe;
struct tls_probe_result {
    enum status status; /* as of a dial; ST_TIMEOUT; ST_TLS: no handshake came about */
    struct error error;
    const struct tls_certificate *certificate; /* with ST_OK; borrowed for the callback */
};
/* Once, on the loop, never before tls_probe_start returned. The probe is gone then. */
typedef void (*tls_probe_fn)(const struct tls_probe_result *result, void *arg);

/* `host` as of dial_start, copied. It is also the name that is asked for and checked. */
struct tls_probe *tls_probe_start(struct dialer *dialer, struct tls_trust *trust, const char *host,
                                  int port, int64_t timeout_ms, tls_probe_fn fn, void *arg);
/* fn is not called any more. Sets the pointer to NULL and takes NULL. */
void tls_probe_cancel(struct tls_probe **probe);

#endif
