"""Records cost what plain dataclasses do, and compare and hash as frozen ones."""

from dataclasses import dataclass, replace

from kit.records import record


@record(frozen=True, slots=True)
class Fact:
    """A fact."""

    name: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    """The same, frozen at run time."""

    name: str
    size: int = 1


def test_it_compares_hashes_and_is_replaced_as_a_frozen_one() -> None:
    assert Fact("a") == Fact("a", 1) != Fact("a", 2)
    assert {Fact("a"), Fact("a")} == {Fact("a")}
    assert replace(Fact("a"), size=2) == Fact("a", 2)
    assert hash(Fact("a", 2)) == hash(Frozen("a", 2))
    assert not hasattr(Fact("a"), "__dict__")


def test_no_call_is_made_for_a_field() -> None:
    """That is all that it is for."""
    assert "__setattr__" in Frozen.__init__.__code__.co_names
    assert "__setattr__" not in Fact.__init__.__code__.co_names
