//! Provider configuration, what a call may use, and the registry of everything served.
