"""What each model of the faulty provider does with a request."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from bandit.types import Json
from tests.support.faulty_provider.exchange import RawExchange
from tests.support.faulty_provider.samples import DONE, FINISH, GOOD, ROLE, WORDS, completion, error, event

HUGE_BYTES = 50 * 1024 * 1024
DRIP_BYTES = 5
DRIP_SECONDS = 0.0005
TIRELESS = 8
"""Requests that `tires` answers before it hangs."""

_Fault: TypeAlias = Callable[[RawExchange], Awaitable[None]]


async def _ok(exchange: RawExchange) -> None:
    await (exchange.events(*GOOD) if exchange.stream else exchange.whole(completion()))


async def _reset(exchange: RawExchange) -> None:
    exchange.reset()


async def _stale(exchange: RawExchange) -> None:
    if exchange.reused:
        exchange.reset()
    await _ok(exchange)


async def _hang(exchange: RawExchange) -> None:
    await exchange.hang()


async def _tire(exchange: RawExchange) -> None:
    await (_ok if exchange.provider.requests[exchange.model] <= TIRELESS else _hang)(exchange)


async def _stall(exchange: RawExchange) -> None:
    await exchange.head()
    for part in (ROLE, *WORDS[:2]) if exchange.stream else (completion()[:50],):
        await exchange.piece(part)
    await exchange.hang()


async def _mute(exchange: RawExchange) -> None:
    await exchange.head()
    await exchange.piece(b": a comment\n\n" + ROLE if exchange.stream else b" ")
    await exchange.hang()


async def _half_json(exchange: RawExchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, FINISH[:40] + b"\n\n", DONE)
    else:
        await exchange.whole(completion()[:60])


async def _half_json_late(exchange: RawExchange) -> None:
    await (exchange.events(ROLE, WORDS[0], FINISH[:40] + b"\n\n", DONE) if exchange.stream else _half_json(exchange))


async def _limited(exchange: RawExchange) -> None:
    await exchange.whole(error("slow down", "rate_limit_exceeded"), 429)


async def _limited_for_a_while(exchange: RawExchange) -> None:
    await exchange.whole(error("slow down", "rate_limit_exceeded"), 429, more="Retry-After: 7\r\n")


async def _limited_briefly(exchange: RawExchange) -> None:
    await exchange.whole(error("slow down", "rate_limit_exceeded"), 429, more="Retry-After-Ms: 200\r\n")


async def _limited_by_key(exchange: RawExchange) -> None:
    await (_limited if exchange.key.endswith("1") else _ok)(exchange)


async def _overloaded_for_a_while(exchange: RawExchange) -> None:
    await exchange.whole(error("come back later", "overloaded"), 503, more="Retry-After: 7\r\n")


async def _overloaded(exchange: RawExchange) -> None:
    await exchange.whole(error("Overloaded", "overloaded_error"), 529)


async def _wrong_type(exchange: RawExchange) -> None:
    await exchange.whole(b"<html><body>Welcome to the proxy</body></html>", kind="text/html")


async def _empty(exchange: RawExchange) -> None:
    await (exchange.events() if exchange.stream else exchange.whole(b""))


def _packed(encoding: str, window_bits: int) -> _Fault:
    async def send_packed(exchange: RawExchange) -> None:
        packer = zlib.compressobj(wbits=window_bits)
        more = f"Content-Encoding: {encoding}\r\n"
        if not exchange.stream:
            await exchange.whole(packer.compress(completion()) + packer.flush(), more=more)
            return
        await exchange.head(more=more)
        for part in GOOD:
            await exchange.piece(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH))
        await exchange.piece(packer.flush())
        await exchange.piece(b"")

    return send_packed


async def _bad_gzip(exchange: RawExchange) -> None:
    await exchange.whole(b"this is not packed at all", more="Content-Encoding: gzip\r\n")


async def _packed_otherwise(exchange: RawExchange) -> None:
    await exchange.whole(completion(), more="Content-Encoding: br\r\n")


async def _huge(exchange: RawExchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, event({"content": "x" * HUGE_BYTES}), FINISH, DONE)
    else:
        await exchange.whole(completion("x" * HUGE_BYTES))


async def _endless(exchange: RawExchange) -> None:
    await exchange.head()
    part = event({"content": "x" * 65_536}) if exchange.stream else b" " * 65_536
    while True:
        await exchange.piece(part)


async def _drip(exchange: RawExchange) -> None:
    await exchange.head()
    body = b"".join(GOOD) if exchange.stream else completion()
    for start in range(0, len(body), DRIP_BYTES):
        await exchange.piece(body[start : start + DRIP_BYTES])
        await asyncio.sleep(DRIP_SECONDS)
    await exchange.piece(b"")


async def _cut(exchange: RawExchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, *WORDS[:3])
    else:
        await exchange.head(length=len(completion()))
        await exchange.send(completion()[:60])
        raise ConnectionResetError


async def _cut_reset(exchange: RawExchange) -> None:
    await exchange.head()
    await exchange.piece(b"".join((ROLE, *WORDS[:3])) if exchange.stream else completion()[:60])
    exchange.reset()


async def _cut_early(exchange: RawExchange) -> None:
    await exchange.events(ROLE)


async def _cut_with_done(exchange: RawExchange) -> None:
    await (exchange.events(ROLE, *WORDS, DONE) if exchange.stream else _cut(exchange))


async def _double_done(exchange: RawExchange) -> None:
    await (exchange.events(*GOOD, DONE) if exchange.stream else _ok(exchange))


async def _no_done(exchange: RawExchange) -> None:
    await (exchange.events(*GOOD[:-1]) if exchange.stream else _ok(exchange))


async def _bad_utf8(exchange: RawExchange) -> None:
    if exchange.stream:
        await exchange.events(ROLE, WORDS[0].replace(b"Simulated", b"Simul\xff"), FINISH, DONE)
    else:
        await exchange.whole(completion().replace(b"Simulated", b"Simul\xff"))


async def _error_event(exchange: RawExchange) -> None:
    body = error("the model fell over", "server_error")
    await (exchange.events(ROLE, *WORDS[:2], b"data: " + body + b"\n\n") if exchange.stream else exchange.whole(body))


async def _error_in_a_choice(exchange: RawExchange) -> None:
    told: Json = {"code": 502, "message": "the provider behind is gone"}
    if exchange.stream:
        last: Json = [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": told}]
        await exchange.events(ROLE, *WORDS[:2], event(choices=last), DONE)
    else:
        said: Json = {"role": "assistant", "content": ""}
        await exchange.whole(completion(choices=[{"index": 0, "message": said, "error": told}], usage=None))


async def _error_as_finish(exchange: RawExchange) -> None:
    said: Json = {"role": "assistant", "content": ""}
    choice: Json = {"index": 0, "message": said, "finish_reason": "error"}
    whole = completion(choices=[choice], usage=None)
    await (exchange.events(ROLE, event({}, "error"), DONE) if exchange.stream else exchange.whole(whole))


async def _say_nothing(exchange: RawExchange) -> None:
    await (exchange.events(ROLE, FINISH, DONE) if exchange.stream else exchange.whole(completion("", usage=None)))


def _echoing(status: int) -> _Fault:
    """Refuses with an error that contains the caller's API key."""

    async def echo(exchange: RawExchange) -> None:
        await exchange.whole(error(f"you sent {exchange.key}", "echo"), status)

    return echo


