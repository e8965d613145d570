"""Numbers in forms, as people write them: plain digits, one point, nothing else.

Python reads more than that as a number: `1e3`, `1_000`, `NaN`, a leading `+`, digits of
other scripts. Of money or a limit each is a slip, or would mean another amount than it
shows; so all forms take numbers by these two fields, and a test holds that none takes
them by Django's own. Commas between thousands are what our own pages show.

Failure: what is no such number is refused beside its field, with what to write.
"""

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError

from kit.money import ungrouped

DIGITS_MAX: Final = 18
_WHOLE = re.compile(rf"-?[0-9]{{1,{DIGITS_MAX}}}")
_PLAIN = re.compile(rf"-?[0-9]{{1,{DIGITS_MAX}}}(\.[0-9]{{0,{DIGITS_MAX}}})?")


class WholeField(forms.IntegerField):
    """A whole number; its value is an `int`."""

    def to_python(self, value: Any) -> int | None:
        """Return the number; refuse what is not written in digits alone."""
        if not isinstance(value, str):
            return super().to_python(value)
        typed = ungrouped(value)
        if typed and not _WHOLE.fullmatch(typed):
            raise ValidationError("Write a whole number in digits, such as 250.")
        return int(typed) if typed else None


class PlainDecimalField(forms.DecimalField):
    """A decimal number; its value is a `Decimal`."""

    like = "Write a number in digits and a point, such as 2.50."

    def to_python(self, value: Any) -> Any:
        """Return the number; refuse what is not written in digits and one point."""
        if not isinstance(value, str):
            return super().to_python(value)
        typed = ungrouped(value)
        if typed and not _PLAIN.fullmatch(typed):
            raise ValidationError(self.like)
        return super().to_python(typed)
