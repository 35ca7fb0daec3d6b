//! Declares the same items several times, each time in a module of its own, so that a benchmark's listeners are
//! what a program's are: functions of different paths, found at link time.

/// Ten modules with these items.
macro_rules! ten {
    ($($item:tt)*) => {
        mod l0 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l1 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l2 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l3 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l4 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l5 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l6 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l7 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l8 { #[allow(unused_imports)] use super::*; $($item)* }
        mod l9 { #[allow(unused_imports)] use super::*; $($item)* }
    };
}

/// Events with 0, 1, 10 and 100 listeners, each of which is the given items. They name the event `Heard`.
macro_rules! events {
    ($($item:tt)*) => {
        /// An event without listeners.
        #[derive(events_core::Event)]
        #[expect(dead_code, reason = "no listener reads it")]
        pub(crate) struct Zero(pub(crate) crate::tally::Tally);

        /// An event with one listener.
        #[derive(events_core::Event)]
        pub(crate) struct One(pub(crate) crate::tally::Tally);

        /// An event with ten listeners.
        #[derive(events_core::Event)]
        pub(crate) struct Ten(pub(crate) crate::tally::Tally);

        /// An event with a hundred listeners.
        #[derive(events_core::Event)]
        pub(crate) struct Hundred(pub(crate) crate::tally::Tally);

        mod one {
            type Heard = super::One;
            $($item)*
        }

        mod ten {
            type Heard = super::Ten;
            ten! { $($item)* }
        }

        mod hundred {
            type Heard = super::Hundred;
            ten! { ten! { $($item)* } }
        }
    };
}
