"""Mail: one layout, one outbox for what is told once, one log of all that went."""
