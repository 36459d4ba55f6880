#include "tools/whois_answer.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* The spellings of registries, with made-up values. */
static const struct row {
    const char *answer;
    const char *created, *expires, *registrar, *statuses, *referral;
} rows[] = {
    {"   Domain Name: EXAMPLE.COM\r\n   Registrar WHOIS Server: whois.registrar.example\r\n"
     "   Updated Date: 2025-08-14T07:01:39Z\r\n   Creation Date: 1995-08-14T04:00:00Z\r\n"
     "   Registry Expiry Date: 2027-08-13T04:00:00Z\r\n   Registrar: Registrar, Inc.\r\n"
     "   Domain Status: clientDeleteProhibited https://icann.org/epp#clientDeleteProhibited\r\n"
     "   Domain Status: ok https://icann.org/epp#ok\r\n>>> Last update <<<\r\n"
     "NOTICE: The expiration date displayed is not found here\r\n",
     "1995-08-14", "2027-08-13", "Registrar, Inc.", "clientDeleteProhibited|ok",
     "whois.registrar.example"},
    {"Domain Name: example.cn\nROID: 1\nDomain Status: clientTransferProhibited\n"
     "Registrant: 某公司\nSponsoring Registrar: 北京某某科技有限公司\nName Server: ns1.example.cn\n"
     "Registration Time: 2003-03-17 12:20:05\nExpiration Time: 2027-03-17 12:48:36\n",
     "2003-03-17", "2027-03-17", "北京某某科技有限公司", "clientTransferProhibited", ""},
    {"\n    Domain name:\n        example.co.uk\n\n    Registrar:\n        Name Ltd [Tag = NAME]\n"
     "        URL: https://example.org\n\n    Relevant dates:\n        Registered on: 14-Sep-1998\n"
     "        Expiry date:  14-Sep-2027\n\n    Registration status:\n        Registered until "
     "expiry date.\n",
     "1998-09-14", "2027-09-14", "Name Ltd [Tag = NAME]", "Registered until expiry date.", ""},
    {"% comment: created: no\ndomain:        EXAMPLE.RU\nstate:         REGISTERED, DELEGATED, "
     "VERIFIED\nregistrar:     RU-CENTER-RU\ncreated:       1997-11-28T00:00:00Z\npaid-till:     "
     "2027-12-01T00:00:00Z\n",
     "1997-11-28", "2027-12-01", "RU-CENTER-RU", "REGISTERED|DELEGATED|VERIFIED", ""},
    {"[Domain Name]                   EXAMPLE.JP\n[Created on]                    2001/03/26\n"
     "[Expires on]                    2027/03/31\n[Status]                        Active\n",
     "2001-03-26", "2027-03-31", "", "Active", ""},
    {"domain.............: example.fi\nstatus.............: Registered\ncreated............: "
     "4.6.1996 03:00:00\nexpires............: 31.12.2027 00:00:00\nregistrar..........: Oy Ab\n",
     "4.6.1996 03:00:00", "2027-12-31", "Oy Ab", "Registered", ""},
    {"Domain: example.de\nNserver: ns.example.de\nStatus: connect\nChanged: 2020-01-01\n", "", "",
     "", "connect", ""},
    {"domain: example.br\ncreated: 19990518 #123\nexpires: 20270518\nstatus: published\n",
     "1999-05-18", "2027-05-18", "", "published", ""},
    {"refer:        whois.verisign-grs.com\n\ndomain:       COM\nwhois:        whois.other\n", "",
     "", "", "", "whois.verisign-grs.com"},
    {"Registrar: `evil`\x1b[31m\xff\nCreated: a\tb\n", "a b", "", "'evil' [31m ", "", ""},
};

