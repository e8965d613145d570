"""Say to people how the bound of a model's prompts was found, and what it is."""

from inference.control.models import Calibration, ServedModel
from inference.openai.prompt_bound import DEFAULT, MILLI, PromptBound

_DEFAULT_HOLDS = "the default holds"
_SAID = {
    Calibration.State.CALIBRATED: "counted by its engines",
    Calibration.State.UNABLE: f"its engines do not count, {_DEFAULT_HOLDS}",
    Calibration.State.FAILED: "its engines could not be asked, and will be again",
    Calibration.State.STALE: "to be asked of its engines anew",
}


def told(model: ServedModel) -> str:
    """Return the state, the factors in force, and what came of asking each replica."""
    row: Calibration | None = getattr(model, "calibration", None)
    if row is None:
        return f"Not asked yet: {_DEFAULT_HOLDS}. {_factors(DEFAULT)}"
    said = [_SAID[Calibration.State(row.state)].capitalize() + "."]
    if row.calibrated_at is not None:
        said.append(f"Last counted {row.calibrated_at:%Y-%m-%d %H:%M} UTC.")
    said.append(_factors(PromptBound.of_published(row.factors)))
    said += [f"{each['name']} {each['said']}." for each in row.replicas]
    return " ".join(said)


def _factors(factors: PromptBound) -> str:
    """Write the factors as people read them."""
    return (
        f"At most {factors.per_byte_milli / MILLI:g} tokens for each byte of text and"
        f" {factors.per_structure_byte_milli / MILLI:g} of structure,"
        f" {factors.per_message} for each message, {factors.per_tool} for each tool,"
        f" {factors.base} for each chat and {factors.base_tools} more with tools."
    )
