"""Running the whole product on one machine that has nothing but Python."""
