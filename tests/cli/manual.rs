//! A program of one pipeline tells shells and `man` of its subcommands, and has only those that its pipeline has.

use tests::manual::{bash_offers, set};
use tests::program::Desk;

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_curate"))
}

#[test]
fn bash_completes_verbs_and_flags() {
    let desk = desk();
    let script = desk.path("curate.bash");
    std::fs::write(&script, desk.ask("completions bash").expect(0, &[]).stdout).expect("is written");
    let offers = |words: &[&str]| bash_offers(&script, "curate", words);
    assert_eq!(offers(&["pl"]), ["plan"]);
    assert_eq!(offers(&["run", "--slow-pre"]), ["--slow-prepare"], "a flag of the pipeline");
    assert_eq!(offers(&["plan", "--max-rem"]), ["--max-removed"]);
    let all = offers(&[""]);
    for subcommand in ["run", "plan", "say", "completions", "man"] {
        assert!(all.iter().any(|offer| offer == subcommand), "{subcommand} is not in {all:?}");
    }
    assert!(!all.iter().any(|offer| offer == "demo" || offer == "bench"), "{all:?}");
    desk.ask("completions tcsh").expect(2, &["tcsh", "bash", "fish", "zsh"]);
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        let script = desk.ask(&format!("completions {shell}")).expect(0, &[]).stdout;
        assert!(script.contains("curate") && script.contains("slow-prepare"), "{shell}: {script}");
    }
}

#[test]
fn every_verb_has_a_page() {
    let desk = desk();
    let said = desk.ask("man --to pages").expect(0, &[]).stdout;
    let pages: Vec<_> = std::fs::read_dir(desk.path("pages"))
        .expect("is made")
        .map(|page| page.expect("is listed").path())
        .collect();
    assert!(said.contains(&format!("wrote {} pages", pages.len())) && pages.len() == 15, "{said}: {pages:?}");
    for page in &pages {
        let name = page.file_stem().expect("a name").to_string_lossy();
        let Some(text) = set(page) else { break };
        assert!(
            text.contains(&format!("{name} - ")) || text.contains(&format!("{name}  - ")),
            "{name}: {text}"
        );
    }
    let run = std::fs::read_to_string(desk.path("pages/curate-run.1")).expect("is read");
    assert!(run.contains("slow\\-prepare") && run.contains("shards"), "{run}");
    std::fs::write(desk.path("file"), "").expect("is written");
    desk.ask("man --to file").expect(1, &["cannot write file", "--to"]);
    desk.ask("man").expect(2, &["--to"]);
}
