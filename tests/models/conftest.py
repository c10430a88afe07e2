"""A checkpoint folder of every family, written once for all tests that only read it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tiny_models import BUILDERS


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def folder(family: str) -> Path:
        return BUILDERS[family](tmp_path_factory.mktemp("checkpoint") / family)

    return folder
