//! Judgements, however they are written.

use super::*;

fn picture(name: &str) -> Part {
    Part::Picture { bytes: name.as_bytes().to_vec(), mime: "image/jpeg" }
}

fn pair() -> Pair {
    Pair { before: picture("a"), after: picture("b"), reference: None }
}

fn scores(answer: &str) -> Result<(f32, f32, bool), String> {
    parse(answer).map(|judgement| (judgement.follows, judgement.natural, judgement.matches))
}

#[test]
fn odd_answers_are_read() {
    let table = [
        (r#"{"reason": "good", "follows": 4, "natural": 3, "match": true}"#, (4.0, 3.0, true)),
        (r#"{"follows": 4.5, "natural": 1, "match": false}"#, (4.5, 1.0, false)),
        (r#"{"follows": "4.", "natural": "3 (Acceptable)", "match": "Yes."}"#, (4.0, 3.0, true)),
        (r#"{"follows": "4/5", "natural": "5 out of 5", "match": "false"}"#, (4.0, 5.0, false)),
        (r#"{"follows": "**4**", "natural": "2 - smeared", "match": true}"#, (4.0, 2.0, true)),
        ("```json\n{\"follows\": 5, \"natural\": 5, \"match\": true, \"more\": 1}\n```", (5.0, 5.0, true)),
        ("Follows: 4.\nNatural: 3 (Acceptable)\nMatch: yes", (4.0, 3.0, true)),
        ("- **follows**: 4\n- **natural:** 3\n- **match**: no\n- reason: seams", (4.0, 3.0, false)),
        ("Let me see: it is fine.\nfollows: 2\nnatural: 4\nmatch: true", (2.0, 4.0, true)),
        ("follows: 2\nnatural: 4\nmatch: true\nfollows: 2", (2.0, 4.0, true)),
    ];
    for (answer, expected) in table {
        assert_eq!(scores(answer), Ok(expected), "{answer}");
    }
}

#[test]
fn what_is_no_score_is_complained_about() {
    let table = [
        (r#"{"follows": 0, "natural": 3, "match": true}"#, "from 1 to 5, not 0"),
        (r#"{"follows": 6, "natural": 3, "match": true}"#, "from 1 to 5, not 6"),
        (r#"{"follows": 4, "natural": "-3", "match": true}"#, "\"natural\""),
        (r#"{"follows": "4/10", "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"follows": "4/50", "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"follows": "3-4", "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"follows": "3.2.1", "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"follows": "four", "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"follows": null, "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"follows": true, "natural": 3, "match": true}"#, "\"follows\""),
        (r#"{"natural": 3, "match": true}"#, "\"follows\" is missing"),
        (r#"{"follows": 4, "natural": 3}"#, "\"match\" is missing"),
        (r#"{"follows": 4, "natural": 3, "match": "perhaps"}"#, "\"perhaps\""),
        (r#"{"follows": 4, "natural": 3, "match": 1}"#, "true or false"),
        (r#"{"follows": 4, "natural": 3, "match": true, "reason": 7}"#, "\"reason\""),
        ("{\n\"follows\": 4,\n\"natural\": 3\n\"match\": true\n}", "not valid JSON"),
        ("Score: 4.", "no JSON object"),
        ("Score: 3 (Acceptable)", "no JSON object"),
        ("follows: 2\nnatural: 4\nmatch: true\nfollows: 3", "\"follows\" has several scores, 2 and 3"),
        ("", "it is empty"),
    ];
    for (answer, why) in table {
        let told = scores(answer).expect_err(answer);
        assert!(told.contains(why), "{answer}: {told}");
    }
}

#[test]
fn a_long_reason_is_cut_at_a_word() {
    let reason = (1..=30).map(|number| format!("w{number}")).collect::<Vec<_>>().join("\n ");
    let answer = json!({"reason": reason, "follows": 1, "natural": 1, "match": false});
    let judged = parse(&answer.to_string()).expect("parses");
    assert_eq!(judged.reason.split(' ').count(), MOST_OF_REASON);
    assert!(judged.reason.ends_with("w20"));
}

#[test]
fn the_schema_asks_for_what_the_parser_takes() {
    let schema = schema();
    let keys: Vec<&str> =
        schema["required"].as_array().expect("keys").iter().filter_map(Value::as_str).collect();
    for score in schema["properties"]["follows"]["enum"].as_array().expect("scores") {
        let mut answer = Map::new();
        for key in &keys {
            let value = match schema["properties"][*key]["type"].as_str() {
                Some("integer") => score.clone(),
                Some("boolean") => json!(true),
                _ => json!("why"),
            };
            answer.insert((*key).into(), value);
        }
        let judged = parse(&Value::Object(answer).to_string()).expect("parses");
        assert_eq!(f64::from(judged.follows), score.as_f64().expect("a number"));
        assert_eq!(judged.reason, "why");
    }
    assert_eq!(keys.len(), schema["properties"].as_object().expect("keys").len());
}

#[test]
fn the_question_shows_both_pictures_and_the_rubric() {
    let mut texts = Vec::new();
    for edit_type in EditType::ALL {
        for operation in Operation::ALL {
            let rubric = Rubric::of(edit_type, operation);
            let asked = request(pair(), "Remove {rubric} it.", &[], rubric);
            let pictures: Vec<&Part> =
                asked.parts.iter().filter(|part| matches!(part, Part::Picture { .. })).collect();
            assert_eq!(pictures, [&picture("a"), &picture("b")]);
            let Some(Part::Text(text)) = asked.parts.last() else { panic!("a text at the end") };
            for said in
                ["Remove {rubric} it.", rubric.text().trim_end(), "20 words", "from 1 to 5", "\"match\""]
            {
                assert!(text.contains(said), "{rubric:?}: {said}");
            }
            assert!(!text.contains("{instruction}") && !text.contains("{earlier}"));
            texts.push(text.clone());
        }
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), Rubric::ALL.len(), "a rubric for each operation, and one of hybrid");
    let told = request(pair(), "Now blue.", &["Add a dog."], Rubric::Hybrid);
    assert!(matches!(told.parts.last(), Some(Part::Text(text)) if text.contains("- Add a dog.\n")));
    let by_example = Pair { reference: Some(picture("c")), ..pair() };
    let shown = request(by_example, "Use the reference.", &[], Rubric::Of(Operation::Visual));
    assert_eq!(shown.parts[4..6], [Part::Text("The reference picture:".into()), picture("c")]);
}

#[test]
fn a_stamp_covers_its_own_rubric_only() {
    let of = |operation| stamp_parts(Rubric::Of(operation));
    assert_ne!(of(Operation::Add), of(Operation::Remove));
    assert_eq!(of(Operation::Add), of(Operation::Add));
}
