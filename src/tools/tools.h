/*
 * Looking things up for people, without a model: whose a domain is, and what a server's certificate
 * is worth. Everything is asynchronous, and ends within the time limit.
 */
#ifndef DB_TOOLS_TOOLS_H
#define DB_TOOLS_TOOLS_H

#include "net/loop.h"
#include "net/tls_probe.h"
#include "tools/target.h"
#include "tools/whois.h"

struct tools;

struct tools_settings {
    bool is_private_allowed;  /* addresses that are not public may be called */
    const char *whois_server; /* the first to be asked: HOST or HOST:PORT; copied */
    int64_t timeout_ms;       /* of one lookup */
    size_t parallel;          /* lookups at once; further ones are answered with ST_LIMITED */
};

/* NULL when a library cannot. */
struct tools *tools_new(struct loop *loop, const struct tools_settings *settings) DB_MUST_CHECK;
void tools_free(struct tools *tools); /* drops what runs, silently; NULL is fine */

/* Each gives an id for tools_cancel, never 0. The callback comes once, never before the call
 * returned. */
uint64_t tools_whois(struct tools *tools, const char *domain, whois_fn fn, void *arg);
uint64_t tools_certificate(struct tools *tools, const char *host, int port, tls_probe_fn fn,
                           void *arg);
/* The callback is not called any more. An id that is gone is fine. */
void tools_cancel(struct tools *tools, uint64_t id);

#endif
