/* base_url → API root, without asking the network. */
#ifndef DB_LLM_ROOT_H
#define DB_LLM_ROOT_H

#include <stddef.h>

#include "util/status.h"

#define ROOT_SIZE_MAX 1024

/*
 * Takes what people write (`api.openai.com`, `https://relay/v1`, `https://ark…/api/v3`, a whole
 * `…/chat/completions`) and gives the root below which the endpoints lie, without a trailing slash.
 * Empty gives the root of OpenAI. ST_INVAL with a reason for user-info, queries, fragments, blanks
 * or other schemes.
 */
enum status root_resolve(const char *base_url, char ret_root[ROOT_SIZE_MAX],
                         struct error *ret_err) DB_MUST_CHECK;
/* Scheme and authority of a root ("https://host:port"). */
void root_origin(const char *root, char ret_origin[ROOT_SIZE_MAX]);
/* The root without its last version segment ("https://host/v1" → "https://host"): where relays keep
 * their billing paths. */
void root_billing_base(const char *root, char ret_base[ROOT_SIZE_MAX]);
/* The lower-case host of a root. */
void root_host(const char *root, char *ret_host, size_t size);

#endif
