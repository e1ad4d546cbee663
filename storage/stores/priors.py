"""Priors of arms, copied from other routers' statistics when a model joins a router, and never changed."""

from collections.abc import Collection, Mapping
from typing import TypeAlias

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from bandit.types import ArmPrior
from storage.database.engine import Database
from storage.tables import arm_priors

ArmKey: TypeAlias = tuple[str, str]
"""A router's id and a model's."""

_decode = msgspec.json.Decoder(ArmPrior).decode


class Priors:
    """The priors of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def of(self, router_ids: Collection[str] | None) -> dict[ArmKey, ArmPrior]:
        """The priors of the arms of some routers; None: of all."""
        query = select(arm_priors.c.router_id, arm_priors.c.model_id, arm_priors.c.prior)
        if router_ids is not None:
            query = query.where(arm_priors.c.router_id.in_(router_ids))
        with self._database.read() as connection:
            return {(router_id, model_id): _decode(prior) for router_id, model_id, prior in connection.execute(query)}

    def create(self, priors: Mapping[ArmKey, ArmPrior], at: float) -> None:
        """Insert the priors of arms that have none. Existing ones stay: another process was first."""
        rows = [
            {"router_id": key[0], "model_id": key[1], "prior": msgspec.json.encode(prior).decode(), "created_at": at}
            for key, prior in sorted(priors.items())
        ]
        with self._database.write() as connection:
            connection.execute(self._insert(arm_priors).on_conflict_do_nothing(), rows)
