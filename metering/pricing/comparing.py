"""What a version changes: each model's prices beside those of the version before it."""

from dataclasses import dataclass

from metering.pricing.models import Price, PriceBookVersion

_CLASSES = ("input_picos", "cached_input_picos", "output_picos")


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A model's prices before and after, class by class: input, cached input, output.

    Before is None for a model that had no price, after for one that has none any more.
    """

    model: str
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None

    @property
    def is_same(self) -> bool:
        """Tell whether nothing changes."""
        return self.before == self.after


def version_before(version: PriceBookVersion) -> PriceBookVersion | None:
    """Return the published version whose prices hold until this one begins."""
    others = PriceBookVersion.objects.filter(
        book_id=version.book_id, published_at__isnull=False
    ).exclude(pk=version.pk)
    earlier = others.filter(effective_at__lte=version.effective_at)
    return earlier.order_by("-effective_at", "-number").first()


def changes(version: PriceBookVersion) -> list[PriceChange]:
    """Return what a version says of each model that it or the one before lists."""
    base = version_before(version)
    before = _listed(base) if base else {}
    after = _listed(version)
    return [
        PriceChange(model, before.get(model), after.get(model))
        for model in sorted({*before, *after})
    ]


def changed_by(before: int, after: int) -> str:
    """Say by how much a price changes, in percent to a tenth, half up."""
    if before == after:
        return "same"
    if not before:
        return "from nothing"
    tenths = (2000 * abs(after - before) + before) // (2 * before)
    return f"{'+' if after > before else '-'}{tenths // 10:,}.{tenths % 10} %"


def _listed(version: PriceBookVersion) -> dict[str, tuple[int, ...]]:
    rows = Price.objects.filter(version=version)
    return {
        row["model"]: tuple(row[name] for name in _CLASSES)
        for row in rows.values("model", *_CLASSES)
    }
