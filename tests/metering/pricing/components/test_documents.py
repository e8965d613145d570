"""Documents: what goes out as it came in, and what does not get in."""

import json
import subprocess
import sys
from typing import Any

import pytest

from kit.errors import InvalidRequest
from metering.pricing.components import documents
from metering.pricing.components.documents import amount_text, rated_document

UNIT = {"model": "per_unit", "unit_price": "1"}
FEE = {"model": "percentage", "rate_percent": "1", "fee_per_event": "0.10"}


def case(**more: Any) -> dict[str, Any]:
    return {"component": UNIT, "quantity": "3"} | more


def test_everything_but_the_amount_goes_out_as_it_came_in() -> None:
    text = (
        '[\n {\n  "id": 7.10,\n  "amount": "wrong",\n  "component": {\n   "model": '
        '"per_unit",\n   "unit_price": 0.10\n  },\n  "quantity": 1e2,\n  "note": {\n'
        f'   "digits": [\n    {"9" * 5000},\n    -0.0,\n    null,\n    []\n   ],\n'
        '   "text": "\\u00fc\\ud800\\"",\n   "none": {}\n  }\n }\n]'
    )
    expected = text.replace('"wrong"', '"10"')
    assert rated_document(text.encode()) == expected
    assert rated_document(expected.encode("utf-8-sig")) == expected


def test_an_empty_list_stays_empty() -> None:
    assert rated_document(b"[]") == "[]"


@pytest.mark.parametrize("name", ["currency", "events"])
def test_null_is_as_left_out(name: str) -> None:
    (rated,) = json.loads(rated_document(json.dumps([case(**{name: None})]).encode()))
    assert rated["amount"] == "3"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (case(id="a", quantity="-1"), "case 'a': quantity: '-1' is negative"),
        (case(quantity="-1"), "case 2: quantity: '-1' is negative"),
        (case(id=5, quantity="x"), "case 2: quantity: 'x' is not a number"),
        (case(id="x" * 999, quantity="x"), f"case '{'x' * 80}': quantity: 'x' is not"),
        ({"component": UNIT}, "case 2: quantity: it is missing"),
        ({"quantity": "1"}, "case 2: component: it is missing"),
        (case(component=[]), "case 2: component: give an object"),
        (case(component={"model": "x"}), "case 2: component.model: give one of"),
        (case(component=UNIT | {"minimum": "?"}), "case 2: component.minimum: '?' is"),
        (case(currency="usd"), "case 2: currency: use an ISO 4217 code"),
        (case(currency="EURO"), "case 2: currency: use an ISO 4217 code"),
        (case(currency="USD\n"), "case 2: currency: use an ISO 4217 code"),
        (case(currency=840), "case 2: currency: use an ISO 4217 code"),
        (case(component=FEE), "case 2: events: it is missing: each event bears a fee"),
        (case(events="1.5"), "case 2: events: it must be a whole number"),
        (case(events="-1"), "case 2: events: '-1' is negative"),
        ("case", "case 2: give an object"),
    ],
)
def test_a_bad_case_is_named_with_its_field(bad: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rated_document(json.dumps([case(), bad]).encode())
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON: Expecting value at line 1, column 1"),
        (b"[{]", "not JSON"),
        (b"{}", "give a list of cases"),
        (b"null", "give a list of cases"),
        (b'[{"quantity": NaN}]', "NaN is no number of JSON"),
        (b"[-Infinity]", "-Infinity is no number of JSON"),
        (b'[{"id": "a", "id": "b"}]', "gives a field twice: 'id'"),
        (b"[" * 200_000, "nested too deeply"),
        (b'[{"x":' * 200_000, "nested too deeply"),
        (b"\xff\xfe[]", "not UTF-8"),
    ],
)
def test_what_is_no_list_of_cases_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rated_document(data)
    assert message in refused.value.message


def test_what_can_be_read_but_not_written_is_refused() -> None:
    deep = json.dumps(case()).replace("{", '{"deep": ' + "[" * 900 + "]" * 900 + ",", 1)
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        rated_document(f"[{deep}]".encode())


def test_a_document_has_a_greatest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps([case()]).encode()
    monkeypatch.setattr(documents, "BYTES_MAX", len(data))
    assert '"amount": "3"' in rated_document(data)
    with pytest.raises(InvalidRequest, match="longer than"):
        rated_document(data + b" ")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "USD", "0"),
        (4150, "USD", "41.50"),
        (700, "USD", "7"),
        (100_000_000, "USD", "1000000"),
        (7, "JPY", "7"),
        (100, "JPY", "100"),
        (1000, "BHD", "1"),
        (1500, "BHD", "1.500"),
    ],
)
def test_amounts_as_text(minor: int, currency: str, text: str) -> None:
    assert amount_text(minor, currency) == text


def test_rating_loads_no_framework() -> None:
    loaded = (
        "import sys, metering.pricing.components.documents;"
        "sys.exit('django' in sys.modules or 'celery' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", loaded], check=True)
