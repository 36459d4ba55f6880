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
#ifndef DB_LLM_ANSWER_STREAM_H
#define DB_LLM_ANSWER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llm/llm.h"
#include "llm/dialect.h"
#include "llm/problem.h"
#include "net/sse.h"
#include "util/buf.h"
#include "util/json.h"
#include "util/str.h"

enum answer_format {
    ANSWER_FORMAT_OPEN,
    ANSWER_FORMAT_EVENTS,
    ANSWER_FORMAT_JSON,
    ANSWER_FORMAT_NONE
};

enum answer_opening { ANSWER_OPENING, ANSWER_THINKING, ANSWER_ANSWERING };

struct answer_stream {
    const struct dialect *dialect;
    enum answer_format format;
    struct sse sse;
    struct buf json; /* the whole body, when it is one JSON value */
    bool is_ending;  /* what comes now may have been cut */
    bool has_value;  /* something was JSON */
    bool has_answer; /* something had the form of an answer */
    bool is_done;    /* the peer said that nothing follows */
    enum answer_finish finish;
    bool has_reasoning;
    int64_t n_pieces; /* of text or reasoning: tells progress from keep-alives */
    enum answer_opening opening;
    uint32_t half;      /* the first half of a character that a delta ended with; 0: none */
    struct buf held;    /* the start of the text, until it is known not to be <think> */
    struct buf seam;    /* the newest bytes of the answer: a tag may be cut between two pieces */
    bool is_about_tags; /* the answer names the opening tag: a closing one is part of it */
    bool is_retracted;  /* what was taken of the text was reasoning; for the taker to clear */
    struct buf text;    /* answer not taken yet, in whole characters */
    size_t text_bytes;  /* of the answer so far */
    size_t max_answer_bytes;
    struct llm_usage usage;
    struct problem problem; /* found in the body */
};

void answer_stream_init(struct answer_stream *stream, const struct dialect *dialect,
                        size_t max_answer_bytes);
void answer_stream_done(struct answer_stream *stream);
/* False: the answer has failed (answer_stream_judge tells how) and no more is to be fed. */
bool answer_stream_feed(struct answer_stream *stream, struct str bytes);
/* The body has come to its end, or will not go on. */
void answer_stream_finish(struct answer_stream *stream);
/* The peer has said that the answer is complete; a usage event may still follow. */
bool answer_stream_is_whole(const struct answer_stream *stream);
/*
 * What came of it: LLM_OK for a whole answer with text. `transfer` is how the transfer ended; it is
 * what the answer failed of when nothing in the body explains it.
 */
void answer_stream_judge(const struct answer_stream *stream, const struct problem *transfer,
                         struct problem *ret_problem);

#endif
