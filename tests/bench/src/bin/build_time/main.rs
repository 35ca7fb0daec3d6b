//! What the macros add to a build: a crate of 200 events and 200 listeners, against the same structs and functions
//! without them, and against the same structs with serde's derives. The bound is for structs that derive nothing else.
//!
//! Each is built three times from nothing but its built dependencies, in turns; the least time counts. It fails if
//! the events add more than their bound to the library. Linking a program adds what linking the kernel takes, once.

mod leaf;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use leaf::Leaf;

const ROUNDS: usize = 3;

/// A cargo profile and the most that the macros may add in it.
struct Profile {
    name: &'static str,
    bound: Duration,
}

const PROFILES: [Profile; 2] = [
    Profile {
        name: "dev",
        bound: Duration::from_secs(1),
    },
    Profile {
        name: "release",
        bound: Duration::from_millis(1200),
    },
];

/// The library alone, and the library and a program that is linked with it.
#[derive(Clone, Copy)]
struct Times {
    library: Duration,
    program: Duration,
}

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/build-time");
    leaf::write(&folder);
    println!(
        "\nSeconds to build a crate of 200 structs and 200 functions; added is over the plain ones:"
    );
    println!("profile  crate        library  (added)  and program  (added)");
    let mut kept = true;
    for profile in PROFILES {
        let times = measure(&folder, profile.name);
        for (leaf, own) in Leaf::ALL.into_iter().zip(times) {
            let base = Leaf::ALL.iter().position(|other| *other == leaf.base());
            let plain = times[base.expect("it is one of all")];
            let times = own;
            let added = |of: Duration, to: Duration| of.as_secs_f64() - to.as_secs_f64();
            println!(
                "{:<7}  {:<11}  {:>7.2}  {:>+7.2}  {:>11.2}  {:>+7.2}",
                profile.name,
                leaf.name(),
                times.library.as_secs_f64(),
                added(times.library, plain.library),
                times.program.as_secs_f64(),
                added(times.program, plain.program),
            );
            if leaf == Leaf::BareEvents
                && times.library.saturating_sub(plain.library) > profile.bound
            {
                println!(
                    "MISSED: events may add {:.1} s to a {} build",
                    profile.bound.as_secs_f64(),
                    profile.name
                );
                kept = false;
            }
        }
    }
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The least times of each kind of crate.
fn measure(folder: &Path, profile: &str) -> [Times; Leaf::ALL.len()] {
    let mut least = [Times {
        library: Duration::MAX,
        program: Duration::MAX,
    }; Leaf::ALL.len()];
    for leaf in Leaf::ALL {
        cargo(
            folder,
            &["build", "--profile", profile, "--package", leaf.package()],
        );
    }
    for _ in 0..ROUNDS {
        for (leaf, least) in Leaf::ALL.into_iter().zip(&mut least) {
            let package = leaf.package();
            cargo(
                folder,
                &["clean", "--profile", profile, "--package", package],
            );
            let start = Instant::now();
            cargo(
                folder,
                &["build", "--profile", profile, "--package", package, "--lib"],
            );
            let library = start.elapsed();
            cargo(
                folder,
                &["build", "--profile", profile, "--package", package],
            );
            let program = start.elapsed();
            least.library = least.library.min(library);
            least.program = least.program.min(program);
        }
    }
    least
}

/// Runs cargo on the written workspace.
///
/// # Panics
///
/// If it fails.
fn cargo(folder: &Path, arguments: &[&str]) {
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    command
        .args(arguments)
        .args(["--quiet", "--offline"])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(folder);
    let status = command.status().expect("cargo");
    assert!(status.success(), "{command:?} fails");
}
