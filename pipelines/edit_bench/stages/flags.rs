//! Which of `edit_bench`'s flags go together. Errors are told before anything is opened or asked.

use benchmarks::Items;
use kit::servers::check_editors;
use threshflow::cli::Failure;

use crate::args::{Args, Baseline};

/// The models that are asked, each with its flag.
pub(crate) fn models(args: &Args) -> Vec<(&'static str, &str)> {
    let named = [("--judge-model", &args.judge.judge_model), ("--edit-model", &args.editors.edit_model)];
    named.into_iter().filter_map(|(flag, model)| Some((flag, model.as_deref()?))).collect()
}

/// Whether the embedded judge answers.
pub fn judges_by_pixels(args: &Args) -> bool {
    args.judge.judge_model.is_none()
}

/// Whether the flags can be meant as they are.
pub(crate) fn check(args: &Args, items: &Items) -> Result<(), Failure> {
    let usage = |message: String| Err(Failure::Usage(message));
    check_editors(&args.editors)?;
    let editors = &args.editors;
    let edits = editors.edit_url.is_some() || !editors.comfyui.is_empty() || editors.inpainter.is_some();
    if args.results.is_none() && args.editor.is_none() && !edits {
        return usage(
            "nobody makes the edited pictures: name an editor by --edit-url and --edit-model, or by --comfyui and --workflows; or give \
             pictures that were made already, --results FOLDER; or a baseline, --editor no-op"
                .to_owned(),
        );
    }
    let planned = items.items.iter().all(|item| item.plan.is_some());
    if judges_by_pixels(args) && !planned {
        return usage(
            "nobody judges: name the judge by --judge-model (and --judge-url). The embedded judge knows the demo's items alone".to_owned(),
        );
    }
    if matches!(args.editor, Some(Baseline::Embedded | Baseline::WrongObject)) && !planned {
        return usage(
            "--editor: the embedded painter knows the demo's items alone; name an editor by --edit-url, or pictures by --results"
                .to_owned(),
        );
    }
    if let (Some(url), true) = (&args.judge.judge_url, judges_by_pixels(args)) {
        return usage(format!("--judge-url {url} has no model to be asked; name it by --judge-model"));
    }
    let of_rubrics = args.own_rubrics || args.rubrics.is_some();
    if of_rubrics && judges_by_pixels(args) {
        return usage(
            "rubrics are for a judge that reads them; add --judge-model, or leave them out".to_owned(),
        );
    }
    Ok(())
}
