"""A fake OpenAI-compatible provider whose models are known to answer rightly, wrongly, badly or not at all."""

import asyncio
import json
import threading
from collections import Counter
from typing import Any

from tests.support.asgi import read_body
from tests.support.threads import App


class Examinee:
    """`asked` counts the calls by model and prompt. Calls of `slow` models wait for `release`.

    `right` answers `sum: A B` with A + B, `wrong` with 0. `limited` refuses each prompt's first call with 429,
    `broken` each with 500, `unknown` is no model, `long` is cut off.
    Judges: `fair` gives .5, `prose`, `seven` and `silent` give no score.
    """

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.efforts: Counter[str] = Counter()  # calls that state one
        self.at_once = self.most_at_once = 0
        self.release = threading.Event()

    def calls(self, model: str) -> int:
        """How many calls a model got."""
        return sum(count for (named, _), count in self.asked.items() if named == model)

    def app(self) -> App:
        """The application."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                return
            request = json.loads(await read_body(receive))
            self.efforts.update([request["reasoning_effort"]] if "reasoning_effort" in request else [])
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            status, answer = await self._answer(request["model"], request["messages"][-1]["content"])
            self.at_once -= 1
            headers = [(b"content-type", b"application/json"), (b"retry-after-ms", b"20")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

        return app

    async def _answer(self, model: str, prompt: str) -> tuple[int, dict[str, Any]]:
        self.asked[model, prompt] += 1
        await asyncio.sleep(0)
        if model == "slow":
            await asyncio.to_thread(self.release.wait, 60)
        if model == "limited" and self.asked[model, prompt] == 1:
            return 429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        if model == "broken":
            return 500, {"error": {"message": "out of order"}}
        if model == "unknown":
            return 404, {"error": {"message": "the model `unknown` does not exist", "code": "model_not_found"}}
        said = {
            "wrong": "0",
            "long": "Let me think",
            "fair": '{"score": 0.5, "ground": "half right"}',
            "prose": "I liked it.",
            "seven": '{"score": 7, "ground": "great"}',
            "silent": "",
        }.get(model)
        if said is None:
            said = str(sum(int(part) for part in prompt.split()[1:]))
        finish = "length" if model == "long" else "stop"
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
