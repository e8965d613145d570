"""Closing a month: what has to be so, who stands for it, and the lock at its end."""
