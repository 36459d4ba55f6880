#include "net/tls_probe.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/buf.h"
#include "util/mem.h"

/* Whoever sends more of them has something else in mind. */
#define CHAIN_BYTES_MAX (64 * 1024)

struct tls_trust {
    SSL_CTX *context;
};

struct tls_probe {
    struct tls_trust *trust;
    struct loop *loop;
    struct dial *dial;
    struct watch *watch;
    struct timer *timer;
    SSL *ssl;
    char *host;
    struct tls_certificate certificate;
    tls_probe_fn fn;
    void *arg;
};

struct tls_trust *tls_trust_new(void)
{
    struct tls_trust *trust = xcalloc(1, sizeof(*trust));
    SSL_CTX *context = trust->context = SSL_CTX_new(TLS_client_method());
    if (!context) {
        tls_trust_free(trust);
        return NULL;
    }
    /* Without any trusted one, all are untrusted, and that is told. */
    (void)SSL_CTX_set_default_verify_paths(context);
    /* An old server's certificate can be told too: nothing is sent to it. */
    SSL_CTX_set_security_level(context, 0);
    (void)SSL_CTX_set_min_proto_version(context, 0);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    return trust;
}

void tls_trust_free(struct tls_trust *trust)
{
    if (!trust)
        return;
    SSL_CTX_free(trust->context);
    free(trust);
}

static void probe_free(struct tls_probe *probe)
{
    timer_cancel(&probe->timer);
    watch_free(probe->watch);
    SSL_free(probe->ssl);
    dial_free(probe->dial);
    free(probe->host);
    free(probe);
}

static void finish(struct tls_probe *probe, const struct error *error)
{
    struct tls_probe_result result = {.certificate = error ? NULL : &probe->certificate};
    if (error) {
        result.status = error->status;
        result.error = *error;
    }
    probe->fn(&result, probe->arg);
    probe_free(probe);
}

static void fail(struct tls_probe *probe, enum status status, const char *why)
{
    struct error error;
    (void)error_set(&error, status, 0, "%s", why);
    finish(probe, &error);
}

static void on_timeout(void *arg)
{
    struct tls_probe *probe = arg;
    probe->timer = NULL;
    fail(probe, ST_TIMEOUT, "no handshake in time");
}

/* ---- what a certificate holds ---- */

/* Without what is no text: control characters, and bytes that are no UTF-8. */
static void set_text(char ret_text[TLS_TEXT_SIZE], struct str text)
{
    size_t n = 0;
    uint32_t cp;
    for (size_t at = 0, len; (len = utf8_decode(str_sub(text, at, text.n), &cp)) > 0; at += len) {
        bool is_text =
            cp >= ' ' && cp != 0x7F && !(cp >= 0x80 && cp < 0xA0) && !(len == 1 && cp == 0xFFFD);
        if (n + len >= TLS_TEXT_SIZE)
            break;
        if (is_text) {
            memcpy(ret_text + n, text.p + at, len);
            n += len;
        }
    }
    ret_text[n] = '\0';
}

/* One entry of a name, appended. */
static void put_entry(X509_NAME *name, int nid, struct buf *out)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *bytes = NULL;
    if (at < 0)
        return;
    int n = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n > 0) {
        buf_puts(out, out->len > 0 ? "，" : "");
        (void)buf_add(out, bytes, (size_t)n);
    }
    OPENSSL_free(bytes);
}

static void read_names(X509 *x509, struct tls_certificate *certificate)
{
    struct buf subject = BUF_INIT(CHAIN_BYTES_MAX);
    struct buf issuer = BUF_INIT(CHAIN_BYTES_MAX);
    put_entry(X509_get_subject_name(x509), NID_commonName, &subject);
    if (subject.len == 0)
        put_entry(X509_get_subject_name(x509), NID_organizationName, &subject);
    put_entry(X509_get_issuer_name(x509), NID_organizationName, &issuer);
    put_entry(X509_get_issuer_name(x509), NID_commonName, &issuer);
    set_text(certificate->subject, buf_str(&subject));
    set_text(certificate->issuer, buf_str(&issuer));
    buf_done(&subject);
    buf_done(&issuer);
}

static void add_name(struct tls_certificate *certificate, struct str name)
{
    if (certificate->n_names < TLS_NAMES_MAX)
        set_text(certificate->names[certificate->n_names], name);
    certificate->n_names++;
}

