"""DingTalk's cards as they come to stand: created, delivered, streamed into, updated; with every text in its order."""
import json
import re
import threading
import time

from gateway_rules import check_conversation, is_opaque, is_text, require

# Which variable of a template streams, and whether its layout follows `flowStatus`: then only that variable takes it from 处理中 to 输入中
# and to 完成, and isFinalize alone leaves it typing for ever. The ids are public constants.
TEMPLATES = {
    "382e4302-551d-4880-bf29-a30acfab2e71.schema": {"keys": ["msgContent"], "flow": True},
    "02fcf2f4-5e02-4a85-b672-46d1f715543e.schema": {"keys": ["msgContent"], "flow": True},
    "8aebdfb9-28f4-4a98-98f5-396c3dde41a0.schema": {"keys": ["content"], "flow": False},
    "675cde2f-f526-40cb-b828-f5b2b57b8b77.schema": {"keys": ["content"], "flow": False},
    "589420e2-c1e2-46ef-a5ed-b8728e654da9.schema": {"keys": [], "flow": False},
    "1366a1eb-bc54-4859-ac88-517c56a9acb1.schema": {"keys": [], "flow": False},
}
SPACE_TYPES = ("IM_GROUP", "IM_ROBOT", "IM_SINGLE", "ONE_BOX")
MODELS = {"IM_GROUP": "imGroup", "IM_ROBOT": "imRobot"}
FLOW_STATES = {"1": "处理中", "2": "输入中", "3": "完成", "5": "失败"}
KEY_BYTES_MAX = 100
BLANK_CHARS = 3000  # some clients show a card with more as blank, though the call succeeds
CALLBACK_S = 2


def check_params(params, empty_code):
    require(isinstance(params, dict) and params, empty_code)
    for name, value in params.items():
        require(isinstance(value, str), "param.invalid", f"cardParamMap.{name} is no string")
        require(len(name.encode()) <= KEY_BYTES_MAX, "param.invalid", f"cardParamMap.{name}: the name is too long")
    if "sys_full_json_obj" in params:
        try:
            full = json.loads(params["sys_full_json_obj"])
        except ValueError:
            full = None
        require(isinstance(full, dict), "param.invalid", "sys_full_json_obj is no JSON object")


