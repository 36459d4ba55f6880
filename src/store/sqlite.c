typedef int store_sqlite_is_empty;
