/*
 * A store on a real file in a directory of its own, and its calls made to wait for their answers.
 */
#ifndef DB_TESTS_STORE_FIXTURE_H
#define DB_TESTS_STORE_FIXTURE_H

#include <sqlite3.h>

#include "net/loop.h"
#include "store/store.h"

#define FIXTURE_WAIT_MS 20000

struct fixture {
    char dir[64];
    char path[128];
    struct loop *loop;
    struct store *store;
};

/* For cmocka; *state is the fixture. The store is open. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Opening again after fixture_close_store; must succeed. */
void fixture_open_store(struct fixture *fixture);
void fixture_close_store(struct fixture *fixture);

/* One copied answer to store_accept, or to store_read_session. */
struct answer {
    bool is_here;
    enum status status;
    int64_t inbox_id;
    bool is_over_limit;
    enum store_mode mode;
    int64_t last_active_ms;
    char model[32];
    size_t n_context;
    char context[256]; /* "question=answer" for each, separated by blanks */
    int *sequence;     /* NULL, or a counter that gives this answer its place */
    int place;
};

/* For store_accept and store_read_session; arg is a struct answer. */
void on_accepted(const struct store_accepted *accepted, void *arg);
void on_session(const struct store_session_result *result, void *arg);
void fixture_wait(struct fixture *fixture, const struct answer *answer);

struct store_arrival arrival_of(const char *msg_id);
struct answer accept_now(struct fixture *fixture, struct store_arrival arrival);
struct answer accept_id(struct fixture *fixture, const char *msg_id);
struct answer read_session_now(struct fixture *fixture, struct store_session_key key);

struct store_exchange_record record_of(const char *question, const char *answer);
enum status settle_now(struct fixture *fixture, struct store_settlement settlement);
/* Accepts a message of the key and settles it with this exchange. */
void exchange_now(struct fixture *fixture, struct store_session_key key, const char *question,
                  const char *answer);
enum status note_progress_now(struct fixture *fixture, int64_t inbox_id, const char *answer,
                              int parts_sent);
enum status prune_now(struct fixture *fixture, int64_t before_ms);
int64_t used_now(struct fixture *fixture, const char *user, const char *day);

/* A second look at the file, past the store. */
sqlite3 *open_raw(const char *path);
void run_raw(sqlite3 *raw, const char *sql);
int64_t number_raw(sqlite3 *raw, const char *sql);
int64_t fixture_number(const struct fixture *fixture, const char *sql);

extern const struct store_session_key fixture_key;

#endif
