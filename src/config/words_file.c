#include "config/words_file.h"

#include <string.h>

#include "config/problems.h"
#include "config/text_file.h"
#include "config/values.h"

#define FILE_BYTES_MAX (8 * 1024 * 1024)
#define PROBLEMS_MAX 20 /* of one file, which may be no list of words at all */

/* What is wrong with the line; NULL: nothing. `line` is not blank. */
static const char *find_fault(struct str line)
{
    if (!utf8_is_valid(line) || memchr(line.p, 0, line.n))
        return "不是 UTF-8 文本 not UTF-8 text";
    if (line.n > CONFIG_WORD_BYTES_MAX)
        return "词太长（上限 256 字节，一行一个词） too long: one word a line, 256 bytes at most";
    return NULL;
}

void words_file_load(const char *file, const char *where, struct config_list *list,
                     struct config_problems *problems)
{
    struct buf text = BUF_INIT(FILE_BYTES_MAX);
    struct error error = {0};
    enum status status = text_file_read(file, &text, &error);
    if (status != ST_OK && status != ST_INVAL) /* the line that is no UTF-8 is named below */
        problems_add(problems, true, "%s: sensitive_words_file: 读不了 cannot be read: %s: %s",
                     where, file, error.text);
    int n_problems = status == ST_OK || status == ST_INVAL ? 0 : PROBLEMS_MAX;
    struct str rest = buf_str(&text);
    for (int number = 1; rest.n > 0 && n_problems < PROBLEMS_MAX; number++) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (line.n == 0 || line.p[0] == '#')
            continue;
        const char *fault = find_fault(line);
        if (fault) {
            problems_add(problems, true, "%s:%d: %s", file, number, fault);
            n_problems++;
        } else {
            values_add_to_list(list, line);
        }
    }
    buf_done(&text);
}
