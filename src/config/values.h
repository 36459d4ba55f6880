/* One value of the settings: from text into struct config by its key's row, and back into words.
 * Private to src/config. */
#ifndef DB_CONFIG_VALUES_H
#define DB_CONFIG_VALUES_H

#include "config/config.h"

/* The row of that name; NULL when there is none. */
const struct config_key *values_find_key(const struct config_key *keys, size_t n, struct str name);
/* The nearest known name, or NULL when none is near enough to be meant. */
const char *values_nearest_key(const struct config_key *keys, size_t n, struct str name);

/*
 * Sets the value from text in `object`, a struct config or struct config_model: lists by comma,
 * credentials as `id:secret,id:secret`. ST_INVAL leaves the old value. The empty text is for the
 * caller to leave out.
 */
enum status values_set(void *object, const struct config_key *key, struct str text) DB_MUST_CHECK;
void values_clear_list(struct config_list *list);
void values_add_to_list(struct config_list *list, struct str item);
void values_clear_credentials(struct config *config);
void values_add_credential(struct config *config, struct str client_id, struct str client_secret);
void values_clear_models(struct config *config);
/* Empty: nothing in it is named. Valid until the next one is added. */
struct config_model *values_add_model(struct config *config);
void values_clear(struct config *config); /* frees every value */

/* The texts of a key: one for a string, the items of a list, none for other types. Borrowed. */
char *const *values_texts(const void *object, const struct config_key *key, size_t *ret_n);

/* What is allowed, in a few words both languages read: "0…65535", "单聊 single 串聊 chain". */
void values_put_allowed(const struct config_key *key, struct buf *out);
/* The value in force, as one would write it on one line; secrets as ***. */
void values_put(const struct config *config, const struct config_key *key, struct buf *out);

#endif
