"""Secrets come from variables and from files, and what can't be had is told without them."""

import os
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsError, load

KEY = "sk-from-a-file"


def read(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return load(path, environ)


def problem(tmp_path: Path, text: str = "", **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, **environ)
    (told,) = caught.value.problems
    return told


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n")
    return str(path)


def test_every_secret_variable_may_name_a_file_instead(tmp_path: Path, secret: str) -> None:
    assert read(tmp_path, OPENAI_API_KEY_FILE=secret).providers["openai"].api_keys == (KEY,)
    declared = read(tmp_path, "[providers.openai]\ntimeout_seconds = 5", OPENAI_API_KEY_FILE=secret)
    assert declared.providers["openai"].api_keys == (KEY,)
    own = read(tmp_path, '[providers.openai]\napi_key = "env:MINE"', MINE_FILE=secret)
    assert own.providers["openai"].api_keys == (KEY,)
    Path(secret).write_text("a-key-of-an-administrator\n")
    assert read(tmp_path, BANDIT_GATEWAY_ADMIN_KEY_FILE=secret).admin_key == "a-key-of-an-administrator"
    Path(secret).write_text("postgresql://u:p@h/d\n")
    assert read(tmp_path, BANDIT_GATEWAY_DATABASE_URL_FILE=secret).database_url == "postgresql://u:p@h/d"


def test_the_database_s_url_may_stand_in_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@h/d\n")
    assert read(tmp_path, 'database_url = "file:url"').database_url == "postgresql://u:p@h/d"
    assert read(tmp_path, 'database_url = "env:URL"', URL="postgresql://h/d").database_url == "postgresql://h/d"
    (tmp_path / "url").write_text("mysql://root:hunter2@h/d")
    told = problem(tmp_path, 'database_url = "file:url"')
    assert "a.toml, line 1: database_url file:url: what it refers to must be a URL like" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "can't be read (No such file or directory)"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.write_text(" \n"), "is empty"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "can't be read (not UTF-8 text)"),
        (lambda path: path.write_text("x" * 70_000), "is too large for a secret"),
        (lambda path: path.write_text("two words"), "is no key"),
    ],
)
def test_a_secret_that_can_not_be_had_is_told(tmp_path: Path, make: "object", told: str) -> None:
    assert callable(make)
    path = tmp_path / "secret"
    make(path)
    for text, environ in (
        ("", {"OPENAI_API_KEY_FILE": str(path)}),
        ('[providers.openai]\napi_key = "env:MINE"', {"MINE_FILE": str(path)}),
        ('[providers.openai]\napi_key = "file:secret"', {}),
    ):
        message = problem(tmp_path, text, **environ)
        assert told in message
        assert "two words" not in message


def test_a_variable_and_its_file_at_once_are_refused(tmp_path: Path, secret: str) -> None:
    told = problem(tmp_path, OPENAI_API_KEY="sk-1", OPENAI_API_KEY_FILE=secret)
    assert told == "the environment: OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set: unset one of them"
