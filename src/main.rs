//! Chooses what to be: a plugin when a CLI started it, a small tool when a person did.

fn main() {}
