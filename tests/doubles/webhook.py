"""A double of DingTalk's session webhook: takes messages as DingTalk does, and refuses what DingTalk refuses.

A body over 20,000 bytes gets errcode 460101, a message that is no valid markdown or text message 40035, a wrong Content-Type 43004.
A scripted behaviour may say:
    errcode, errmsg     the answer's code (as a number, or quoted when `quoted`)
    status              an HTTP status with an HTML body
    delay               seconds before the answer
    cut                 "before": the connection ends before the message counts; "after": it counts, but nobody hears so
    location            a redirect to there
    max_bytes           refuse bodies over this many bytes as too long
"""
import sys

import base

BODY_BYTES_MAX = 20000


def text_of(message):
    """The text of a message that DingTalk would take; None for any other."""
    if not isinstance(message, dict):
        return None
    if message.get("msgtype") == "markdown":
        part = message.get("markdown")
        if isinstance(part, dict) and part.get("title") and isinstance(part.get("text"), str) and part["text"].strip():
            return part["text"]
    if message.get("msgtype") == "text":
        part = message.get("text")
        if isinstance(part, dict) and isinstance(part.get("content"), str) and part["content"].strip():
            return part["content"]
    return None


class Webhook(base.Handler):
    def refuse(self, errcode, errmsg, quoted=False):
        self.send_json(200, {"errcode": str(errcode) if quoted else errcode, "errmsg": errmsg})

    def answer(self, body):
        behaviour = self.state.next_behaviour()
        entry = self.entry(body)
        entry["outcome"] = "refused"
        if behaviour.get("delay"):
            self.stall(behaviour["delay"])
        if behaviour.get("cut") == "before":
            self.state.note(entry)
            self.cut()
            return
        if "status" in behaviour:
            self.state.note(entry)
            self.send_plain(behaviour["status"], "<html>gateway</html>", "text/html")
        elif "location" in behaviour:
            self.state.note(entry)
            self.send_plain(302, "", headers=[("Location", behaviour["location"])])
        elif behaviour.get("errcode"):
            self.state.note(entry)
            self.refuse(behaviour["errcode"], behaviour.get("errmsg", "scripted"), behaviour.get("quoted", False))
        elif self.command != "POST" or "json" not in self.headers.get("Content-Type", ""):
            self.state.note(entry)
            self.refuse(43004, "无效的HTTP HEADER Content-Type")
        elif len(body) > behaviour.get("max_bytes", BODY_BYTES_MAX):
            self.state.note(entry)
            self.refuse(460101, "message too long, exceed 20000 bytes")
        elif text_of(entry["json"]) is None:
            self.state.note(entry)
            self.refuse(40035, "不合法的参数")
        else:
            entry["outcome"] = "delivered"
            self.state.note(entry)
            if behaviour.get("cut") == "after":
                self.cut()
            else:
                self.send_json(200, {"errcode": 0, "errmsg": "ok"})


if __name__ == "__main__":
    sys.exit(base.serve(Webhook, __doc__))
