"""From what a document says to its bytes: HTML that stands alone, and a PDF of it.

The PDF is made in process, without a browser and without asking anybody. The typeface
is shipped with the admin's theme, so that a machine without fonts makes the same page.
It stands in the style sheet itself: the renderer keeps typefaces until its process has
ended, and bytes that Python lent it are gone before.

Failure: whatever a page asks for is refused, and left out.
"""

import base64
import datetime as dt
import io
from pathlib import Path

import plutoprint
import unfold
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from metering.documents.paper import Paper

_FONTS = Path(str(unfold.__file__)).parent / "static/unfold/fonts/inter"
_WEIGHTS = {400: "Inter-Regular", 500: "Inter-Medium", 600: "Inter-SemiBold"}


def _face(weight: int, name: str) -> str:
    content = base64.b64encode((_FONTS / f"{name}.woff2").read_bytes()).decode()
    return (
        f"@font-face {{ font-family: Paper; font-weight: {weight};"
        f" src: url(data:font/woff2;base64,{content}) }}\n"
    )


_FACES = "".join(_face(weight, name) for weight, name in _WEIGHTS.items())


class _Nothing(plutoprint.ResourceFetcher):
    """Gives nothing: a document has all of itself."""

    def fetch_url(self, url: str) -> plutoprint.ResourceData:
        """Refuse."""
        raise ValueError(f"a document asks for {url}")


def html_of(paper: Paper) -> bytes:
    """Return a document as one HTML file."""
    context = {
        "paper": paper,
        "footer": _in_style(paper.footer),
        "name": _in_style(f"{paper.title} {paper.number}"),
    }
    return render_to_string("documents/paper.html", context).encode()


def _in_style(text: str) -> SafeString:
    """Return text as a style sheet's string, which nothing in it can end."""
    escaped = "".join(
        each if each.isalnum() or each in " -.,:/" else f"\\{ord(each):x} "
        for each in text
    )
    return SafeString(f'"{escaped}"')


def pdf_of(html: bytes, *, at: dt.datetime) -> bytes:
    """Return the PDF of a document, dated as of an instant."""
    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4, plutoprint.PAGE_MARGINS_NONE)
    book.custom_resource_fetcher = _Nothing()
    book.load_html(html.decode(), user_style=_FACES)
    for name in (
        plutoprint.PDF_METADATA_CREATION_DATE,
        plutoprint.PDF_METADATA_MODIFICATION_DATE,
    ):
        book.set_metadata(name, f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}")
    written = io.BytesIO()
    book.write_to_pdf_stream(written)
    return written.getvalue()
