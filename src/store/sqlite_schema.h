/*
 * The tables, as numbered steps from an empty file to the newest form. A step that was released is
 * never changed again; a new form of the tables is a new step. Private to src/store.
 */
#ifndef DB_STORE_SQLITE_SCHEMA_H
#define DB_STORE_SQLITE_SCHEMA_H

#include <sqlite3.h>
#include <stddef.h>

#include "util/status.h"

/* steps[0] makes version 1 of an empty file, steps[n - 1] the newest. */
extern const char *const sqlite_schema_steps[];
extern const size_t n_sqlite_schema_steps;

/* Brings the file to version `n_steps`; each step is a transaction of its own, so that an
 * interrupted migration goes on where it was. ST_STORE, with the file untouched, when it belongs to
 * another program or a newer version wrote it. */
enum status sqlite_schema_migrate(sqlite3 *handle, const char *const *steps, size_t n_steps,
                                  struct error *ret_err) DB_MUST_CHECK;

#endif
