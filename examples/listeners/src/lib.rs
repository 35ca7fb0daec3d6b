//! What a helpdesk does about its events: listeners in a crate of their own. Nothing calls them and nothing lists them.
//!
//! An application that names this crate, if only by `use helpdesk_listeners as _;`, has them all, and gives their states
//! to its dispatcher: [`Desk`], [`Pager`], [`Timeline`] and the adapter's `Zendesk`.

mod alert;
mod comment;
mod desk;
mod timeline;

pub use alert::Pager;
pub use desk::Desk;
pub use timeline::{Teller, Timeline};
