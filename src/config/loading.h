/* One reading of the settings, and what it finds wrong in a value. Private to src/config. */
#ifndef DB_CONFIG_LOADING_H
#define DB_CONFIG_LOADING_H

#include "config/config.h"
#include "config/yaml_file.h"

struct loading {
    struct config *config;
    struct config_problems *problems;
    const struct yaml_file *yaml; /* NULL when there is no file */
    bool is_text;                 /* of the environment, where lines mean nothing */
    const char *file;
    const struct config_check *checks; /* NULL: none */
};

/* Sets a value of `object`, a struct config or struct config_model, and says what is wrong with it:
 * `where` it stands and what it is called (`label`). */
void loading_set(struct loading *loading, void *object, const struct config_key *key,
                 struct str text, const char *where, const char *label);
/* The value is none for this key. */
void loading_complain(struct loading *loading, const struct config_key *key, const char *where,
                      const char *label);
/* What another room has against the value that was just set. */
void loading_check(struct loading *loading, const void *object, const struct config_key *key,
                   const char *where, const char *label);
/* A key that is in no table. */
void loading_warn_unknown(struct loading *loading, const struct config_key *keys, size_t n_keys,
                          const char *where, const char *prefix, struct str name);

/* The entries of `models`, a list in loading->yaml. ST_INVAL when it is no list of maps; what else
 * is wrong is said. */
enum status models_take(struct loading *loading, int node) DB_MUST_CHECK;
/* The same of a text of YAML. */
enum status models_take_text(struct loading *loading, struct str text) DB_MUST_CHECK;
/* Fills in what the entries leave out, once everything has been read, and checks them. */
void models_complete(struct loading *loading);

#endif
