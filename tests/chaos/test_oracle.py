"""The oracle finds what is wrong with a bill: a doubled, a lost, a false one."""

from dataclasses import replace
from uuid import UUID

import pytest

from tests.chaos.oracle import Allowance, Billed, Received, judge

ID, OTHER = UUID(int=1), UUID(int=2)
WHOLE = Received(
    number=0,
    tenant_id=7,
    request_id=ID,
    status=200,
    is_streamed=True,
    is_whole=True,
    prompt_tokens=5,
    tokens=10,
    most=10,
    input_picos=3,
    output_picos=4,
)
CUT = replace(WHOLE, is_whole=False)
HEADLESS = replace(CUT, request_id=None, status=0, tokens=0, most=0)
REFUSED = replace(CUT, status=503, tokens=0, most=0)
BILL = Billed(
    tenant_id=7,
    request_id=ID,
    originals=1,
    corrections=0,
    prompt_tokens=5,
    output_tokens=10,
    charge_picos=55,
    is_streamed=True,
)


def bill(output_tokens: int, *, prompt_tokens: int = 5) -> Billed:
    """Return a bill of so many tokens at the right price."""
    charge = 3 * prompt_tokens + 4 * output_tokens
    return replace(
        BILL,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        charge_picos=charge,
    )


def test_a_right_bill_is_right() -> None:
    made = judge([WHOLE], [BILL])
    assert made.faults == []
    assert (made.whole, made.received, made.billed, made.difference) == (1, 10, 10, 0)


@pytest.mark.parametrize(
    ("bills", "fault"),
    [
        ([], "lost: 10 tokens"),
        ([replace(BILL, originals=2)], "2 original events"),
        ([replace(BILL, originals=0)], "0 original events"),
        ([BILL, replace(BILL, corrections=1)], "2 bills"),
        ([bill(9)], "10 tokens delivered, 9 billed"),
        ([bill(11)], "10 tokens delivered, 11 billed"),
        ([bill(10, prompt_tokens=4)], "prompt of 5, 4 billed"),
        ([replace(BILL, charge_picos=56)], "56 picos are not"),
        ([replace(BILL, tenant_id=8)], "never asked for"),
        ([BILL, replace(bill(1), request_id=OTHER)], "never asked for"),
    ],
)
def test_a_whole_answer_is_billed_exactly(bills: list[Billed], fault: str) -> None:
    assert any(fault in each for each in judge([WHOLE], bills).faults)


@pytest.mark.parametrize("output_tokens", [10, 11, 12])
def test_a_cut_answer_may_be_billed_what_lay_in_the_sockets(output_tokens: int) -> None:
    made = judge([replace(CUT, most=12)], [bill(output_tokens)])
    assert made.faults == []
    assert made.over == made.over_max == output_tokens - 10


@pytest.mark.parametrize(
    ("output_tokens", "allowance", "is_right"),
    [
        (9, Allowance(), False),
        (11, Allowance(), False),
        (11, Allowance(more=1), True),
        (12, Allowance(more=1), False),
        (9, Allowance(more=1), False),
        (7, Allowance(less=3), True),
        (6, Allowance(less=3), False),
        (11, Allowance(less=3), False),
    ],
)
def test_a_cut_answer_is_billed_within_what_its_fault_allows(
    output_tokens: int, allowance: Allowance, is_right: bool
) -> None:
    made = judge([CUT], [bill(output_tokens)], allowance)
    assert (made.faults == []) is is_right


def test_only_a_young_stream_may_be_lost_with_its_host() -> None:
    lost = Allowance(less=10, loses_young=True)
    assert judge([CUT], [], lost).faults == []
    assert judge([replace(CUT, tokens=11, most=11)], [], lost).faults
    assert judge([CUT], [], Allowance(less=10)).faults
    assert judge([WHOLE], [], lost).faults


def test_a_client_that_never_learnt_its_id_is_known_by_its_prompt() -> None:
    assert judge([HEADLESS], [bill(0)]).faults == []
    assert judge([HEADLESS], []).faults == []
    assert judge([HEADLESS], [bill(0, prompt_tokens=6)]).faults
    assert judge([HEADLESS], [bill(1)]).faults
    assert judge([HEADLESS], [bill(0), replace(bill(0), request_id=OTHER)]).faults


def test_it_takes_no_bill_of_one_that_knows_its_id() -> None:
    """Two of the same length: the one without an id must not claim the other's."""
    later = replace(CUT, request_id=OTHER, tokens=0, most=0)
    made = judge([HEADLESS, later], [replace(bill(0), request_id=OTHER)])
    assert made.faults == []
    held = judge(
        [HEADLESS, replace(later, is_whole=True)], [replace(bill(0), request_id=OTHER)]
    )
    assert held.faults == []


def test_who_was_refused_is_billed_nothing() -> None:
    assert judge([REFUSED], []).faults == []
    assert judge([REFUSED], [bill(0, prompt_tokens=0)]).faults == []
    assert judge([REFUSED], [bill(0)]).faults


def test_what_ended_before_its_first_token_may_be_free_and_not_half_free() -> None:
    began = replace(CUT, tokens=0, most=0)
    assert judge([began], [bill(0, prompt_tokens=0)]).faults == []
    assert judge([began], [bill(0, prompt_tokens=3)]).faults
    assert judge([CUT], [bill(10, prompt_tokens=0)]).faults
