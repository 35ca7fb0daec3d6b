//! What the suites of faults share: how large a run is, its random choices, and what listeners leave behind.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How large a run is, by `EVENTS_FAULTS`.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// That of a developer's run of all tests.
    Small,
    /// `ci`
    Ci,
    /// `long`
    Long,
}

impl Size {
    /// The size of this run.
    ///
    /// # Panics
    ///
    /// If the variable names no size.
    #[must_use]
    pub fn of_run() -> Self {
        match std::env::var("EVENTS_FAULTS").as_deref() {
            Ok("ci") => Self::Ci,
            Ok("long") => Self::Long,
            Ok(other) => panic!("EVENTS_FAULTS is `ci` or `long`, not `{other}`"),
            Err(_) => Self::Small,
        }
    }
}

/// Random choices that a run can repeat, by `EVENTS_FAULTS_SEED`.
pub struct Dice(u64);

impl Dice {
    /// Of the seed that is given, else of one that it prints.
    ///
    /// # Panics
    ///
    /// If the seed is no number.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let seed = match std::env::var("EVENTS_FAULTS_SEED") {
            Ok(seed) => seed.parse().expect("a number"),
            Err(_) => u64::from(std::process::id()) + millis(),
        };
        eprintln!("EVENTS_FAULTS_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`: `SplitMix64`.
    ///
    /// # Panics
    ///
    /// If the end is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).expect("a number of 64 bits");
        usize::try_from((z ^ (z >> 31)) % end).expect("less than the end")
    }
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// What listeners of all processes have done, one line each, in the order in which they did it: a file that survives
/// the death of whoever wrote it.
pub struct Effects {
    file: File,
    path: PathBuf,
}

impl Effects {
    /// The name of the file.
    pub const FILE: &str = "effects";

    /// Those of a test, in its folder.
    ///
    /// # Panics
    ///
    /// If the file cannot be made.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let path = folder.join(Self::FILE);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Self {
            file: file.expect("the file of effects"),
            path,
        }
    }

    /// One system call for each line, so that lines are whole.
    ///
    /// # Panics
    ///
    /// If the line cannot be written.
    pub fn write(&self, line: &str) {
        (&self.file)
            .write_all(format!("{line}\n").as_bytes())
            .expect("a line");
    }

    /// All lines.
    ///
    /// # Panics
    ///
    /// If the file cannot be read.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.path).expect("the file of effects");
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Whether a file of this name lies beside it.
    #[must_use]
    pub fn is_marked(&self, name: &str) -> bool {
        self.path.with_file_name(name).exists()
    }

    /// Puts a file of this name beside it.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn mark(&self, name: &str) {
        File::create(self.path.with_file_name(name)).expect("a mark");
    }
}
