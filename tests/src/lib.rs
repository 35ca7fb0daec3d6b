//! The workspace tests stand in `tests/`; the examples of the README are tested here.
#![cfg(doctest)]
#![doc = include_str!("../../README.md")]
