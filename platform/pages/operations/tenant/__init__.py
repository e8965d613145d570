"""Everything about one tenant, a tab a subject."""
