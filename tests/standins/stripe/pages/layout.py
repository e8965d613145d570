"""The frame of every page, and the parts that more than one page has.

Everything from an account goes through `escape` before it is HTML.
"""

import io
from dataclasses import dataclass
from html import escape

from kit.money import format_minor
from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:1rem}}
.note{{font-size:.85rem;border-bottom:1px solid #8884;padding-bottom:.5rem;opacity:.8}}
h1{{font-size:1.5rem;margin-bottom:.25rem}} h2{{font-size:1.1rem;margin-top:2rem}}
table{{width:100%;border-collapse:collapse}} th{{text-align:left}}
td,th{{border-top:1px solid #8884;padding:.35rem .5rem .35rem 0;vertical-align:top}}
.sum,.sum td{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
tfoot td{{font-weight:600}}
[role=alert]{{border-left:4px solid #c0392b;padding:.5rem 1rem;background:#c0392b22}}
[role=status]{{border-left:4px solid #1e8e3e;padding:.5rem 1rem;background:#1e8e3e22}}
label{{display:block;margin:.75rem 0 .25rem}}
select,input{{font:inherit;padding:.4rem;width:100%;box-sizing:border-box}}
button{{font:inherit;padding:.5rem 1.25rem;margin-top:1rem;cursor:pointer}}
form.inline{{display:inline}} form.inline button{{padding:.1rem .6rem;margin:0}}
</style></head><body>
<p class="note">A stand-in of Stripe, for tests and demonstrations: no money moves.</p>
{body}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """What goes back to a browser; a location sends it on with a GET.

    A PDF is made of the whole document once nobody else waits for the account.
    """

    body: str = ""
    title: str = ""
    status: int = 200
    location: str | None = None
    is_pdf: bool = False

    def html(self) -> str:
        """Return the whole document."""
        return _FRAME.format(title=escape(self.title), body=self.body)


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody at a page: what its address names, what they sent, what went wrong."""

    account: Account
    reference: str
    form: dict[str, str]
    problem: str = ""


def pdf_of(html: str) -> bytes:
    """Return a document as a PDF."""
    # Loaded for the first paper: most stand-ins never make one.
    import plutoprint  # noqa: PLC0415

    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
    book.load_html(html)
    written = io.BytesIO()
    book.write_to_pdf_stream(written)
    return written.getvalue()


def sent_on(location: str) -> Page:
    """Send the browser on."""
    return Page(status=303, location=location)


def message(status: int, text: str) -> Page:
    """Return a page that says one thing."""
    return Page(f"<h1>{escape(text)}</h1>", title=text, status=status)


def money(amount: int, currency: str) -> str:
    """Return an amount of minor units as people read it."""
    return escape(format_minor(amount, currency))


def table(rows: list[tuple[str, str]], foot: list[tuple[str, str]]) -> str:
    """Return a table of two columns, the second one sums; cells are HTML already."""
    body = "".join(f"<tr><td>{name}<td class=sum>{value}" for name, value in rows)
    end = "".join(f"<tr><td>{name}<td class=sum>{value}" for name, value in foot)
    return f"<table><tbody>{body}</tbody><tfoot>{end}</tfoot></table>"


def alert(problem: str) -> str:
    """Return a problem as it is shown, or nothing."""
    return f'<p role="alert">{escape(problem)}</p>' if problem else ""


def said(error: ApiError) -> str:
    """Return what an error tells a person."""
    text: str = error.body["error"]["message"]
    return text


def question_of(intent: Json, base_url: str) -> str | None:
    """Return where the bank asks its question, when the intent waits for an answer."""
    if intent.get("status") != "requires_action":
        return None
    return f"{base_url}/authenticate/{intent['id']}"
