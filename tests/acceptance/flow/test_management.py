"""The management API as administrators use it, over HTTP."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import Running
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    with running.http("admin") as http:
        yield http


def make_router(admin: httpx.Client, router_id: str, **fields: object) -> httpx.Response:
    body = {"id": router_id, "enabled_models": ["p/good-a", "p/good-b"], **fields}
    return admin.post("/admin/routers", json=body)


def make_key(admin: httpx.Client, **fields: object) -> dict[str, Any]:
    response = admin.post("/admin/api-keys", json={"label": "a key", **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def status_of(running: Running, key: str, path: str) -> int:
    with running.http(key) as http:
        return http.get(path).status_code


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


class TestRouters:
    def test_a_router_is_made_answers_is_changed_and_deleted(self, running: Running, admin: httpx.Client) -> None:
        made = make_router(admin, "rtr_made", name="Made", objective="cheapest")
        assert made.status_code == 201
        assert made.headers["location"] == "/admin/routers/rtr_made"
        router = made.json()
        assert (router["name"], router["revision"], router["enabled_models"]) == ("Made", 1, ["p/good-a", "p/good-b"])
        assert router["endpoint"] == f"{running.url}/rtr_made/chat/completions"
        assert router["settings"]["objective"] == "cheapest"
        assert "exploration" in router["defaults"]
        assert "secret" not in made.text
        wait_until(lambda: status_of(running, "routing", "/rtr_made/models") == 200, "the router is served")
        answer = running.client("rtr_made").chat.completions.create(model="dari/routing", messages=MESSAGES)
        assert answer.choices[0].message.content
        patched = admin.patch("/admin/routers/rtr_made", json={"objective": None, "enabled_models": ["p/good-a"]})
        router = patched.json()
        assert (router["revision"], router["rebuilding"]) == (2, False)
        assert "objective" in router["defaults"]
        assert {model["id"]: model["enabled"] for model in router["models"]} == {"p/good-a": True, "p/good-b": False}
        assert admin.get("/admin/routers/rtr_made").json()["enabled_models"] == ["p/good-a"]
        assert "rtr_made" in {each["id"] for each in admin.get("/admin/routers").json()["data"]}
        assert admin.delete("/admin/routers/rtr_made").status_code == 204
        assert error_of(admin.get("/admin/routers/rtr_made"), 404)["code"] == "router_not_found"
        restored = admin.post("/admin/routers/rtr_made/restore")
        assert (restored.status_code, restored.json()["enabled_models"]) == (200, ["p/good-a"])
        assert error_of(admin.post("/admin/routers/rtr_made/restore"), 409)["code"] == "router_exists"
        assert error_of(admin.post("/admin/routers/rtr_never/restore"), 404)["code"] == "router_not_found"

    def test_of_two_administrators_the_later_one_is_told_and_nothing_is_lost(self, admin: httpx.Client) -> None:
        tag = make_router(admin, "rtr_two").headers["etag"]
        assert tag == admin.get("/admin/routers/rtr_two").headers["etag"] == '"1"'
        first = admin.patch("/admin/routers/rtr_two", json={"max_attempts": 2}, headers={"if-match": tag})
        assert (first.status_code, first.headers["etag"]) == (200, '"2"')
        second = admin.patch("/admin/routers/rtr_two", json={"max_attempts": 1}, headers={"if-match": tag})
        assert error_of(second, 412)["code"] == "revision_conflict"
        assert error_of(admin.delete("/admin/routers/rtr_two", headers={"if-match": tag}), 412)
        assert admin.get("/admin/routers/rtr_two").json()["settings"]["max_attempts"] == 2
        assert error_of(admin.patch("/admin/routers/rtr_two", json={}, headers={"if-match": "2"}), 400)["param"]
        assert admin.delete("/admin/routers/rtr_two", headers={"if-match": '"2"'}).status_code == 204

    def test_changes_at_the_same_time_to_different_fields_are_all_kept(self, admin: httpx.Client) -> None:
        make_router(admin, "rtr_many")
        fields: list[dict[str, float]] = [
            {"max_attempts": 2},
            {"exploration": 0.1},
            {"sticky_seconds": 60.0},
            {"newcomer_share": 0.5},
        ]
        threads = [
            threading.Thread(target=admin.patch, args=("/admin/routers/rtr_many",), kwargs={"json": each})
            for each in fields
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        router = admin.get("/admin/routers/rtr_many").json()
        assert all(router["settings"][name] == value for each in fields for name, value in each.items())
        assert router["revision"] == 1 + len(fields)

    def test_a_dry_run_tells_what_would_be_and_changes_nothing(self, admin: httpx.Client) -> None:
        assert make_router(admin, "rtr_dry").status_code == 201
        told = admin.patch("/admin/routers/rtr_dry", params={"dry_run": True}, json={"max_attempts": 9})
        assert told.json()["settings"]["max_attempts"] == 9
        assert admin.delete("/admin/routers/rtr_dry", params={"dry_run": True}).status_code == 204
        assert admin.get("/admin/routers/rtr_dry").json()["settings"]["max_attempts"] == 3
        made = admin.post("/admin/routers", params={"dry_run": True}, json={"enabled_models": ["p/good-a"]}).json()
        assert error_of(admin.get(f"/admin/routers/{made['id']}"), 404)

    def test_every_mistake_is_named_with_its_field(self, admin: httpx.Client) -> None:
        error = error_of(make_router(admin, "rtr_bad", max_attempts=99, policy="astrology"), 400)
        assert {problem["param"] for problem in error["problems"]} == {"max_attempts", "policy"}
        unknown = error_of(make_router(admin, "rtr_bad", max_atempts=1), 400)
        assert (unknown["code"], unknown["param"]) == ("unknown_parameter", "max_atempts")
        assert error_of(make_router(admin, "bad"), 400)["param"] == "id"
        assert error_of(make_router(admin, "rtr_good"), 409)["code"] == "router_exists"
        nobody = error_of(admin.patch("/admin/routers/rtr_good", json={"enabled_models": ["p/nobody", "q/x"]}), 400)
        assert "q/x" in nobody["message"]
        assert error_of(admin.patch("/admin/routers/rtr_good", json=[1]), 400)
        assert error_of(admin.patch("/admin/routers/rtr_good", content=b"{"), 400)
        assert error_of(admin.post("/admin/routers", content=b"x" * 5_000_000), 413)["code"] == "request_too_large"

    def test_what_the_file_sets_is_told_with_its_line(self, admin: httpx.Client) -> None:
        router = admin.get("/admin/routers/rtr_failover").json()
        assert router["declared"].keys() == {"models", "policy"}
        told = admin.patch("/admin/routers/rtr_failover", params={"dry_run": True}, json={"policy": "uniform"}).json()
        line = router["declared"]["policy"]
        assert told["warnings"] == [
            f"`policy` is set by line {line} of the configuration file: the next start sets it again"
        ]

    def test_changed_half_lives_rebuild_in_the_background(self, running: Running, admin: httpx.Client) -> None:
        make_router(admin, "rtr_half")
        wait_until(lambda: status_of(running, "routing", "/rtr_half/models") == 200, "the router is served")
        running.client("rtr_half").chat.completions.create(model="dari/routing", messages=MESSAGES)
        changed = admin.patch("/admin/routers/rtr_half", json={"half_lives": {"quality_seconds": 1000.0}})
        assert (changed.status_code, changed.json()["rebuilding"]) == (202, True)


def counted(admin: httpx.Client) -> list[int]:
    return [model["requests"] for model in admin.get("/admin/routers/rtr_stats/stats").json()["models"]]


class TestStats:
    def test_shares_spend_and_beliefs_are_told_with_their_intervals(
        self, running: Running, admin: httpx.Client
    ) -> None:
        make_router(admin, "rtr_stats", max_usd_per_day=5.0)
        wait_until(lambda: status_of(running, "routing", "/rtr_stats/models") == 200, "the router is served")
        for _ in range(10):
            running.client("rtr_stats").chat.completions.create(model="dari/routing", messages=MESSAGES)
        wait_until(lambda: sum(counted(admin)) == 10, "the requests are counted")
        stats = admin.get("/admin/routers/rtr_stats/stats").json()
        models = {model["id"]: model for model in stats["models"]}
        assert models.keys() == {"p/good-a", "p/good-b"}
        (of_class,) = stats["tasks"]
        assert (of_class["requests"], of_class["scored"]) == (10, 0)
        assert of_class["shares"] == {model["id"]: model["share"] for model in stats["models"] if model["requests"]}
        assert sum(model["share"] for model in stats["models"]) == pytest.approx(1.0)
        assert sum(model["share_now"] for model in stats["models"]) == pytest.approx(1.0)
        for model in stats["models"]:
            for name in ("quality", "success", "seconds", "cost_per_answer_usd", "worth_usd"):
                assert model[name]["low"] < model[name]["mean"] < model[name]["high"], name
        spent = sum(model["cost_usd"] for model in stats["models"])
        assert stats["today"] == {"spent_usd": pytest.approx(spent), "limit_usd": 5.0}
        assert stats["objective"].keys() == {"quality_usd", "second_usd", "failure_usd"}

    def test_a_scored_class_narrows_its_own_interval(self, running: Running, admin: httpx.Client) -> None:
        make_router(admin, "rtr_classes", enabled_models=["p/good-a"])
        wait_until(lambda: status_of(running, "routing", "/rtr_classes/models") == 200, "the router is served")
        client = running.client("rtr_classes")
        with running.http() as http:
            for _ in range(30):
                made = client.chat.completions.create(
                    model="dari/routing", messages=MESSAGES, metadata={"task": "sums"}
                )
                http.post("/feedback", json={"completion_id": made.id, "score": 1.0}).raise_for_status()
        widths = {}
        for task in ("sums", "other"):
            (model,) = admin.get("/admin/routers/rtr_classes/stats", params={"task": task}).json()["models"]
            widths[task] = model["quality"]["high"] - model["quality"]["low"]
        assert widths["sums"] < widths["other"]

    def test_wrong_questions_are_refused(self, admin: httpx.Client) -> None:
        assert error_of(admin.get("/admin/routers/rtr_none/stats"), 404)["code"] == "router_not_found"
        assert error_of(admin.get("/admin/routers/rtr_good/stats", params={"days": "0"}), 400)["param"] == "days"


class TestKeys:
    def test_a_key_is_made_used_changed_rotated_and_revoked(self, running: Running, admin: httpx.Client) -> None:
        made = make_key(admin, label="bot", key_type="routing", routers=["rtr_good"])
        assert (made["scopes"], made["key_type"]) == (["routing", "feedback"], "routing")
        assert made["secret"].startswith(made["prefix"])
        wait_until(lambda: status_of(running, made["secret"], "/rtr_good/models") == 200, "the key works")
        path = f"/admin/api-keys/{made['id']}"
        assert admin.get(path).json() == {**made, "secret": None}
        changed = admin.patch(path, json={"label": "new bot", "routers": None}).json()
        assert (changed["label"], changed["routers"], changed["scopes"]) == ("new bot", None, ["routing", "feedback"])
        rotated = admin.post(f"{path}/rotate", json={"overlap_seconds": 600})
        successor = rotated.json()
        assert rotated.status_code == 201
        assert successor["secret"] not in (None, made["secret"])
        assert (successor["label"], successor["created_by"]) == ("new bot", made["created_by"])
        assert 0 < admin.get(path).json()["expires_at"] - admin.get(path).json()["created_at"] < 700
        assert admin.delete(path).status_code == 204
        assert admin.delete(path).status_code == 204
        assert admin.get(path).json()["revoked_at"] is not None
        wait_until(lambda: status_of(running, made["secret"], "/rtr_good/models") == 401, "it is refused")
        assert status_of(running, successor["secret"], "/rtr_good/models") == 200

    def test_of_two_who_change_a_key_the_later_one_is_told_and_nothing_is_lost(self, admin: httpx.Client) -> None:
        made = admin.post("/admin/api-keys", json={"label": "a key", "key_type": "routing"})
        path, tag = f"/admin/api-keys/{made.json()['id']}", {"if-match": made.headers["etag"]}
        assert admin.get(path).headers["etag"] == tag["if-match"]
        first = admin.patch(path, json={"label": "first"}, headers=tag)
        assert (first.status_code, first.headers["etag"] == tag["if-match"]) == (200, False)
        for method, body in (("PATCH", {"label": "second"}), ("DELETE", None)):
            assert error_of(admin.request(method, path, json=body, headers=tag), 412)["code"] == "revision_conflict"
        assert admin.get(path).json()["label"] == "first"
        assert admin.delete(path, headers={"if-match": first.headers["etag"]}).status_code == 204

    def test_a_change_that_changes_nothing_leaves_no_trace(self, admin: httpx.Client) -> None:
        made = make_key(admin, key_type="routing", limits={"usd_per_day": 1.0})
        for same in ({}, {"label": "a key"}, {"limits": {"usd_per_day": 1.0, "models": None}}):
            assert admin.patch(f"/admin/api-keys/{made['id']}", json=same).json() == {**made, "secret": None}
        changes = admin.get("/admin/changes", params={"target": made["id"]}).json()["data"]
        assert [each["action"] for each in changes] == ["api_key.create"]

    def test_limits_are_set_merged_shown_and_taken_back(self, admin: httpx.Client) -> None:
        limits = {"requests_per_minute": 60, "usd_per_day": 2.5, "models": ["p/good-a"], "tasks": ["code"]}
        made = make_key(admin, key_type="routing", limits=limits)
        none = dict.fromkeys(("tokens_per_minute", "usd_per_month"))
        assert made["limits"] == {**none, **limits}
        assert made["usage"]["month"] == {"requests": 0, "tokens": 0, "cost_usd": 0.0}
        path = f"/admin/api-keys/{made['id']}"
        changed = admin.patch(path, json={"limits": {"usd_per_day": None, "tokens_per_minute": 1000}}).json()
        assert changed["limits"] == {**limits, "usd_per_month": None, "usd_per_day": None, "tokens_per_minute": 1000}
        changes = admin.get("/admin/changes").json()["data"]
        (change,) = (each for each in changes if (each["action"], each["target"]) == ("api_key.update", made["id"]))
        assert admin.post(f"/admin/changes/{change['id']}/revert").status_code in {200, 201}
        assert admin.get(path).json()["limits"] == made["limits"]
        assert admin.patch(path, json={"limits": None}).json()["limits"] == dict.fromkeys(made["limits"])

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [
            ("requests_per_minute", "0"),
            ("requests_per_minute", "true"),
            ("tokens_per_minute", "-5"),
            ("tokens_per_minute", "2.5"),
            ("usd_per_day", "0"),
            ("usd_per_day", "1e400"),
            ("usd_per_month", "NaN"),
            ("usd_per_month", "true"),
            ("models", '["p/typo"]'),
            ("models", "[]"),
            ("tasks", '["code", "code"]'),
            ("tasks", '[" code"]'),
            ("usd_per_year", "1"),
        ],
    )
    def test_a_wrong_limit_is_named(self, admin: httpx.Client, name: str, wrong: str) -> None:
        body = f'{{"label": "x", "key_type": "routing", "limits": {{"{name}": {wrong}}}}}'
        headers = {"content-type": "application/json"}
        error = error_of(admin.post("/admin/api-keys", content=body, headers=headers), 400)
        assert error["param"] == f"limits.{name}", error

    def test_wrong_fields_are_all_named(self, admin: httpx.Client) -> None:
        body = {"label": " ", "scopes": ["root"], "routers": ["rtr_none"], "expires_at": 1.0}
        error = error_of(admin.post("/admin/api-keys", json=body), 400)
        assert [problem["param"] for problem in error["problems"]] == ["label", "scopes", "routers", "expires_at"]
        assert error_of(admin.post("/admin/api-keys", json={"label": "x"}), 400)["param"] == "scopes"
        assert error_of(admin.post("/admin/api-keys", json={"lable": "x"}), 400)["code"] == "unknown_parameter"
        assert error_of(admin.get("/admin/api-keys/key_none"), 404)["code"] == "api_key_not_found"

    def test_keys_are_listed_all_at_once_or_page_by_page(self, running: Running, admin: httpx.Client) -> None:
        made = [make_key(admin, scopes=["routing"])["id"] for _ in range(3)]
        all_ = [key["id"] for key in admin.get("/admin/api-keys").json()["data"]]
        assert all_[-3:] == made
        pages: list[list[str]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = admin.get("/admin/api-keys", params={"limit": "2", **({"cursor": cursor} if cursor else {})}).json()
            pages.append([key["id"] for key in page["data"]])
            cursor = page["next_cursor"]
        assert [id_ for page in pages for id_ in page] == all_
        assert {len(page) for page in pages[:-1]} == {2}
        for wrong in ({"limit": "0"}, {"limit": "201"}, {"cursor": "none"}):
            error_of(admin.get("/admin/api-keys", params=wrong), 400)

    def test_a_key_that_reads_sees_all_and_changes_nothing(self, running: Running, admin: httpx.Client) -> None:
        secret = make_key(admin, scopes=["read"])["secret"]
        with running.http(secret) as http:
            wait_until(lambda: http.get("/admin/routers").status_code == 200, "the key works")
            for path in ("/admin/api-keys", "/admin/evals", "/admin/models", "/admin/changes"):
                assert http.get(path).status_code == 200
            assert error_of(http.patch("/admin/routers/rtr_good", json={}), 403)["code"] == "insufficient_scope"
            assert error_of(http.post("/rtr_good/chat/completions", json={}), 403)

    def test_a_key_of_some_routers_manages_these_alone(self, running: Running, admin: httpx.Client) -> None:
        secret = make_key(admin, scopes=["admin"], routers=["rtr_second"])["secret"]
        with running.http(secret) as http:
            wait_until(lambda: http.get("/admin/routers").status_code == 200, "the key works")
            assert [each["id"] for each in http.get("/admin/routers").json()["data"]] == ["rtr_second"]
            assert error_of(http.get("/admin/routers/rtr_good"), 404)
            assert error_of(http.patch("/admin/routers/rtr_good", json={"name": "mine"}), 404)
            assert error_of(http.post("/admin/api-keys", json={"label": "all", "scopes": ["admin"]}), 403)
            assert all(each["routers"] == ["rtr_second"] for each in http.get("/admin/api-keys").json()["data"])
            assert all(each["target"] == "rtr_second" for each in http.get("/admin/changes").json()["data"])
            assert error_of(make_router(http, "rtr_mine"), 403)


class TestEvals:
    def test_a_scorecard_is_imported_chosen_and_deleted(self, admin: httpx.Client) -> None:
        make_router(admin, "rtr_evals")
        query = {"name": "card", "metric": "accuracy", "unit": "percent"}
        csv = {"content-type": "text/csv"}
        made = admin.post("/admin/evals", params=query, content="model_id,score\np/good-a,50\n", headers=csv)
        assert made.status_code == 201, made.text
        eval_id = made.json()["id"]
        row = made.json()["rows"][0]
        assert (row["model_id"], row["score"], row["prompts"], row["task"]) == ("p/good-a", 0.5, 20.0, None)
        assert admin.post(f"/admin/evals/{eval_id}/withdraw").json()["withdrawn_at"] is not None
        body = {**query, "rows": [{"model_id": "p/good-b", "score": 75}]}
        again = admin.post("/admin/evals", json=body)
        assert again.json()["id"] == eval_id
        assert admin.get(f"/admin/evals/{eval_id}").json()["rows"][0]["score"] == 0.75
        chosen = admin.put("/admin/routers/rtr_evals/evals", json={"eval_ids": [eval_id]})
        assert chosen.json() == {"eval_ids": [eval_id]}
        assert admin.get("/admin/routers/rtr_evals").json()["eval_ids"] == [eval_id]
        assert error_of(admin.put("/admin/routers/rtr_evals/evals", json={"eval_ids": ["eval_none"]}), 400)
        assert admin.delete(f"/admin/evals/{eval_id}").status_code == 204
        assert error_of(admin.get(f"/admin/evals/{eval_id}"), 404)["code"] == "eval_not_found"

    def test_all_wrong_lines_are_told_and_nothing_is_imported(self, admin: httpx.Client) -> None:
        query = {"name": "wrong", "metric": "m", "unit": "percent"}
        lines = "model_id,score\np/good-a,lots\np/nobody,5\np/good-b,101\n"
        response = admin.post("/admin/evals", params=query, content=lines, headers={"content-type": "text/csv"})
        told = [problem["message"].partition(":")[0] for problem in error_of(response, 400)["problems"]]
        assert told == ["line 2", "line 3", "line 4"]
        rows = [{"model_id": "p/good-a", "score": 101}, {"model_id": "p/nobody", "score": 1}]
        error = error_of(admin.post("/admin/evals", json={**query, "rows": rows}), 400)
        assert [problem["message"].partition(":")[0] for problem in error["problems"]] == ["row 1", "row 2"]
        assert "wrong" not in {each["name"] for each in admin.get("/admin/evals").json()["data"]}
        assert error_of(admin.post("/admin/evals", params=query, content=b"x"), 415)
        assert error_of(admin.post("/admin/evals", json={**query, "rows": [{"score": "x"}]}), 400)


class TestModels:
    def test_the_catalog_tells_prices_and_who_uses_a_model(self, admin: httpx.Client) -> None:
        models = {model["id"]: model for model in admin.get("/admin/models").json()["data"]}
        assert models["p/good-a"]["price"] == {
            "input_usd_per_million": 1.0,
            "cached_input_usd_per_million": 0.5,
            "output_usd_per_million": 2.0,
            "source": "declared",
        }
        assert "rtr_second" in models["p/good-a"]["routers"]

    def test_resuming_is_a_change_and_unknown_models_are_told(self, admin: httpx.Client) -> None:
        assert admin.post("/admin/models/p/good-a/resume").json() == {"id": "p/good-a", "resumed": True}
        change = admin.get("/admin/changes", params={"target": "p/good-a"}).json()["data"][0]
        assert (change["action"], change["actor"]["via"]) == ("model.resume", "api")
        assert error_of(admin.post("/admin/models/p/nobody/resume"), 404)["code"] == "model_not_found"


class TestChanges:
    def test_a_change_tells_who_and_what_and_can_be_taken_back_once(self, admin: httpx.Client) -> None:
        make_router(admin, "rtr_undo", max_attempts=5)
        response = admin.patch("/admin/routers/rtr_undo", json={"max_attempts": 1, "exploration": 0.3})
        asked = {"target": "rtr_undo"}
        change = admin.get("/admin/changes", params=asked).json()["data"][0]
        assert change["before"] == {"max_attempts": 5}
        assert change["after"] == {"max_attempts": 1, "exploration": 0.3}
        assert (change["action"], change["actor"]["label"]) == ("router.update", "admin")
        assert change["request_id"] == response.headers["x-request-id"]
        reverted = admin.post(f"/admin/changes/{change['id']}/revert")
        assert reverted.json()["after"] == {"max_attempts": 5}
        router = admin.get("/admin/routers/rtr_undo").json()
        assert (router["settings"]["max_attempts"], "exploration" in router["defaults"]) == (5, True)
        told = admin.get("/admin/changes", params=asked).json()["data"]
        assert told[1]["reverted_by"] == reverted.json()["id"] == told[0]["id"]
        again = error_of(admin.post(f"/admin/changes/{change['id']}/revert"), 409)
        assert again["code"] == "changed_since"

    def test_a_field_that_has_moved_on_is_not_taken_back(self, admin: httpx.Client) -> None:
        make_router(admin, "rtr_moved")
        admin.patch("/admin/routers/rtr_moved", json={"max_attempts": 1})
        change = admin.get("/admin/changes", params={"target": "rtr_moved"}).json()["data"][0]
        admin.patch("/admin/routers/rtr_moved", json={"max_attempts": 2})
        error = error_of(admin.post(f"/admin/changes/{change['id']}/revert"), 409)
        assert (error["code"], "max_attempts" in error["message"]) == ("changed_since", True)
        assert admin.get("/admin/routers/rtr_moved").json()["settings"]["max_attempts"] == 2

    def test_changes_are_listed_page_by_page(self, admin: httpx.Client) -> None:
        make_router(admin, "rtr_paged")
        for number in range(1, 5):
            admin.patch("/admin/routers/rtr_paged", json={"max_attempts": number})
        seen: list[str] = []
        cursor = None
        while True:
            query = {"target": "rtr_paged", "limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = admin.get("/admin/changes", params=query).json()
            seen += [each["id"] for each in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 5
        assert seen == sorted(seen, reverse=True)

    def test_a_keys_secret_and_hash_are_in_no_change(self, running: Running, admin: httpx.Client) -> None:
        made = make_key(admin, scopes=["routing"])
        text = admin.get("/admin/changes").text
        assert made["id"] in text
        assert made["secret"] not in text
        assert all(secret not in text for secret in running.keys.values())
        assert "hash" not in text


def test_the_last_key_that_administers_everything_is_kept(running: Running, admin: httpx.Client) -> None:
    keys = admin.get("/admin/api-keys").json()["data"]
    live = [key for key in keys if "admin" in key["scopes"] and key["routers"] is None and key["revoked_at"] is None]
    others = [key for key in live if key["label"] != "admin"]
    made = make_key(admin, scopes=["admin"])
    assert admin.delete(f"/admin/api-keys/{made['id']}").status_code == 204
    for key in others:
        admin.delete(f"/admin/api-keys/{key['id']}")
    (mine,) = [key for key in live if key["label"] == "admin"]
    error = error_of(admin.delete(f"/admin/api-keys/{mine['id']}"), 409)
    assert error["code"] == "last_admin_key"
    assert error_of(admin.patch(f"/admin/api-keys/{mine['id']}", json={"scopes": ["read"]}), 409)
    assert admin.get("/admin/api-keys").status_code == 200


UNWRITABLE = [r"\u0000", r"a\u0000b", r"\ud800", r"a\udfffb"]


@pytest.mark.parametrize("text", UNWRITABLE)
@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/admin/routers", '{"enabled_models":["p/good-a"],"name":"TEXT"}', "name"),
        ("POST", "/admin/routers", '{"enabled_models":["p/good-a","TEXT"]}', "enabled_models"),
        ("PATCH", "/admin/routers/rtr_main", '{"task_metadata_key":"TEXT"}', "task_metadata_key"),
        ("PATCH", "/admin/routers/rtr_main", '{"objective":"TEXT"}', "objective"),
        ("PATCH", "/admin/routers/rtr_main", '{"half_lives":{"TEXT":1}}', "half_lives"),
        ("POST", "/admin/api-keys", '{"label":"TEXT","scopes":["read"]}', "label"),
        ("POST", "/admin/api-keys", '{"label":"a","scopes":["read"],"routers":["TEXT"]}', "routers"),
        ("POST", "/admin/api-keys", '{"label":"a","key_type":"TEXT"}', "key_type"),
    ],
)
def test_text_that_no_database_can_hold_is_refused_by_name(
    admin: httpx.Client, text: str, method: str, path: str, body: str, param: str
) -> None:
    content, headers = body.replace("TEXT", text), {"content-type": "application/json"}
    assert error_of(admin.request(method, path, content=content, headers=headers), 400)["param"] == param
    with_key = {**headers, "authorization": "Bearer unknown"}
    assert admin.request(method, path, content=content, headers=with_key).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "param"),
    [
        ("GET", "/admin/routers/rtr_%00", "router_id"),
        ("DELETE", "/admin/routers/rtr_%00", "router_id"),
        ("POST", "/admin/routers/rtr_%00/restore", "router_id"),
        ("GET", "/admin/routers/rtr_main/stats?task=%00", "task"),
        ("GET", "/admin/api-keys/a%00b", "key_id"),
        ("POST", "/admin/api-keys/a%00b/rotate", "key_id"),
        ("GET", "/admin/evals/%00", "eval_id"),
        ("GET", "/admin/decisions?router_id=%00", "router_id"),
        ("GET", "/admin/decisions?cursor=%00&router_id=rtr_main", "cursor"),
        ("GET", "/admin/changes?cursor=a%00b", "cursor"),
        ("GET", "/admin/changes?target=%00", "target"),
        ("POST", "/admin/changes/%00/revert", "change_id"),
    ],
)
def test_a_nul_character_in_a_path_or_query_is_refused_by_name(
    admin: httpx.Client, method: str, path: str, param: str
) -> None:
    assert error_of(admin.request(method, path), 400)["param"] == param
