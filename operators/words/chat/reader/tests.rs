//! Raw answers in the forms that real models give, and what is read from them, by task.

mod mixtures;
mod parts;

use crate::plan::edit_plan::{EditPlan, EditType, Operation, PlannedObject, PlannedStep};
use crate::words::chat::{caption, instruct, judge, noun_finder};
use threshflow::row::RegionKind;

const JUDGED: &str = r#"{"reason": "the dog is gone", "follows": 5, "natural": 4, "match": true}"#;
const DRAFT: &str = r#"{"reason": "perhaps", "follows": 1, "natural": 1, "match": false}"#;

/// What `parse` makes of an answer in which `A` stands for a judgement and `D` for a draft of one that differs.
#[track_caller]
fn judged(answer: &str) -> Result<(f32, f32, bool), String> {
    let answer = answer.replace("«A»", JUDGED).replace("«D»", DRAFT);
    judge::parse(&answer).map(|judged| (judged.follows, judged.natural, judged.matches))
}

/// Forms of thinking and of marks around an answer, by whoever writes so.
const AROUND: [(&str, &str); 41] = [
    ("plain", "«A»"),
    ("a fence", "```json\n«A»\n```"),
    (
        "words around a fence",
        "Sure! Here is my judgement:\n\n```json\n«A»\n```\n\nLet me know if {more} is needed.",
    ),
    ("Qwen3, QwQ, DeepSeek-R1", "<think>\nThe dog... «D»\n</think>\n\n«A»"),
    ("the template opened it", "The dog is gone? «D» Hm, no.\n</think>\n\n«A»"),
    ("closed twice", "Hm. «D»</think>\n\n</think>\n\n«A»"),
    ("the tag is spoken of while thinking", "<think>I shall think in <think> tags. «D»</think>«A»"),
    ("its end is spoken of while thinking", "<think>After </think> comes the answer. «D»</think>«A»"),
    ("empty thinking, Qwen3 without it", "<think>\n\n</think>\n\n«A»"),
    ("thinking again", "<think>«D»</think>\n«D»\n<think>No.</think>\n«A»"),
    ("thinking behind the answer", "«A»\n<think>That was it. «D»</think>"),
    ("Claude's habit", "<thinking>\nA first try: «D»\n</thinking>\n«A»"),
    ("opened one way and closed another", "<thinking>«D»</think>«A»"),
    ("EXAONE, Gemini", "<thought>\n«D»\n</thought>\n«A»"),
    ("reasoning in tags", "<reasoning>«D»</reasoning>\n<answer>«A»</answer>"),
    ("R1's answer tags", "I compare both. «D»\n<answer>\n«A»\n</answer> That is all."),
    ("Hunyuan", "<think>\n«D»\n</think>\n<answer>\n«A»\n</answer>"),
    ("ERNIE", "<think>\n«D»\n</think>\n\n<response>\n«A»\n</response>\n"),
    (
        "Seed-OSS",
        "<seed:think>«D»<seed:cot_budget_reflect>129 tokens left</seed:cot_budget_reflect></seed:think>«A»<seed:eos>",
    ),
    ("MiniMax", "<mm:think>«D»</mm:think>«A»"),
    ("Kimi-VL", "◁think▷«D»◁/think▷«A»"),
    ("Magistral", "[THINK]«D»[/THINK]«A»</s>"),
    ("OpenThinker", "<|begin_of_thought|>«D»<|end_of_thought|>\n<|begin_of_solution|>«A»<|end_of_solution|>"),
    ("Cohere", "<|START_THINKING|>«D»<|END_THINKING|><|START_RESPONSE|>«A»<|END_RESPONSE|>"),
    ("Apertus", "<|inner_prefix|>«D»<|inner_suffix|>«A»<|assistant_end|>"),
    ("Solar", "<|think|>«D»<|end|><|begin|>assistant<|content|>«A»<|end|>"),
    ("Gemma 4", "<|channel>thought\n«D»<channel|>«A»<turn|>"),
    (
        "gpt-oss",
        "<|channel|>analysis<|message|>«D»<|end|><|start|>assistant<|channel|>final<|message|>«A»<|return|>",
    ),
    (
        "gpt-oss, constrained",
        "<|channel|>analysis<|message|>«D»<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>«A»",
    ),
    (
        "gpt-oss with a preamble",
        "<|start|>assistant<|channel|>commentary<|message|>«D»<|end|><|start|>assistant<|channel|>final<|message|>«A»",
    ),
    ("gpt-oss, tokens taken away", "analysisThe dog? «D»assistantfinal«A»"),
    ("Granite", "Here is my thought process:\n«D»\nHere is my response:\n«A»"),
    ("Ollama's words", "Thinking...\n«D»\n...done thinking.\n\n«A»"),
    (
        "Open WebUI",
        "<details type=\"reasoning\" done=\"true\">\n<summary>Thought</summary>\n«D»\n</details>\n«A»",
    ),
    (
        "Apriel",
        "Here are my reasoning steps:\n«D»\n[BEGIN FINAL RESPONSE]\n«A»\n[END FINAL RESPONSE]\n<|end|>",
    ),
    ("GLM-4.1V", "<think>«D»</think>\n<answer><|begin_of_box|>«A»<|end_of_box|></answer>"),
    ("GLM-4.5V, parsed by the server", "\n<|begin_of_box|>«A»<|end_of_box|>"),
    ("Qwen's own turn", "<|im_start|>assistant\n«A»<|im_end|>"),
    ("Llama", "<|start_header_id|>assistant<|end_header_id|>\n\n«A»<|eot_id|>"),
    (
        "it goes on with the next question",
        "«A»<|im_end|>\n<|im_start|>user\nAnd this?<|im_end|>\n<|im_start|>assistant\n«D»<|im_end|>",
    ),
    ("it repeats the question", "[INST] Judge, as in «D» [/INST] «A»</s>"),
];

