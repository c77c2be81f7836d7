"""The headless browser of the tests shows pages as they are."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.peers.browser import dump_dom, screenshot

PAGE = """\
<!doctype html><title>t</title><body style="background:#804020"><p id="said">before</p>
<script>setTimeout(() => { document.getElementById("said").textContent = "after " + (40 + 2) }, 500)</script>
"""


def test_a_page_becomes_a_document_and_a_picture(tmp_path: Path) -> None:
    """Scripts run before the document is dumped; the picture is a PNG of the asked size."""
    page = tmp_path / "page.html"
    page.write_text(PAGE)
    assert '<p id="said">after 42</p>' in dump_dom(page.as_uri())
    picture = screenshot(page.as_uri(), tmp_path / "page.png", width=640, height=480).read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (640, 480)