async def _echo_event(exchange: RawExchange) -> None:
    body = error(f"you sent {exchange.key}", "echo")
    await (exchange.events(ROLE, WORDS[0], b"data: " + body + b"\n\n") if exchange.stream else exchange.whole(body))


async def _redirect(exchange: RawExchange) -> None:
    await exchange.whole(b"", 307, more="Location: http://127.0.0.1:9/elsewhere\r\n")


async def _not_http(exchange: RawExchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    raise ConnectionResetError


def _refusing(status: int, message: str, code: str, param: str | None = None) -> _Fault:
    async def refuse(exchange: RawExchange) -> None:
        await exchange.whole(error(message, code, param), status)

    return refuse


FAULTS: Mapping[str, _Fault] = MappingProxyType(
    {
        "ok": _ok,
        "reset": _reset,
        "stale": _stale,
        "hang": _hang,
        "tires": _tire,
        "mute": _mute,
        "stall": _stall,
        "half-json": _half_json,
        "half-json-late": _half_json_late,
        "429": _limited,
        "429-retry-after": _limited_for_a_while,
        "429-briefly": _limited_briefly,
        "429-key": _limited_by_key,
        "429-quota": _refusing(429, "You exceeded your current quota", "insufficient_quota"),
        "503-retry-after": _overloaded_for_a_while,
        "529": _overloaded,
        "400-key": _refusing(400, "API key not valid", "api_key_invalid"),
        "400-model": _refusing(400, "there is no such model", "model_not_found", "model"),
        "400-spent": _refusing(400, "You have reached your specified API usage limits.", "invalid_request_error"),
        "400-value": _refusing(400, "Unsupported value: 'seed' does not support 7.", "unsupported_value", "seed"),
        "400-field": _refusing(400, "Unsupported parameter: 'seed'", "unsupported_parameter", "seed"),
        "400-context": _refusing(
            400, "This model's maximum context length is 8192 tokens", "context_length_exceeded", "messages"
        ),
        "400-output": _refusing(400, "Failed to generate JSON", "json_validate_failed"),
        "403-flagged": _refusing(403, "The input was flagged", "moderation"),
        "wrong-type": _wrong_type,
        "empty": _empty,
        "gzip": _packed("gzip", 31),
        "deflate": _packed("deflate", 15),
        "bad-gzip": _bad_gzip,
        "packed-otherwise": _packed_otherwise,
        "huge": _huge,
        "endless": _endless,
        "drip": _drip,
        "cut": _cut,
        "cut-reset": _cut_reset,
        "cut-early": _cut_early,
        "cut-with-done": _cut_with_done,
        "double-done": _double_done,
        "no-done": _no_done,
        "bad-utf8": _bad_utf8,
        "error-event": _error_event,
        "error-choice": _error_in_a_choice,
        "finish-error": _error_as_finish,
        "says-nothing": _say_nothing,
        "400-echo": _echoing(400),
        "429-echo": _echoing(429),
        "500-echo": _echoing(500),
        "200-echo": _echo_event,
        "redirect": _redirect,
        "not-http": _not_http,
    }
)
