"""Pictures of the panel against those in ``baseline/``, which ``npm run baseline`` takes anew.

Two runs never measure the same, and two machines have other fonts: so each picture is taken in a font that comes with
matplotlib, with the same digits in every number and without what fills the memory bars.
"""

import base64
import io
import os
from pathlib import Path

import matplotlib
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
    page.evaluate(_FREEZE, [_font("DejaVuSans"), _font("DejaVuSans-Bold"), _font("DejaVuSansMono")])
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


def _font(name):
    file = Path(matplotlib.get_data_path()) / f"fonts/ttf/{name}.ttf"
    return f"url(data:font/ttf;base64,{base64.b64encode(file.read_bytes()).decode()})"


# What comes meanwhile is frozen, too; React gets its texts back.
_FREEZE = r"""async ([plain, bold, mono]) => {
  if (window.moorageThaw === undefined) {
    const faces = [['Base', plain, '400'], ['Base', bold, '600 700'], ['Base Mono', mono, '400 700']];
    for (const [family, source, weight] of faces) {
      document.fonts.add(await new FontFace(family, source, { weight }).load());
    }
  }
  const style = document.createElement('style');
  style.textContent = `
    :root, body { --jp-ui-font-family: Base !important; --jp-code-font-family: 'Base Mono' !important; }
    .jp-Moorage-memory > span, [role=progressbar] > * { visibility: hidden; }`;
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
