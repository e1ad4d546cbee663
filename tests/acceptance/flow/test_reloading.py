"""A running gateway reads its configuration again, all of it or nothing, and says what it did."""

import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.records import Via
from storage.stores.audit import Audit
from storage.stores.routers import Routers
from tests.support.gateway import GatewayProcess, Running, run_gateway
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

BODY: Any = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
PRICED = "input_usd_per_million = 1\noutput_usd_per_million = 2\n"
Write = Callable[..., None]


def model(name: str, rates: str = PRICED) -> str:
    return f'[models."p/{name}"]\n{rates}'


def router(router_id: str, *names: str, options: str = "") -> str:
    return f"[routers.{router_id}]\nmodels = {[f'p/{name}' for name in names]}\n{options}"


def text_of(provider_url: str, *tables: str) -> str:
    return f'[providers.p]\nbase_url = "{provider_url}/v1"\napi_key = "file:key"\n' + "".join(tables)


@pytest.fixture(scope="module")
def provider_url() -> Iterator[str]:
    with serve_app(scripted(Received())) as url:
        yield url


@pytest.fixture
def served(provider_url: str, tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "key").write_text("sk-one")
    database = f'database_url = "sqlite:///{tmp_path / "ledger.db"}"\n'
    text = database + text_of(provider_url, model("good-a"), router("rtr_a", "good-a"))
    with run_gateway(text, tmp_path) as running:
        yield running


@pytest.fixture
def write(provider_url: str, tmp_path: Path, served: Running) -> Write:
    first = (tmp_path / "bandit-gateway.toml").read_text().split("\n")[0]

    def write_tables(tables: str, head: str | None = None) -> None:
        text = text_of(provider_url, tables) if tables.startswith("[") else tables
        (tmp_path / "bandit-gateway.toml").write_text(f"{head or first}\n{text}")

    return write_tables


def reload(served: Running) -> httpx.Response:
    with served.http("admin") as http:
        return http.post("/admin/reload")


def models_of(served: Running, router_id: str) -> list[str]:
    with served.http() as http:
        return [each["id"] for each in http.get(f"/{router_id}/models").json()["data"]][1:]


def notes(served: Running) -> list[str]:
    with served.http("admin") as http:
        answered: list[str] = http.get("/readyz").json()["notes"]
        return answered


def test_models_routers_and_options_of_the_new_file_are_served_at_once(served: Running, write: Write) -> None:
    write(
        model("good-a", PRICED.replace("1", "3"))
        + model("good-b")
        + router("rtr_a", "good-a", "good-b", options="max_attempts = 1\n")
        + router("rtr_new", "good-b")
    )
    answer = reload(served)
    assert answer.status_code == 200, answer.text
    assert models_of(served, "rtr_a") == ["p/good-a", "p/good-b"]
    assert served.client("rtr_new").chat.completions.create(**BODY).model == "p/good-b"
    assert answer.json()["changes"] == [
        'models."p/good-a": input_usd is 3.0 (was 1.0)',
        'models."p/good-b" is new',
        'routers.rtr_a: models is "p/good-a, p/good-b" (was "p/good-a")',
        "routers.rtr_a: max_attempts is 1 (was not set)",
        "routers.rtr_new is new",
        "router rtr_a: as declared, max_attempts is 1; p/good-b is enabled",
    ]
    assert reload(served).json()["changes"] == []


def test_what_the_file_changes_of_a_router_is_in_the_audit_trail(served: Running, write: Write) -> None:
    write(model("good-a") + router("rtr_a", "good-a", options="max_attempts = 1\n"))
    reload(served)
    (change,) = Audit(served.gateway.database).page(10, target="rtr_a").records
    assert (change.actor.via, change.action) == (Via.FILE, "router.update")
    assert change.after["max_attempts"] == 1
    assert "models" not in change.after, "it keeps what differs"


def test_a_changed_price_counts_from_the_reload_on(served: Running, write: Write) -> None:
    with served.http() as http:
        before = http.post("/rtr_a/chat/completions", json=BODY).json()["usage"]["cost_usd"]
        write(model("good-a", "input_usd_per_million = 10\noutput_usd_per_million = 20\n") + router("rtr_a", "good-a"))
        reload(served)
        after = http.post("/rtr_a/chat/completions", json=BODY).json()["usage"]["cost_usd"]
    assert after == pytest.approx(10 * before)


