//! The editors that flags name.

use std::sync::Arc;

use operators::editors::Editor;
use operators::editors::comfy::{Comfy, ComfySettings};
use operators::editors::http_edit::{EditEndpoint, HttpEdit, HttpEditSettings, Masks, Wording};
use operators::editors::onnx_inpaint::{InpaintSettings, OnnxInpaint};
use operators::http::Tokens;
use operators::onnx::Backend;
use threshflow::cli::{Failure, Workbench};

use super::endpoints::seconds;
use super::{EditMask, EditorArgs, EndpointArgs, Endpoints, said};

/// What the editing model is asked beside the edits themselves.
fn edit_settings(wanted: &EditorArgs, wording: Wording, model: &str) -> HttpEditSettings {
    let named = [("size", &wanted.edit_size), ("quality", &wanted.edit_quality)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    HttpEditSettings {
        fields: wanted.edit_field.iter().cloned().chain(named).collect(),
        seed_field: wanted.edit_seed_field.clone(),
        masks: match wanted.edit_mask {
            EditMask::Region => Masks::Sent,
            EditMask::Never => Masks::NotSent,
        },
        wording,
        ..HttpEditSettings::new(model)
    }
}

/// The editors that flags name, in the order in which they are asked whether they can.
pub fn editors(
    (wanted, asked): (&EditorArgs, &EndpointArgs),
    wording: Wording,
    backend: impl FnOnce() -> Result<Backend, Failure>,
    workbench: &Workbench,
    endpoints: &mut Endpoints<'_>,
) -> Result<Vec<Arc<dyn Editor>>, Failure> {
    let mut editors: Vec<Arc<dyn Editor>> = Vec::new();
    if let Some(workflows) = &wanted.workflows {
        let settings = ComfySettings {
            call_timeout: seconds(asked.call_timeout, "--call-timeout")?,
            give_up_after: seconds(asked.call_deadline, "--call-deadline")?,
            prompt_timeout: seconds(wanted.comfyui_timeout, "--comfyui-timeout")?,
            ..ComfySettings::new(wanted.comfyui.clone(), workflows.clone())
        };
        let comfy = Comfy::open(settings).map_err(said)?;
        comfy.servers().into_iter().for_each(|server| workbench.lanes.watch(server));
        editors.push(Arc::new(comfy));
    }
    if let (Some(url), Some(model)) = (&wanted.edit_url, &wanted.edit_model) {
        let host = endpoints.host(url, "EDIT_API_KEY")?;
        workbench.lanes.watch(host.clone());
        // A guess that the first answer's own count replaces: a picture in, a picture out.
        let estimated = Tokens { prompt: 1_500, completion: 5_000 };
        let endpoint = EditEndpoint::over(host, estimated).map_err(said)?;
        let settings = edit_settings(wanted, wording, model);
        editors.push(Arc::new(HttpEdit::new(endpoint, settings).map_err(said)?));
    }
    if let Some(folder) = &wanted.inpainter {
        let inpainter = OnnxInpaint::open(folder, &backend()?, InpaintSettings::default(), workbench.cores);
        editors.push(Arc::new(inpainter.map_err(said)?));
    }
    Ok(editors)
}

/// Whether the flags of editors can be meant as they are: each that would be read by nobody is an error.
///
/// # Errors
/// [`Failure::Usage`] about the flag.
pub fn check_editors(editors: &EditorArgs) -> Result<(), Failure> {
    check_fields(editors)?;
    if !editors.comfyui.is_empty() && editors.workflows.is_none() {
        return Err(Failure::Usage(format!(
            "--comfyui {} needs --workflows, the folder of workflows and bindings: see models/comfyui",
            editors.comfyui.join(" ")
        )));
    }
    Ok(())
}

/// Whether no field of the editing model is given twice, and the mask is of one that is asked.
fn check_fields(editors: &EditorArgs) -> Result<(), Failure> {
    let own = [("size", editors.edit_size.is_some()), ("quality", editors.edit_quality.is_some())];
    let named = editors.edit_field.iter().map(|(name, _)| name.as_str());
    let mut names: Vec<&str> =
        named.chain(own.iter().filter(|(_, given)| *given).map(|(name, _)| *name)).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Failure::Usage(format!(
            "the field {} of the editing model is given twice; leave one of the two out",
            twice[0]
        )));
    }
    if editors.edit_mask == EditMask::Never && editors.edit_url.is_none() {
        return Err(Failure::Usage(
            "--edit-mask is about an editing model, and none is named; add --edit-url and --edit-model"
                .to_owned(),
        ));
    }
    Ok(())
}
