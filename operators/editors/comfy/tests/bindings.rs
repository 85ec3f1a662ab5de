//! Workflows and bindings: what is wrong with them is said at once, what they say is filled in; and the bindings that ship, on
//! workflows of the structure that they are for.

use serde_json::Map;

use super::super::workflow::{Uploaded, Workflow};
use super::*;

fn new(workflow: &Value, binding: &Value) -> Result<Workflow, String> {
    Workflow::new("w", workflow.to_string().into_bytes(), binding.to_string().into_bytes())
        .map_err(|wrong| wrong.join("\n"))
}

#[track_caller]
fn wrong(change: impl FnOnce(&mut Value, &mut Value), words: &[&str]) {
    let (mut workflow, mut binding) = (workflow(), binding());
    change(&mut workflow, &mut binding);
    let told = new(&workflow, &binding).unwrap_err();
    for words in words {
        assert!(told.contains(words), "{words} is missing in\n{told}");
    }
    assert_eq!(told.lines().count(), words.len(), "{told}");
}

#[test]
fn bindings_are_held_to_their_workflow() {
    wrong(
        |_, binding| {
            binding["picture"] = json!("7.image");
            binding["seeds"] = json!(["8.sead"]);
            binding["output"] = json!("10");
            binding["prompt"]["to"] = json!(["1.image", "4.ckpt_name", "4.ckpt_name"]);
        },
        &[
            "w.binding.json: `picture`: there is no node 7; the workflow has 1, 2, 4, 8, 9",
            "`seeds`: node 8 (\"KSampler\") has no input `sead`. Did you mean seed? It has seed, positive, model",
            "`output`: there is no node 10",
            "`prompt.to`: 4.ckpt_name is null in the workflow, and must be a text",
            "`prompt.to`: 4.ckpt_name is bound twice",
        ],
    );
    wrong(|_, binding| binding["picture"] = json!("9.images"), &["must be a file's name: bind the node"]);
    wrong(
        |_, binding| binding["seeds"] = json!(["2.text"]),
        &["2.text is null in the workflow, and must be a number", "2.text is bound twice"],
    );
    wrong(
        |_, binding| binding["leave_out"] = json!(["4", "5"]),
        &[
            "`leave_out`: there is no node 5",
            "2.clip comes from node 4, which",
            "8.model comes from node 4, which",
        ],
    );
    wrong(
        |_, binding| {
            binding["add"] = json!({"9": {"class_type": "SaveImage", "inputs": {}}, "10": {"inputs": {}}});
            binding["set"] = json!({"4.name": "a"});
        },
        &["node 9 is in the workflow already", "node 10 has no `class_type`", "`set`: node 4 (\"Checkpoint"],
    );
}

#[test]
fn workflows_must_be_in_api_format() {
    wrong(|workflow, _| *workflow = json!({"nodes": [], "links": []}), &["export it in API format"]);
    wrong(|workflow, _| workflow["2"] = json!({"inputs": {}}), &["w.json: node 2 has no `class_type`"]);
    wrong(|workflow, _| *workflow = json!([]), &["no JSON object of nodes"]);
}

#[test]
fn an_editor_says_all_that_is_wrong_when_it_is_opened() {
    let folder =
        folder(&[("a.json", workflow()), ("a.binding.json", json!({})), ("b.binding.json", binding())]);
    let mut settings = ComfySettings::new(vec!["localhost:1".into()], folder.path().into());
    settings.at_once_each = 0;
    let Err(error) = Comfy::open(settings) else { panic!("opened") };
    assert_eq!(error.wrong.len(), 4, "{error}");
    for words in ["localhost:1", "0 prompts", "missing field `operations`", "b.json: No such file"] {
        assert!(error.to_string().contains(words), "{words} is missing in\n{error}");
    }
    let empty = ComfySettings::new(vec![], tempfile::tempdir().unwrap().path().join("none"));
    assert!(Comfy::open(empty).is_err_and(|error| error.wrong.len() == 2));
}

fn opened(files: &[(&str, Value)]) -> Comfy {
    let folder = folder(files);
    Comfy::open(ComfySettings::new(vec!["http://127.0.0.1:1".into()], folder.path().into())).unwrap()
}

#[test]
fn an_editor_can_what_its_workflows_serve_and_its_stamp_is_of_them() {
    let files = [("a.json", workflow()), ("a.binding.json", binding())];
    let editor = opened(&files);
    assert!(editor.can(Operation::Remove) && editor.can(Operation::Replace) && !editor.can(Operation::Style));
    assert_eq!(editor.stamp(), opened(&files).stamp());
    let mut other = workflow();
    other["4"]["inputs"]["ckpt_name"] = json!("other.safetensors");
    assert_ne!(editor.stamp(), opened(&[("a.json", other), files[1].clone()]).stamp());
    let mut other = binding();
    other["prompt"]["text"] = json!("a {result}");
    assert_ne!(editor.stamp(), opened(&[files[0].clone(), ("a.binding.json", other)]).stamp());
}

