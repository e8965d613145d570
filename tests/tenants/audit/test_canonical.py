"""The canonical text is one text of one value, and the digest covers every column."""

import dataclasses
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.orm.audited import as_json
from tenants.audit.canonical import (
    EXACT_MAX,
    Link,
    NotCanonical,
    canonical,
    detail_digest,
)

text = st.text(st.characters(codec="utf-8"))
scalars = st.none() | st.booleans() | st.integers(-EXACT_MAX, EXACT_MAX) | text
objects = st.dictionaries(
    text,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner) | st.dictionaries(text, inner),
        max_leaves=8,
    ),
)
LINK = Link(
    id=9,
    chain=4,
    seq=2,
    tenant_id=4,
    at=dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC),
    actor_kind="operator",
    actor_id=7,
    member_id=None,
    request_id="0198",
    action="update",
    object_kind="tenant",
    object_id="4",
    before={"name": "A"},
    after={"name": "B"},
    detail_digest="",
    previous="ab",
)


def shuffled(value: Any) -> Any:
    """Return the same value with every object's names in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(objects)
def test_the_text_says_the_value_and_nothing_of_its_order(
    value: dict[str, Any],
) -> None:
    made = canonical(value)
    assert json.loads(made) == value
    assert canonical(shuffled(value)) == made
    assert canonical(json.loads(json.dumps(value, indent=3))) == made


@given(objects, objects)
def test_different_values_have_different_texts(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    # True is 1 to Python, and not to JSON: their texts decide what is the same.
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) is is_same


def test_the_text_is_short_utf_8_in_the_order_of_code_points() -> None:
    made = canonical({"ü": 1, "b": [True, None], "a": 'é"\n', "B": 2})
    assert made == '{"B":2,"a":"é\\"\\n","b":[true,null],"ü":1}'.encode()


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), EXACT_MAX + 1, -EXACT_MAX - 1, b"x", "\ud800", {1: 2}]
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical({"value": value})
    with pytest.raises(NotCanonical):
        canonical({"value": [value]})


@given(
    st.dictionaries(
        text,
        st.integers()
        | st.decimals()
        | st.floats()
        | st.datetimes(timezones=st.just(dt.UTC))
        | st.dates()
        | st.binary()
        | st.frozensets(st.integers())
        | text,
    )
)
def test_whatever_services_tell_has_a_form(value: dict[str, object]) -> None:
    told = {name: as_json(each) for name, each in value.items()}
    assert json.loads(canonical(told)) == told


def test_large_integers_are_told_as_text() -> None:
    assert as_json(EXACT_MAX) == EXACT_MAX
    assert as_json(EXACT_MAX + 1) == str(EXACT_MAX + 1)


OTHER: dict[str, Any] = {
    "id": 10,
    "chain": 5,
    "seq": 3,
    "tenant_id": None,
    "at": LINK.at + dt.timedelta(microseconds=1),
    "actor_kind": "command",
    "actor_id": 8,
    "member_id": 7,
    "request_id": "0199",
    "action": "create",
    "object_kind": "tenants",
    "object_id": "5",
    "before": {"name": "a"},
    "after": {"name": None},
    "detail_digest": "0",
    "previous": "ac",
}


@pytest.mark.parametrize("name", Link.__slots__)
def test_the_digest_covers_every_column(name: str) -> None:
    altered = dataclasses.replace(LINK, **{name: OTHER[name]})
    assert altered.digest() != LINK.digest()


def test_the_digest_is_of_the_instant_and_not_of_its_zone() -> None:
    elsewhere = LINK.at.astimezone(dt.timezone(dt.timedelta(hours=5)))
    assert dataclasses.replace(LINK, at=elsewhere).digest() == LINK.digest()


def test_a_salt_hides_what_is_personal() -> None:
    one = detail_digest(b"1" * 16, {}, {"email": "ada@acme.example"})
    assert one != detail_digest(b"2" * 16, {}, {"email": "ada@acme.example"})
    assert one != detail_digest(b"1" * 16, {"email": "ada@acme.example"}, {})
