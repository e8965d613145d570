"""Texts in files that people open in a spreadsheet. Pure."""

# What a spreadsheet takes for the beginning of a formula, in wide letters too.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def said(text: str | None) -> str:
    """Return what people wrote so that no spreadsheet takes it for a formula."""
    if text is None:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text
