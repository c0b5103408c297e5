//! What Graph documents as "not null" and answers with null all the same must not fail a read: an attacker could hide behind it.

use serde::{Deserialize, Deserializer};

/// Null is the type's default, such as no text or an empty collection.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}