#[test]
fn thinking_and_marks_around_a_judgement_are_passed_over() {
    for (who, answer) in AROUND {
        assert_eq!(judged(answer), Ok((5.0, 4.0, true)), "{who}: {answer}");
    }
}

#[test]
fn a_judgement_is_read_however_it_is_written() {
    let mut table = vec![
        // The last object counts.
        ("«D» Looking again: «A»", (5.0, 4.0, true)),
        ("«A» {\"note\": \"done\"}", (5.0, 4.0, true)),
        ("{\"judgement\": «A»}", (5.0, 4.0, true)),
        ("[«A»]", (5.0, 4.0, true)),
        ("{\"name\": \"judgement\", \"arguments\": «A»}", (5.0, 4.0, true)),
        // JSON as models write it.
        (
            "{\"reason\": \"gone,\nand clean\", \"follows\": 5, \"natural\": 4, \"match\": true,}",
            (5.0, 4.0, true),
        ),
        ("{'reason': 'it\\'s \"gone\"', 'follows': 5, 'natural': 4, 'match': True}", (5.0, 4.0, true)),
        (
            "{\n  // both are there\n  reason: \"gone\", follows: 5, natural: 4, match: true\n}",
            (5.0, 4.0, true),
        ),
        (
            "{\"Reason\": null, \"Follows\": \"5/5\", \"Natural\": \"4 (minor seam)\", \"Match\": \"Yes, the dog.\"}",
            (5.0, 4.0, true),
        ),
        (
            "{\"reason\": \"a } brace\", \"follows\": 4.5, \"natural\": 4, \"match\": \"no\"}",
            (4.5, 4.0, false),
        ),
        // Lines.
        ("follows: 5, natural: 4, match: true", (5.0, 4.0, true)),
        (
            "| criterion | score |\n|---|---|\n| follows | 5 |\n| natural | 4/5 |\n| match | yes |",
            (5.0, 4.0, true),
        ),
        ("## Follows: 5/5\n## Natural:\n4\n## Match: true", (5.0, 4.0, true)),
        ("follows：５\nnatural：４分\nmatch：true", (5.0, 4.0, true)),
        (
            "follows: a number from 1 to 5.\nfollows: 3\nnatural = 4\nmatch: no, another dog",
            (3.0, 4.0, false),
        ),
        ("<think>follows: 1</think>follows: 5 points\nnatural: {4}\nmatch: `true`", (5.0, 4.0, true)),
    ];
    // ImgEdit-Judge, by its own scales.
    table.extend([
        ("Brief reasoning: The dog was removed cleanly.\nPrompt Compliance: 5\nVisual Naturalness: 4\nPhysical & Detail Integrity: 4", (5.0, 4.0, true)),
        ("Brief reasoning: Added, with a seam.\nPrompt Compliance: 4\nVisual Naturalness: 4\nPhysical & Detail Coherence: 3", (4.0, 3.0, true)),
        ("**Prompt Compliance:** 2\n**Visual Seamlessness:** 2\n**Physical & Detail Fidelity:** 1", (2.0, 1.0, false)),
        ("1. Style Fidelity: 4.5\n2. Content Preservation: 4 out of 5\n3. Rendering Quality: 5 - crisp", (4.5, 4.0, true)),
        ("- Action Fidelity: 3\n- Identity Preservation: 3\n- Visual & Anatomical Coherence: 3", (3.0, 3.0, true)),
        ("Object Identity: 1. Mask Precision: none", (0.0, 0.0, false)),
        ("Instruction Compliance: 5, Visual Seamlessness: 5, Physical Consistency: 4", (5.0, 4.0, true)),
        ("Instruction Compliance Score: 4/5\nVisual Naturalness (1-5): 4\nPhysical Consistency and Fine Detail: 3 (blur)", (4.0, 3.0, true)),
        ("{\"Prompt Compliance\": 5, \"Visual Naturalness\": 4, \"Physical & Detail Integrity\": \"4/5\"}", (5.0, 4.0, true)),
    ]);
    for (answer, expected) in table {
        match expected.0 == 0.0 {
            true => assert!(judged(answer).is_err(), "{answer}"),
            false => assert_eq!(judged(answer), Ok(expected), "{answer}"),
        }
    }
}

