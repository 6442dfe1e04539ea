"""What holds for all tests: clusters that are kept have their state files in a folder of this run."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def runtime_dir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("runtime")
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
        yield folder
