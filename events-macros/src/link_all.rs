//! `link_all!()`: names every direct dependency, so that none is left out of the program.

use std::collections::BTreeSet;
use std::path::Path;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::{Error, Ident};

/// Crates that are always there, or only at compile time.
const LEFT_OUT: [&str; 5] = ["alloc", "core", "proc_macro", "std", "test"];

pub(crate) fn link_all(input: TokenStream) -> TokenStream {
    if let Some(tree) = input.into_iter().next() {
        let tree: TokenTree = tree;
        let message = "`link_all!()` takes nothing: it names every direct dependency; to link one, write `use that_crate as _;`";
        return Error::new(tree.span(), message).into_compile_error();
    }
    let names = names(expanded(std::env::args().skip(1)));
    let names = names
        .iter()
        .filter_map(|name| syn::parse_str::<Ident>(name).ok())
        .map(|mut name| {
            name.set_span(Span::call_site());
            name
        });
    quote!(#(extern crate #names as _;)*)
}

/// The arguments, those of `@file` in its place. A file that cannot be read is none of the compiler's either.
fn expanded(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let expand = |argument: String| match argument.strip_prefix('@') {
        Some(file) => match std::fs::read_to_string(Path::new(file)) {
            Ok(lines) => lines.lines().map(ToOwned::to_owned).collect(),
            Err(_) => Vec::new(),
        },
        None => vec![argument],
    };
    arguments.flat_map(expand).collect()
}

/// The crates that `--extern` names.
fn names(arguments: Vec<String>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--extern") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(ToOwned::to_owned),
            None => None,
        };
        if let Some(name) = value.as_deref().and_then(name) {
            names.insert(name);
        }
    }
    names
}

/// The crate of `name`, `name=path` and `options:name=path`.
fn name(value: &str) -> Option<String> {
    let name = value.split_once('=').map_or(value, |(name, _)| name);
    let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
    (!name.is_empty() && !LEFT_OUT.contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{expanded, names};

    fn of(arguments: &[&str]) -> Vec<String> {
        names(arguments.iter().map(ToString::to_string).collect())
            .into_iter()
            .collect()
    }

    #[test]
    fn reads_every_form_of_extern() {
        let arguments = [
            "--crate-name",
            "app",
            "src/main.rs",
            "--extern",
            "alpha=/deps/libalpha.rlib",
            "--extern=beta=/deps/libbeta.rlib",
            "--extern",
            "priv,noprelude:gamma=/deps/libgamma.rlib",
            "--extern",
            "proc_macro",
            "--extern",
            "delta",
            "-L",
            "dependency=/deps",
        ];
        assert_eq!(of(&arguments), ["alpha", "beta", "delta", "gamma"]);
    }

    #[test]
    fn a_dangling_extern_is_no_crate() {
        assert!(of(&["--extern"]).is_empty());
        assert!(of(&["--extern", "=x"]).is_empty());
        assert!(of(&["--externs", "x"]).is_empty());
    }

    #[test]
    fn reads_argument_files() {
        let file = std::env::temp_dir().join(format!("link_all_{}.args", std::process::id()));
        std::fs::write(&file, "--extern\nalpha=/a.rlib\n").unwrap();
        let arguments = [format!("@{}", file.display()), "@missing-file".to_owned()];
        let read = expanded(arguments.into_iter());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read, ["--extern", "alpha=/a.rlib"]);
    }
}
