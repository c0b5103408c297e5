//! Plugin protocol v6: handshake, mTLS, gRPC services, wire codec.
