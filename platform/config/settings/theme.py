"""The look of the admin."""

UNFOLD = {
    "SITE_TITLE": "Tollgate",
    "SITE_HEADER": "Tollgate",
    "SITE_SUBHEADER": "Operators",
    "SITE_SYMBOL": "toll",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
}
