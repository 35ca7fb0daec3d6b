//! The other programs of this package: built, found and run.

use std::path::PathBuf;
use std::process::Command;

/// The folder in which they were built.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Builds them for release, with the features of this one.
    ///
    /// # Panics
    ///
    /// If the build fails.
    pub(crate) fn build() -> Self {
        let own = std::env::current_exe().expect("the path of this program");
        let profiles = own.ancestors().nth(2).expect("the folder of its profile");
        let folder = profiles.join("release");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build
            .args(["build", "--quiet", "--release", "--locked", "--bins"])
            .args([
                "--manifest-path",
                concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            ]);
        if cfg!(feature = "peers") {
            build.args(["--features", "peers"]);
        }
        let status = build.status().expect("cargo");
        assert!(
            status.success(),
            "the programs of the benchmarks do not build"
        );
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What a program prints, as numbers.
    pub(crate) fn numbers(&self, name: &str, arguments: &[&str]) -> Vec<u64> {
        let mut program = Command::new(self.path(name));
        numbers(&output(program.args(arguments)).0)
    }
}

/// What a command writes to its standard output and to its error output.
///
/// # Panics
///
/// If it fails.
pub(crate) fn output(command: &mut Command) -> (String, String) {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {error}");
    (out, error)
}

pub(crate) fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}
