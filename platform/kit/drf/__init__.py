"""Framework-aware primitives of the management API."""
