"""The theme's templates, mended for people who hear a page or use its keys.

The theme draws icons as words in a font of signs, so that a reader of the screen says
`arrow_back Go back`; what scrolls within a page has one name everywhere, and what has
an icon alone has none. That is in a hundred places, and a copy of each template would
miss what the next version brings: they are mended as they are read.

Failure: a template that says it otherwise stays as it is; tests hold that none does.
Owns: nothing.
"""

import re
from typing import Final

from django.template import Origin
from django.template.loaders import app_directories

# Each with what takes its place.
_MENDED: Final = (
    (
        re.compile(
            r"<span class=\"([^\"]*xl:hidden![^\"]*)\""
            r"( x-on:click=\"sidebarMobileOpen = !sidebarMobileOpen\">)"
            r"\s*close\s*</span>"
        ),
        r'<button type="button" aria-label="Close the navigation" class="\1"\2'
        r'<span aria-hidden="true">close</span></button>',
    ),
    (
        re.compile(r"<(span|div)(?=[^<>]*\bclass=\"[^\"<>]*material-symbols-outlined)"),
        r'<\1 aria-hidden="true"',
    ),
    (
        re.compile(r'(<div id="nav-sidebar-apps"[^<>]*) data-simplebar>'),
        r'\1 data-simplebar data-simplebar-aria-label="All pages">',
    ),
    (
        re.compile(r' data-simplebar (?=data-simplebar-direction="rtl">)'),
        ' data-simplebar data-simplebar-aria-label="Filters" ',
    ),
    (
        re.compile(
            r'(?<=\{% url "admin:index" %\}"\{% endif %\}) (?=class="bg-primary)'
        ),
        ' aria-label="Overview" ',
    ),
    (
        re.compile(r"(?<=extra_attrs=\")(?=x-on:click='showActions = !showActions'\")"),
        "aria-label='Actions' ",
    ),
    (re.compile(r'(?=id="searchbar-submit")'), 'aria-label="Search" '),
    (re.compile(r'<nav (?=id="nav-sidebar-inner")'), '<nav aria-label="Main" '),
    (
        re.compile(r'<nav (?=[^<>]*x-show="openUserLinks")'),
        '<nav aria-label="Account" ',
    ),
)


class Loader(app_directories.Loader):
    """Finds templates in the folders of apps, and mends the theme's."""

    def get_contents(self, origin: Origin) -> str:
        """Return a template's text."""
        text = super().get_contents(origin)
        return mended(text) if "/unfold/" in origin.name else text


def mended(text: str) -> str:
    """Return a template of the theme without what is wrong with it."""
    for wrong, right in _MENDED:
        text = wrong.sub(right, text)
    return text
