"""Mutation tests of the modules that money hangs on; see `__main__`."""