fn pass<'a>(picture: &'a RgbImage, operation: Operation, result: &'a str, seed: u64) -> Pass<'a> {
    let (object, instruction) = ("cup", "Do it.");
    Pass { operation, picture, mask: None, reference: None, object, instruction, result, seed }
}

#[test]
fn what_is_made_for_a_result_goes_first_and_else_the_seed_picks() {
    let made = |name: &str, only_for: Value| {
        let mut binding = binding();
        binding["only_for"] = only_for;
        let bytes = |value: Value| value.to_string().into_bytes();
        Workflow::new(name, bytes(workflow()), bytes(binding)).unwrap()
    };
    let all = [made("a", json!([])), made("b", json!(["Ghibli"])), made("c", json!([]))];
    let chosen = |result: &str, seed: u64| {
        workflow::choose(&all, Operation::Replace, result, seed).map(|workflow| workflow.name.clone())
    };
    assert_eq!(chosen("a studio ghibli film", 4).as_deref(), Some("b"));
    assert!(workflow::choose(&all, Operation::Style, "cup", 4).is_none());
    // Half of the passes fall on each; and one that comes takes over its third, and moves no other.
    let of_a = (0..1000).filter(|seed| chosen("cup", *seed).as_deref() == Some("a")).count();
    assert!((440..560).contains(&of_a), "{of_a}");
    let more = [made("a", json!([])), made("c", json!([])), made("d", json!([]))];
    let moved = (0..1000).filter(|seed| {
        let now = &workflow::choose(&more, Operation::Replace, "cup", *seed).unwrap().name;
        assert!(now == "d" || chosen("cup", *seed).as_ref() == Some(now), "{seed}");
        now == "d"
    });
    assert!((270..400).contains(&moved.count()));
}

#[test]
fn a_pass_is_remembered_under_the_workflow_that_makes_it() {
    let mut styles = binding();
    styles["operations"] = json!(["style"]);
    styles["prompt"] = json!({"to": ["2.text"], "text": "{instruction}"});
    let editor = |inpaint: Value, style: Value| {
        opened(&[
            ("inpaint.json", inpaint),
            ("inpaint.binding.json", binding()),
            ("style.json", style),
            ("style.binding.json", styles.clone()),
        ])
    };
    let mut mended = workflow();
    mended["8"]["inputs"]["seed"] = json!(6);
    let (before, after) = (editor(workflow(), workflow()), editor(workflow(), mended));
    assert_eq!(before.common_stamp(), after.common_stamp());
    assert_ne!(before.stamp(), after.stamp());
    let of = |editor: &Comfy, operation| editor.means(operation, "red", 5).unwrap();
    for operation in [Operation::Remove, Operation::Replace] {
        assert_eq!(of(&before, operation), of(&after, operation));
        assert!(!of(&before, operation).reads_the_instruction, "another workflow's words are nothing to it");
    }
    assert_ne!(of(&before, Operation::Style), of(&after, Operation::Style));
    assert!(of(&before, Operation::Style).reads_the_instruction && before.reads_the_instruction());
    assert_eq!(before.means(Operation::Extract, "", 5), None);
}

#[test]
fn passes_that_a_workflow_cannot_serve_are_refused_before_anything_is_sent() {
    let mut with_reference = binding();
    with_reference["reference"] = json!("3.image");
    with_reference["add"] = json!({"3": {"class_type": "LoadImage", "inputs": {"image": "r.png"}}});
    let editor = opened(&[("a.json", workflow()), ("a.binding.json", with_reference)]);
    let picture = RgbImage::new(2, 2);
    let class = |pass: &Pass<'_>| {
        let refusal = editor.edit(pass).unwrap_err();
        assert!(refusal.is_permanent(), "{refusal}");
        refusal.class.to_string()
    };
    assert_eq!(class(&pass(&picture, Operation::Style, "", 0)), "no_workflow");
    assert_eq!(class(&pass(&picture, Operation::Remove, "", 0)), "no_reference");
    let mask = Mask::empty(2, 3);
    assert_eq!(class(&Pass { mask: Some(&mask), ..pass(&picture, Operation::Remove, "", 0) }), "bad_mask");
}

