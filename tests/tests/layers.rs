//! The arrows between crates, and between the rooms of each: every `use` that goes up or across fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package stands in the workspace")
        .to_owned()
}

/// Every Rust file of a folder, with its path from there.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                let inner = path.strip_prefix(folder).expect("it is inside").to_owned();
                found.push((inner, text));
            }
        }
    }
    found
}

/// The lines of code: without comments, and without tests at the end of a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// The room a file belongs to: its folder or, at the top, its own name.
fn room(file: &Path) -> String {
    let first = file.iter().next().expect("a path").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Every `crate::room` that the files of each room name.
fn arrows(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let files = sources(folder);
    let rooms: BTreeSet<String> = files.iter().map(|(file, _)| room(file)).collect();
    for (file, text) in &files {
        let from = room(file);
        let to = arrows.entry(from.clone()).or_default();
        for line in code(text) {
            for part in line.split("crate::").skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if rooms.contains(&name) && name != from {
                    to.insert(name);
                }
            }
        }
    }
    arrows
}

/// The packages that a manifest names under `[dependencies]`.
fn dependencies(package: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("a manifest");
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn set(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn each_crate_depends_on_those_below_alone() {
    assert_eq!(dependencies("events-macros"), set("proc-macro2 quote syn"));
    assert_eq!(
        dependencies("events-core"),
        set("chrono events-macros inventory serde serde_json thiserror tracing tracing-core uuid"),
        "the kernel knows no database, no HTTP, no runtime"
    );
    assert!(dependencies("events-std").contains("events-core"));
}

/// The kernel's floors, from the ground up. The rooms of one floor may know each other.
const KERNEL: &[&str] = &[
    "clock delivery extensions future pattern state sync",
    "fault wiring table registry event listener durable queue context erased dispatch commit scope runtime current events builder fake telemetry",
    "catalog golden",
    "private lib",
];

#[test]
fn the_kernels_floors_look_down() {
    let floor = |room: &str| {
        KERNEL
            .iter()
            .position(|rooms| rooms.split_whitespace().any(|name| name == room))
            .unwrap_or_else(|| panic!("the room `{room}` has no floor: give it one in this test"))
    };
    for (from, to) in arrows(&root().join("events-core/src")) {
        for to in to {
            assert!(floor(&to) <= floor(&from), "`{from}` looks up to `{to}`");
            assert!(
                floor(&from) > 0 || to == "sync",
                "`{from}` is on the ground and needs `{to}`"
            );
        }
    }
}

/// The floors of `events-std`, from the ground up. A room looks down only, never at a sibling.
const STANDARD: &[&str] = &[
    "error",
    "store",
    "queue",
    "integration",
    "request operation",
    "sync oauth webhook",
    "cli testing",
    "private lib",
];

#[test]
fn the_rooms_of_the_standard_events_look_down_and_never_at_a_sibling() {
    let floor = |room: &str| {
        STANDARD
            .iter()
            .position(|rooms| rooms.split_whitespace().any(|name| name == room))
            .unwrap_or_else(|| panic!("the room `{room}` has no floor: give it one in this test"))
    };
    let folder = root().join("events-std/src");
    for (from, to) in arrows(&folder) {
        for to in to {
            assert!(floor(&to) < floor(&from), "`{from}` names `{to}`");
        }
    }
    for (file, text) in sources(&folder) {
        assert!(
            code(&text).all(|line| !line.contains("events_core::__private")),
            "{} reaches behind the kernel's public face",
            file.display()
        );
    }
}

#[test]
fn unsafe_code_stands_in_one_room() {
    for package in ["events-core", "events-macros", "events-std", "examples"] {
        for (file, text) in sources(&root().join(package).join("src")) {
            if package == "events-core" && room(&file) == "erased" {
                continue;
            }
            let found = code(&text).find(|line| {
                ["unsafe {", "unsafe impl", "unsafe fn", "unsafe_code)]"]
                    .iter()
                    .any(|word| line.contains(word) && !line.contains("unsafe fn("))
            });
            assert_eq!(found, None, "in {package}/src/{}", file.display());
        }
    }
}
