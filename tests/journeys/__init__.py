"""The product from outside: real processes, real sockets, its public contract."""
