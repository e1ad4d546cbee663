"""What evaluations say to each router."""

from collections.abc import Collection, Iterable

from bandit.statistics import Evidence
from storage.stores.evals import EvalRecord


class EvaluatedModels:
    """The evaluations that count, by the router that they are for (None: all)."""

    def __init__(self, evals: Iterable[EvalRecord] = (), former: "EvaluatedModels | None" = None) -> None:
        """Evaluations that `former` has unchanged keep their objects, which snapshots recognise."""
        self.records = {record.id: record for record in evals}
        self._evidence: dict[str, Evidence] = {}
        for id_, record in self.records.items():
            same = former is not None and former.records.get(id_) == record
            known = former._evidence.get(id_) if former is not None and same else None
            if record.withdrawn_at is None:
                self._evidence[id_] = known or Evidence(record.source, record.made_at, record.sums)

    def of(self, router_id: str, eval_ids: Collection[str] | None = None) -> tuple[Evidence, ...]:
        """Return the evidence that counts for a router; of these ids alone if they are given."""
        return tuple(
            evidence
            for id_, evidence in self._evidence.items()
            if self.records[id_].router_id in {None, router_id} and (eval_ids is None or id_ in eval_ids)
        )
