"""Ten minutes of a bad day in less than one: 2,000 messages (half of them in the short run) in stream mode, none lost, none answered twice."""
import random

import pytest

from harness import IS_SHORT, message, turns_end, wait_for

MESSAGES, BATCH = 1000 if IS_SHORT else 2000, 20


@pytest.mark.long
def test_a_bad_day_loses_nothing_and_says_nothing_twice(bridge, gateway, llm):
    """Few enough connections fail in a row that the patience between them stays below ten seconds."""
    chance = random.Random(20261124)
    gateway.settings(redeliver_s=1, redeliver_max=0)
    program = bridge(**gateway.keys(stream_ping_interval=1, max_pending=3000, drain_timeout=60))
    gateway.wait_connected(1)

    def again_up():
        wait_for(lambda: gateway.connections(), "a connection", timeout_s=60)

    def lose(how):
        again_up()
        gateway.tell("close", how=how)

    def restart():
        program.stop()
        program.start()

    days_events = [
        lambda: lose("tcp"),
        lambda: gateway.script({"api": "webhook", "status": 502, "times": 3}),
        lambda: again_up() or gateway.disconnect(close_after=1),
        lambda: lose("reset"),
        lambda: llm.script({"status": 500, "body": "{}", "times": 2}),
        lambda: gateway.script({"api": "open", "refuse": 503}),
        restart,
        lambda: gateway.script({"api": "webhook", "errcode": -1, "errmsg": "busy", "times": 3}),
        lambda: gateway.script({"api": "connect", "refuse": 401}),
        lambda: lose("close"),
        lambda: again_up() or gateway.disconnect(close_after=1),
        lambda: again_up() or gateway.tell("deaf", mode="silent"),
    ]
    days_events = dict(zip(sorted(chance.sample(range(5, MESSAGES // BATCH), len(days_events))), days_events))
    for batch in range(MESSAGES // BATCH):
        asked = [message(f"第{number}问", gateway.url, f"soak{number}", robotCode=gateway.APP, senderStaffId=f"u{number % 50}")
                 for number in range(batch * BATCH, (batch + 1) * BATCH)]
        gateway.call("POST", "/double/push", [{"data": each} for each in asked])
        if chance.random() < 0.3 and gateway.connections():
            gateway.tell("raw", payload="junk")
        days_events.get(batch, lambda: None)()
    wait_for(lambda: len(gateway.texts()) >= MESSAGES, f"{MESSAGES} answers", timeout_s=90)
    turns_end(program)
    told = [each["session"] for each in gateway.sent()]
    assert len(told) == len(set(told)) == MESSAGES
    wait_for(lambda: all(each["acked"] for each in gateway.deliveries() if each["msgId"]), "every message to be acknowledged")
