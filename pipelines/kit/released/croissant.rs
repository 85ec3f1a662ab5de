//! `croissant.json`: the set in the vocabulary Croissant 1.1 of MLCommons, by which tools such as `mlcroissant` find files and read records,
//! with the properties of its extension RAI. It says what this program knows, and nothing that somebody would have to look up.
//!
//! Every file is a `FileObject` with its SHA-256, every type a `FileSet` and a `RecordSet`. <https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>

use std::path::Path;

use operators::plan::edit_plan::EditType;
use serde_json::{Map, Value, json};

use super::card::TypeOnCard;
use super::edit::{PicturesIn, Provenance};
use super::folder::{Manifest, NamedFile};
use super::names::{DETAILS, PARQUET, SCORES};
use super::origins::Origins;

/// The name of the file.
pub(crate) const CROISSANT: &str = "croissant.json";

const PARQUET_FORMAT: &str = "application/x-parquet";

/// What the file tells of.
pub(crate) struct Told<'a> {
    pub types: &'a [TypeOnCard],
    pub layout: PicturesIn,
    pub manifest: &'a Manifest,
    pub origins: &'a Origins,
    pub provenance: &'a Provenance,
    pub remark: Option<&'a str>,
}

/// The text of the file: a function of what it tells of.
pub(crate) fn croissant(told: &Told<'_>) -> String {
    let edits: usize = told.types.iter().map(|it| it.edits).sum();
    let mut dataset = Map::new();
    let mut put = |name: &str, value: Value| drop(dataset.insert(name.to_owned(), value));
    put("@context", context());
    put("@type", "sc:Dataset".into());
    put(
        "conformsTo",
        json!(["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]),
    );
    put("name", "released-edits".into());
    let description = format!(
        "{edits} edits of pictures, in ImgEdit's layout: pictures before and after, and the instructions. Written by `imgedit release` \
         of Threshflow."
    );
    put("description", description.into());
    put("keywords", json!(["image-editing", "threshflow"]));
    for (name, value) in responsible(told) {
        put(&format!("rai:{name}"), value);
    }
    put("distribution", distribution(told));
    put("recordSet", record_sets(told));
    format!("{:#}\n", Value::Object(dataset))
}

/// The standard's own context.
fn context() -> Value {
    let mut context = Map::new();
    for (name, value) in [
        ("@language", json!("en")),
        ("@vocab", json!("https://schema.org/")),
        ("cr", json!("http://mlcommons.org/croissant/")),
        ("dct", json!("http://purl.org/dc/terms/")),
        ("rai", json!("http://mlcommons.org/croissant/RAI/")),
        ("sc", json!("https://schema.org/")),
        ("conformsTo", json!("dct:conformsTo")),
        ("data", json!({ "@id": "cr:data", "@type": "@json" })),
        ("dataType", json!({ "@id": "cr:dataType", "@type": "@vocab" })),
        ("description", json!({ "@container": "@language" })),
        ("examples", json!({ "@id": "cr:examples", "@type": "@json" })),
        ("name", json!({ "@container": "@language" })),
    ] {
        context.insert(name.to_owned(), value);
    }
    for name in [
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isArray",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ] {
        context.insert(name.to_owned(), format!("cr:{name}").into());
    }
    Value::Object(context)
}

/// The properties of the extension RAI, each in sentences.
fn responsible(told: &Told<'_>) -> Vec<(&'static str, Value)> {
    let Provenance { pipeline, asked, dials } = told.provenance;
    let mut said: Vec<(&'static str, Value)> = Vec::new();
    let made = "Models, servers and classical image processing made the edits of pictures that were there, and judged them; the \
                column `stamps` of `details` has who, for each edit.";
    said.push(("dataCollection", made.into()));
    said.push(("dataCollectionType", json!(["Software Collection"])));
    if !asked.is_empty() {
        let tools = asked.iter().map(|(stage, model)| format!("{stage}: {model}"));
        said.push(("machineAnnotationTools", tools.collect()));
    }
    if !dials.is_empty() {
        let passed =
            format!("The pipeline {pipeline} kept what passed every one of these: {}.", dials.join(", "));
        said.push(("dataPreprocessingProtocol", json!([passed])));
    }
    let by_type: Vec<String> =
        told.types.iter().map(|TypeOnCard { edit_type, edits, .. }| format!("{edit_type} {edits}")).collect();
    let biases = format!(
        "Edits by type: {}. What the pictures show was not counted, nor held against anything.",
        by_type.join(", ")
    );
    said.push(("dataBiases", biases.into()));
    said.push(("dataLimitations", limitations(told).into()));
    let authors = told.origins.authors.known();
    let names = match authors {
        0 => String::new(),
        _ => format!(" The column `author` names the author of the source picture in {authors} rows."),
    };
    let personal =
        format!("Not looked for: pictures may show people, and texts in them may be personal.{names}");
    said.push(("personalSensitiveInformation", personal.into()));
    said
}

fn limitations(told: &Told<'_>) -> String {
    let Origins { licenses, .. } = told.origins;
    let (known, none) = (licenses.known(), licenses.none());
    let remark = told.remark.map_or(String::new(), |remark| format!("{remark} "));
    format!(
        "{remark}The scores are those of the models that judged, and no person looked at each edit. Of {} edits, the sidecar of the \
         source picture names a licence for {known} and none for {none}; it is given to the letter and was not checked.",
        known + none
    )
}

fn distribution(told: &Told<'_>) -> Value {
    let objects = told.manifest.files().map(file_object);
    let sets = told.types.iter().map(|it| {
        let name = it.edit_type.name();
        file_set(name, &format!("{PARQUET}/{name}_part*.parquet"))
    });
    let details = (!told.types.is_empty()).then(|| file_set("details", &format!("{DETAILS}/*.parquet")));
    objects.chain(sets).chain(details).collect()
}

fn file_object(file: &NamedFile) -> Value {
    let name =
        Path::new(&file.path).file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let format = match file.path.as_str() {
        SCORES => "application/json",
        path if path.ends_with(".parquet") => PARQUET_FORMAT,
        // A piece of a tar by itself is none.
        path if path.ends_with(".tar.split.000") => "application/x-tar",
        _ => "application/octet-stream",
    };
    json!({
        "@type": "cr:FileObject", "@id": file.path, "name": name, "contentUrl": file.path,
        "contentSize": format!("{} B", file.bytes), "encodingFormat": format, "sha256": file.sha256,
    })
}

fn file_set(name: &str, includes: &str) -> Value {
    json!({
        "@type": "cr:FileSet", "@id": files_of(name), "name": files_of(name), "encodingFormat": PARQUET_FORMAT,
        "includes": includes,
    })
}

fn files_of(name: &str) -> String {
    format!("{name}-files")
}

fn record_sets(told: &Told<'_>) -> Value {
    let is_embedded = told.layout == PicturesIn::Rows;
    let of_types = told.types.iter().map(|it| match it.edit_type.is_multi_turn() {
        true => conversations(it.edit_type, is_embedded),
        false => single_edits(it.edit_type, is_embedded),
    });
    of_types.chain((!told.types.is_empty()).then(details)).collect()
}

/// A field of the records of a type, out of a column.
struct Field<'a> {
    record_set: &'a str,
    name: &'a str,
    holds: &'a str,
    column: &'a str,
    /// Where in the column's value, or in each of its values.
    path: Option<&'a str>,
    is_list: bool,
}

impl Field<'_> {
    fn json(&self) -> Value {
        let Field { record_set, name, holds, column, path, is_list } = self;
        let mut source = json!({ "fileSet": { "@id": files_of(record_set.split('/').next().unwrap_or(record_set)) }, "extract": { "column": column } });
        if let Some(path) = path {
            source["transform"] = json!({ "jsonPath": path });
        }
        let mut field = json!({
            "@type": "cr:Field", "@id": format!("{record_set}/{name}"), "name": name, "dataType": holds, "source": source,
        });
        if *is_list {
            as_list(&mut field);
        }
        field
    }
}

/// As Croissant 1.1 says it; and as readers of 1.0 know it, on which `mlcroissant` relies for pictures.
fn as_list(field: &mut Value) {
    field["isArray"] = true.into();
    field["arrayShape"] = "-1".into();
    field["repeated"] = true.into();
}

/// What a picture is: itself, out of its bytes, or its path.
fn picture(is_embedded: bool) -> (&'static str, Option<&'static str>) {
    if is_embedded { ("sc:ImageObject", Some("bytes")) } else { ("sc:Text", None) }
}

fn single_edits(edit_type: EditType, is_embedded: bool) -> Value {
    let record_set = edit_type.name();
    let text = |name| Field { record_set, name, holds: "sc:Text", column: name, path: None, is_list: false };
    let (holds, path) = picture(is_embedded);
    let pictures = |name| Field { holds, path, is_list: true, ..text(name) };
    let mut fields =
        vec![pictures("input_images").json(), pictures("output_images").json(), text("prompt").json()];
    fields.extend(embedded_fields(record_set, is_embedded));
    json!({ "@type": "cr:RecordSet", "@id": record_set, "name": record_set, "field": fields })
}

fn conversations(edit_type: EditType, is_embedded: bool) -> Value {
    let record_set = edit_type.name();
    let turns = format!("{record_set}/turns");
    let (holds, _) = picture(is_embedded);
    let [input, output] = match is_embedded {
        true => ["input_images.[0].bytes", "output_images.[0].bytes"],
        false => ["input_images.[0]", "output_images.[0]"],
    };
    let of_turn = |name, holds, path| {
        let path = Some(path);
        Field { record_set: &turns, name, holds, column: "data", path, is_list: true }.json()
    };
    let parts = [
        of_turn("input_image", holds, input),
        of_turn("output_image", holds, output),
        of_turn("prompt", "sc:Text", "prompt"),
    ];
    let mut all = json!({ "@type": "cr:Field", "@id": turns, "name": "turns", "subField": parts });
    as_list(&mut all);
    let mut fields = vec![all];
    fields.extend(embedded_fields(record_set, is_embedded));
    json!({ "@type": "cr:RecordSet", "@id": record_set, "name": record_set, "field": fields })
}

/// What rows with pictures have beside ImgEdit's columns.
fn embedded_fields(record_set: &str, is_embedded: bool) -> Vec<Value> {
    if !is_embedded {
        return Vec::new();
    }
    let text = |name| Field { record_set, name, holds: "sc:Text", column: name, path: None, is_list: false };
    let (holds, path) = picture(is_embedded);
    let mask = Field { holds, path, ..text("mask") };
    let texts = ["task"].into_iter().chain(super::origins::ORIGIN_COLUMNS).map(|name| text(name).json());
    std::iter::once(mask.json()).chain(texts).collect()
}

/// All that is known of each edit, as far as it is no list of structs.
fn details() -> Value {
    let field = |name, holds, is_list| {
        Field { record_set: "details", name, holds, column: name, path: None, is_list }.json()
    };
    let texts = ["part", "source_shard", "source_key", "original_path"];
    let texts = texts.into_iter().chain(super::origins::ORIGIN_COLUMNS).chain(["judge_model", "digest"]);
    let lists = ["operations", "prompts", "input_images", "output_images"];
    let fields: Vec<Value> = texts
        .map(|name| field(name, "sc:Text", false))
        .chain(["width", "height"].map(|name| field(name, "sc:Integer", false)))
        .chain(lists.map(|name| field(name, "sc:Text", true)))
        .collect();
    json!({ "@type": "cr:RecordSet", "@id": "details", "name": "details", "field": fields })
}
