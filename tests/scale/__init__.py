"""The books at scale: millions of events through every step, and workers killed."""
