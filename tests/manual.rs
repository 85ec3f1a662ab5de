//! What a program tells shells and `man` of itself, read by bash and groff.

use std::path::Path;
use std::process::Command;

use crate::program::{Ended, ended};

/// What bash offers after these words once it has loaded `script`, which completes `program`. The last word is being typed.
pub fn bash_offers(script: &Path, program: &str, words: &[&str]) -> Vec<String> {
    // As bash calls it: `complete -F` says which function, and it is given the program, the word and the word before.
    let ask = r#"
        source "$1" || exit 3
        function=$(complete -p "$2" | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
        [ -n "$function" ] || exit 4
        COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); COMP_LINE="${*:2}"; COMP_POINT=${#COMP_LINE}
        "$function" "$2" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", ask, "bash"]).arg(script).arg(program).args(words);
    let offered = ended(&mut bash).expect(0, &[]);
    assert_eq!(offered.stderr, "", "{offered:#?}");
    offered.stdout.lines().map(str::to_owned).collect()
}

/// The page as `man` sets it, without a warning of groff; `None` where there is no groff.
#[expect(clippy::print_stdout, reason = "a part of tests, whose words are captured")]
pub fn set(page: &Path) -> Option<String> {
    let mut groff = Command::new("groff");
    let output = groff.args(["-man", "-ww", "-b", "-Tascii", "-P-c"]).arg(page).output();
    let Ok(output) = output else {
        println!("SKIPPED what groff says of the pages: it is not here");
        return None;
    };
    let set = Ended::of(output).expect(0, &[]);
    assert_eq!(set.stderr, "", "{}", page.display());
    // Letters are struck over for bold.
    let mut text = String::new();
    for letter in set.stdout.chars() {
        match letter {
            '\u{8}' => drop(text.pop()),
            letter => text.push(letter),
        }
    }
    Some(text)
}
