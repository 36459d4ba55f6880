"""余额 through the real program: every kind of provider, and what a person reads."""
import re

import pytest

RELAY = "/v1/dashboard/billing/"


def asked(llm):
    return [entry["path"].split("?")[0] for entry in llm.journal()]


@pytest.fixture
def provider(bridge, llm, proxy):
    """provider(host, suffix) starts the program on that host's name; a proxy leads to the double instead."""
    def start(host, suffix="", **keys):
        carrier = proxy()
        return bridge(base_url=f"http://{host}:{llm.port}{suffix}", http_proxy=f"http://127.0.0.1:{carrier.port}", **keys)

    return start


def test_a_relay_tells_total_used_left_and_expiry(bridge, ask, llm):
    llm.script({"times": 9, "billing": {RELAY + "subscription": {"hard_limit_usd": 12.5, "access_until": 1900000000},
                                        RELAY + "usage": {"total_usage": 337.5}}})
    text = ask(bridge(), "余额")
    assert "总额：12.50" in text and "已用：3.38" in text and re.search("剩余：9.1[23]", text)
    assert "有效期至：2030-03-18" in text
    assert asked(llm) == [RELAY + "subscription", RELAY + "usage"]
    entry = llm.journal()[1]
    assert entry["headers"]["authorization"] == "Bearer sk-test-1234567890"
    assert re.search(r"start_date=\d{4}-\d\d-\d\d&end_date=\d{4}-\d\d-\d\d$", entry["path"])


def test_no_limit_and_no_expiry_are_words(bridge, ask, llm):
    llm.script({"times": 9, "billing": {RELAY + "subscription": {"hard_limit_usd": 100000000, "access_until": 0},
                                        RELAY + "usage": {"total_usage": 250}}})
    text = ask(bridge(), "余额")
    assert "不限额" in text and "已用：2.50" in text and "长期" in text and "100000000" not in text


def test_credit_grants(bridge, ask, llm):
    llm.script({"times": 9, "billing": {"/dashboard/billing/credit_grants": {"total_granted": 18, "total_used": 3.4, "total_available": 14.6}}})
    text = ask(bridge(), "余额")
    assert "总额：18.00" in text and "已用：3.40" in text and "剩余：14.60" in text


def test_new_api_tells_the_token_in_its_own_unit(bridge, ask, llm):
    llm.script({"times": 9, "billing": {
        "/api/usage/token/": {"code": True, "data": {"total_granted": 1000000, "total_used": 250000, "total_available": 750000,
                                                     "unlimited_quota": False, "expires_at": 0}},
        "/api/status": {"success": True, "data": {"quota_per_unit": 250000}}}})
    text = ask(bridge(), "余额")
    assert "总额：4.00" in text and "已用：1.00" in text and "剩余：3.00" in text and "长期" in text


def test_deepseek_lists_every_currency(provider, ask, llm):
    llm.script({"times": 9, "billing": {"/user/balance": {"is_available": True, "balance_infos": [
        {"currency": "CNY", "total_balance": "110.00"}, {"currency": "USD", "total_balance": "1.50"}]}}})
    text = ask(provider("api.deepseek.com"), "余额")
    assert "api.deepseek.com" in text and "剩余：¥110.00" in text and "剩余：$1.50" in text
    assert asked(llm) == ["/user/balance"]


@pytest.mark.parametrize("host, path, answer, amount", [
    ("api.moonshot.cn", "/v1/users/me/balance", {"code": 0, "data": {"available_balance": 49.5}}, "¥49.50"),
    ("api.moonshot.ai", "/v1/users/me/balance", {"code": 0, "data": {"available_balance": 49.5}}, "$49.50"),
    ("api.siliconflow.cn", "/v1/user/info", {"code": 20000, "data": {"totalBalance": "88.88"}}, "¥88.88"),
    ("api.siliconflow.com", "/v1/user/info", {"code": 20000, "data": {"totalBalance": "88.88"}}, "$88.88"),
    ("openrouter.ai", "/api/v1/credits", {"data": {"total_credits": 110.5, "total_usage": 25.75}}, "$84.75")])
def test_providers_with_an_endpoint_of_their_own(provider, ask, llm, host, path, answer, amount):
    llm.script({"times": 9, "billing": {path: answer}})
    assert "剩余：" + amount in ask(provider(host), "余额")
    assert asked(llm) == [path]


def test_openrouters_ordinary_keys_tell_about_themselves(provider, ask, llm):
    llm.script({"status": 401, "body": '{"error":{"message":"a management key is wanted","code":401}}'},
               {"times": 9, "billing": {"/api/v1/key": {"data": {"usage": 25.5, "limit": 100, "limit_remaining": 74.5}}}})
    text = ask(provider("openrouter.ai", "/api/v1"), "余额")
    assert "总额：$100.00" in text and "已用：$25.50" in text and "剩余：$74.50" in text


@pytest.mark.parametrize("host", ["api.openai.com", "dashscope.aliyuncs.com", "ark.cn-beijing.volces.com", "open.bigmodel.cn", "api.anthropic.com"])
def test_providers_without_one_are_not_even_asked(provider, ask, llm, host):
    text = ask(provider(host), "余额")
    assert host in text and "没有提供余额" in text and "编号" not in text
    assert not llm.journal()


def test_a_wrong_key_is_told_with_a_reference(bridge, ask, llm):
    llm.script({"times": 9, "status": 401, "body": '{"error":{"message":"Incorrect API key provided: sk-test-1234567890","code":"invalid_api_key"}}'})
    program = bridge()
    text = ask(program, "余额")
    assert "密钥" in text and "sk-" not in text
    line, = program.lines("llm_failed", "ref=" + re.search(r"编号 (\w+)", text).group(1))
    assert "reason=auth" in line and "sk-test" not in program.text()


@pytest.mark.parametrize("answer", ['{"error":{"message":"upstream is down","type":"upstream_error"}}', "{}"])
def test_an_error_inside_a_200_is_no_balance(bridge, ask, llm, answer):
    llm.script({"times": 20, "status": 200, "body": answer})
    text = ask(bridge(), "余额")
    assert "0.00" not in text and ("没能回答" in text if "error" in answer else "没有提供余额" in text)


def test_a_balance_is_not_a_question(bridge, ask, llm):
    program = bridge(max_request=1)
    for _ in range(3):
        assert "剩余：12.50" in ask(program, "余额")
    assert "回答：" in ask(program, "你好")


def test_balance_in_english(bridge, ask):
    text = ask(bridge(language="en"), "余额")
    assert "Left: 12.50" in text and "Used: 7.50" in text and "Expires: 2030" in text