def test_a_renewed_key_is_used_and_never_told(
    served: Running, write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "key").write_text("sk-two")
    with caplog.at_level(logging.INFO):
        answer = reload(served)
    assert answer.json()["changes"] == ["providers.p: api_key has changed"]
    assert "configuration: providers.p: api_key has changed" in caplog.text
    assert "sk-" not in answer.text + caplog.text


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("[routers.rtr_a\n", "is not valid TOML"),
        (model("good-a") + router("rtr_a", "good-a", options="max_attempt = 1\n"), "max_attempt is not a known key"),
        (model("good-a", "input_usd_per_million = 1\n") + router("rtr_a", "good-a"), "no price is known for p/good-a"),
        ("[routers.rtr_a]\nmodels = []\n", "models"),
    ],
)
def test_a_file_that_can_not_be_used_changes_nothing_and_is_told(
    served: Running, write: Write, caplog: pytest.LogCaptureFixture, tables: str, told: str
) -> None:
    write(tables if "TOML" in told else tables + router("rtr_other", "good-a"))
    answer = reload(served)
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "configuration_refused"
    assert "the former one goes on" in error["message"]
    assert told in error["message"]
    assert told in caplog.text
    assert any(told in note and "the configuration could not be read again" in note for note in notes(served))
    assert models_of(served, "rtr_a") == ["p/good-a"]
    assert Routers(served.gateway.database).get("rtr_other") is None
    write(model("good-a") + router("rtr_a", "good-a"))
    assert reload(served).status_code == 200
    assert notes(served) == []


def test_a_secret_that_can_not_be_read_changes_nothing(served: Running, tmp_path: Path) -> None:
    (tmp_path / "key").unlink()
    answer = reload(served)
    assert answer.status_code == 409
    assert "needs the file key, which can't be read" in answer.json()["error"]["message"]
    assert served.client("rtr_a").chat.completions.create(**BODY).model == "p/good-a"


def test_a_router_does_not_lose_its_last_model(served: Running, write: Write) -> None:
    write(model("good-b") + router("rtr_b", "good-b"))
    answer = reload(served)
    assert answer.status_code == 409
    assert "router rtr_a would have no model left: none of p/good-a" in answer.json()["error"]["message"]
    assert models_of(served, "rtr_a") == ["p/good-a"]
    assert Routers(served.gateway.database).get("rtr_b") is None


def test_a_model_of_a_newer_file_is_not_served_for_nothing_by_the_old_one(
    served: Running, provider_url: str, tmp_path: Path
) -> None:
    old_file = tmp_path / "bandit-gateway.toml"
    newer = text_of(provider_url, model("good-a"), model("good-b"), router("rtr_a", "good-a", "good-b"))
    head = old_file.read_text().split("\n")[0]
    replica = tmp_path / "replica"
    replica.mkdir()
    (replica / "key").write_text("sk-one")
    with run_gateway(f"{head}\n{newer}", replica) as other:
        assert models_of(other, "rtr_a") == ["p/good-a", "p/good-b"]
        wait_until(lambda: any("p/good-b" in note for note in notes(served)), "the old process tells of it")
        assert models_of(served, "rtr_a") == ["p/good-a"], "its provider is on this machine, and it would cost $0"
        old_file.write_text(f"{head}\n{newer}")
        assert reload(served).status_code == 200
        assert models_of(served, "rtr_a") == ["p/good-a", "p/good-b"]
        assert notes(served) == []


def test_keys_of_the_server_wait_for_the_next_start(served: Running, write: Write, tmp_path: Path) -> None:
    head = f'database_url = "sqlite:///{tmp_path / "other.db"}"\ndrain_seconds = 1'
    write(model("good-a") + router("rtr_a", "good-a"), head)
    answer = reload(served)
    assert answer.json()["at_next_start"] == ["database_url", "drain_seconds"]
    assert served.client("rtr_a").chat.completions.create(**BODY).model == "p/good-a"
    assert not (tmp_path / "other.db").exists()


def test_only_an_administrator_of_all_routers_may_reload(served: Running) -> None:
    for key, status in (("routing", 403), ("admin", 200)):
        with served.http(key) as http:
            assert http.post("/admin/reload").status_code == status


def test_sighup_to_the_parent_reaches_all_workers_and_those_that_come_later(provider_url: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-one")
    text = text_of(provider_url, model("good-a"), router("rtr_a", "good-a"))
    with GatewayProcess(tmp_path, text, workers=2) as gateway:
        config = tmp_path / "bandit-gateway.toml"
        config.write_text(text_of(provider_url, model("good-a"), model("good-b"), router("rtr_b", "good-b")))
        gateway.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.output.count("the configuration was read again") >= 2, "both workers have read it")
        config.write_text("broken")
        gateway.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.output.count("can't be used, the former one goes on") >= 2, "both workers refused")
        gateway.kill_a_worker()
        wait_until(lambda: "ended with status" in gateway.output, "the parent has noticed")
        for _ in range(20):  # new connections, which either worker may get
            with gateway.client() as http:
                assert http.post("/rtr_b/chat/completions", json=BODY).status_code == 200
        assert gateway.stop() == 0
