"""Set-up in the browser: the first answer, a router, its settings with two people at once, a scorecard."""

import re
from html import unescape

import httpx

from tests.acceptance.dashboard.conftest import Visitor, add_key
from tests.support.gateway import Running
from tests.support.waiting import wait_until


def form_of(page: str) -> dict[str, list[str]]:
    """The fields of the settings' form as a browser would send them unchanged."""
    inputs = re.findall(
        r'<input (?:id="[^"]*" )?(?:type="hidden" )?name="([^"]+)" (?:type="text" )?value="([^"]*)"', page
    )
    fields = {name: [unescape(value)] for name, value in inputs}
    fields["models"] = re.findall(r'name="models" value="([^"]+)" checked', page)
    for name, options in re.findall(r'<select[^>]*name="([^"]+)">(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = [chosen[1]] if chosen else []
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        fields[name] = [unescape(text)]
    return fields


def test_before_the_first_request_the_page_says_how_to_send_one(running: Running, visitor: Visitor) -> None:
    some = visitor("some")
    page = some.get("/").text
    assert "How do I get the first answer?" in page
    assert f"curl {running.url}/rtr_code/chat/completions" in page
    assert (
        f'base_url="{running.url}/rtr_code"'.replace('"', "&#34;") in page
        or f'base_url="{running.url}/rtr_code"' in page
    )


def test_a_test_request_is_answered_and_leads_to_its_story(running: Running, visitor: Visitor) -> None:
    secret = add_key(running, "first", ("routing", "admin"))
    first = visitor(secret)
    page = first.post("/routers/rtr_code/test-request").text
    story = re.search(r'href="(/decisions/chatcmpl-req_[^"]+)"', page)
    assert story is not None, page
    assert first.get(story[1]).status_code == 200
    assert f'"completion_id": "{story[1].removeprefix("/decisions/")}"' in page  # the command that scores it


def test_a_router_is_made_used_changed_and_the_change_undone(running: Running, admin: httpx.Client) -> None:
    wrong = admin.post("/routers/new", data={"name": "", "id": "nonsense", "objective": "balanced"})
    assert wrong.status_code == 400
    assert 'class="err"' in wrong.text
    data = {
        "name": "Made here",
        "id": "rtr_made",
        "objective": "cheapest",
        "models": ["simulated/swift", "simulated/sage"],
    }
    assert admin.post("/routers/new", data=data).status_code == 303
    with running.http() as client:
        wait_until(lambda: client.get("/rtr_made/models").status_code == 200, "the router is served")

    fields = form_of(admin.get("/routers/rtr_made/settings").text)
    fields |= {"max_usd_per_day": ["12.5"], "models": ["simulated/sage"]}
    saved = admin.post("/routers/rtr_made/settings", data=fields)
    assert saved.status_code == 303
    page = admin.get(saved.headers["location"]).text
    assert "<ins>12.5</ins>" in page
    assert 'name="max_usd_per_day" type="text" value="12.5"' in page
    assert 'value="simulated/swift" checked' not in page

    undo = re.search(r'action="(/changes/chg_[^"]+/revert)"', page)
    assert undo is not None
    assert admin.post(undo[1]).status_code == 303
    page = admin.get("/routers/rtr_made/settings").text
    assert 'name="max_usd_per_day" type="text" value=""' in page
    assert 'value="simulated/swift" checked' in page

    refused = admin.post("/models", data={"model": "simulated/<nobody", "router_id": "rtr_made"})
    assert refused.status_code == 400
    assert 'id="models-error"' in refused.text
    assert 'value="simulated/&lt;nobody"' in refused.text  # what was typed stays
    added = admin.post("/models", data={"model": "simulated/steady", "router_id": "rtr_made"})
    assert added.status_code == 303
    page = admin.get(added.headers["location"]).text
    assert all(f'value="simulated/{model}" checked' in page for model in ("swift", "steady", "sage"))


def test_of_two_tabs_the_later_one_is_told_and_may_apply_its_change_on_top(admin: httpx.Client) -> None:
    opened = form_of(admin.get("/routers/rtr_code/settings").text)
    first, second = dict(opened), dict(opened)
    first["max_attempts"] = ["2"]
    assert admin.post("/routers/rtr_code/settings", data=first).status_code == 303

    second["exploration"] = ["0.05"]
    told = admin.post("/routers/rtr_code/settings", data=second)
    assert told.status_code == 412
    assert "Somebody was quicker" in told.text
    assert 'value="0.05"' in told.text

    again = admin.post("/routers/rtr_code/settings", data=first)
    assert again.status_code == 303, "a second click on Save finds all of it done"

    on_top = admin.post("/routers/rtr_code/settings", data=form_of(told.text))
    assert on_top.status_code == 303
    now = form_of(admin.get("/routers/rtr_code/settings").text)
    assert now["max_attempts"] == ["2"]  # what the other one changed stays
    assert now["exploration"] == ["0.05"]


def test_wrong_settings_are_told_beside_their_fields(admin: httpx.Client) -> None:
    fields = form_of(admin.get("/routers/rtr_code/settings").text)
    fields |= {"exploration": ["7"], "max_usd_per_day": ["a lot"], "policy": ["guess"]}
    answer = admin.post("/routers/rtr_code/settings", data=fields)
    assert answer.status_code == 400
    for name in ("exploration", "max_usd_per_day", "policy"):
        assert f'id="{name}-error"' in answer.text, name
    assert 'value="a lot"' in answer.text


def test_rules_are_lines_that_are_read_back_as_they_are_shown(running: Running, admin: httpx.Client) -> None:
    fields = form_of(admin.get("/routers/rtr_code/settings").text)
    fields["rules"] = [
        'Never simulated/swift when metadata.team is "a"\r\n\r\n  prefer simulated/sage (35) when math\r\n'
    ]
    fields["rules"][0] += "always simulated/steady otherwise"
    assert admin.post("/routers/rtr_code/settings", data=fields).status_code == 303
    shown = form_of(admin.get("/routers/rtr_code/settings").text)
    assert shown["rules"][0].splitlines() == [
        'never simulated/swift when metadata.team is "a"',
        "prefer simulated/sage (35) when math",
        "always simulated/steady otherwise",
    ]
    wait_until(lambda: running.gateway.routers["rtr_code"].rules is not None, "the rules are served")
    with running.http() as client:
        body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi!"}], "metadata": {"team": "A"}}
        answer = client.post("/rtr_code/chat/completions", json=body).json()
    story = unescape(admin.get(f"/decisions/{answer['id']}").text)
    assert "<b>simulated/steady</b> was demanded by a rule of the router" in story
    assert "The default demands simulated/steady." in story
    assert 'Rule 1 excludes simulated/swift <span class="soft">(when metadata.team is "a")</span>.' in story
    wrong = {
        "prefer simulated/sage": "line 1 is not understood",
        "prefer simulated/sage when wenn es regnet": "wenn es regnet",
        "sometimes simulated/sage when math": "must be",
        "prefer simulated/sage otherwise\nprefer simulated/swift otherwise": "one default",
        "prefer simulated/nobody when math": "has not enabled",
    }
    for lines, said in wrong.items():
        answer = admin.post("/routers/rtr_code/settings", data=shown | {"rules": [lines]})
        assert answer.status_code == 400
        assert 'id="rules-error"' in answer.text
        assert said in unescape(answer.text)
        assert form_of(answer.text)["rules"] == [lines]  # what was written stays
    assert admin.post("/routers/rtr_code/settings", data=shown | {"rules": [""]}).status_code == 303
    assert form_of(admin.get("/routers/rtr_code/settings").text)["rules"] == [""]


def test_a_pasted_scorecard_tells_every_wrong_line_and_is_taken_whole_or_not(admin: httpx.Client) -> None:
    rows = "model_id,score\nsimulated/sage,91\nsimulated/nobody,80\nsimulated/swift,many\nsimulated/steady,140"
    sent = {"name": "<b>Pasted", "metric": "accuracy", "unit": "percent", "rows": rows}
    wrong = admin.post("/evals", data=sent)
    assert wrong.status_code == 400
    for line in ("line 3", "line 4", "line 5"):
        assert line in wrong.text
    assert "simulated/nobody,80" in wrong.text  # what was pasted stays
    assert "No scorecard yet" in admin.get("/evals").text

    right = "model_id,score\nsimulated/sage,91\nsimulated/swift,40\n"
    assert admin.post("/evals", data={**sent, "rows": right}).status_code == 303
    page = admin.get("/evals").text
    assert "0.91" in page
    assert "&lt;b&gt;Pasted" in page
    assert "<b>Pasted" not in page
    eval_id = re.search(r"/evals/(eval_[^/]+)/delete", page)
    assert eval_id is not None
    assert admin.post(f"/evals/{eval_id[1]}/delete").status_code == 303
    assert "No scorecard yet" in admin.get("/evals").text
