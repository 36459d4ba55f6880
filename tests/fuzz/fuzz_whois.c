/* Whois answers: whatever a server sends, what is kept of it is text of one line (the excerpt: of
 * several) that cannot leave its backquotes. What it refers to is read as a host. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tools/target.h"
#include "tools/whois_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size, bool has_lines)
{
    assert(memchr(text, 0, size));
    assert(utf8_is_valid(str_of(text)));
    for (; *text; text++)
        assert(*text != '`' && ((unsigned char)*text >= ' ' || (has_lines && *text == '\n')));
}

static void check_target(struct str text)
{
    struct target target, again;
    if (target_read(text, &target) != ST_OK)
        return;
    assert(memchr(target.host, 0, sizeof(target.host)));
    assert(target_read(str_of(target.host), &again) == ST_OK);
    assert(strcmp(again.host, target.host) == 0 && again.port == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str answer = {(const char *)data, size};
    struct whois_facts facts = {0};
    for (int i = 0; i < 2; i++) {
        whois_answer_read(answer, &facts);
        check_text(facts.created, sizeof(facts.created), false);
        check_text(facts.expires, sizeof(facts.expires), false);
        check_text(facts.registrar, sizeof(facts.registrar), false);
        check_text(facts.referral, sizeof(facts.referral), false);
        check_text(facts.excerpt, sizeof(facts.excerpt), true);
        assert(facts.n_statuses <= WHOIS_STATUSES_MAX);
        for (size_t k = 0; k < facts.n_statuses; k++)
            check_text(facts.statuses[k], sizeof(facts.statuses[k]), false);
    }
    check_target(str_of(facts.referral));
    check_target(answer);
    return 0;
}
