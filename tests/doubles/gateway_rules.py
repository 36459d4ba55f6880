"""What DingTalk accepts: messages sent by the OpenAPI, media, and the shapes of its refusals."""
import hashlib
import json
import re

MSG_PARAM_BYTES_MAX = 15000
USER_IDS_MAX = 20
MEDIA_BYTES_MAX = {"image": 20 << 20, "voice": 2 << 20, "video": 20 << 20, "file": 20 << 20}
MEDIA_EXTENSIONS = {"image": {"jpg", "jpeg", "gif", "png", "bmp"}, "voice": {"amr", "mp3", "wav"}, "video": {"mp4"},
                    "file": {"doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar"}}
IMAGE_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF87a": "gif", b"GIF89a": "gif", b"BM": "bmp"}


def action_card(n):
    return ["title", "text"] + [f"action{what}{i}" for i in range(1, n + 1) for what in ("Title", "URL")]


MSG_KEYS = {
    "sampleText": ["content"],
    "sampleMarkdown": ["title", "text"],
    "sampleImageMsg": ["photoURL"],
    "sampleLink": ["title", "text", "picUrl", "messageUrl"],
    "sampleActionCard": ["title", "text", "singleTitle", "singleURL"],
    "sampleActionCard2": action_card(2),
    "sampleActionCard3": action_card(3),
    "sampleActionCard4": action_card(4),
    "sampleActionCard5": action_card(5),
    "sampleActionCard6": ["title", "text", "buttonTitle1", "buttonUrl1", "buttonTitle2", "buttonUrl2"],
    "sampleAudio": ["mediaId", "duration"],
    "sampleFile": ["mediaId", "fileName", "fileType"],
    "sampleVideo": ["videoMediaId", "videoType", "picMediaId", "duration", "height", "width"],
}


class Refused(Exception):
    """A refusal of the new API (`code` is a word) or the old one (`code` is a number).

    is_violation: the client broke a rule; false for what may happen to a good client (an expired token, a limit, a wrong secret).
    """

    def __init__(self, code, message="", status=400, is_violation=True, **more):
        super().__init__(f"{code} {message}")
        self.code, self.message, self.status, self.is_violation, self.more = code, message, status, is_violation, more


def require(condition, code, message="", **keywords):
    if not condition:
        raise Refused(code, message, **keywords)


def is_text(value):
    return isinstance(value, str) and value != ""


def is_opaque(user):
    return user.startswith("$:LWCP")


def check_robot(body, client):
    require(is_text(body.get("robotCode")), "invalidParameter.robotCode.empty")
    require(body["robotCode"] == client, "invalidParameter.robotCode.auth", "the token belongs to another robot")


def check_message(body):
    """The message of an OpenAPI send: its parameters."""
    require(is_text(body.get("msgKey")), "invalidParameter.msgKey.empty")
    require(body["msgKey"] in MSG_KEYS, "invalidParameter.msgKey.invalid", body["msgKey"])
    text = body.get("msgParam")
    require(isinstance(text, str), "invalidParameter.msgParam.invalid", "msgParam is a string of JSON")
    require(len(text.encode()) <= MSG_PARAM_BYTES_MAX, "invalidParameter.msgParam.tooLong", f"{len(text.encode())} bytes")
    try:
        param = json.loads(text)
    except ValueError:
        param = None
    require(isinstance(param, dict), "invalidParameter.msgParam.invalid", "msgParam is no JSON object")
    for name in MSG_KEYS[body["msgKey"]]:
        require(is_text(param.get(name)) and param[name].strip(), "invalidParameter.msgParam.invalid", f"{name} is no text")
    return param


def check_users(body):
    users = body.get("userIds")
    require(isinstance(users, list) and users and all(is_text(user) for user in users), "invalidParameter.userIds.empty")
    require(len(users) <= USER_IDS_MAX, "invalidParameter.userIds.overMax", f"{len(users)} users")
    return users


def check_conversation(conversation, code="invalid.openConversationId"):
    """Conversation ids go raw into JSON: one with a percent sign was encoded by mistake."""
    require(is_text(conversation), "miss.openConversationId")
    require(conversation.startswith("cid") and "%" not in conversation, code, conversation)


def parse_multipart(content_type, body):
    """[(name, filename or None, content type or None, bytes)]"""
    match = re.match(r'multipart/form-data\s*;.*boundary="?([^";]+)"?', content_type or "", re.I)
    require(match, 43008, "the body is not multipart/form-data")
    delimiter = b"\r\n--" + match.group(1).encode()
    sections = (b"\r\n" + body).split(delimiter)
    require(len(sections) >= 3 and sections[-1].strip() == b"--", 43008, "the multipart body has no end")
    parts = []
    for section in sections[1:-1]:
        head, separator, content = section.partition(b"\r\n\r\n")
        require(separator, 43008, "a part without a head")
        lines = [line.partition(":") for line in head.decode().strip().split("\r\n")]
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        disposition = headers.get("content-disposition", "")
        name = re.search(r'[;\s]name="([^"]*)"', disposition)
        filename = re.search(r'filename="([^"]*)"', disposition)
        require(name, 43008, "a part without a name")
        parts.append((name.group(1), filename.group(1) if filename else None, headers.get("content-type"), content))
    return parts


def check_media(query, content_type, body):
    """What is uploaded; `query` holds the words of the address, which may also come as parts of the form."""
    parts = parse_multipart(content_type, body)
    fields = {name: content.decode() for name, filename, _, content in parts if filename is None and name != "media"}
    kind = query.get("type") or fields.get("type")
    require(kind in MEDIA_BYTES_MAX, 40004, f"type {kind}")
    files = [part for part in parts if part[0] == "media"]
    require(len(files) == 1, 43008, f"{len(files)} parts are named media")
    _, filename, part_type, content = files[0]
    require(is_text(filename) and "." in filename, 40005, "the part media has no filename with an extension")
    require(content, 44001, "the file is empty")
    require(len(content) <= MEDIA_BYTES_MAX[kind], 40006, f"{len(content)} bytes")
    extension = filename.rpartition(".")[2].lower()
    require(extension in MEDIA_EXTENSIONS[kind], 40005, f"extension {extension}")
    form = next((name for magic, name in IMAGE_MAGIC.items() if content.startswith(magic)), None)
    require(kind != "image" or form, 40005, "no jpg, gif, png or bmp")
    return {"type": kind, "filename": filename, "content_type": part_type, "bytes": len(content), "format": form or extension,
            "sha256": hashlib.sha256(content).hexdigest()}, content
