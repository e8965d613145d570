"""`make screenshots`: pictures of every page, of a product that runs and was used."""
