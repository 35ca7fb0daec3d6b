//! Measures everything and prints one report: `report [--strict] [--build-time]`.
//!
//! It fails if a dispatch takes more instructions than its bound, allocates, or stores outside its own stack; with
//! the feature `peers`, also if a peer is faster. Those figures are the same in every run. Times are printed beside
//! each other and fail nothing, unless `--strict` is given. `--build-time` also measures what the macros add to a
//! build, which takes minutes.

mod programs;
mod sections;
mod table;
mod valgrind;

use std::process::{Command, ExitCode};

use programs::Programs;

/// What `report` was asked for.
struct Asked {
    strict: bool,
    build_time: bool,
}

fn main() -> ExitCode {
    let Some(asked) = parse() else {
        eprintln!("report [--strict] [--build-time]");
        return ExitCode::FAILURE;
    };
    let programs = Programs::build();
    let mut missed = Vec::new();
    sections::instructions(&programs, &mut missed);
    sections::memory(&programs, &mut missed);
    let mut late = Vec::new();
    sections::freezing(&programs, &mut missed, &mut late);
    sections::times(&programs);
    if asked.build_time {
        let built = Command::new(programs.path("build_time")).status();
        if !built.is_ok_and(|status| status.success()) {
            late.push("the build time of a crate of 200 events and 200 listeners".to_owned());
        }
    }
    if asked.strict {
        missed.append(&mut late);
    }
    for figure in &late {
        println!("late, but not counted without --strict: {figure}");
    }
    for figure in &missed {
        println!("MISSED: {figure}");
    }
    if missed.is_empty() {
        println!("All bounds are kept.");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse() -> Option<Asked> {
    let mut asked = Asked {
        strict: false,
        build_time: false,
    };
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--strict" => asked.strict = true,
            "--build-time" => asked.build_time = true,
            _ => return None,
        }
    }
    Some(asked)
}