#[test]
fn mask_and_reference_may_be_pictures_of_their_own() {
    let mut workflow = workflow();
    workflow["5"] = json!({"class_type": "LoadImageMask", "inputs": {"image": "m.png", "channel": "red"}});
    workflow["6"] = json!({"class_type": "LoadImage", "inputs": {"image": "r.png"}});
    let mut binding = binding();
    binding["mask"] = json!("5.image");
    binding["reference"] = json!("6.image");
    let folder = folder(&[("a.json", workflow), ("a.binding.json", binding)]);
    let fake = Fake::new(Ending::Cached);
    let editor = Comfy::open(ComfySettings::new(vec![fake.address.clone()], folder.path().into())).unwrap();
    let (picture, reference) = (RgbImage::new(5, 3), RgbImage::new(7, 7));
    let mut mask = Mask::empty(5, 3);
    mask.bits[6] = 1;
    let pass = pass(&picture, Operation::Replace, "a mug", 1);
    editor.edit(&Pass { mask: Some(&mask), reference: Some(&reference), ..pass }).unwrap();
    let state = fake.state();
    let uploaded = |node: &str| {
        let name = state.prompts[0][node]["inputs"]["image"].as_str().unwrap();
        image::load_from_memory(&state.uploads[name]).unwrap()
    };
    assert_eq!((uploaded("1").color(), uploaded("1").width()), (image::ColorType::Rgb8, 5));
    let mask = uploaded("5").to_luma8();
    assert_eq!((mask.get_pixel(1, 1).0, mask.get_pixel(0, 0).0, mask.width()), ([255], [0], 5));
    assert_eq!(uploaded("6").width(), 7);
}

/// Workflows that are built as those of the bindings that ship: a node a line, its number, its class, and its inputs: texts,
/// numbers, or links (`@node`).
const STRUCTURES: [(&str, &str); 8] = [
    (
        "sdxl_inpaint",
        "4 Grow mask=@16\n5 Encode positive=@25 negative=@26 pixels=@20 mask=@4\n8 KSampler seed=1 latent=@5\n\
         14 VAEDecode samples=@8\n16 LoadImage image=a\n20 Scale image=@16\n25 Text text=a\n26 Text text=a\n\
         27 SaveImage images=@14\n29 SaveImage images=@20",
    ),
    (
        "flux_inpaint",
        "8 VAEDecode samples=@37\n9 SaveImage images=@49\n10 Encode positive=@29 pixels=@48\n11 LoadImage image=a\n\
         23 PreviewImage images=@49\n29 TextFlux clip_l=@54 t5xxl=@54\n37 Sampler noise_seed=1 positive=@10\n48 Crop image=@50 mask=@11\n\
         49 Stitch stitcher=@48 image=@8\n50 Scale image=@11\n54 Refiner prompt=a\n55 SaveImage images=@50\n58 Print anything=@54",
    ),
    (
        "sdxl_adjust",
        "8 KSampler seed=1 positive=@25 negative=@26\n14 VAEDecode samples=@8\n20 Scale image=@40\n25 Text text=a\n\
         26 Text text=a\n27 SaveImage images=@38\n36 Crop image=@20 mask=@40\n37 SaveImage images=@20\n\
         38 Stitch stitcher=@36 image=@14\n40 LoadImage image=a",
    ),
    (
        "adjust_canny",
        "8 VAEDecode samples=@37\n9 SaveImage images=@49\n11 LoadImage image=a\n29 TextFlux clip_l=@54 t5xxl=@54\n\
         37 Sampler noise_seed=1 positive=@29 image=@48\n48 Crop image=@50 mask=@11\n49 Stitch stitcher=@48 image=@8\n\
         50 Scale image=@11\n54 Refiner prompt=a\n55 SaveImage images=@50",
    ),
    (
        "sdxl_style_transfer",
        "8 KSampler seed=1 positive=@25 negative=@26 image=@33\n14 VAEDecode samples=@8\n16 LoadImage image=a\n\
         20 Scale image=@16\n25 Text text=a\n26 Text text=a\n27 SaveImage images=@14\n29 SaveImage images=@20\n\
         33 Canny image=@20\n34 PreviewImage images=@33",
    ),
    (
        "sdxl_style_transfer_ghibli",
        "8 KSampler seed=1 positive=@25 image=@33\n14 VAEDecode samples=@8\n16 LoadImage image=a\n20 Scale image=@16\n\
         25 Text text=a\n27 SaveImage images=@52\n29 SaveImage images=@20\n33 Canny image=@20\n34 PreviewImage images=@33\n\
         51 Sampler noise=@60 latent=@14\n52 VAEDecode samples=@51\n60 RandomNoise noise_seed=1",
    ),
    (
        "style_transfer_canny",
        "13 LoadImage image=a\n14 Scale image=@13\n29 SaveImage images=@43\n35 Text text=a\n\
         38 Sampler noise=@40 positive=@35 pixels=@64\n40 RandomNoise noise_seed=1\n43 VAEDecode samples=@38\n\
         60 SaveImage images=@14\n63 PreviewImage images=@64\n64 Canny image=@14",
    ),
    (
        "extract_ref",
        "9 UNETLoader name=a\n10 Sampler noise_seed=1 model=@9 positive=@22 negative=@11 sampler=@18 sigmas=@16 latent=@17\n\
         11 Text text=a\n15 Text text=a\n16 Scheduler model=@9\n17 EmptyLatent width=1\n18 Select name=a\n\
         19 VAEDecode samples=@10\n22 Guidance conditioning=@15\n26 Concatenate image1=@58 image2=@56\n37 Text text=a\n\
         42 Sampler noise_seed=1 positive=@53\n44 VAEDecode samples=@42\n48 StyleApply conditioning=@37 vision=@50\n\
         50 VisionEncode image=@19\n53 Encode positive=@48 pixels=@26 mask=@59\n54 PreviewImage images=@26\n56 Scale image=@59\n\
         58 Scale image=@19\n59 LoadImage image=a\n61 SaveImage images=@44",
    ),
];

