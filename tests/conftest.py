"""What holds for all tests: where kept clusters have their state files, and that the browser comes last."""

from pathlib import Path

import pytest

PANEL = Path(__file__).parent / "panel"


def pytest_collection_modifyitems(items):
    # from the first page on, Playwright has an event loop running in the main thread: no asyncio.run there any more
    items.sort(key=lambda item: PANEL in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def runtime_dir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("runtime")
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
        yield folder