#[test]
fn what_is_no_judgement_is_complained_about() {
    let table = [
        ("<think>It ends here. «D»", "thinking and no answer"),
        ("«D» Let me check. <think>It is «D»", "thinking and no answer"),
        ("<think>«A»</think>", "thinking and no answer"),
        ("<|channel|>analysis<|message|>«A»<|end|>", "thinking and no answer"),
        ("Here is my thought process: «A»", "thinking and no answer"),
        ("<tool_call>\n{\"name\": \"judge\", \"arguments\": «A»}\n</tool_call>", "calls a tool"),
        ("[TOOL_CALLS][{\"name\": \"judge\", \"arguments\": «A»}]", "calls a tool"),
        ("<|im_end|>", "empty"),
        // A broken object behind a draft was to take its place.
        ("«D» No: {\"reason\": \"gone\", \"follows\": 5, \"natural\": 4, \"ma", "not valid JSON"),
        (
            "«D» No: {\"reason\": \"the \"red\" dog\", \"follows\": 5, \"natural\": 4, \"match\": true}",
            "not valid JSON",
        ),
        ("[«A», «D»]", "they differ"),
        ("{\"follows\": 1, \"follows\": 5, \"natural\": 4, \"match\": true}", "twice"),
        ("{\"follows\": 7, \"natural\": 4, \"match\": true}", "from 1 to 5, not 7"),
        ("{\"follows\": \"8/10\", \"natural\": 4, \"match\": true}", "from 1 to 5, not \"8/10\""),
        ("{\"follows\": \"4 (out of 10)\", \"natural\": 4, \"match\": true}", "from 1 to 5"),
        ("{\"follows\": \"4,5\", \"natural\": 4, \"match\": true}", "from 1 to 5"),
        ("{\"follows\": 5, \"natural\": 4, \"match\": \"not sure, yes\"}", "true or false"),
        ("Prompt Compliance: 5\nVisual Naturalness: 4", "the third score"),
        ("Prompt Compliance: 5\nVisual Naturalness: 4\nPhysical Consistency: 0", "from 1 to 5"),
        (
            "Prompt Compliance: 5\nPrompt Compliance: 4\nVisual Naturalness: 4\nPhysical Consistency: 4",
            "several scores",
        ),
        ("Prompt Compliance: 4-5\nVisual Naturalness: 4\nPhysical Consistency: 4", "from 1 to 5"),
        (
            "Prompt Compliance:\n1. The dog is gone.\nVisual Naturalness: 4\nPhysical Consistency: 4",
            "the first score",
        ),
        ("Brief reasoning: fine.\nScore: 4.", "no JSON object"),
        ("follows: 5\nnatural: 4\nmatch: true\nmatch: false", "both true and false"),
    ];
    for (answer, why) in table {
        let told = judged(answer).expect_err(answer);
        assert!(told.contains(why), "{answer}: {told}");
    }
}

