"""`make pictures`: the README's pictures, of a product that runs and was used."""
