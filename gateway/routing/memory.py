"""What this process remembers of models: who rests, and who has refused what. Lost with the process."""

from dataclasses import dataclass, field

from gateway.routing.cooldowns import Cooldowns
from gateway.routing.holds import Holds


@dataclass(frozen=True, slots=True)
class Memory:
    """Both memories; the event loop is their only user."""

    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    holds: Holds = field(default_factory=Holds)

    def resume(self, model_id: str) -> None:
        """Forget whatever keeps requests from a model: somebody has mended it."""
        self.holds.forget(model_id)
        self.cooldowns.resume(model_id)
