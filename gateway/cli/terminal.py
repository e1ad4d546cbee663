"""Text of others on a terminal."""

_SHOWN = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    r"""Write control characters in words, as \x1b: a caller, a model or a provider must not steer a terminal."""
    return text.translate(_SHOWN)
