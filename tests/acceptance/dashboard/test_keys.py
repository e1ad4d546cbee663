"""Keys in the browser: made, used, changed, rotated, revoked; secrets are shown once."""

import re
from html import unescape

import httpx
import pytest

from gateway.dashboard.views import keys
from tests.support.gateway import Running
from tests.support.waiting import wait_for_room_in_the_minute, wait_until


def made(page: str) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert found is not None, page
    return found[1]


def id_of(admin: httpx.Client, label: str) -> str:
    found = re.search(rf">{label}</td>.*?/keys/(key_[0-9a-f]+)", admin.get("/keys").text)
    assert found is not None
    return found[1]


def test_a_key_is_made_shown_once_used_changed_rotated_and_revoked(running: Running, admin: httpx.Client) -> None:
    answer = admin.post("/keys", data={"label": "billing-bot", "scopes": ["routing"], "days": "90"})
    secret = made(answer.text)
    assert answer.status_code == 201
    assert f"Bearer {secret}" in unescape(answer.text)  # in the command that sends a request with it
    assert secret not in admin.get("/keys").text
    sent = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with running.http(secret) as bot:
        wait_until(lambda: bot.get("/rtr_code/models").status_code == 200, "the new key works")
        assert bot.post("/rtr_code/chat/completions", json=sent).status_code == 200

        key_id = id_of(admin, "billing-bot")
        data = {"label": "billing-bot-2", "scopes": ["routing", "feedback"], "routers": ["rtr_support"]}
        assert admin.post(f"/keys/{key_id}", data=data).status_code == 303
        page = admin.get(f"/keys/{key_id}").text
        assert "Support replies" in page
        assert "in 90 d" in page

        successor = made(admin.post(f"/keys/{key_id}/rotate").text)
        assert successor != secret
        assert "in 60 min" in admin.get(f"/keys/{key_id}").text
        assert admin.post(f"/keys/{key_id}/revoke").status_code == 303
        wait_until(lambda: bot.get("/rtr_support/models").status_code == 401, "the revoked key is refused")


def test_of_two_who_change_a_key_the_later_one_is_told_first(admin: httpx.Client) -> None:
    admin.post("/keys", data={"label": "shared-bot", "scopes": ["routing"]})
    path = f"/keys/{id_of(admin, 'shared-bot')}"

    def tag_in(page: str) -> str:
        found = re.search(r'name="tag" value="([0-9a-f]+)"', page)
        assert found is not None, page
        return found[1]

    opened = tag_in(admin.get(path).text)
    data = {"label": "shared-bot", "scopes": ["routing"], "tag": opened}
    assert admin.post(path, data={**data, "usd_per_day": "5"}).status_code == 303
    late = admin.post(path, data={**data, "label": "shared-bot-2"})
    assert late.status_code == 412
    assert "has changed since it was read" in late.text
    assert 'value="shared-bot-2"' in late.text, "what was typed stays"
    assert 'value="5"' in admin.get(path).text, "nothing is lost"
    assert admin.post(path, data={**data, "tag": tag_in(late.text)}).status_code == 303, "on second thoughts"


def test_every_wrong_field_is_told_beside_it_and_what_was_typed_stays(admin: httpx.Client) -> None:
    answer = admin.post("/keys", data={"label": "", "days": "-5"})
    assert answer.status_code == 400
    for param in ("label", "expires_at", "scopes"):
        assert f'id="{param}-error"' in answer.text
    assert 'value="-5"' in answer.text
    assert 'id="expires_at-error"' in admin.post("/keys", data={"label": "x", "days": "soon"}).text


def test_a_label_is_text_wherever_it_is_shown(admin: httpx.Client) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}'
    page = admin.post("/keys", data={"label": hostile, "scopes": "routing"}).text
    changes = admin.get("/changes").text
    for text in (page, admin.get("/keys").text, changes):
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "{{ 7*7 }}" in text


def test_a_change_is_told_with_who_made_it_and_can_be_undone(admin: httpx.Client) -> None:
    made(admin.post("/keys", data={"label": "undo-me", "scopes": "routing"}).text)
    key_id = id_of(admin, "undo-me")
    admin.post(f"/keys/{key_id}", data={"label": "renamed", "scopes": "routing"})
    page = admin.get("/changes").text
    change = re.search(r"/changes/(chg_[0-9a-z]+)/revert", page)
    assert change is not None
    assert "“admin”" in page
    assert "<del>undo-me</del> → <ins>renamed</ins>" in page
    assert admin.post(f"/changes/{change[1]}/revert").status_code == 303
    assert ">undo-me</td>" in admin.get("/keys").text
    again = admin.post(f"/changes/{change[1]}/revert")
    assert again.status_code == 409
    assert "taken back already" in again.text


def test_limits_are_set_shown_with_what_is_used_and_kept_by_a_change(running: Running, admin: httpx.Client) -> None:
    data = {"label": "limited", "scopes": ["routing"], "usd_per_day": "5", "requests_per_minute": "1"}
    data |= {"tokens_per_minute": "1234567"}
    secret = made(admin.post("/keys", data=data).text)
    sent = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    with running.http(secret) as bot:
        wait_until(lambda: bot.get("/rtr_code/models").status_code == 200, "the new key works")
        wait_for_room_in_the_minute(seconds=10)
        assert bot.post("/rtr_code/chat/completions", json=sent).status_code == 200
    row = re.search(r">limited</td>.*?</tr>", admin.get("/keys").text, re.DOTALL)
    assert row is not None
    assert "of $5.00" in row[0]
    assert "1 of 1" in row[0]
    key_id = id_of(admin, "limited")
    page = admin.get(f"/keys/{key_id}").text
    assert 'name="usd_per_day" type="text" value="5"' in page
    assert 'name="tokens_per_minute" type="text" value="1234567"' in page
    assert admin.post(f"/keys/{key_id}", data={**data, "usd_per_day": "6"}).status_code == 303
    assert "of $6.00" in admin.get("/keys").text


def test_a_wrong_limit_is_told_beside_its_field(admin: httpx.Client) -> None:
    answer = admin.post(
        "/keys", data={"label": "x", "scopes": "routing", "usd_per_day": "-5", "tokens_per_minute": "0"}
    )
    assert answer.status_code == 400
    assert 'id="usd_per_day-error"' in answer.text
    assert 'id="tokens_per_minute-error"' in answer.text


def test_of_many_keys_some_are_shown_and_the_others_are_found(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admin.post("/keys", data={"label": "found-one", "scopes": ["routing"]}).status_code == 201
    assert 'role="search"' not in admin.get("/keys").text
    monkeypatch.setattr(keys, "MOST_ROWS", 1)
    page = admin.get("/keys").text
    assert "more keys are not shown" in page
    assert 'role="search"' in page
    assert ">found-one</td>" in admin.get("/keys", params={"search": "FOUND-"}).text
    assert "No key is like this" in admin.get("/keys", params={"search": "no-such-key"}).text
