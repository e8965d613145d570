"""Credit that is paid first: quoted, asked for, read again, granted once paid."""
