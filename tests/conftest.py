"""What every test shares: an offline environment, and the real recordings where they are at hand."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Nothing in the tests may reach for a network, and forked tokenizers would warn.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# Importing nnsight first breaks the import of beartype, and the run-time type checks with it. Nothing
# here may import esn_interp itself: jaxtyping's import hook is installed after this file was read.
import beartype  # noqa: F401
import pytest
from hypothesis import settings
from jaxtyping import config

# The same examples in every run: a push must not fail by chance. New ones: --hypothesis-profile=default.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--emodb",
        type=Path,
        default=os.environ.get("ESN_EMODB"),
        help="folder of the EmoDB recordings, the one with metadata.csv (default: what ESN_EMODB says)",
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where lines are counted, those after a trace are counted too."""
    if session.config.pluginmanager.hasplugin("_cov"):
        from traced_lines import tell_of_ends

        tell_of_ends()


@pytest.fixture
def unchecked() -> Iterator[None]:
    """The package as users have it, who do without the checks of types and shapes: what it says of them itself."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def emodb_root(pytestconfig: pytest.Config) -> Path:
    """Folder of the EmoDB recordings: real acted speech, not shipped with the project."""
    folder: Path | None = pytestconfig.getoption("--emodb")
    if folder is None:
        pytest.skip("needs the EmoDB recordings: say where they are with --emodb or ESN_EMODB")
    if not (folder / "metadata.csv").is_file():
        pytest.fail(f"{folder} holds no metadata.csv: --emodb or ESN_EMODB should name the folder of EmoDB")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of a tiny random Qwen2.5-Omni of the real classes."""
    from tiny_omni import save_tiny

    return save_tiny(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture
def tiny_lm(tiny_folder: Path) -> Any:
    """The tiny model, freshly loaded from disk."""
    import esn_interp.models.loading

    return esn_interp.models.loading.load(tiny_folder)
