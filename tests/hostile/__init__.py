"""What hostile crowds of clients do to the healthy ones beside them: `make hostile`."""
