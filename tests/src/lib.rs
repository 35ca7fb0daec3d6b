//! The workspace tests stand in `tests/`.
