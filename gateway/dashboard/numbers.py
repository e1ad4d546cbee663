"""Numbers as people type them into forms."""

LONGEST_INTEGER = 15
"""Digits of a whole number that a float holds exactly; longer ones are read as floats."""


def number(text: str) -> object:
    """A field's number, or None if it is empty; what is no number stays as it is, for the call to refuse by name."""
    if not text:
        return None
    plain = text.removeprefix("$").replace(",", "")
    try:
        return int(plain) if len(plain) <= LONGEST_INTEGER and plain.lstrip("-").isdecimal() else float(plain)
    except ValueError:
        return text
