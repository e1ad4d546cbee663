"""Translates images and files of OpenAI's messages to Anthropic's image and document blocks."""

import base64
import binascii
import re
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from gateway.providers.anthropic.refusals import no_counterpart

Block: TypeAlias = dict[str, Any]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w=.+-]+)*),", re.IGNORECASE)
_IMAGE_STARTS = {"/9j/": "image/jpeg", "iVBORw0KGgo": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp"}
"""First bytes of image formats in base64. Anthropic accepts only these formats, and only under their own media type."""
_IMAGES = {
    **{f"image/{name}": "image/jpeg" for name in ("jpeg", "jpg", "jpe", "pjpeg", "jfif")},
    **{f"image/{name}": "image/png" for name in ("png", "x-png")},
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_PDF_START = "JVBERi"
_TEXTS = frozenset(
    f"application/{name}" for name in ("json", "xml", "yaml", "x-yaml", "toml", "csv", "javascript", "x-ndjson", "sql")
)


def image(url: str) -> Block:
    """Translate an image. Raises ProviderError for a format that Anthropic does not accept."""
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data, _ = _read_data_url(url)
    return _image(media_type, data)


def document(url: str, title: object = None) -> Block:
    """Translate a file: PDFs as they are, texts decoded, images as images. Raises ProviderError for anything else."""
    if url.startswith(("https://", "http://")):
        block: Block = {"type": "document", "source": {"type": "url", "url": url}}
    else:
        media_type, data, encoded = ("", url, True) if url.startswith(_PDF_START) else _read_data_url(url)
        if data.startswith(_PDF_START) or media_type == "application/pdf":
            source = {"type": "base64", "media_type": "application/pdf", "data": data}
            block = {"type": "document", "source": source}
        elif media_type in _IMAGES or data.startswith(tuple(_IMAGE_STARTS)):
            return _image(media_type, data)
        elif media_type.startswith("text/") or media_type in _TEXTS or media_type.endswith(("+json", "+xml")):
            source = {"type": "text", "media_type": "text/plain", "data": _text(data, encoded=encoded)}
            block = {"type": "document", "source": source}
        else:
            raise no_counterpart(f"files of the type {media_type[:60]!r}")
    if title and isinstance(title, str):
        block["title"] = title
    return block


def _image(declared: str, data: str) -> Block:
    shown = next((kind for start, kind in _IMAGE_STARTS.items() if data.startswith(start)), None)
    media_type = shown or _IMAGES.get(declared)
    if media_type is None:
        raise no_counterpart(f"images of the type {declared[:60]!r}")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _read_data_url(url: str) -> tuple[str, str, bool]:
    """Split a data URL into media type, data, and whether the data is in base64."""
    match = _DATA_URL.match(url)
    if match is None:
        raise no_counterpart("data that is neither a data URL nor a web address")
    return (match[1] or "text/plain").lower(), url[match.end() :], match[2].lower().endswith(";base64")


def _text(data: str, *, encoded: bool) -> str:
    try:
        text = (base64.b64decode(data, validate=True) if encoded else unquote_to_bytes(data)).decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        raise no_counterpart("a text file that is not UTF-8 in a data URL") from None
    if not text.strip():
        raise no_counterpart("an empty file")
    return text
