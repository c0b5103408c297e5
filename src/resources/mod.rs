//! One file per managed resource.
