"""Who gets in, by which way, and what other sites can't make a browser do."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.dashboard.session import make_link
from tests.acceptance.dashboard.conftest import Visitor, add_key
from tests.support.gateway import Running
from tests.support.waiting import wait_until

PAGES = ("/", "/health", "/keys", "/changes")
CSP = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_a_session_leads_to_the_sign_in_page_and_back(running: Running, path: str) -> None:
    answer = httpx.get(f"{running.url}{path}?a=1")
    assert answer.status_code == 303
    there = urlsplit(answer.headers["location"])
    assert there.path == "/sign-in"
    assert parse_qs(there.query)["next"] == [f"{path}?a=1"]


def test_the_cookie_is_for_this_site_and_no_script(running: Running) -> None:
    answer = httpx.post(f"{running.url}/sign-in", data={"key": running.keys["admin"]}, headers={"origin": running.url})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=43200" in cookie
    assert "Path=/" in cookie
    assert running.keys["admin"] not in cookie


def test_behind_tls_the_cookie_is_bound_to_this_host(running: Running) -> None:
    headers = {"sec-fetch-site": "same-origin", "x-forwarded-proto": "https"}
    answer = httpx.post(f"{running.url}/sign-in", data={"key": running.keys["admin"]}, headers=headers)
    assert answer.headers["set-cookie"].startswith("__Host-")
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("key", ["routing", "feedback", "expired", "revoked", "unknown", ""])
def test_a_key_that_may_not_look_is_told_why(running: Running, key: str) -> None:
    sent = {"key": running.keys.get(key, key)}
    answer = httpx.post(f"{running.url}/sign-in", data=sent, headers={"origin": running.url})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "\n/"])
def test_after_signing_in_nobody_is_sent_to_another_site(running: Running, there: str) -> None:
    sent = {"key": running.keys["admin"], "next": there}
    answer = httpx.post(f"{running.url}/sign-in", data=sent, headers={"origin": running.url})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port or host of the same site
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_a_form_of_another_site_is_refused(running: Running, admin: httpx.Client, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=running.url, cookies=dict(admin.cookies), headers=headers) as forger:
        before = admin.get("/keys").text.count("<tr")
        for path in ("/keys", "/sign-in", "/sign-out", "/changes/chg_1/revert"):
            answer = forger.post(path, data={"label": "mine", "scopes": "admin", "key": running.keys["admin"]})
            assert answer.status_code == 403
            assert "not sent by a page of this gateway" in answer.text
            assert "set-cookie" not in answer.headers
        assert admin.get("/keys").text.count("<tr") == before


def test_the_cookie_opens_neither_the_api_nor_completions(running: Running, admin: httpx.Client) -> None:
    sent = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
    assert admin.post("/rtr_code/chat/completions", json=sent).status_code == 401
    assert admin.get("/admin/api-keys").status_code == 401
    assert admin.post("/admin/api-keys", json={"label": "mine", "scopes": ["admin"]}).status_code == 401


def test_a_key_that_only_reads_sees_no_form_and_changes_nothing(reader: httpx.Client) -> None:
    for path in PAGES:
        page = reader.get(path, follow_redirects=True)
        forms = re.findall(r'<form[^>]*action="([^"]*)"', page.text)
        assert page.status_code == 200
        assert set(forms) <= {"/sign-out"}, path
    assert reader.post("/keys", data={"label": "mine", "scopes": "admin"}).status_code == 403


def test_revoking_a_key_ends_its_session(running: Running, visitor: Visitor, admin: httpx.Client) -> None:
    secret = add_key(running, "leaving", ("read",))
    leaving = visitor(secret)
    assert leaving.get("/health").status_code == 200
    key_id = re.findall(r"/keys/(key_[0-9a-f]+)", admin.get("/keys").text)[0]
    assert admin.post(f"/keys/{key_id}/revoke").status_code == 303
    wait_until(lambda: leaving.get("/health").status_code == 303, "the session ends with its key", seconds=5)


def test_signing_out_forgets_the_cookie(visitor: Visitor) -> None:
    mine = visitor("reader")
    assert mine.get("/health").status_code == 200
    assert mine.post("/sign-out").status_code == 303
    assert mine.get("/health").status_code == 303


def test_the_printed_link_signs_in_once_and_on_this_machine_alone(running: Running) -> None:
    database = running.gateway.database
    link = str(make_link(database, database.clock.now()))
    from_elsewhere = httpx.get(f"{running.url}{link}", headers={"x-forwarded-for": "203.0.113.9"})
    rebound = httpx.get(f"{running.url}{link}", headers={"host": "evil.example"})
    assert from_elsewhere.status_code == rebound.status_code == 403
    first = httpx.get(f"{running.url}{link}")
    assert first.status_code == 303
    assert "HttpOnly" in first.headers["set-cookie"]
    again = httpx.get(f"{running.url}{link}")
    assert again.status_code == 403
    assert "used before" in again.text
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/keys/nobody", "/assets/0/app.css"])
def test_every_answer_carries_the_security_headers(admin: httpx.Client, path: str) -> None:
    headers = admin.get(path).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_assets_are_kept_for_ever_and_pages_name_them_by_their_hash(admin: httpx.Client) -> None:
    page = admin.get("/health").text
    names = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)
    assert len(names) >= 4
    for name in names:
        answer = admin.get(name)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"], name
    assert not re.findall(r"<script(?![^>]*src=)|style=|\son\w+=", page)  # the policy would refuse them


def test_a_page_that_the_browser_has_is_not_sent_again(admin: httpx.Client) -> None:
    tag = admin.get("/changes").headers["etag"]
    assert admin.get("/changes", headers={"if-none-match": tag}).status_code == 304
