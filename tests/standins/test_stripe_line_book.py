"""Lines of many documents: whatever is packed away comes back as it was."""

import pytest

from tests.standins.stripe.line_book import IN_USE_MAX, LineBook


def test_lines_survive_being_packed_and_stay_changeable() -> None:
    book = LineBook()
    names = [f"in_{number}" for number in range(IN_USE_MAX * 2)]
    for name in names:
        book[name] = []
        book[name].append({"id": name})
    book[names[0]].append({"id": "late"})
    assert [row["id"] for row in book[names[0]]] == [names[0], "late"]
    assert sorted(book) == sorted(names)
    assert len(book) == len(names)
    for name in (names[0], names[1], names[-1]):
        del book[name]
        assert name not in book
        assert book.get(name, []) == []
    with pytest.raises(KeyError):
        del book["in_none"]


def test_lines_that_were_replaced_while_packed_are_the_new_ones() -> None:
    book = LineBook()
    for number in range(IN_USE_MAX + 1):
        book[f"in_{number}"] = [{"id": "old"}]
    book["in_0"] = [{"id": "new"}]
    assert book["in_0"] == [{"id": "new"}]
    assert len(book) == IN_USE_MAX + 1
