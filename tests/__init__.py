"""The tests: behaviour over real sockets, and what is pure without."""
