"""How limits combine: which of the rows hold for a call, and whose they are."""
