/* Reading what whois servers answer: everybody's own words for the same few things. Pure. */
#ifndef DB_TOOLS_WHOIS_ANSWER_H
#define DB_TOOLS_WHOIS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/str.h"

#define WHOIS_TEXT_SIZE 160
#define WHOIS_STATUSES_MAX 12
#define WHOIS_EXCERPT_SIZE 1500

/* Texts are UTF-8 of one line without backquotes, "" where nothing was told. */
struct whois_facts {
    char created[WHOIS_TEXT_SIZE]; /* "2026-11-24" where the server's spelling is known */
    char expires[WHOIS_TEXT_SIZE];
    int64_t expires_s; /* Unix time of that day; 0: not known */
    char registrar[WHOIS_TEXT_SIZE];
    char statuses[WHOIS_STATUSES_MAX][WHOIS_TEXT_SIZE]; /* EPP's codes without their links */
    size_t n_statuses;
    char referral[WHOIS_TEXT_SIZE];   /* who is said to know more: a host, as written */
    bool is_free;                     /* the server knows no such domain */
    char excerpt[WHOIS_EXCERPT_SIZE]; /* the answer's beginning, lines kept */
};

/* Adds what the answer tells to the facts that are not known yet; referral, is_free and excerpt are
 * this answer's. */
void whois_answer_read(struct str answer, struct whois_facts *facts);
/* The server that the IANA names for a top-level domain; false: none. */
bool whois_answer_server(struct str answer, char ret_server[WHOIS_TEXT_SIZE]);
/* A date as servers write it: "2026-11-24T07:01:31Z", "2026.11.24", "20261124", "24-Nov-2026",
 * "24.11.2026". ST_INVAL: another spelling. Writes "2026-11-24" and the day's Unix time. */
enum status whois_date_read(struct str text, char ret_day[11], int64_t *ret_s) DB_MUST_CHECK;

#endif
