"""How large a structured answer, and the schema that was asked for, may be for the one to be checked by the other."""

TEXT_LIMIT = 256 * 1024
SCHEMA_LIMIT = 32 * 1024


def is_checkable(response_format: bytes, text: str) -> bool:
    """Whether checking stays within reasonable time and memory."""
    return len(response_format) <= SCHEMA_LIMIT and len(text) <= TEXT_LIMIT
