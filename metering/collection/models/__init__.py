"""What is kept of a provider beside invoices; one file a subject."""
