"""What a provider holds becomes facts of receivables, by reference, once."""
