"""The banner that `serve` prints as soon as it answers: URL, key, and a curl command to try."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.serving.discovery import LocalServer
from gateway.settings import DEFAULT_ROUTER
from gateway.settings.listening import UNIX
from gateway.settings.presets import PRESETS


@dataclass(frozen=True, slots=True)
class Facts:
    """What the banner shows. `routers` maps ids to their enabled models.

    `sign_in` is the path and query that open the dashboard once; None: it is turned off, or no key may use it.
    """

    version: str
    urls: Sequence[str]
    database: str
    durability: str
    routers: Mapping[str, Sequence[str]]
    simulated: bool
    new_key_secret: str | None
    messages: Sequence[str]
    sign_in: str | None = None


class Banner:
    """The banner of one start."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._http = next((url for url in facts.urls if url.startswith("http")), None)

    def text(self) -> str:
        """The whole banner, without a final newline."""
        facts = self._facts
        lines = [
            f"Bandit Gateway {facts.version} answers on {' and '.join(facts.urls)}",
            *self._pages(),
            f"  database           {facts.database}, durability {facts.durability}",
        ]
        for router_id, models in facts.routers.items():
            lines.append(f"  {router_id:<17}  {', '.join(models) or 'no enabled model'}")
        if facts.simulated:
            variables = [preset.variable for preset in PRESETS.values()]
            lines += [
                "",
                "The simulated/* models are simulated: no real model is asked, and all about them is made up.",
                f"For real ones stop, set {variables[0]}, {variables[1]} or another provider's key, and start again.",
            ]
        if facts.messages:
            lines += ["", *(f"Note: {message}" for message in facts.messages)]
        return "\n".join([*lines, "", *self._key_and_curl()])

    def _pages(self) -> list[str]:
        if self._http is None:
            return []
        sign_in = self._facts.sign_in
        dashboard = (
            [] if sign_in is None else [f"  dashboard          {self._http}{sign_in}  (works once, for 10 minutes)"]
        )
        return [*dashboard, f"  API documentation  {self._http}/docs"]

    def local_servers(self, found: Sequence[LocalServer]) -> str:
        """Model servers found on this machine, each with the lines that would declare it."""
        lines = ["", "Model servers on this machine, not used until bandit-gateway.toml declares them:"]
        for server in found:
            lines += ["", *(f"  {line}" for line in server.toml().splitlines())]
        return "\n".join(lines)

    def _key_and_curl(self) -> list[str]:
        secret = self._facts.new_key_secret
        if secret is None:
            return [
                "Keys are shown once, when they are made. Another one:",
                "  bandit-gateway keys create --label me --scope routing",
            ]
        return [
            "Your API key, shown only now (scopes routing, feedback, admin):",
            f"  {secret}",
            "",
            "Try it:",
            f"  {self._curl(secret)}",
        ]

    def _curl(self, secret: str) -> str:
        routers = self._facts.routers
        router_id = DEFAULT_ROUTER if DEFAULT_ROUTER in routers or not routers else next(iter(routers))
        body = json.dumps({"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]})
        socket = f"--unix-socket {self._facts.urls[0].removeprefix(UNIX)} http://localhost"
        return (
            f"curl {self._http or socket}/{router_id}/chat/completions -H 'Authorization: Bearer {secret}' "
            f"-H 'Content-Type: application/json' -d '{body}'"
        )
