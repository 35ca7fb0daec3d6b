//! What a listener asks for is looked up for that listener alone: no other code may make its arguments.

use events_core::{Arguments, BoxError, Context, FromContext, State};

struct Forged<'a>(&'a State<String>);

impl<'a> FromContext<'a> for Forged<'a> {
    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        let (state,): (&'a State<String>,) = Arguments::extract(cx)?;
        Ok(Self(state))
    }
}

struct Own;

impl<'a> Arguments<'a> for Own {
    const NEEDS: Option<fn(&mut events_core::Needs)> = None;

    fn make(_: &Context<'a>) -> Result<Self, BoxError> {
        Ok(Self)
    }
}

fn main() {
    let _ = Forged;
}
