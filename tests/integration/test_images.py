"""Images: drawn, kept, served."""
import re

import pytest

KINDS = {"png": ("image/png", b"\x89PNG"), "jpeg": ("image/jpeg", b"\xff\xd8\xff"), "gif": ("image/gif", b"GIF8"), "webp": ("image/webp", b"RIFF"),
         "url": ("image/png", b"\x89PNG")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_drawn_kept_and_served_with_its_type(bridge, ask, llm, kind):
    program = bridge(service_url="http://bridge.example:8090/")
    llm.script({"image": kind})
    text = ask(program, "#图片 一只熊猫")
    name = re.search(r"!\[[^\]]*\]\(http://bridge\.example:8090/images/([0-9a-f]{32}\.\w+)\)", text).group(1)
    body = llm.journal()[0]["json"]
    assert llm.journal()[0]["path"] == "/v1/images/generations" and body["prompt"] == "一只熊猫" and body["model"]
    status, data, headers = program.request("GET", f"/images/{name}")
    assert status == 200 and headers["content-type"] == KINDS[kind][0] and data.startswith(KINDS[kind][1])
    assert (program.directory / "data" / "images" / name).read_bytes() == data


def test_the_key_does_not_go_to_the_images_address(bridge, ask, llm):
    llm.script({"image": "url"})
    ask(bridge(), "#图片 一只熊猫")
    download = [entry for entry in llm.journal() if entry["path"].startswith("/files/")][0]
    assert "authorization" not in download["headers"]


@pytest.mark.parametrize("kind", ["text", "huge"])
def test_what_is_no_image_or_too_large_is_told(bridge, ask, llm, kind):
    program = bridge()
    llm.script({"image": kind, "times": 3})
    assert "没能回答" in ask(program, "#图片 一只熊猫")
    assert not list((program.directory / "data" / "images").iterdir())


def test_only_names_of_ours_are_served(bridge):
    program = bridge()
    (program.directory / "data" / "secret.txt").write_text("secret")
    for name in ("../dingbridge.db", "..%2fdingbridge.db", "secret.txt", "0" * 32 + ".png", "a" * 32, "", "%00"):
        assert program.request("GET", f"/images/{name}")[0] in (400, 404), name


def test_pictures_that_the_predecessor_left_are_served_on(bridge):
    program = bridge()
    (program.directory / "data" / "images" / "20230406-150405.png").write_bytes(b"\x89PNG\r\n\x1a\nold")
    status, data, headers = program.request("GET", "/images/20230406-150405.png")
    assert status == 200 and data.endswith(b"old") and headers["content-type"] == "image/png"
    (program.directory / "data" / "images" / ".hidden.png").write_bytes(b"no")
    assert program.request("GET", "/images/.hidden.png")[0] == 404


def test_without_service_url_the_person_is_told(bridge, ask):
    assert "service_url" in ask(bridge(service_url=None), "#图片 一只熊猫")
