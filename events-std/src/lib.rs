//! The canonical events of third-party integrations.