#[test]
fn captions_are_prose_and_nothing_else() {
    const A: &str = "A red kite flies over a green hill.";
    let same = [
        "A red kite flies over a green hill.",
        "<think>I see a kite.</think>\n\nA red  kite\nflies over a green hill.",
        "I see a kite.\n</think>\n\nA red kite flies over a green hill.",
        "<|begin_of_box|>A red kite flies over a green hill.<|end_of_box|>",
        "Got it, a kite.\n<|begin_of_box|>A red kite flies over a green hill.<|end_of_box|>",
        "A red kite flies over <|begin_of_box|>a green hill<|end_of_box|>.",
        "<|channel|>analysis<|message|>A kite.<|end|><|start|>assistant<|channel|>final<|message|>A red kite flies over a green hill.<|return|>",
        "analysisWe need prose.assistantfinalA red kite flies over a green hill.",
        "A red kite flies over a green hill.<|im_end|>\n<|im_start|>user\nWhat else?<|im_end|>",
        "A red kite flies over a green hill.<|endoftext|>Human: and this one?",
        "A red kite flies over a green hill.</s>[INST] And now? [/INST] A dog.",
        "<|vision_start|><|image_pad|><|vision_end|>A red kite flies over a green hill.",
        "A red <|object_ref_start|>kite<|object_ref_end|><|box_start|>(432,991),(1111,2077)<|box_end|> flies over a green hill.",
        "A red <ref>kite</ref><box>[[1, 2, 3, 4]]</box> flies over a green hill.<eos>",
        "A red kite<loc_12><loc_900> flies over a green hill.",
        "<start_of_turn>model\nA red kite flies over a green hill.<end_of_turn>",
        "<｜Assistant｜>A red kite flies over a green hill.<｜end▁of▁sentence｜>",
        "◁think▷A kite.◁/think▷A red kite flies over a green hill.",
        "[THINK]A kite.[/THINK]A red kite flies over a green hill.",
        "```\nA red kite flies over a green hill.\n```",
        "\"A red kite flies over a green hill.\"",
        "**Caption:** A red kite flies over a green hill.",
        "Sure! Here is a dense description of the image:\n\nA red kite flies over a green hill.",
        "{\"caption\": \"A red kite flies over a green hill.\"}",
        "<answer>A red kite flies over a green hill.</answer>",
        "They want prose, with no <|im_end|> in it.\n</think>\nA red kite flies over a green hill.",
        "<|channel|>final A red kite flies over a green hill.<|return|>",
        "<|channel>thought\nA kite.\n<channel|>A red kite flies over a green hill.<turn|>",
        "A red\u{0} kite flies over a green hill.\u{feff}",
    ];
    for answer in same {
        assert_eq!(caption::parse(answer).as_deref(), Ok(A), "{answer}");
    }
    let others = [
        ("一只红色的风筝飞过绿色的山坡。", "一只红色的风筝飞过绿色的山坡。"),
        (
            "<think>\n图里有风筝。\n</think>\n\n一只<|object_ref_start|>风筝<|object_ref_end|>飞过绿色的山坡。<|im_end|>",
            "一只风筝飞过绿色的山坡。",
        ),
        ("描述：一只红色的风筝飞过绿色的山坡。", "一只红色的风筝飞过绿色的山坡。"),
        ("赤い凧が緑の丘の上を飛んでいる。", "赤い凧が緑の丘の上を飛んでいる。"),
        ("ว่าวสีแดงลอยอยู่เหนือเนินเขาสีเขียว", "ว่าวสีแดงลอยอยู่เหนือเนินเขาสีเขียว"),
        ("빨간 연이 푸른 언덕 위를 날고 있다.", "빨간 연이 푸른 언덕 위를 날고 있다."),
        ("A sign reads \"<|im_end|>\" beside an open door.", "A sign reads \"\" beside an open door."),
        ("A sign reads \"<think>\" beside an open door.", "A sign reads \"\" beside an open door."),
        ("Two signs: one says \"stop\", one says \"go\".", "Two signs: one says \"stop\", one says \"go\"."),
    ];
    for (answer, expected) in others {
        assert_eq!(caption::parse(answer).as_deref(), Ok(expected), "{answer}");
    }
    let none = [
        ("<think>A red kite flies over a green hill.", "thinking and no answer"),
        ("<|channel|>analysis<|message|>A red kite flies over a green hill.", "thinking and no answer"),
        ("<|im_start|>user\nDescribe this picture for someone who cannot see it.<|im_end|>", "empty"),
        ("<tool_call>{\"name\": \"describe\"}</tool_call>", "calls a tool"),
        ("{\"objects\": [\"kite\"], \"scene\": \"a green hill under a kite\"}", "plain prose is wanted"),
        ("A red kite flies over a hill.\n{\"objects\": [\"kite\"]}", "more than prose"),
        ("风筝。", "no description"),
        ("A kite.", "no description"),
        ("", "empty"),
    ];
    for (answer, why) in none {
        let told = caption::parse(answer).expect_err(answer);
        assert!(told.contains(why), "{answer}: {told}");
    }
}

