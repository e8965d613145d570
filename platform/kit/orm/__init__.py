"""Framework-aware primitives for Django models, roles and migrations."""
