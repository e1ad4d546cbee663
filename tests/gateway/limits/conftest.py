"""Makers of records."""

import pytest

from tests.support.records import RecordMaker


@pytest.fixture
def making() -> RecordMaker:
    return RecordMaker()