fn built(structure: &str) -> Value {
    let mut graph = Map::new();
    for line in structure.lines() {
        let mut words = line.split_whitespace();
        let (id, class) = (words.next().unwrap(), words.next().unwrap());
        let inputs: Map<String, Value> = words
            .map(|input| {
                let (name, value) = input.split_once('=').unwrap();
                let link = value.strip_prefix('@').map(|node| json!([node, 0]));
                let value = link.or_else(|| value.parse::<u64>().ok().map(|number| json!(number)));
                (name.to_owned(), value.unwrap_or_else(|| json!(input)))
            })
            .collect();
        graph.insert(id.to_owned(), json!({"class_type": class, "inputs": inputs}));
    }
    Value::Object(graph)
}

#[test]
fn the_bindings_that_ship_fit_their_workflows() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/comfyui");
    let names =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let shipped: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".binding.json")?.to_owned())).collect();
    assert_eq!(shipped.len(), STRUCTURES.len());
    let picture = RgbImage::new(2, 2);
    let names = Uploaded { picture: "P".into(), mask: None, reference: Some("R".into()) };
    let expected = [
        ("sdxl_inpaint", Operation::Remove, vec!["25.text=empty", "16.image=P", "8.seed=7"]),
        (
            "flux_inpaint",
            Operation::Background,
            vec!["29.clip_l=ghibli", "29.t5xxl=ghibli", "11.image=P", "37.noise_seed=7"],
        ),
        ("sdxl_adjust", Operation::Adjust, vec!["25.text=ghibli", "40.image=P", "8.seed=7"]),
        ("adjust_canny", Operation::Adjust, vec!["29.clip_l=ghibli", "11.image=P", "37.noise_seed=7"]),
        ("sdxl_style_transfer", Operation::Style, vec!["25.text=ghibli", "16.image=P", "8.seed=7"]),
        (
            "sdxl_style_transfer_ghibli",
            Operation::Style,
            vec!["25.text=text=a", "16.image=P", "8.seed=7", "60.noise_seed=7"],
        ),
        ("style_transfer_canny", Operation::Style, vec!["35.text=ghibli", "13.image=P", "40.noise_seed=7"]),
        ("extract_ref", Operation::Visual, vec!["59.image=P", "100.image=R", "42.noise_seed=7", "102.x=768"]),
    ];
    for ((name, operation, inputs), (structure, nodes)) in expected.into_iter().zip(STRUCTURES) {
        assert_eq!(name, structure);
        let binding = std::fs::read(folder.join(format!("{name}.binding.json"))).unwrap();
        let workflow = Workflow::new(name, built(nodes).to_string().into_bytes(), binding);
        let workflow = workflow.unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
        let pass = pass(&picture, operation, "ghibli", 7);
        assert!(workflow.fit(operation, "ghibli").is_some(), "{name}");
        let graph = workflow.filled(&pass, &names);
        for input in inputs {
            let (at, value) = input.split_once('=').unwrap();
            let (node, key) = at.split_once('.').unwrap();
            let found = &graph[node]["inputs"][key];
            assert_eq!(found.as_str().map_or(found.to_string(), str::to_owned), value, "{name}: {at}");
        }
        assert_eq!(graph[&workflow.binding.output]["class_type"], "SaveImage");
    }
}
