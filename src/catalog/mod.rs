//! Permission and profile catalogue: types, loading, look-up with nearest names.
