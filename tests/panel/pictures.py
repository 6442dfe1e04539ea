"""What the pictures of the panel show, and how they are taken."""

from tests.panel.conftest import SCREENSHOTS

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


def take(page, name, folder=SCREENSHOTS):
    """Take a picture of the whole page when it has come to rest."""
    page.evaluate("document.fonts.ready.then(() => undefined)")
    page.screenshot(path=folder / f"{name}.png", animations="disabled")
