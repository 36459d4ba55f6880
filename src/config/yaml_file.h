/*
 * A YAML or JSON file as a tree of numbered nodes with their lines. JSON is read as the YAML it is,
 * once the comments in it (`//`, and C's form) are blanked. Only what settings need: mappings,
 * sequences, scalars; one document.
 */
#ifndef DB_CONFIG_YAML_FILE_H
#define DB_CONFIG_YAML_FILE_H

#include <stddef.h>

#include "util/attr.h"
#include "util/status.h"
#include "util/str.h"

#define YAML_FILE_BYTES_MAX (1024 * 1024)

struct yaml;

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

/*
 * ST_NOT_FOUND when the file cannot be opened, ST_TOO_LARGE past YAML_FILE_BYTES_MAX, ST_INVAL when
 * it is no YAML or no UTF-8: the error's code is the line then (0 when unknown). An empty file is a
 * YAML_NULL root.
 */
enum status yaml_load(const char *file, struct yaml **ret_yaml,
                      struct error *ret_err) DB_MUST_CHECK;
void yaml_free(struct yaml *yaml); /* NULL is fine */

/* Nodes are numbers from 1; 0 is no node, and reads as YAML_NULL. */
int yaml_root(const struct yaml *yaml);
/* An unquoted empty scalar, `~` and `null` are YAML_NULL. */
enum yaml_kind yaml_kind_of(const struct yaml *yaml, int node);
int yaml_line(const struct yaml *yaml, int node);        /* from 1 */
struct str yaml_text(const struct yaml *yaml, int node); /* "" for what is no scalar; borrowed */
size_t yaml_count(const struct yaml *yaml, int node);    /* items or pairs; 0 for others */
int yaml_item(const struct yaml *yaml, int list, size_t i);
int yaml_key(const struct yaml *yaml, int map, size_t i);
int yaml_value(const struct yaml *yaml, int map, size_t i);
/* The value of the last pair with that key; 0 when there is none. */
int yaml_find(const struct yaml *yaml, int map, const char *key);

#endif
