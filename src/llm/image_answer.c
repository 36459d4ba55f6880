#include "llm/image_answer.h"

#include <stdlib.h>
#include <string.h>

#include "net/url.h"
#include "util/crypto.h"
#include "util/json.h"
#include "util/mem.h"

const struct image_type *image_type_of(struct str bytes)
{
    static const struct image_type png = {"image/png", "png"};
    static const struct image_type jpeg = {"image/jpeg", "jpg"};
    static const struct image_type gif = {"image/gif", "gif"};
    static const struct image_type webp = {"image/webp", "webp"};
    if (str_starts(bytes, STR_LIT("\x89PNG\r\n\x1a\n")))
        return &png;
    if (str_starts(bytes, STR_LIT("\xff\xd8\xff")))
        return &jpeg;
    if (str_starts(bytes, STR_LIT("GIF87a")) || str_starts(bytes, STR_LIT("GIF89a")))
        return &gif;
    if (str_starts(bytes, STR_LIT("RIFF")) && str_eq(str_sub(bytes, 8, 4), STR_LIT("WEBP")))
        return &webp;
    return NULL;
}

/* Relays put data URLs into either member. */
static void take_base64(struct image_answer *answer, struct str text)
{
    if (str_starts_nocase(text, STR_LIT("data:")))
        (void)str_cut(&text, ',');
    enum status status = base64_decode(text, &answer->bytes);
    if (status == ST_TOO_LARGE)
        problem_set(&answer->problem, LLM_FAIL_TOO_LARGE, false, "an image of more than %zu bytes",
                    answer->bytes.max);
    else if (status != ST_OK)
        problem_set(&answer->problem, LLM_FAIL_GARBLED, false, "the image is no base64");
}

static void take_link(struct image_answer *answer, struct str link)
{
    struct url url;
    if (str_starts_nocase(link, STR_LIT("data:"))) {
        take_base64(answer, link);
    } else if (url_parse(link, &url, NULL) != ST_OK ||
               (strcmp(url.scheme, "https") != 0 && strcmp(url.scheme, "http") != 0)) {
        problem_set(&answer->problem, LLM_FAIL_GARBLED, false,
                    "the link to the image is not usable");
    } else {
        answer->link = xstrndup(link.p, link.n);
    }
}

/* The first image: {"data":[{"b64_json"|"url"}]}, or SiliconFlow's {"images":[{"url"}]}. */
static void take_answer(struct image_answer *answer, const json_t *value)
{
    const json_t *image = json_array_get(json_object_get(value, "data"), 0);
    if (!image)
        image = json_array_get(json_object_get(value, "images"), 0);
    struct str base64 = json_str(image, "b64_json");
    struct str link = json_str(image, "url");
    if (base64.n > 0)
        take_base64(answer, base64);
    else if (link.n > 0)
        take_link(answer, link);
    else
        problem_set(&answer->problem, LLM_FAIL_EMPTY, false, "an answer without an image");
}

struct image_answer *image_answer_new_take(struct buf *body, size_t max_image_bytes)
{
    struct image_answer *answer = xcalloc(1, sizeof(*answer));
    answer->body = *body;
    *body = BUF_INIT(body->max);
    answer->bytes = BUF_INIT(max_image_bytes);
    return answer;
}

void image_answer_free(struct image_answer *answer)
{
    if (!answer)
        return;
    buf_done(&answer->body);
    buf_done(&answer->bytes);
    free(answer->link);
    free(answer);
}

void image_answer_read(void *arg)
{
    struct image_answer *answer = arg;
    DB_CLEANUP(json_unref) json_t *value = NULL;
    struct error error;
    if (json_parse_lenient(buf_str(&answer->body), &value, &error) != ST_OK) {
        /* A gateway's page, which may be gone at the next try. */
        problem_set(&answer->problem, LLM_FAIL_GARBLED, true, "no JSON: %s", error.text);
    } else {
        problem_classify_json(value, &answer->problem);
        if (answer->problem.failure == LLM_OK)
            take_answer(answer, value);
    }
    buf_done(&answer->body);
}
