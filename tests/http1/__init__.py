"""The HTTP door's bounds, each shown by raw octets on real sockets."""
