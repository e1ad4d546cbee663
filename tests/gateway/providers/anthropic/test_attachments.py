"""Images and files as Anthropic takes them."""

from typing import Any

import pytest

from bandit.types import Ending
from gateway.providers.upstream.provider import ProviderError
from tests.support.anthropic_requests import sent


def test_images_and_files_become_blocks() -> None:
    parts = [
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
        {"type": "text", "text": "  "},
    ]
    assert sent(messages=[{"role": "user", "content": parts}])["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
    ]


JPEG, PNG, GIF, WEBP = "/9j/4AAQ", "iVBORw0KGgoAAA", "R0lGODlh", "UklGRgAA"


def attached(part: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sent(messages=[{"role": "user", "content": [part]}])["messages"][0]["content"][0]
    return found


def file(data: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, **more}}


@pytest.mark.parametrize(
    ("declared", "data", "media_type"),
    [
        ("image/jpg", "aGk=", "image/jpeg"),
        ("image/pjpeg", "aGk=", "image/jpeg"),
        ("IMAGE/JPG", "aGk=", "image/jpeg"),
        ("image/x-png", "aGk=", "image/png"),
        ("image/webp", "aGk=", "image/webp"),
        ("image/png", JPEG, "image/jpeg"),
        ("image/jpeg", PNG, "image/png"),
        ("image/jpeg", GIF, "image/gif"),
        ("image/png", WEBP, "image/webp"),
        ("application/octet-stream", PNG, "image/png"),
    ],
)
def test_an_image_has_the_media_type_that_it_shows(declared: str, data: str, media_type: str) -> None:
    url = f"data:{declared};base64,{data}"
    block = {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
    assert attached({"type": "image_url", "image_url": {"url": url}}) == block
    assert attached(file(url)) == block


@pytest.mark.parametrize(
    "url",
    [
        "data:text/plain;base64,YSxiCjEsMg==",
        "data:text/csv;charset=utf-8;base64,YSxiCjEsMg==",
        "data:application/json;base64,77u/YSxiCjEsMg==",
        "data:application/vnd.api+json;base64,YSxiCjEsMg==",
        "data:;base64,YSxiCjEsMg==",
        "data:text/markdown,a%2Cb%0A1%2C2",
    ],
)
def test_a_text_file_becomes_a_document_of_text(url: str) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "a,b\n1,2"}
    assert attached(file(url, filename="a.csv")) == {"type": "document", "source": source, "title": "a.csv"}


def test_a_pdf_is_known_by_its_beginning() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}
    for data in ("JVBERi0x", "data:application/octet-stream;base64,JVBERi0x", "data:application/pdf;base64,JVBERi0x"):
        assert attached(file(data)) == {"type": "document", "source": source}


@pytest.mark.parametrize(
    "part",
    [
        *(
            {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,aGk="}}
            for kind in ("heic", "svg+xml")
        ),
        {"type": "image_url", "image_url": {"url": "ftp://example.com/a.png"}},
        file("data:application/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBA=="),
        file("data:application/zip;base64,UEsDBA=="),
        file("data:text/plain;base64,/w=="),
        file("data:text/plain;base64,not base64"),
        file("data:text/plain;base64,"),
        file("UEsDBA=="),
    ],
)
def test_other_images_and_files_are_another_models_turn(part: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as told:
        attached(part)
    assert told.value.ending is Ending.INCAPABLE
