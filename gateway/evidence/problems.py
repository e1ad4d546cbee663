"""What is wrong with a file of scores: the first problems with their lines, the others counted."""

MAX_PROBLEMS = 20


class EvidenceError(ValueError):
    """The file can't be imported, and nothing of it was; each problem names its line and what would be right."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Problems:
    """Collects problems of a file of any size: the first ones whole. `place` stands before the number of a row."""

    def __init__(self, place: str = "line ") -> None:
        self._place = place
        self._told: list[str] = []
        self._others = 0

    def __bool__(self) -> bool:
        return bool(self._told)

    @property
    def full(self) -> bool:
        """Whether one more would only be counted."""
        return len(self._told) >= MAX_PROBLEMS

    def add(self, number: int, problem: str) -> None:
        """Keep a problem of a line."""
        if self.full:
            self._others += 1
        else:
            self._told.append(f"{self._place}{number}: {problem}")

    def told(self) -> list[str]:
        """The first problems, and how many more there are."""
        return [*self._told, *([f"… and {self._others:,} more"] if self._others else [])]

    def complain(self) -> None:
        """Raises EvidenceError if there was any problem."""
        if self._told:
            raise EvidenceError(*self.told())