static void read_other_names(X509 *x509, struct tls_certificate *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        const char *bytes = value && (type == GEN_DNS || type == GEN_IPADD)
                                ? (const char *)ASN1_STRING_get0_data(value)
                                : NULL;
        if (!bytes)
            continue;
        size_t n = (size_t)ASN1_STRING_length(value);
        char address[INET6_ADDRSTRLEN] = "";
        if (type == GEN_DNS)
            add_name(certificate, (struct str){bytes, n});
        else if ((n == 4 || n == 16) &&
                 inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, address, sizeof(address)))
            add_name(certificate, str_of(address));
    }
    GENERAL_NAMES_free(names);
}

static int64_t read_time(const ASN1_TIME *time)
{
    struct tm tm = {0};
    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static void read_certificate(const struct tls_probe *probe, X509 *x509,
                             struct tls_certificate *certificate)
{
    read_names(x509, certificate);
    read_other_names(x509, certificate);
    certificate->not_before_s = read_time(X509_get0_notBefore(x509));
    certificate->not_after_s = read_time(X509_get0_notAfter(x509));
    set_text(certificate->other, str_of(certificate->other));
    (void)snprintf(certificate->protocol, sizeof(certificate->protocol), "%s",
                   SSL_get_version(probe->ssl));
    bool is_named = is_address(probe->host)
                        ? X509_check_ip_asc(x509, probe->host, 0) == 1
                        : X509_check_host(x509, probe->host, 0,
                                          X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
    if (!is_named)
        certificate->problems |= TLS_NAME_MISMATCH;
}

/* ---- the handshake ---- */

static unsigned problem_of(int error, int depth)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return depth == 0 ? TLS_EXPIRED : TLS_CHAIN_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return depth == 0 ? TLS_NOT_YET_VALID : TLS_CHAIN_EXPIRED;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return TLS_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return TLS_UNTRUSTED;
    default:
        return TLS_OTHER;
    }
}

/* Every problem is noted, and none ends the handshake. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_probe *probe = SSL_get_app_data(ssl);
    int error = X509_STORE_CTX_get_error(store);
    if (is_good)
        return 1;
    unsigned problem = problem_of(error, X509_STORE_CTX_get_error_depth(store));
    probe->certificate.problems |= problem;
    if (problem == TLS_OTHER)
        (void)snprintf(probe->certificate.other, TLS_TEXT_SIZE, "%s",
                       X509_verify_cert_error_string(error));
    return 1;
}

static void tell_failure(struct tls_probe *probe)
{
    char why[128] = "the peer closed the connection";
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (reason)
        (void)snprintf(why, sizeof(why), "%s", reason);
    fail(probe, ST_TLS, why);
}

static void on_ready(int fd, bool is_readable, bool is_writable, void *arg)
{
    struct tls_probe *probe = arg;
    ERR_clear_error();
    int result = SSL_connect(probe->ssl);
    int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(probe->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        watch_set(probe->watch, why == SSL_ERROR_WANT_READ, why == SSL_ERROR_WANT_WRITE);
        return;
    }
    /* A server that wants a certificate of ours ends the handshake after it has shown its own. */
    X509 *x509 = SSL_get1_peer_certificate(probe->ssl);
    if (x509) {
        read_certificate(probe, x509, &probe->certificate);
        X509_free(x509);
        finish(probe, NULL);
    } else {
        tell_failure(probe);
    }
    ERR_clear_error();
}

static void on_dialled(const struct dial_result *result, void *arg)
{
    struct tls_probe *probe = arg;
    if (result->status != ST_OK) {
        finish(probe, &result->error);
        return;
    }
    memcpy(probe->certificate.address, result->address, sizeof(result->address));
    SSL *ssl = probe->ssl = SSL_new(probe->trust->context);
    if (!ssl || SSL_set_fd(ssl, result->fd) != 1 ||
        (!is_address(probe->host) && SSL_set_tlsext_host_name(ssl, probe->host) != 1)) {
        fail(probe, ST_INTERNAL, "OpenSSL does not begin");
        return;
    }
    SSL_set_app_data(ssl, probe);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    probe->watch = watch_new(probe->loop, result->fd, "tls_probe", on_ready, probe);
    watch_set(probe->watch, false, true);
}

struct tls_probe *tls_probe_start(struct dialer *dialer, struct tls_trust *trust, const char *host,
                                  int port, int64_t timeout_ms, tls_probe_fn fn, void *arg)
{
    struct tls_probe *probe = xcalloc(1, sizeof(*probe));
    probe->trust = trust;
    probe->loop = dialer_loop(dialer);
    probe->host = xstrdup(host);
    probe->fn = fn;
    probe->arg = arg;
    probe->timer = timer_start(probe->loop, timeout_ms, "tls_probe", on_timeout, probe);
    probe->dial = dial_start(dialer, host, port, false, on_dialled, probe);
    return probe;
}

void tls_probe_cancel(struct tls_probe **probe)
{
    if (*probe)
        probe_free(*probe);
    *probe = NULL;
}
