"""Sums of first draws, arranged."""

from bandit.ope.sums import Sums


def test_rows_of_days_classes_and_models_are_arranged() -> None:
    rows = [(3, "chat", "m/b", (1.0, 2.0)), (1, "code", "m/a", (4.0, 8.0)), (3, "chat", "m/b", (1.0, 1.0))]
    sums = Sums.of(("requests", "cost"), rows)
    assert (sums.days, sums.tasks, sums.models) == ((1, 3), ("chat", "code"), ("m/a", "m/b"))
    assert sums.values["cost"][1, 0].tolist() == [0.0, 3.0]
    assert sums.values["requests"].sum() == 6.0
