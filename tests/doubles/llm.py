"""A double of an OpenAI-compatible endpoint, of Azure's (any path with /openai/ in it: a chunk of the filter's comes first) and of Anthropic's Messages.

By default it streams an answer that echoes the last question and tells how many messages came before it. A scripted behaviour may say:
    api              only for requests with this key (or one of a list)
    status, headers, body, content_type   a plain answer instead
    delay            seconds before the head
    text             the answer's text instead of the echo
    reasoning        text streamed as reasoning_content before the answer
    reasoning_key    "reasoning" instead of "reasoning_content"
    chunk            characters a chunk (default 4)
    stutter          seconds between chunks
    cut_after        the connection ends after so many chunks
    stall_after      silence after so many chunks, for `stall` seconds (default 60)
    comments_after   comments instead of more after so many chunks, for `stall` seconds (default 60)
    error_after      an error object in the stream after so many chunks
    no_done          the stream ends without finish_reason and [DONE]
    finish           finish_reason (default stop)
    newline          "\\r\\n" or "\\r" instead of "\\n"
    usage            prompt_tokens that the answer reports
    plain            a whole JSON answer although a stream was asked for
    image            "url", "jpeg", "gif", "webp", "text" (no image), "huge": what /images/generations gives
    billing          JSON by path for the balance endpoints (default: a relay's subscription and usage); others are not there
"""
import base64
import json
import struct
import sys
import zlib

import base


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + b"\xff\x80\x00" * 8 for _ in range(8))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


IMAGES = {
    "png": png(),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + b"\0" * 64 + b"\xff\xd9",
    "gif": b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
    "webp": base64.b64decode("UklGRhwAAABXRUJQVlA4TBAAAAAvB8ABAAdQwP5H/wMR0f8A"),  # 8 × 8 pixels of one colour
    "text": b"this is not an image at all, it is a sentence",
    "huge": png() + b"\0" * (30 * 1024 * 1024),
}

BILLING = {
    "/v1/dashboard/billing/subscription": {"object": "billing_subscription", "hard_limit_usd": 20, "system_hard_limit_usd": 20,
                                           "access_until": 1900000000},
    "/v1/dashboard/billing/usage": {"object": "list", "total_usage": 750},
}


