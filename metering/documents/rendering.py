"""From what a document says to its bytes: HTML that stands alone, and a PDF of it.

The PDF is made in process, without a browser and without asking anybody: the one thing
fetched is the typeface, which is shipped with the admin's theme, so that a machine
without fonts makes the same page. Failure: what asks for anything else is refused.
"""

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
_SCHEME = "font:"
_FACES = "".join(
    f"@font-face {{ font-family: Paper; font-weight: {weight};"
    f" src: url({_SCHEME}{name}.woff2) }}\n"
    for weight, name in _WEIGHTS.items()
)


class _Fonts(plutoprint.ResourceFetcher):
    """Gives the typeface, and nothing else."""

    def fetch_url(self, url: str) -> plutoprint.ResourceData:
        """Return a font by the name that the style sheet gives it."""
        name = url.removeprefix(_SCHEME).removesuffix(".woff2")
        if name not in _WEIGHTS.values():
            raise ValueError(f"a document asks for {url}")
        content = (_FONTS / f"{name}.woff2").read_bytes()
        return plutoprint.ResourceData(content, "font/woff2", "")


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
    book.custom_resource_fetcher = _Fonts()
    book.load_html(html.decode(), user_style=_FACES)
    for name in (
        plutoprint.PDF_METADATA_CREATION_DATE,
        plutoprint.PDF_METADATA_MODIFICATION_DATE,
    ):
        book.set_metadata(name, f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}")
    written = io.BytesIO()
    book.write_to_pdf_stream(written)
    return written.getvalue()
