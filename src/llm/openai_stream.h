/*
 * The body of a 200 answer, bytes cut anywhere → the answer's text. The body is a stream of events,
 * one JSON value (some relays ignore `stream`), or no answer at all; its first byte tells, because
 * content types lie.
 *
 * Reasoning is counted and dropped, whether it comes in fields of its own or as <think>…</think> at
 * the start of the text. Some servers send the closing tag alone, on a line of its own, because the
 * opening one was part of their prompt: then what came before it is taken back. White space before
 * the first character of the answer is dropped too.
 */
#ifndef DB_LLM_OPENAI_STREAM_H
#define DB_LLM_OPENAI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llm/llm.h"
#include "llm/openai_body.h"
#include "llm/openai_error.h"
#include "net/sse.h"
#include "util/buf.h"
#include "util/json.h"
#include "util/str.h"

enum openai_format {
    OPENAI_FORMAT_OPEN,
    OPENAI_FORMAT_EVENTS,
    OPENAI_FORMAT_JSON,
    OPENAI_FORMAT_NONE
};

enum openai_finish {
    OPENAI_FINISH_NONE, /* not yet */
    OPENAI_FINISH_STOP,
    OPENAI_FINISH_LENGTH,
    OPENAI_FINISH_FILTER,
    OPENAI_FINISH_ERROR, /* the peer gave up in the middle */
};

enum openai_opening { OPENAI_OPENING, OPENAI_THINKING, OPENAI_ANSWERING };

struct openai_stream {
    const struct openai_dialect *dialect;
    enum openai_format format;
    struct sse sse;
    struct buf json; /* the whole body, when it is one JSON value */
    bool is_ending;  /* what comes now may have been cut */
    bool has_value;  /* something was JSON */
    bool is_done;    /* [DONE] was read */
    enum openai_finish finish;
    bool has_reasoning;
    int64_t n_pieces; /* of text or reasoning: tells progress from keep-alives */
    enum openai_opening opening;
    uint32_t half;      /* the first half of a character that a delta ended with; 0: none */
    struct buf held;    /* the start of the text, until it is known not to be <think> */
    struct buf seam;    /* the newest bytes of the answer: a tag may be cut between two pieces */
    bool is_about_tags; /* the answer names the opening tag: a closing one is part of it */
    bool is_retracted;  /* what was taken of the text was reasoning; for the taker to clear */
    struct buf text;    /* answer not taken yet, in whole characters */
    size_t text_bytes;  /* of the answer so far */
    size_t max_answer_bytes;
    struct llm_usage usage;
    struct openai_problem problem; /* found in the body */
};

void openai_stream_init(struct openai_stream *stream, const struct openai_dialect *dialect,
                        size_t max_answer_bytes);
void openai_stream_done(struct openai_stream *stream);
/* False: the answer has failed (openai_stream_judge tells how) and no more is to be fed. */
bool openai_stream_feed(struct openai_stream *stream, struct str bytes);
/* The body has come to its end, or will not go on. */
void openai_stream_finish(struct openai_stream *stream);
/* The peer has said that the answer is complete; a usage event may still follow. */
bool openai_stream_is_whole(const struct openai_stream *stream);
/*
 * What came of it: LLM_OK for a whole answer with text. `transfer` is how the transfer ended; it is
 * what the answer failed of when nothing in the body explains it.
 */
void openai_stream_judge(const struct openai_stream *stream, const struct openai_problem *transfer,
                         struct openai_problem *ret_problem);

#endif
