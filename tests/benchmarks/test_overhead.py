"""The load generator counts right, checks what it gets, and fails loudly: against real processes on real sockets."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks.overhead.__main__ import parse, peers
from benchmarks.overhead.report import as_json
from benchmarks.overhead.rounds import C32, STREAM_FULL, measure_rounds
from benchmarks.overhead.script import CHUNKS, answer_body, check_answer, check_stream, request_body, stream_events
from benchmarks.overhead.servers import fake_provider, put_load_on
from benchmarks.overhead.targets import Target, forwarder, gateway
from benchmarks.overhead.traffic import MIXED_REQUESTS, Request, Traffic, requests_of
from tests.support.processes import RunFailed
from tests.support.sockets import refusing_port


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("overhead")
    with fake_provider(directory / "provider.log") as port, forwarder(port, directory) as running:
        yield running


def test_a_number_of_requests_gets_exactly_so_many_answers_and_takes_cpu(target: Target) -> None:
    measured = put_load_on(target.load(8, requests=300))
    assert measured.answers == 300
    assert measured.checked == 6
    assert measured.error_count == 0
    assert 0 < measured.p50_ms <= measured.p99_ms
    assert measured.cpu_seconds > 0


def test_each_request_has_a_connection_of_its_own_if_so_asked(target: Target) -> None:
    measured = put_load_on(target.load(4, requests=40, reconnecting=True))
    assert measured.answers == measured.reconnects == 40


def test_a_stream_is_counted_chunk_by_chunk_and_its_first_token_comes_before_its_end(target: Target) -> None:
    measured = put_load_on(target.load(4, stream=True, requests=12))
    assert measured.answers == 12
    assert measured.chunks == pytest.approx(12 * CHUNKS)
    assert measured.ttft_p50_ms is not None
    assert 0 < measured.ttft_p50_ms < measured.p50_ms


def test_paced_streams_take_the_time_that_their_pace_asks_for(target: Target) -> None:
    assert put_load_on(target.load(2, stream=True, pace_ms=1, requests=2)).p50_ms >= CHUNKS - 2


def test_the_mix_is_asked_in_turn_at_its_rate_and_late_answers_count_from_when_they_were_due(target: Target) -> None:
    load = target.load(0, seconds=1.0, warm_up_seconds=0.0, traffic=Traffic.MIXED_STREAMS, rate=40.0)
    measured = put_load_on(load)
    assert 20 <= measured.answers <= 41
    assert measured.p50_ms <= measured.p99_ms <= measured.p999_ms <= measured.longest_ms
    assert measured.ttft_p50_ms, "some are streams"


def test_each_kind_of_traffic_has_the_size_and_number_of_tools_in_its_name() -> None:
    def requests(traffic: Traffic) -> Sequence[Request]:
        return requests_of(traffic, "m", stream=False, pace_ms=0)

    assert requests(Traffic.MIXED) == requests(Traffic.MIXED)
    assert len({each.body for each in requests(Traffic.MIXED)}) == MIXED_REQUESTS
    assert not any(each.stream for each in requests(Traffic.MIXED))
    for traffic, size, tools in (
        (Traffic.AGENT_18K, 18_000, 20),
        (Traffic.AGENT_114K, 114_000, 80),
        (Traffic.AGENT_1M, 1_000_000, 200),
    ):
        (request,) = requests(traffic)
        assert len(request.body) == pytest.approx(size, rel=0.1)
        assert len(json.loads(request.body)["tools"]) == tools


def test_the_report_of_a_round_has_the_documented_shape(target: Target) -> None:
    done: list[str] = []
    results = measure_rounds([target], [C32, STREAM_FULL], 1, 0.2, 0.05, done.append)
    report = as_json(results, {"forwarder": 1.0}, {})
    entry = report["targets"]["forwarder"]
    assert {"rps", "p50_ms", "p99_ms"} <= entry["c32"].keys()
    assert entry["c32"]["rps"] > 0
    assert {"chunks_per_s", "ttft_p50_ms"} <= entry["stream32_full"].keys()
    assert entry["rss_mb"] == 1.0
    assert len(done) == 2


def test_a_target_that_answers_with_an_error_fails_the_run_with_its_status(tmp_path: Path) -> None:
    with refusing_port() as port, forwarder(port, tmp_path) as broken, pytest.raises(RunFailed, match="status 500"):
        put_load_on(broken.load(2, requests=10))


def test_nobody_listening_fails_the_run() -> None:
    with refusing_port() as port, pytest.raises(RunFailed, match="no connection"):
        put_load_on(Target("nobody", "127.0.0.1", port, ["/"]).load(2, requests=10))


def test_the_checks_tell_whole_answers_from_broken_ones() -> None:
    whole = b"".join(stream_events(usage=True))
    assert check_answer(answer_body()) is None
    assert check_stream(whole) is None
    assert check_stream(b"".join(stream_events(usage=False))) is None
    assert check_answer(answer_body()[:-20]) is not None
    assert check_answer(b'{"choices": []}') is not None
    assert check_stream(whole.removesuffix(b"data: [DONE]\n\n")) is not None
    assert check_stream(whole.replace(b"tok-042 ", b"tok-041 ")) is not None


def test_request_and_answer_have_the_sizes_that_the_figures_are_stated_for() -> None:
    assert 280 <= len(request_body("dari/routing", stream=False)) <= 330
    assert 570 <= len(answer_body()) <= 630


def test_peers_are_named_or_called_by_their_address() -> None:
    options = parse(["--peer", "mine=http://127.0.0.1:4000/v1", "--peer", "http://127.0.0.1:5000"])
    assert [(peer.name, peer.url) for peer in peers(options)] == [
        ("mine", "http://127.0.0.1:4000/v1"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
    ]


def test_another_commit_is_measured_with_its_own_sources(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").write_text("raise SystemExit('the sources of another commit')")
    with (
        pytest.raises(RunFailed, match="the sources of another commit"),
        gateway(1, tmp_path, name="x", checkout=tmp_path),
    ):
        pass
