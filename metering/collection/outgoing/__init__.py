"""What is decided here becomes calls: notes, refunds, write-offs, money from afar."""
