"""State of the models in this process: circuit breakers and recent refusals."""

from dataclasses import dataclass, field

from gateway.routing.cooldowns import Cooldowns
from gateway.routing.holds import Holds
from storage.replication.changes import Subjects


@dataclass(frozen=True, slots=True)
class ModelStates:
    """Circuit breakers and recent refusals of all models. Not thread-safe: for the event loop alone.

    `judges` are the breakers of models as judges: what a judge fails at says nothing of its answers. `shadows` are
    those of second models, which no request waits for: their failures keep no request from a model.
    """

    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    holds: Holds = field(default_factory=Holds)
    judges: Cooldowns = field(default_factory=Cooldowns)
    shadows: Cooldowns = field(default_factory=Cooldowns)

    def follow(self, subjects: Subjects) -> None:
        """Resume the models that another process resumed; if their names are lost (None), all parked ones."""
        parked = {*self.cooldowns.parked(), *self.judges.parked(), *self.shadows.parked()}
        for model_id in parked if subjects is None else subjects:
            self.resume(model_id)

    def resume(self, model_id: str) -> None:
        """Close the model's breaker and forget its refusals: an operator has fixed the cause."""
        self.holds.forget(model_id)
        self.cooldowns.resume(model_id)
        self.judges.resume(model_id)
        self.shadows.resume(model_id)