class Llm(base.Handler):
    def key(self):
        """The key that was sent, in whichever header."""
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return bearer or self.headers.get("api-key") or self.headers.get("x-api-key")

    def answer(self, body):
        entry = self.entry(body)
        self.state.note(entry)
        path = self.path.split("?")[0]
        behaviour = {} if path.startswith("/files/") else self.state.next_behaviour(self.key(), body)
        if behaviour.get("delay"):
            self.stall(behaviour["delay"])
        if "status" in behaviour or "body" in behaviour:
            self.send_plain(behaviour.get("status", 200), behaviour.get("body", ""),
                            behaviour.get("content_type", "application/json"), behaviour.get("headers", {}).items())
        elif path.endswith("/chat/completions"):
            self.complete(entry["json"], behaviour, is_chat=True)
        elif path.endswith("/completions"):
            self.complete(entry["json"], behaviour, is_chat=False)
        elif path.endswith("/messages"):
            self.message(entry["json"], behaviour)
        elif path.endswith("/images/generations"):
            self.draw(behaviour)
        elif path.startswith("/files/"):
            self.send_plain(200, IMAGES[path[len("/files/"):]], "application/octet-stream")
        elif path.endswith("/models"):
            self.send_json(200, {"object": "list", "data": [{"id": "test-model", "object": "model", "shutdown_date": None},
                                                             {"id": "test-model-old", "object": "model", "shutdown_date": "2027-01-14"}]})
        elif path in behaviour.get("billing", BILLING):
            self.send_json(200, behaviour.get("billing", BILLING)[path])
        else:
            self.send_json(404, {"error": {"message": "no such path", "type": "invalid_request_error", "code": "not_found"}})

    def complete(self, request, behaviour, is_chat):
        if is_chat:
            messages = request["messages"]
            question, n_before = messages[-1]["content"], len(messages) - 1
        else:
            question, n_before = request["prompt"], 0
        text = behaviour.get("text", f"回答：{question}（前面有 {n_before} 条）")
        usage = {"prompt_tokens": behaviour.get("usage", len(json.dumps(request, ensure_ascii=False))), "completion_tokens": len(text)}
        if behaviour.get("plain") or not request.get("stream"):
            choice = {"index": 0, "finish_reason": behaviour.get("finish", "stop")}
            choice.update({"message": {"role": "assistant", "content": text}} if is_chat else {"text": text})
            self.send_json(200, {"id": "x", "object": "chat.completion", "model": request["model"], "choices": [choice], "usage": usage})
            return
        events = self.chunks(text, behaviour, is_chat, request["model"], usage)
        if "/openai/" in self.path:
            events.insert(0, {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [
                {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]})
        self.stream(events, behaviour)

    def message(self, request, behaviour):
        """Anthropic's answer; what it would refuse is refused."""
        roles = [message["role"] for message in request["messages"]]
        is_right = roles and roles[0] == "user" and all(one != other for one, other in zip(roles, roles[1:]))
        if not is_right or not isinstance(request.get("max_tokens"), int) or not self.headers.get("anthropic-version"):
            self.send_json(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "the request has not the form of a message"}})
            return
        text = behaviour.get("text", f"回答：{request['messages'][-1]['content']}（前面有 {len(roles) - 1} 条）")
        usage = {"input_tokens": behaviour.get("usage", 10), "output_tokens": 1}
        step = behaviour.get("chunk", 4)
        start = {"id": "msg_double", "type": "message", "role": "assistant", "content": [], "model": request["model"], "stop_reason": None, "usage": usage}
        if not request.get("stream"):
            self.send_json(200, {**start, "content": [{"type": "text", "text": text}], "stop_reason": behaviour.get("finish", "end_turn")})
            return
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in behaviour.get("reasoning", "")]
        deltas += [{"type": "text_delta", "text": text[i:i + step]} for i in range(0, len(text), step)]
        events = [{"type": "message_start", "message": start}, {"type": "ping"},
                  {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
        events += [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": 0})
        if not behaviour.get("no_done"):
            events += [{"type": "message_delta", "delta": {"stop_reason": behaviour.get("finish", "end_turn")}, "usage": {"output_tokens": len(text)}},
                       {"type": "message_stop"}]
        self.stream(events, {**behaviour, "no_done": True})

    def chunks(self, text, behaviour, is_chat, model, usage):
        def event(delta, finish=None):
            choice = {"index": 0, "finish_reason": finish}
            choice.update({"delta": delta} if is_chat else {"text": delta.get("content", "")})
            return {"id": "chatcmpl-double", "object": "chat.completion.chunk", "model": model, "choices": [choice]}

        step = behaviour.get("chunk", 4)
        reasoning = behaviour.get("reasoning", "")
        key = behaviour.get("reasoning_key", "reasoning_content")
        events = [event({key: reasoning[i:i + step]}) for i in range(0, len(reasoning), step)]
        events += [event({"content": text[i:i + step]}) for i in range(0, len(text), step)]
        if not behaviour.get("no_done"):
            events.append(event({}, behaviour.get("finish", "stop")))
            events.append({"id": "chatcmpl-double", "choices": [], "usage": usage})
        return events

    def stream(self, events, behaviour):
        newline = behaviour.get("newline", "\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def say(text):
            data = text.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

        for index, event in enumerate(events):
            if behaviour.get("cut_after") == index:
                self.cut()
                return
            if behaviour.get("stall_after") == index:
                self.stall(behaviour.get("stall", 60))
            if behaviour.get("comments_after") == index:
                for _ in range(int(behaviour.get("stall", 60) / 0.1)):
                    say(": keep-alive" + newline * 2)
                    self.stall(0.1)
            if behaviour.get("error_after") == index:
                error = {"message": "upstream exploded, key sk-secret1234567890abcdef", "type": "server_error", "code": None}
                if "type" in event:
                    error = {"type": "overloaded_error", "message": "Overloaded"}
                    say("event: error" + newline)
                say("data: " + json.dumps({"type": "error", "error": error}) + newline * 2)
                break
            if "type" in event:
                say(f"event: {event['type']}" + newline)
            say("data: " + json.dumps(event, ensure_ascii=False) + newline * 2)
            if behaviour.get("stutter"):
                self.stall(behaviour["stutter"])
        else:
            if not behaviour.get("no_done"):
                say("data: [DONE]" + newline * 2)
        self.wfile.write(b"0\r\n\r\n")

    def draw(self, behaviour):
        kind = behaviour.get("image", "png")
        if kind == "url":
            host = self.headers["Host"]
            self.send_json(200, {"created": 1, "data": [{"url": f"http://{host}/files/png"}]})
        else:
            self.send_json(200, {"created": 1, "data": [{"b64_json": base64.b64encode(IMAGES[kind]).decode()}]})


if __name__ == "__main__":
    sys.exit(base.serve(Llm, __doc__))
