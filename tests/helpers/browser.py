"""A browser that opens pages as a reader's does: the Chromium that is installed, without a window."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = 1280, 390


def executable() -> str | None:
    """The browser's program; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser for as long as it is asked for things."""
    # Its own sandbox does not work for root, as whom containers run.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int = WIDE, **context: Any) -> Iterator[Page]:
    """A page of this width in pixels, opened from its file.

    At the end nothing but the file itself must have been asked for, and neither an error nor a warning been shown.
    """
    inside = browser.new_context(viewport={"width": width, "height": 900}, **context)
    asked: list[str] = []
    complaints: list[str] = []

    def complained(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    try:
        page = inside.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", complained)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        yield page
    finally:
        inside.close()
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert complaints == []


def unfold(page: Page) -> None:
    """Open whatever is folded."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


def hard_to_read(page: Page, least: float = 4.5) -> list[str]:
    """Every visible text whose contrast with what lies behind it (WCAG 2, 1.4.3) is below `least`."""
    found: list[str] = page.evaluate(_CONTRAST, least)
    return found


_CONTRAST = """(least) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  function channels(colour) {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, opaque] = pen.getImageData(0, 0, 1, 1).data;
    return { colour: [red, green, blue], opaque: opaque / 255 };
  }
  const over = (top, below) => top.colour.map((one, place) => top.opaque * one + (1 - top.opaque) * below[place]);
  function behind(element) {
    if (!element) return [255, 255, 255];
    return over(channels(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  }
  function luminance(colour) {
    const linear = colour.map((one) => {
      const share = one / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  }
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const [text, element] = [texts.currentNode.textContent.trim(), texts.currentNode.parentElement];
    if (!text || !element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) continue;
    const paper = behind(element);
    const [one, other] = [over(channels(getComputedStyle(element).color), paper), paper].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < least) found.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${text.slice(0, 60)}`);
  }
  return [...new Set(found)];
}"""
