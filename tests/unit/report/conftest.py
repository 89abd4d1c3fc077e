"""Reports whose words or tables alone are looked at."""

import io

import pytest
from matplotlib.figure import Figure as Canvas
from PIL import Image

from ccps.report.kit import figure


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are put together and blank: to paint twenty takes seconds. Other tests of reports look at them."""

    def blank(canvas: Canvas) -> tuple[bytes, int, int]:
        buffer, (width, height) = io.BytesIO(), (round(inches * canvas.dpi) for inches in canvas.get_size_inches())
        Image.new("P", (width, height)).save(buffer, "PNG")
        return buffer.getvalue(), width, height

    monkeypatch.setattr(figure, "png_bytes", blank)
