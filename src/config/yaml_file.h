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

struct yaml_file;

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

/*
 * ST_NOT_FOUND when the file cannot be opened, ST_TOO_LARGE past YAML_FILE_BYTES_MAX, ST_INVAL when
 * it is no YAML or no UTF-8: the error's code is the line then (0 when unknown). An empty file is a
 * YAML_NULL root.
 */
enum status yaml_file_load(const char *file, struct yaml_file **ret_yaml,
                           struct error *ret_err) DB_MUST_CHECK;
/* The same of a text: no comments in it, and JSON only where that is YAML. */
enum status yaml_text_load(struct str text, struct yaml_file **ret_yaml,
                           struct error *ret_err) DB_MUST_CHECK;
void yaml_file_free(struct yaml_file *yaml); /* NULL is fine */

/* Nodes are numbers from 1; 0 is no node, and reads as YAML_NULL. */
int yaml_file_root(const struct yaml_file *yaml);
/* An unquoted empty scalar, `~` and `null` are YAML_NULL. */
enum yaml_kind yaml_file_kind_of(const struct yaml_file *yaml, int node);
int yaml_file_line(const struct yaml_file *yaml, int node); /* from 1 */
struct str yaml_file_text(const struct yaml_file *yaml,
                          int node); /* "" for what is no scalar; borrowed */
size_t yaml_file_count(const struct yaml_file *yaml, int node); /* items or pairs; 0 for others */
int yaml_file_item(const struct yaml_file *yaml, int list, size_t i);
int yaml_file_key(const struct yaml_file *yaml, int map, size_t i);
int yaml_file_value(const struct yaml_file *yaml, int map, size_t i);
/* The value of the last pair with that key; 0 when there is none. */
int yaml_file_find(const struct yaml_file *yaml, int map, const char *key);

#endif
