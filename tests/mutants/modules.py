"""Which modules are mutated, by which tests, and which mutants change nothing.

An accepted mutant is one that no test could tell: it is named by its line and what
changed there, with the reason.
"""

from dataclasses import dataclass, field

_INTAKE = "tests/metering/intake"


@dataclass(frozen=True, slots=True)
class Module:
    """A module, its tests, and its mutants that are alike by what they change."""

    name: str
    tests: tuple[str, ...]
    only: frozenset[str] = frozenset()
    accepted: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return where it is."""
        return f"{self.name.replace('.', '/')}.py"


_JOURNAL = (f"{_INTAKE}/test_slots.py", f"{_INTAKE}/test_journal.py")
_OWED = (f"{_INTAKE}/test_owed.py", f"{_INTAKE}/test_owed_model.py")
_LEASES = (
    f"{_INTAKE}/test_amounts.py",
    f"{_INTAKE}/test_claims.py",
    f"{_INTAKE}/test_leases_serving.py",
    f"{_INTAKE}/test_leases.py",
    f"{_INTAKE}/test_wishes.py",
    f"{_INTAKE}/test_leases_model.py",
)
_COMPONENTS = tuple(
    f"tests/metering/pricing/components/test_{name}.py"
    for name in ("decimals", "reading", "wholeness", "cases", "parts", "properties")
)
_LONG_INTEGER = 'return str(value) if abs(value) < 10**_TEXT_MAX else "an integer"'

MODULES = (
    Module("metering.intake.slots", _JOURNAL),
    Module("metering.intake.journal", _JOURNAL),
    Module(
        "metering.intake.owed",
        (*_OWED, f"{_INTAKE}/test_journal.py"),
        accepted={("version=0,", "0 -> 1"): "what nobody had has no version to read"},
    ),
    Module(
        "metering.intake.recovery",
        (*_OWED, f"{_INTAKE}/test_journal.py"),
        only=frozenset({"kept", "stands_of"}),
        accepted={
            (
                "since_us = max((slot.committed_us for slot in found), default=0)"
                " - KEPT_US",
                "0 -> 1",
            ): "without a slot there is nothing to leave out",
        },
    ),
    Module("metering.intake.amounts", _LEASES),
    Module("metering.intake.claims", _LEASES),
    Module("metering.intake.leases", _LEASES),
    Module(
        "metering.pricing.components.decimals",
        _COMPONENTS,
        accepted={
            (
                "if power < 0:",
                "power < 0 -> power <= 0",
            ): "both divide or multiply by one",
            ("if power < 0:", "0 -> 1"): "both divide or multiply by one",
            **dict.fromkeys(
                (
                    (_LONG_INTEGER, "10 -> 11"),
                    (
                        _LONG_INTEGER,
                        "abs(value) < 10 ** _TEXT_MAX -> abs(value) <= 10 ** _TEXT_MAX",
                    ),
                ),
                "either way it has too many digits",
            ),
        },
    ),
    Module("metering.pricing.components.kinds", _COMPONENTS),
    Module("metering.pricing.components.reading", _COMPONENTS),
    Module(
        "metering.pricing.components.rating",
        _COMPONENTS,
        accepted={
            ("assert_never(model)", "assert_never(model) -> pass"): "is never reached"
        },
    ),
    Module(
        "metering.pricing.components.wholeness",
        _COMPONENTS,
        accepted={
            ("assert_never(model)", "assert_never(model) -> pass"): "is never reached"
        },
    ),
)
