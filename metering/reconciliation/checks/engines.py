"""The check of what engines counted against what was metered on them.

One difference a process: how far its counts lie outside of what is metered and known,
hour by hour or over all its life, whichever is more. Failure: an engine that counts
nothing, or shares its address, is compared with nothing; its process says so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from metering.reconciliation.checks.check import (
    Check,
    Finding,
    Found,
    Scope,
    Tally,
    TokenStep,
)
from metering.reconciliation.engines.account import (
    Allowed,
    Span,
    generated_allowed,
    prompt_allowed,
    rules_of,
    spans,
)


@dataclass(slots=True)
class _Worst:
    """How far one count of a process lies outside: by hours, and by its life."""

    hours: int = 0
    life: int = 0
    first: Span | None = None

    def add(self, span: Span, outside: int) -> None:
        if span.is_whole:
            self.life = outside
            return
        # Above and below do not make up for each other.
        self.hours += abs(outside)
        if outside and self.first is None:
            self.first = span

    @property
    def amount(self) -> int:
        return max(self.hours, abs(self.life))


def _run(scope: Scope) -> Finding:
    tally, compared = Tally(), []
    for _, life in groupby(spans(scope), key=lambda span: span.process_id):
        of_process = list(life)
        whole = of_process[-1]
        compared.append(whole)
        tally.add(_differing(of_process), rows=whole.requests)
    return Finding(
        tally.rows, tally.differences, tuple(tally.listed), tuple(_steps(compared))
    )


def _differing(of_process: list[Span]) -> Iterator[Found]:
    whole = of_process[-1]
    prompt, generated = _Worst(), _Worst()
    for span in of_process:
        rules = rules_of(span)
        prompt.add(span, prompt_allowed(span, rules).outside(span.counted_prompt))
        generated.add(
            span, generated_allowed(span, rules).outside(span.counted_generated)
        )
    amount = prompt.amount + generated.amount
    if not amount:
        return
    rules, first = rules_of(whole), prompt.first or generated.first or whole
    since = f"{first.begins_at:%Y-%m-%d %H:%M} and {first.ends_at:%Y-%m-%d %H:%M} UTC"
    yield Found(
        tenant_id=None,
        subject=f"engine {whole.address}, process {whole.number}",
        expected=f"{_told(prompt_allowed(whole, rules))} prompt and"
        f" {_told(generated_allowed(whole, rules))} generated tokens",
        found=f"{whole.counted_prompt:,} and {whole.counted_generated:,}:"
        f" {prompt.amount:,} and {generated.amount:,} that nothing explains,"
        f" from between {since} on",
        amount=amount,
    )


def _told(allowed: Allowed) -> str:
    if allowed.least == allowed.most:
        return f"{allowed.most:,}"
    return f"{allowed.least:,} to {allowed.most:,}"


def _steps(wholes: Iterable[Span]) -> Iterator[TokenStep]:
    lives = list(wholes)
    if not lives:
        return
    metered = sum(each.prompt for each in lives)
    generated = sum(each.generated for each in lives)
    known = sum(
        prompt_allowed(each, rules_of(each)).most
        + generated_allowed(each, rules_of(each)).most
        for each in lives
    )
    yield TokenStep(
        "counted by engines",
        sum(each.counted_prompt for each in lives),
        sum(each.counted_generated for each in lives),
    )
    yield TokenStep("metered", metered, generated, known - metered - generated)
    delivered = sum(each.delivered for each in lives)
    yield TokenStep("delivered", metered, delivered, generated - delivered)


ENGINES_COUNTED = Check(
    name="engines_counted",
    proves="Engines counted the tokens that were metered, and what is known besides.",
    look="admin:reconciliation_engineprocess_changelist",
    run=_run,
    is_of_tenants=False,
)
