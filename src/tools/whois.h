/*
 * Asking about a domain: the IANA names the registry's whois server, which may name the registrar's
 * when it does not tell everything itself. Each is asked once.
 *
 *   ROOT → REGISTRY → (REGISTRAR) → told
 */
#ifndef DB_TOOLS_WHOIS_H
#define DB_TOOLS_WHOIS_H

#include "net/dial.h"
#include "tools/target.h"
#include "tools/whois_answer.h"

struct whois;

struct whois_result {
    enum status status; /* ST_OK; ST_NOT_FOUND: no server is known for the domain; as of a query */
    struct error error;
    char server[TARGET_HOST_SIZE];   /* who told, or who failed */
    const struct whois_facts *facts; /* with ST_OK; borrowed for the callback */
};
/* Once, on the loop, never before whois_start returned. The lookup is gone then. */
typedef void (*whois_fn)(const struct whois_result *result, void *arg);

/* `domain` as of a target. `root`: the first server, HOST or HOST:PORT. */
struct whois *whois_start(struct dialer *dialer, const char *root, const char *domain,
                          int64_t timeout_ms, whois_fn fn, void *arg);
/* fn is not called any more. Sets the pointer to NULL and takes NULL. */
void whois_cancel(struct whois **whois);

#endif