static void every_spelling_is_read(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whois_facts facts = {0};
        char statuses[WHOIS_TEXT_SIZE * 4] = "";
        whois_answer_read(str_of(rows[i].answer), &facts);
        assert_string_equal(facts.created, rows[i].created);
        assert_string_equal(facts.expires, rows[i].expires);
        assert_string_equal(facts.registrar, rows[i].registrar);
        assert_string_equal(facts.referral, rows[i].referral);
        size_t len = 0;
        for (size_t k = 0; k < facts.n_statuses; k++)
            len += (size_t)snprintf(statuses + len, sizeof(statuses) - len, "%s%s", k ? "|" : "",
                                    facts.statuses[k]);
        assert_string_equal(statuses, rows[i].statuses);
        assert_false(facts.is_free);
    }
}

static void a_domain_that_nobody_has_is_known(void **state)
{
    static const char *const answers[] = {
        "No match for domain \"EXAMPLE.COM\".\r\n>>> Last update of whois database <<<\r\n",
        "No matching record.\n",
        "Domain not found.\n",
        "% No entries found for the selected source(s).\n",
        "Domain: example.de\nStatus: free\n",
        "The queried object does not exist: DOMAIN NOT FOUND\r\n",
        "NOT FOUND\n",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct whois_facts facts = {0};
        whois_answer_read(str_of(answers[i]), &facts);
        assert_true(facts.is_free);
    }
    struct whois_facts facts = {0};
    whois_answer_read(STR_LIT("Too many requests, try later\n"), &facts);
    assert_false(facts.is_free);
    assert_string_equal(facts.excerpt, "Too many requests, try later");
}

static void what_one_server_told_another_does_not_change(void **state)
{
    struct whois_facts facts = {0};
    whois_answer_read(STR_LIT("Creation Date: 2001-01-01\nRegistrar WHOIS Server: w.example\n"
                              "Domain Status: ok\n"),
                      &facts);
    whois_answer_read(STR_LIT("Creation Date: 2002-02-02\nRegistrar: R\nDomain Status: OK (x)\n"
                              "Registrar Registration Expiration Date: 2030-03-03T00:00:00Z\n"),
                      &facts);
    assert_string_equal(facts.created, "2001-01-01");
    assert_string_equal(facts.registrar, "R");
    assert_string_equal(facts.expires, "2030-03-03");
    assert_int_equal(facts.expires_s, 1898726400);
    assert_int_equal(facts.n_statuses, 1);
    assert_string_equal(facts.referral, "");
}

static void dates_that_are_none_are_refused(void **state)
{
    static const char *const texts[] = {"",           "x",          "2026-13-01", "2026-00-01",
                                        "2026-01-32", "0000-01-01", "2026-1-1",   "24-Xyz-2026",
                                        "2026-11",    "99999999",   "24/11/2026"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char day[11];
        int64_t s;
        if (whois_date_read(str_of(texts[i]), day, &s) == ST_OK)
            fail_msg("%s gave %s", texts[i], day);
    }
}

static void long_and_broken_answers_fit(void **state)
{
    static char answer[64 * 1024];
    struct whois_facts facts = {0};
    memset(answer, 'x', sizeof(answer));
    memcpy(answer, "Registrar: ", 11);
    whois_answer_read((struct str){answer, sizeof(answer)}, &facts);
    assert_int_equal(strlen(facts.registrar), WHOIS_TEXT_SIZE - 1);
    assert_int_equal(strlen(facts.excerpt), WHOIS_EXCERPT_SIZE - 1);
    for (size_t i = 0; i < sizeof(answer); i++)
        answer[i] = (char)(i * 7 % 256);
    whois_answer_read((struct str){answer, sizeof(answer)}, &facts);
    for (size_t i = 0; i + 11 <= sizeof(answer); i += 11)
        memcpy(answer + i, "status: a,\n", 11);
    whois_answer_read((struct str){answer, sizeof(answer)}, &facts);
    assert_true(facts.n_statuses <= WHOIS_STATUSES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_is_read),
        cmocka_unit_test(a_domain_that_nobody_has_is_known),
        cmocka_unit_test(what_one_server_told_another_does_not_change),
        cmocka_unit_test(dates_that_are_none_are_refused),
        cmocka_unit_test(long_and_broken_answers_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
