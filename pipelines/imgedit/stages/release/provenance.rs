//! Who made a published set, and what had to be passed to be in it, as the manifest has it: for whoever is to know before using it.

use kit::released::Provenance;
use threshflow::publish::{Manifest, PublishedDial, PublishedStage};

/// Who was asked, and what the gates let pass: of a gate whose score was absent nothing.
pub(crate) fn provenance(manifest: &Manifest) -> Provenance {
    let asked = manifest.stages.iter().filter_map(|stage| match stage {
        PublishedStage::Ask { name, model, .. } => Some((name.clone(), model.clone())),
        _ => None,
    });
    let is_open = |dial: &PublishedDial| {
        let is_it = |stage: &PublishedStage| match stage {
            PublishedStage::Gate { dial: named, open: true, .. } => base(named) == base(&dial.name),
            _ => false,
        };
        manifest.stages.iter().any(is_it)
    };
    let closed: Vec<&PublishedDial> = manifest.dials.iter().filter(|dial| !is_open(dial)).collect();
    let dials = closed.chunk_by(|one, next| base(&one.name) == base(&next.name)).flat_map(told);
    Provenance { pipeline: manifest.pipeline.clone(), asked: asked.collect(), dials: dials.collect() }
}

/// `follows` of `follows[remove]`.
fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// Where a dial stood: once, if it stood there for all of its groups.
fn told(groups: &[&PublishedDial]) -> Vec<String> {
    let text = |name: &str, dial: &PublishedDial| format!("{name} {} {}", dial.comparison, dial.value);
    match groups {
        [first, others @ ..] if others.iter().all(|other| other.value == first.value) => {
            vec![text(base(&first.name), first)]
        }
        _ => groups.iter().map(|dial| text(&dial.name, dial)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_stand_alike_are_told_once() {
        let dial = |name: &str, value| PublishedDial {
            name: name.to_owned(),
            unit: "1 to 5".to_owned(),
            comparison: ">=".to_owned(),
            value,
            share: None,
            labels: None,
            default: 1.0,
            about: String::new(),
        };
        let alike = [dial("natural[add]", 3.0), dial("natural[remove]", 3.0)];
        let apart = [dial("follows[add]", 2.75), dial("follows[remove]", 4.0)];
        let told_of = |dials: &[PublishedDial]| told(&dials.iter().collect::<Vec<_>>());
        assert_eq!(told_of(&alike), ["natural >= 3"]);
        assert_eq!(told_of(&apart), ["follows[add] >= 2.75", "follows[remove] >= 4"]);
        assert_eq!(told_of(&[dial("aesthetic", 4.75)]), ["aesthetic >= 4.75"]);
    }
}
