/* Compiler extensions the project allows, each behind one macro. */
#ifndef DB_UTIL_ATTR_H
#define DB_UTIL_ATTR_H

#define DB_CLEANUP(fn) __attribute__((cleanup(fn)))
#define DB_MUST_CHECK __attribute__((warn_unused_result))
#define DB_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))
#define DB_NORETURN __attribute__((noreturn))
#define DB_UNUSED __attribute__((unused))

#endif
