//! What does not compile stands in `tests/`.
