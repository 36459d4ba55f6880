"""A robot on the official Python Stream SDK, steered by what is written to it. What it hears it prints, one JSON object a line.

    stream_robot.py CLIENT_ID CLIENT_SECRET OAPI_URL      (environment: DINGTALK_OPENAPI_ENDPOINT)

Texts it knows: "text X" and "markdown X" answer with X through the session webhook, "card X" types X into the SDK's AI card,
"plain card X" sends the SDK's markdown card, "upload" uploads a picture and answers with its media id, "fail" ends an AI card as failed.
"""
import json
import sys

import dingtalk_stream
import requests
from dingtalk_stream import AckMessage

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8dfc000000401"
                    "0180c52a185d0000000049454e44ae426082")
CLIENT_ID, CLIENT_SECRET, OAPI_URL = sys.argv[1:]


class OapiElsewhere(requests.adapters.HTTPAdapter):
    """The SDK has no setting for the old API's host: requests to it are sent to the double, otherwise as they are."""

    def send(self, request, **options):
        request.url = request.url.replace("https://oapi.dingtalk.com", OAPI_URL, 1)
        return super().send(request, **options)


def reroute():
    plain = requests.Session.__init__

    def init(session):
        plain(session)
        session.mount("https://oapi.dingtalk.com", OapiElsewhere())

    requests.Session.__init__ = init


def tell(kind, **more):
    print(json.dumps({"kind": kind, **more}, ensure_ascii=False), flush=True)


class Robot(dingtalk_stream.ChatbotHandler):
    async def process(self, callback):
        message = dingtalk_stream.ChatbotMessage.from_dict(callback.data)
        text = message.text.content.strip()
        tell("message", text=text, msgId=message.message_id, nick=message.sender_nick, messageId=callback.headers.message_id,
             conversation=message.conversation_id)
        word, _, rest = text.partition(" ")
        if word == "text":
            self.reply_text(rest, message)
        elif word == "markdown":
            self.reply_markdown("标题", rest, message)
        elif word == "card":
            self.type_into_card(rest, message)
        elif word == "fail":
            card = self.ai_markdown_card_start(message, "标题")
            card.ai_fail()
        elif word == "plain":
            self.reply_markdown_card(rest, message, title="标题")
        elif word == "upload":
            self.reply_text(self.dingtalk_client.upload_to_dingtalk(PNG), message)
        return AckMessage.STATUS_OK, "OK"

    def type_into_card(self, text, message):
        card = self.ai_markdown_card_start(message, "标题")
        half = text[:len(text) // 2]
        card.ai_streaming(half)
        card.ai_streaming(text)
        card.ai_finish(text)
        tell("card", outTrackId=card.card_instance_id)


class Buttons(dingtalk_stream.CallbackHandler):
    async def process(self, callback):
        card = dingtalk_stream.CardCallbackMessage.from_dict(callback.data)
        tell("button", outTrackId=card.card_instance_id, user=card.user_id, content=card.content)
        return AckMessage.STATUS_OK, {"cardUpdateOptions": {"updateCardDataByKey": True},
                                      "cardData": {"cardParamMap": {"msgTitle": "已停止"}}}


class Events(dingtalk_stream.EventHandler):
    async def process(self, event):
        tell("event", data=event.data, type=event.headers.event_type)
        return AckMessage.STATUS_OK, "OK"


def main():
    reroute()
    client = dingtalk_stream.DingTalkStreamClient(dingtalk_stream.Credential(CLIENT_ID, CLIENT_SECRET))
    client.register_all_event_handler(Events())
    client.register_callback_handler(dingtalk_stream.ChatbotMessage.TOPIC, Robot())
    client.register_callback_handler(dingtalk_stream.CallbackHandler.TOPIC_CARD_CALLBACK, Buttons())
    client.start_forever()


if __name__ == "__main__":
    main()
