//! An argument cannot take back what the arguments before it need.

use events_core::{BoxError, Context, FromContext, Needs};

struct Forged;

impl<'a> FromContext<'a> for Forged {
    fn needs(needs: &mut Needs) {
        *needs = Needs::default();
    }

    fn from_context(_: &Context<'a>) -> Result<Self, BoxError> {
        Ok(Self)
    }
}

fn main() {}
