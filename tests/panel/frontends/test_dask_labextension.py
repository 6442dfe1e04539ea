"""moorage beside dask-labextension, in one JupyterLab: both panels open, both work."""

import pytest
from playwright.sync_api import expect

from tests.extras import installed
from tests.panel.conftest import SCREENSHOTS, START
from tests.panel.desk import Desk
from tests.panel.lab import Lab

# With what they need that this environment lacks, and nothing that it has.
PACKAGES = (
    "dask-labextension==7.0.0 jupyter-server-proxy==4.6.0 simpervisor==1.0.0"
    " aiohttp aiohappyeyeballs aiosignal attrs frozenlist multidict propcache yarl"
)


@pytest.fixture
def both(tmp_path, short_folder, new_context):
    """A page of a JupyterLab that has both, with a notebook that has four workers."""
    packages = installed(tmp_path / "packages", "--no-deps", *PACKAGES.split())
    lab = Lab(tmp_path, short_folder(), packages=packages)
    kernel = lab.notebook("both.ipynb", "1 + 1")
    kernel.run(f"{START}\ngrid = np.zeros((1000, 500))")
    desk = Desk(new_context().new_page(), lab).open("both.ipynb")
    yield desk
    assert desk.errors == []
    kernel.run("%cluster stop")
    kernel.close()
    lab.close()


def test_both_panels_show_the_same_cluster(both):
    page, board = both.page, both.board
    link = board.get_by_role("link", name="Dask dashboard").get_attribute("href")
    page.evaluate("window.jupyterapp.shell.activateById('dask-dashboard-launcher')")
    page.locator(".dask-URLInput input").fill(link)
    page.keyboard.press("Enter")
    plot = page.get_by_role("button", name="Placed Variables")
    plot.click()
    frame = page.frame_locator(".dask-DaskDashboard-widget iframe, .dask-DaskDashboard iframe")
    expect(frame.locator(".bk-Figure").first).to_be_visible()
    both.drag(both.grip("grid"), both.worker("bob"))
    both.holds("grid", "bob")
    page.screenshot(path=SCREENSHOTS / "beside-dask-labextension.png")
