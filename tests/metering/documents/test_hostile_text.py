"""What people wrote is text on a document: it runs, fetches, hides and ends nothing."""

import datetime as dt
import io
import subprocess
import sys
from typing import Any

import pytest
from pypdf import PdfReader

from metering.documents.paper import Annex, AnnexRow, Paper, PaperLine, Party, Sum
from metering.documents.rendering import html_of, pdf_of

AT = dt.datetime(2026, 10, 2, tzinfo=dt.UTC)
AMOUNT = "4,711.42"
A4_WIDTH_PT = 595.3
MARGIN_PT = 51.0
TEXTS = {
    "html": "<script>a()</script><img src=x onerror=a()></style></title>&lt;{{ x }}",
    "css": "}</style>*{display:none}/*\\\"';url(file:///etc/passwd)@import 'http://a'",
    "one long word": "x" * 10_000,
    "long": "word " * 2_000,
    "right to left": "\u202eevil\u202c \u0627\u0644\u0639\u0631 \u05e2\u05d1\u05e8",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f\u2028\u2029\ufeff",
    "no characters": "\ufffe\uffff\ufdd0\U0010ffff\ud7ff\ue000",
    "joined": "\U0001f468\u200d\U0001f469 \u4e2d\u6587 \ud55c\uad6d \u0e44\u0e17\u0e22",
    "combining": "Z" + "\u0301" * 3_000,
    "lines": "a\n" * 500,
}
MAKE_MANY = """
import datetime as dt, sys
from metering.documents.rendering import pdf_of
html = sys.stdin.buffer.read()
for _ in range(20):
    assert pdf_of(html, at=dt.datetime(2026, 10, 2, tzinfo=dt.UTC))
"""


def paper(text: str) -> Paper:
    """Lay a document out that says the same everywhere but in its amounts."""
    row = AnnexRow(text[:200], text[:200], text[:200], "1", AMOUNT)
    return Paper(
        title=text,
        number=text[:200],
        seller=Party(text, (text,)),
        buyer=Party(text, (text,)),
        facts=((text[:200], text[:200]),),
        currency="EUR",
        headline=text[:200],
        amount=AMOUNT,
        instruction=text,
        lines=(PaperLine(text, text, "1", "2", AMOUNT),),
        sums=(Sum(text, AMOUNT, text),),
        total=Sum("Total due", AMOUNT),
        notes=(text,),
        payment=(text,),
        footer=text[:200],
        annexes=(Annex(text[:200], text[:20], (row,), AMOUNT),),
    )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_it_is_text_and_moves_no_amount_off_the_page(text: str) -> None:
    html = html_of(paper(text))
    assert b"<script" not in html
    assert b"<img" not in html
    assert html.count(b"</style>") == 1
    pdf = pdf_of(html, at=AT)
    assert pdf_of(html, at=AT) == pdf
    places = places_of(AMOUNT, pdf)
    # The headline's, the line's, two sums, and two in the annex.
    assert len(places) == 6
    assert all(MARGIN_PT <= x <= A4_WIDTH_PT - MARGIN_PT for x in places), places


def places_of(said: str, pdf: bytes) -> list[float]:
    """Return how far from the left each mention begins on its page, in points."""
    found: list[float] = []

    def see(text: str, cm: Any, tm: Any, *_: Any) -> None:
        if said in text:
            found.append(tm[4] * cm[0] + tm[5] * cm[2] + cm[4])

    for page in PdfReader(io.BytesIO(pdf)).pages:
        page.extract_text(visitor_text=see)
    return found


def test_a_process_that_made_many_ends_as_it_should() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MAKE_MANY],
        input=html_of(paper("Acme Ltd")),
        check=False,
        capture_output=True,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
