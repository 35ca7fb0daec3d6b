//! What becomes of listeners in crates that a program names, and of those in crates that it does not.

use std::process::Command;

fn run(program: &str) -> (Vec<String>, String) {
    let output = Command::new(program).output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let (heard, checked) = text.split_once('\n').expect("two parts");
    let heard = heard.split_whitespace().map(str::to_owned).collect();
    (heard, checked.trim_end().to_owned())
}

#[test]
fn what_is_not_named_is_lost_and_the_check_says_so() {
    let (heard, checked) = run(env!("CARGO_BIN_EXE_names_nothing"));
    assert!(
        heard.is_empty(),
        "the linker kept {heard:?}: is the warning still true?"
    );
    for cure in ["`use linkage_listeners as _;`", "`use linkage_app as _;`"] {
        assert!(checked.contains(cure), "{checked}");
    }
}

#[test]
fn naming_the_crates_cures_it() {
    let (heard, checked) = run(env!("CARGO_BIN_EXE_names_both"));
    assert_eq!(heard, ["library", "dependency"]);
    assert_eq!(checked, "all there");
}

#[test]
fn linking_all_cures_it() {
    let (heard, checked) = run(env!("CARGO_BIN_EXE_links_all"));
    assert_eq!(heard, ["library", "dependency"]);
    assert_eq!(checked, "all there");
}
