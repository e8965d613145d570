"""Where one can go beside this page: groups of links, as far as one may. Pure.

Each part of the product that has pages of its own lists them in a module `sections`;
the shell shows those that the reader may open, and marks the one that is open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A page in the navigation: `name` of its address, rights that it asks for.

    `covers` are the names of further addresses that belong to it. Rights are staff's
    permissions, or scopes of a tenant's members.
    """

    label: str
    name: str
    permissions: tuple[str, ...]
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Pages that belong together; the first group may have no title."""

    title: str
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class Link:
    """A page that the reader may open."""

    label: str
    address: str
    is_current: bool


def links(
    groups: Sequence[Group],
    *,
    open_name: str,
    may: Callable[[tuple[str, ...]], bool],
    address: Callable[[str], str],
) -> list[tuple[str, list[Link]]]:
    """Return the groups with what the reader may open; a group without is left out.

    `address` says where the page of a name is.
    """
    found = [
        (
            group.title,
            [
                Link(
                    each.label,
                    address(each.name),
                    open_name == each.name or open_name in each.covers,
                )
                for each in group.sections
                if may(each.permissions)
            ],
        )
        for group in groups
    ]
    return [(title, some) for title, some in found if some]
