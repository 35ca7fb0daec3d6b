//! Tokens as one writes them, for messages and for comparison.

use quote::ToTokens;

/// `&State<Db>` rather than `& State < Db >`.
pub(crate) fn of(tokens: impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let mut text = String::with_capacity(spaced.len());
    for word in spaced.split(' ') {
        let apart = text.ends_with(|c: char| c.is_alphanumeric() || ",;+=>_".contains(c))
            && word.starts_with(|c: char| c.is_alphanumeric() || "&'\"_+=(-".contains(c));
        if apart && !(text.ends_with('>') && word.starts_with('(')) {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::of;
    use quote::quote;

    #[test]
    fn sets_spaces_as_one_does() {
        assert_eq!(of(quote!(&State<Db>)), "&State<Db>");
        assert_eq!(of(quote!(&'static str)), "&'static str");
        assert_eq!(
            of(quote!(dyn store::Shape + Send)),
            "dyn store::Shape + Send"
        );
        assert_eq!(of(quote!(Map<String, (u8, u8)>)), "Map<String, (u8, u8)>");
        assert_eq!(
            of(quote!(default, rename = "a b")),
            "default, rename = \"a b\""
        );
    }
}
