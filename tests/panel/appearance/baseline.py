"""Pictures of the panel against those in ``baseline/``, which ``npm run baseline`` takes again.

Two runs never measure the same: so each picture has the same digits in every number, and nothing of what fills the
memory bars. Its fonts are the same on every machine, see conftest.py.
"""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from tests.panel.conftest import SCREENSHOTS

FOLDER = Path(__file__).parent / "baseline"
RENEW = bool(os.environ.get("MOORAGE_NEW_BASELINE"))
FAINT = 24  # of 255: edges of letters are drawn a little differently by other versions of a browser
_MOST_TAKEN = 20
MANY = 24  # pixels; of three small dots that move by 6 pixels more than that change


def check(desk, name, part=".jp-MooragePanel:visible"):
    """Compare what the panel, or a part of it, shows with the picture of that name."""
    taken = take(desk, part)
    path = FOLDER / f"{name}.png"
    if RENEW:
        FOLDER.mkdir(exist_ok=True)
        taken.save(path, optimize=True)
        return
    difference = differing(taken, Image.open(path))
    if difference > MANY:
        seen = SCREENSHOTS / f"baseline-{name}.png"
        taken.save(seen)
        raise AssertionError(
            f"{difference} pixels are other than in {path}: see {seen}. If it is meant: npm run baseline."
        )


def take(desk, part=".jp-MooragePanel:visible"):
    """Return a picture of the panel, or of a part of it, once that stands still."""
    page, before = desk.page, None
    page.evaluate(_FREEZE)
    try:
        for _ in range(_MOST_TAKEN):
            png = page.locator(part).screenshot(animations="disabled", caret="hide", scale="css")
            if png == before:
                break
            before = png
    finally:
        page.evaluate("window.moorageThaw()")
    return Image.open(io.BytesIO(png)).convert("RGB")


def differing(one, other):
    """Return how many pixels of two pictures differ clearly; all of them where sizes do."""
    if one.size != other.size:
        return one.width * one.height
    blurred = [image.convert("RGB").filter(ImageFilter.BoxBlur(1)) for image in (one, other)]
    return int((np.asarray(ImageChops.difference(*blurred)).max(axis=2) > FAINT).sum())


# What comes meanwhile is frozen, too; React gets its texts back.
_FREEZE = r"""() => {
  const style = document.createElement('style');
  style.textContent = '.jp-Moorage-memory > span, [role=progressbar] > * { visibility: hidden; }';
  document.head.append(style);
  const own = new Map();
  const number = /\d[\d.,:]*( ?([kMG]i?B|bytes|ms|s|min)\b)?/g;
  const freeze = () => {
    for (const board of document.querySelectorAll('[data-moorage-board]')) {
      const texts = document.createTreeWalker(board, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        const still = text.data.replace(number, (_, unit) => unit ? '8 MiB' : '8');
        if (text.data !== still) {
          own.set(text, text.data);
          text.data = still;
        }
      }
    }
  };
  const observer = new MutationObserver(freeze);
  observer.observe(document.body, { subtree: true, childList: true, characterData: true });
  freeze();
  window.moorageThaw = () => {
    observer.disconnect();
    for (const [text, data] of own) text.data = data;
    style.remove();
  };
}"""
