"""Model fields for exact money."""

from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.functional import cached_property


class PicosField(models.DecimalField):  # type: ignore[type-arg]
    """A NUMERIC(38, 0) of picos that Python sees as an int: sums overflow a BIGINT."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_digits=38, decimal_places=0)
        super().__init__(*args, **kwargs)

    @cached_property
    def validators(self) -> list[Any]:
        """Return those given: a decimal's own do not take the int that this is."""
        return super(models.DecimalField, self).validators

    def deconstruct(self) -> Any:
        """Leave the fixed precision out of migrations."""
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | None, *_: Any) -> int | None:
        """Return whole picos."""
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        """Return whole picos; a float or a fraction is refused."""
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, float):
            raise TypeError("picos are integers; a float never holds money")
        number = Decimal(value)
        if number != number.to_integral_value():
            raise ValueError(f"{value} is not a whole number of picos")
        return int(number)
