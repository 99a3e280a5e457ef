"""The pictures of the web page: `python -m docs.screenshots DATA`, over the market of 2016."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from playwright.sync_api import ViewportSize, sync_playwright

_IMAGES: Final = Path(__file__).parent / "images"
_COMMAND: Final = Path(sys.executable).with_name("marketsweep")
_PORT: Final = 8654
_CONDITION: Final = "close > sma(200) and rsi(14) < 40"
_PICTURES: Final = {
    "page-light": (1440, 900, {"colour": "rsi(14)"}),
    "page-dark": (1440, 900, {"panel": "record"}),
    "page-phone": (390, 844, {"symbol": "PCLN"}),
}


def take(data: str) -> None:
    """Serve a data folder, and photograph its page in each size and theme."""
    command = [str(_COMMAND), "serve", "--data", data, "--port", str(_PORT)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for name, (width, height, more) in _PICTURES.items():
                page = browser.new_page(
                    viewport=ViewportSize(width=width, height=height),
                    color_scheme="dark" if name != "page-light" else "light",
                    device_scale_factor=1 if width > height else 2,
                )
                query = urlencode({"q": _CONDITION, **more})
                page.goto(f"http://127.0.0.1:{_PORT}/?{query}")
                page.wait_for_selector("#chart[data-drawn] canvas")
                page.wait_for_selector("#panel[data-done]")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=_IMAGES / f"{name}.jpg", type="jpeg", quality=86)
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    take(*sys.argv[1:])