class Cards:
    """All cards of all apps. `settings` are the double's; `violation(what, detail)` is told of rules that are broken without a refusal."""

    def __init__(self, settings, violation):
        self.settings = settings
        self.violation = violation
        self.lock = threading.RLock()
        self.cards = {}

    # -- creation

    def create(self, body, client):
        with self.lock:
            out_track_id = body.get("outTrackId")
            require(is_text(out_track_id), "param.outTrackIdEmpty")
            require(is_text(body.get("cardTemplateId")), "param.cardTemplateIdEmpty")
            templates = self.settings["templates"]
            require(body["cardTemplateId"] in templates, "param.templateNotExist", body["cardTemplateId"])
            require(body.get("callbackType", "STREAM") in ("STREAM", "HTTP"), "param.invalid", "callbackType")
            require(body.get("callbackType") != "HTTP" or is_text(body.get("callbackRouteKey")), "param.invalid", "callbackRouteKey")
            data = body.get("cardData")
            require(isinstance(data, dict), "param.cardPublicDataEmpty")
            check_params(data.get("cardParamMap"), "param.cardPublicDataEmpty")
            require(out_track_id not in self.cards, "param.cardAlreadyExist", out_track_id)
            card = {
                "outTrackId": out_track_id, "client": client, "template": body["cardTemplateId"], "created": time.time(),
                "callbackType": body.get("callbackType"), "space": None, "spaceId": None, "robotCode": None, "delivered": False,
                "carrierId": None, "state": "处理中", "text": "", "finalized": False, "failed": False,
                "variables": dict(data["cardParamMap"]), "history": [], "guids": {},
                "models": {name: body[name] for name in body if name.endswith("OpenSpaceModel")},
            }
            self.cards[out_track_id] = card
            self._draw(card, "create")
            return card

    def check_delivery(self, body, client, models):
        """The spaces of a delivery: [(type, id)]."""
        spaces = body.get("openSpaceId")
        require(is_text(spaces), "param.openSpaceIdEmpty")
        require(spaces.startswith("dtv1.card//"), "param.openSpaceIdInvalid", spaces)
        require(body.get("userIdType", 1) in (1, 2), "param.invalid", "userIdType")
        found = []
        for space in spaces[len("dtv1.card//"):].split(";"):
            match = re.fullmatch(r"([A-Za-z_]+)\.(.+)", space)
            require(match and match.group(1).upper() in SPACE_TYPES, "param.openSpaceIdInvalid", space)
            kind, name = match.group(1).upper(), match.group(2)
            self._check_space(kind, name, body, client, models)
            found.append((kind, name))
        return found

    def _check_space(self, kind, name, body, client, models):
        if kind == "IM_GROUP":
            check_conversation(name, "param.openSpaceIdInvalid")
        elif kind == "IM_ROBOT":
            require(not is_opaque(name), "param.userIdNotExist", name)
        if kind not in MODELS:
            return
        space_model, deliver_model = models.get(MODELS[kind] + "OpenSpaceModel"), body.get(MODELS[kind] + "OpenDeliverModel")
        require(isinstance(space_model, dict), "param.openSpaceModelInvalid", f"no {MODELS[kind]}OpenSpaceModel")
        require(isinstance(deliver_model, dict), "param.openDeliverModelEmpty", f"no {MODELS[kind]}OpenDeliverModel")
        if kind == "IM_GROUP":
            require(is_text(deliver_model.get("robotCode")), "param.openDeliverModelError", "no robotCode")
        else:
            require(deliver_model.get("spaceType") == "IM_ROBOT", "param.openDeliverModelError", "spaceType is not IM_ROBOT")
        require(deliver_model.get("robotCode", client) == client, "param.openDeliverModelError", "robotCode is another app's")
        extension = deliver_model.get("extension", {})
        require(isinstance(extension, dict) and all(isinstance(value, str) for value in extension.values()),
                "param.openDeliverModelError", "extension holds strings")

    def create_and_deliver(self, body, client, failure=None):
        with self.lock:
            spaces = self.check_delivery(body, client, body)
            return self._deliver(self.create(body, client), spaces, body, failure)

    def deliver(self, body, client, failure=None):
        with self.lock:
            card = self.find(body, client, "param.cardNotExist")
            return self._deliver(card, self.check_delivery(body, client, card["models"]), body, failure)

    def _deliver(self, card, spaces, body, failure):
        kind, name = spaces[0]
        model = body.get(MODELS.get(kind, "") + "OpenDeliverModel") or {}
        card.update(space=kind, spaceId=name, robotCode=model.get("robotCode"), delivered=failure is None,
                    carrierId=None if failure else f"pqk-{card['outTrackId']}")
        results = [{"spaceType": kind, "spaceId": name, "success": failure is None, "carrierId": card["carrierId"] or "",
                    "errorMsg": failure or ""} for kind, name in spaces]
        return {"success": True, "result": {"outTrackId": card["outTrackId"], "deliverResults": results}}

    def find(self, body, client, code, message=""):
        require(is_text(body.get("outTrackId")), "param.outTrackIdEmpty")
        card = self.cards.get(body["outTrackId"])
        require(card is not None and card["client"] == client, code, message or body["outTrackId"])
        return card

    # -- updates

    def streaming(self, body, client):
        with self.lock:
            require(is_text(body.get("outTrackId")), "param.stream.outTrackId", "card is not exist")
            card = self.find(body, client, "param.stream.outTrackId", "card is not exist")
            require(is_text(body.get("guid")), "param.stream.guidEmpty")
            require(is_text(body.get("key")), "param.stream.keyEmpty")
            require(is_text(body.get("content")), "param.stream.contentEmpty")
            require(isinstance(body.get("isFull"), bool), "param.stream.isFull")
            for name in ("isFinalize", "isError"):
                require(isinstance(body.get(name, False), bool), "param.invalid", name)
            require(body["key"] in self.settings["templates"][card["template"]]["keys"], "unknownError", "未知错误", status=500)
            limit = self.settings["card_chars_max"]
            require(not limit or len(body["content"]) <= limit, "param.stream.content", "content is too large")
            self._stream(card, body)
            return {"success": True, "result": True}

    def _stream(self, card, body):
        told = [body["content"], body["isFull"], body.get("isFinalize", False), body.get("isError", False)]
        known = card["guids"].setdefault(body["guid"], told)
        if known is not told:
            if known != told:
                self.violation("a guid was used again for another content", card["outTrackId"])
            return  # the same call again: done already
        if card["finalized"] or card["state"] in ("完成", "失败"):
            self.violation("a card was streamed into after its end", card["outTrackId"])
            return
        if not card["delivered"]:
            self.violation("a card was streamed into that nobody sees", card["outTrackId"])
        before = card["variables"].get(body["key"], "")
        card["variables"][body["key"]] = body["content"] if body["isFull"] else before + body["content"]
        card["finalized"] = body.get("isFinalize", False)
        card["failed"] = body.get("isError", False)
        self._draw(card, "streaming", guid=body["guid"])

    def instances(self, body, client):
        with self.lock:
            card = self.find(body, client, "param.cardNotExist")
            require(body.get("cardData") or body.get("privateData"), "param.cardDataAndPrivateDataBothEmpty")
            if body.get("cardData"):
                require(isinstance(body["cardData"], dict), "param.invalid", "cardData")
                check_params(body["cardData"].get("cardParamMap"), "param.cardDataAndPrivateDataBothEmpty")
                options = body.get("cardUpdateOptions") or {}
                self._update(card, body["cardData"]["cardParamMap"], options.get("updateCardDataByKey") is True, "instances")
            return {"success": True, "result": True}

    def _update(self, card, params, by_key, via):
        card["variables"] = {**card["variables"], **params} if by_key else dict(params)
        self._draw(card, via)

    def answer_callback(self, out_track_id, response, late):
        """What the ACK of a card callback asks for."""
        with self.lock:
            card = self.cards.get(out_track_id)
            if card is None or not isinstance(response, dict):
                return
            if late:
                self.violation(f"a card callback was answered after more than {CALLBACK_S} s", out_track_id)
                return
            params = (response.get("cardData") or {}).get("cardParamMap")
            if params:
                if not all(isinstance(value, str) for value in params.values()):
                    self.violation("a card callback was answered with a cardParamMap that holds more than strings", out_track_id)
                    return
                options = response.get("cardUpdateOptions") or {}
                self._update(card, params, options.get("updateCardDataByKey") is True, "callback")

    # -- what stands on it

    def _draw(self, card, via, **more):
        """Works out text and state anew and adds a step to the history."""
        template = self.settings["templates"][card["template"]]
        key = template["keys"][0] if template["keys"] else next((name for name in ("markdown", "content") if name in card["variables"]), "")
        text = card["variables"].get(key, "")
        flow = card["variables"].get("flowStatus")
        has_streamed = via == "streaming" or any(step["via"] == "streaming" for step in card["history"])
        if card["failed"]:
            state = "失败"
        elif template["flow"]:
            state = FLOW_STATES.get(flow, "处理中")
        else:
            state = "完成" if card["finalized"] else "输入中" if has_streamed else "处理中"
        card["text"], card["state"] = text, state
        card["history"].append({"time": time.time(), "via": via, "text": text, "state": state, "flowStatus": flow,
                                "finalize": card["finalized"], "error": card["failed"], **more})

    def list(self):
        with self.lock:
            shown = []
            for card in self.cards.values():
                public = {name: value for name, value in card.items() if name not in ("guids", "models")}
                public["flowStatus"] = card["variables"].get("flowStatus")
                public["texts"] = [step["text"] for step in card["history"] if step["via"] == "streaming"]
                public["is_blank"] = len(card["text"]) > BLANK_CHARS
                shown.append(json.loads(json.dumps(public)))
            return shown

    def clear(self):
        with self.lock:
            self.cards.clear()
