"""Gradebooks for what is handed on to others."""

import pytest

from tests.report.conftest import Maker


@pytest.fixture(scope="session")
def make():
    return Maker()
