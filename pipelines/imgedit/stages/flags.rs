//! Which of `imgedit`'s flags go together. Errors are reported before anything is opened or asked.

use operators::plan::edit_plan::EditType;
use threshflow::cli::Failure;

use crate::args::Args;
use kit::servers::{DEFAULT_CHAT_URL, check_editors};

/// The models that are named, each with its flag.
pub(crate) fn models(args: &Args) -> Vec<(&'static str, &str)> {
    let chat = &args.chat;
    let named = [
        ("--chat-model", &chat.chat_model),
        ("--caption-model", &chat.caption_model),
        ("--nouns-model", &chat.nouns_model),
        ("--instruct-model", &chat.instruct_model),
        ("--judge-model", &chat.judge_model),
        ("--edit-model", &args.editors.edit_model),
    ];
    named.into_iter().filter_map(|(flag, model)| Some((flag, model.as_deref()?))).collect()
}

/// Whether the flags can be meant as they are: each that would be read by nobody is an error, since whoever gave it expects it
/// to do something.
pub(crate) fn check(args: &Args) -> Result<(), Failure> {
    let chat = &args.chat;
    let usage = |message: String| Err(Failure::Usage(message));
    if let (Some(url), None, None) = (&chat.judge_url, &chat.judge_model, &chat.chat_model) {
        return usage(format!(
            "--judge-url {url} has no model to be asked; name it by --judge-model (or --chat-model), or leave the flag \
             out to have pixels judged by the embedded judge"
        ));
    }
    let models = models(args);
    let chats = models.iter().any(|(flag, _)| *flag != "--edit-model");
    let from_the_environment = std::env::var("OPENAI_BASE_URL").is_ok_and(|url| url == chat.chat_url);
    if !chats && chat.chat_url != DEFAULT_CHAT_URL && !from_the_environment {
        return usage(format!(
            "--chat-url {} has no model to be asked; name one by --chat-model, or one of an operator by --caption-model, \
             --nouns-model, --instruct-model or --judge-model",
            chat.chat_url
        ));
    }
    if let (Some(path), false) = (&chat.endpoints.key_file, chats) {
        return usage(format!(
            "--key-file {} is for chat models, and none is named; add --chat-model, or leave it out (the key of an editing \
             model comes from the environment variable EDIT_API_KEY)",
            path.display()
        ));
    }
    let of_endpoints =
        [("--azure", chat.endpoints.azure.is_some()), ("--prices", args.spending.prices.is_some())];
    if let Some((flag, _)) = of_endpoints.iter().find(|(_, given)| *given && models.is_empty()) {
        return usage(format!(
            "{flag} is about endpoints, and no model of one is named; add --chat-model, or --edit-url and --edit-model, \
             or leave {flag} out"
        ));
    }
    let shows = |edit_type: &EditType| edit_type.has_reference() && args.edits.of(*edit_type) > 0.0;
    if let (Some(folder), None) = (&args.references, EditType::ALL.iter().find(|it| shows(it))) {
        return usage(format!(
            "--references {} is for visual edits, and --edits tries none; add visual to --edits, or leave it out",
            folder.display()
        ));
    }
    check_editors(&args.editors)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use kit::servers::check_prices;
    use operators::http::Prices;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    const MODELS: &str = "--aesthetic a --detector d --segmenter s --clip c";

    fn read(line: &str) -> Result<Args, String> {
        let words = ["imgedit"].into_iter().chain(MODELS.split(' ')).chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
    }

    /// What is said of the line; empty where it is taken.
    fn said(line: &str) -> String {
        let checked = |args: Args| {
            check(&args)
                .and_then(|()| check_prices(&models(&args), &args.spending, &Prices::embedded()))
                .map_err(|e| e.to_string())
        };
        read(line).and_then(checked).err().unwrap_or_default()
    }

    #[test]
    fn values_that_cannot_be_are_told_with_what_may_be() {
        for (line, allowed) in [
            ("--temperature 5", "0 (the likeliest answer) to 2"),
            ("--temperature nan", "to 2"),
            ("--pixels-apart=-5", "0 or more"),
            ("--pixels-apart nan", "0 or more"),
            ("--call-timeout 0", "0.001 or more"),
            ("--call-deadline=-1", "0.001 or more"),
            ("--max-cost nan", "USD, 0 or more"),
            ("--max-cost=-3", "USD, 0 or more"),
            ("--in-flight 0", "1 or more"),
            ("--max-tokens 0", "1.."),
            ("--chat-model=", "--chat-model"),
        ] {
            let said = said(line);
            let value = line.split(['=', ' ']).next_back().unwrap_or_default();
            assert!(said.contains(allowed) && said.contains(value), "{line}: {said}");
        }
        assert_eq!(said("--temperature 0.7 --max-cost 2 --in-flight 4 --chat-model gpt-4o"), "");
    }

    #[test]
    fn flags_that_nobody_would_read_are_told() {
        for (line, next) in [
            ("--judge-url http://a/v1", "--judge-model"),
            ("--judge-url http://a/v1 --caption-model m", "--judge-model"),
            ("--chat-url http://a/v1", "--chat-model"),
            ("--chat-url http://a/v1 --edit-url http://b/v1 --edit-model m", "--chat-model"),
            ("--azure 2024-10-21", "--chat-model"),
            ("--key-file key", "--chat-model"),
            ("--key-file key --edit-url http://a/v1 --edit-model m", "EDIT_API_KEY"),
            ("--comfyui http://a:8188", "--workflows"),
            ("--workflows w", "--comfyui"),
            ("--edit-url http://a/v1", "--edit-model"),
            ("--edit-model m", "--edit-url"),
            ("--references r --edits add,style", "add visual to --edits"),
            ("--edit-size 1024x1024", "--edit-url"),
            ("--edit-mask never", "add --edit-url"),
            ("--edit-url http://a/v1 --edit-model m --edit-size 512x512 --edit-field size=auto", "size"),
            ("--edit-url http://a/v1 --edit-model m --edit-field =auto", "NAME=VALUE"),
        ] {
            assert!(said(line).contains(next), "{line}: {}", said(line));
        }
        for line in [
            "",
            "--judge-url http://a/v1 --judge-model m",
            "--judge-url http://a/v1 --chat-model m",
            "--chat-url http://a/v1 --judge-model m",
            "--key-file key --chat-model m",
            "--comfyui http://a:8188 http://b:8188 --workflows w",
            "--references r",
            "--references r --edits add,visual=0.1",
        ] {
            assert_eq!(said(line), "", "{line}");
        }
    }

    #[test]
    fn money_is_bounded_only_where_every_model_has_a_price() {
        let said_of = |model: &str| said(&format!("--max-cost 2 --chat-model gpt-4o --judge-model {model}"));
        assert_eq!(said_of("gpt-4o-mini"), "");
        assert!(
            said_of("my-judge").contains("--judge-model my-judge has no price"),
            "{}",
            said_of("my-judge")
        );
        assert_eq!(said("--max-calls 10 --chat-model my-judge"), "");
    }

    /// The help of a flag, in one line.
    fn help_of(flag: &str) -> String {
        use clap::CommandFactory;
        let command = Line::command();
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).expect("a flag");
        arg.get_help().expect("a help").to_string().replace('\n', " ")
    }

    #[test]
    fn examples_in_the_help_are_taken_by_their_readers() {
        use operators::words::plain::{Lexicon, Vocabulary};
        let help = help_of("vocabulary");
        let headings: Vec<&str> =
            help.split_whitespace().filter(|word| word.starts_with('[') && word.ends_with(']')).collect();
        assert_eq!(headings, ["[objects]", "[backgrounds]"], "{help}");
        let file = headings
            .iter()
            .map(|heading| format!("{heading}\na noun of {}\n", heading.len()))
            .collect::<String>();
        assert_eq!(Vocabulary::parse(&file).unwrap().iter().count(), 2, "{file}");

        let help = help_of("lexicon");
        let example = &help[help.find('{').unwrap()..=help.find('}').unwrap()];
        assert_eq!(Lexicon::from_json(example.as_bytes()).unwrap().things, ["ball", "cup"]);
        let lists = &help[help.find("likewise ").unwrap() + 9..help.find(';').unwrap()];
        for list in lists.split(", ") {
            let file = format!(r#"{{"{list}": ["one", "two"]}}"#);
            assert!(Lexicon::from_json(file.as_bytes()).is_ok(), "{list}");
        }

        let help = help_of("edits");
        let example = help.rsplit(' ').next().unwrap();
        assert!(example.parse::<operators::plan::choose::Shares>().is_ok(), "{example}");

        let help = help_of("prices");
        let example = &help[help.find('{').unwrap()..=help.rfind('}').unwrap()];
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), example).unwrap();
        assert!(Prices::read(file.path()).unwrap().of("MODEL").is_some(), "{example}");
    }
}