#[test]
fn nouns_stand_in_captions_of_any_script() {
    let found = |answer: &str, caption: &str| {
        noun_finder::parse(answer, caption)
            .map(|found| (found.nouns.objects, found.nouns.backgrounds, found.summary))
    };
    let listed = |objects: &[&str], backgrounds: &[&str], summary: &str| {
        let owned = |nouns: &[&str]| nouns.iter().map(|noun| (*noun).to_owned()).collect::<Vec<_>>();
        Ok((owned(objects), owned(backgrounds), summary.to_owned()))
    };
    const ENGLISH: &str = "A red kite flies over a green hill.";
    const KITE: &str =
        "{\"objects\": [\"kite\"], \"background\": [\"hill\"], \"summary\": \"A kite flies.\"}";
    let english = [
        KITE.to_owned(),
        format!("<think>kite, hill? {{\"objects\": [\"hill\"], \"background\": [], \"summary\": \"x\"}}</think>{KITE}"),
        format!("```json\n{KITE}\n```<|im_end|>"),
        "{\"objects\": [\"kite<|im_end|>\", \"\\u003c|pad|\\u003e\"], \"background\": [\"the hill\"], \"summary\": \"A kite\\nflies.\"}".to_owned(),
        "{'objects': ['kite'], 'background': ['hill',], 'summary': 'A kite flies.'}".to_owned(),
        "{\"objects\": [\"kite\", // it flies\n \"bird\"], \"background\": [\"hill\"], \"summary\": \"A kite flies.\"}".to_owned(),
    ];
    for answer in english {
        assert_eq!(found(&answer, ENGLISH), listed(&["kite"], &["hill"], "A kite flies."), "{answer}");
    }
    let chinese = r#"{"objects": ["红色的风筝", "狗"], "background": ["山坡"], "summary": "风筝飞过山坡。"}"#;
    let said = "一只红色的风筝飞过绿色的山坡。";
    assert_eq!(found(chinese, said), listed(&["红色的风筝"], &["山坡"], "风筝飞过山坡。"));
    let japanese = r#"{"objects": ["凧"], "background": ["丘", "海"], "summary": "凧が飛んでいる。"}"#;
    assert_eq!(
        found(japanese, "赤い凧が緑の丘の上を飛んでいる。"),
        listed(&["凧"], &["丘"], "凧が飛んでいる。")
    );
    let thai = r#"{"objects": ["ว่าว", "หมา"], "background": ["เนินเขา"], "summary": "ว่าวลอยอยู่"}"#;
    assert_eq!(found(thai, "ว่าวสีแดงลอยอยู่เหนือเนินเขาสีเขียว"), listed(&["ว่าว"], &["เนินเขา"], "ว่าวลอยอยู่"));
    let long =
        format!("{{\"objects\": [\"风筝\"], \"background\": [], \"summary\": \"{}\"}}", "风".repeat(60));
    assert!(found(&long, said).expect_err("long").contains("40 words"));
    assert!(found("<think>kite, hill", ENGLISH).expect_err("thinking").contains("thinking and no answer"));
}

#[test]
fn instructions_are_read_and_hold_no_token() {
    let object =
        PlannedObject { noun: "dog".into(), kind: RegionKind::Object, bbox: [100.0, 300.0, 300.0, 500.0] };
    let step = PlannedStep { operation: Operation::Remove, object: Some(object) };
    let plan = EditPlan {
        edit_type: EditType::Remove,
        width: 1000,
        height: 900,
        caption: String::new(),
        steps: vec![step],
        pick: 1,
    };
    const WORDS: &str = "Remove the small dog on the left.";
    let answers = [
        "{\"instruction\": \"Remove the small dog on the left.\"}",
        "<think>{\"instruction\": \"Add a dog.\"}</think>{\"instruction\": \"Remove the small dog on the left.\"}",
        "{\"instruction\": \"Remove the small dog\non the left.\",}",
        "{\"instruction\": \"Remove the small dog on the left.<|im_end|>\"}",
        "{\"instruction\": \"Remove the small \\u003c|object_ref_start|\\u003edog\\u003c|object_ref_end|\\u003e on the left.\"}",
        "<|begin_of_box|>{\"instruction\": \"Remove the small dog on the left.\"}<|end_of_box|>",
        "{instruction: 'Remove the small dog on the left.'}",
        "<|channel|>final<|message|>{\"instruction\": \"Remove the small dog on the left.\"}<|return|>",
    ];
    for answer in answers {
        assert_eq!(instruct::parse(answer, &plan, &[]).expect(answer).prompts, [WORDS], "{answer}");
    }
    let broken = "{\"instruction\": \"Remove the \"small\" dog on the left.\"}";
    assert!(instruct::parse(broken, &plan, &[]).expect_err("quotes").contains("not valid JSON"));
}
