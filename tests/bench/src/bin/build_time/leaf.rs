//! The crates that are built: a workspace of their own, written anew by each run.

use std::fmt::Write;
use std::fs;
use std::path::Path;

const ITEMS: usize = 200;

/// One kind of crate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Structs that derive nothing, and functions.
    Bare,
    /// The same as events and listeners.
    BareEvents,
    /// Structs that derive `Clone` and `Debug`, and functions.
    Plain,
    /// The same as events and listeners. Their descriptions call the derived code, so that it is compiled, which it is
    /// not in a library where nothing calls it.
    Events,
    /// The same structs with serde's derives, and plain functions.
    Serde,
}

impl Leaf {
    pub(crate) const ALL: [Self; 5] = [
        Self::Bare,
        Self::BareEvents,
        Self::Plain,
        Self::Events,
        Self::Serde,
    ];

    /// The crate without the macros.
    pub(crate) fn base(self) -> Self {
        match self {
            Self::Bare | Self::BareEvents => Self::Bare,
            Self::Plain | Self::Events | Self::Serde => Self::Plain,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareEvents => "bare events",
            Self::Plain => "plain",
            Self::Events => "events",
            Self::Serde => "serde",
        }
    }

    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Bare => "leaf-bare",
            Self::BareEvents => "leaf-bare-events",
            Self::Plain => "leaf-plain",
            Self::Events => "leaf-events",
            Self::Serde => "leaf-serde",
        }
    }

    fn derives(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::BareEvents => "events_core::Event",
            Self::Plain => "Clone, Debug",
            Self::Events => "Clone, Debug, events_core::Event",
            Self::Serde => "Clone, Debug, serde::Serialize, serde::Deserialize",
        }
    }

    fn library(self) -> String {
        let mut code = String::new();
        let derives = self.derives();
        for number in 0..ITEMS {
            let attribute = match self {
                Self::Events | Self::BareEvents => {
                    format!("#[events_core::listener(Happened{number})]\n")
                }
                Self::Bare | Self::Plain | Self::Serde => String::new(),
            };
            // Writing to a string does not fail.
            let _ = write!(
                code,
                "#[derive({derives})]\n\
                 pub struct Happened{number} {{ pub id: u64, pub name: String, pub amount: Option<i64> }}\n\n\
                 {attribute}\
                 pub fn hear_{number}(event: &Happened{number}) {{ std::hint::black_box(event.id + {number}); }}\n\n"
            );
        }
        code
    }

    fn program(self) -> String {
        let krate = self.package().replace('-', "_");
        let dispatch = match self {
            Self::Events | Self::BareEvents => format!(
                "    let event = {krate}::Happened7 {{ id: 7, name: String::new(), amount: None }};\n    \
                 event.dispatch_sync().unwrap();\n"
            ),
            Self::Bare | Self::Plain | Self::Serde => format!(
                "    {krate}::hear_7(&{krate}::Happened7 {{ id: 7, name: String::new(), amount: None }});\n"
            ),
        };
        let imports = match self {
            Self::Events | Self::BareEvents => "use events_core::Event;\n\n",
            Self::Bare | Self::Plain | Self::Serde => "",
        };
        format!("{imports}fn main() {{\n{dispatch}}}\n")
    }
}

/// Writes the workspace. All crates have the same dependencies, whether they use them or not.
///
/// # Panics
///
/// If it cannot be written.
pub(crate) fn write(folder: &Path) {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let core = bench
        .join("../../events-core")
        .canonicalize()
        .expect("the kernel");
    let core = core.display();
    let put = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder)).expect("a folder of the leaf crates");
        fs::write(path, text).expect("a file of the leaf crates");
    };
    let members = Leaf::ALL
        .map(|leaf| format!("\"{}\"", leaf.package()))
        .join(", ");
    put(
        "Cargo.toml",
        &format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n"),
    );
    // The versions of the benchmarks: these crates are built without a registry.
    fs::copy(bench.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    for leaf in Leaf::ALL {
        let package = leaf.package();
        let manifest = format!(
            "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nevents-core = {{ path = '{core}' }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n"
        );
        put(&format!("{package}/Cargo.toml"), &manifest);
        put(&format!("{package}/src/lib.rs"), &leaf.library());
        put(&format!("{package}/src/main.rs"), &leaf.program());
    }
}
