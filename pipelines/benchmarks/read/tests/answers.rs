//! Sixty answers of our own: what judges write when they are asked for a reason and scores in lines. Beside each is the mean that
//! upstream's rule gives, rounded to two decimals as it does, and the scores that the default parser reads; both worked out by hand.

/// Whose answer it is.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Basic,
    Uge,
}
use Of::{Basic, Uge};

/// Whose, the answer, upstream's mean, the scores of the default parser.
type Case = (Of, &'static str, Option<f64>, &'static [f64]);

pub(super) const ANSWERS: [Case; 60] = [
    // As it was asked for.
    (
        Basic,
        "Brief reasoning: the hat is there and sits well.\nPrompt Compliance: 5\nVisual Naturalness: 4\nPhysical & Detail Integrity: 4",
        Some(4.33),
        &[5.0, 4.0, 4.0],
    ),
    (
        Basic,
        "Brief reasoning: nothing was done.\r\nPrompt Compliance: 1\r\nVisual Naturalness: 1\r\nPhysical & Detail Integrity: 1\r\n",
        Some(1.0),
        &[1.0, 1.0, 1.0],
    ),
    (
        Basic,
        "Prompt Compliance: 3\n\nVisual Naturalness: 3\n\nPhysical & Detail Coherence: 2",
        Some(2.67),
        &[3.0, 3.0, 2.0],
    ),
    (
        Basic,
        "Brief reasoning: style is right.\nStyle Fidelity: 4\nContent Preservation: 3\nRendering Quality: 4",
        Some(3.67),
        &[4.0, 3.0, 4.0],
    ),
    (
        Basic,
        "Brief reasoning: cut out cleanly.\nObject Identity: 5\nMask Precision: 5\nVisual Quality: 4",
        Some(4.67),
        &[5.0, 5.0, 4.0],
    ),
    (
        Basic,
        "Brief reasoning: she waves.\nAction Fidelity: 4\nIdentity Preservation: 4\nVisual & Anatomical Coherence: 3",
        Some(3.67),
        &[4.0, 4.0, 3.0],
    ),
    (
        Basic,
        "Brief reasoning: a beach now.\nInstruction Compliance: 4\nVisual Seamlessness: 3\nPhysical Consistency: 3",
        Some(3.33),
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "Brief reasoning: both were done.\nInstruction Compliance: 5\nVisual Naturalness: 5\nPhysical Consistency & Fine Detail: 4",
        Some(4.67),
        &[5.0, 5.0, 4.0],
    ),
    // The rule that no later score exceeds the first is broken.
    (
        Basic,
        "Prompt Compliance: 1\nVisual Seamlessness: 4\nPhysical & Detail Fidelity: 4",
        Some(3.0),
        &[1.0, 4.0, 4.0],
    ),
    // Blanks around.
    (
        Basic,
        "  Prompt Compliance: 4  \n\tVisual Naturalness: 4\t\n Physical & Detail Integrity: 3 ",
        Some(3.67),
        &[4.0, 4.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance:  4\nVisual Naturalness: 4\nPhysical & Detail Integrity: 3",
        Some(3.5),
        &[4.0, 4.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance:4\nVisual Naturalness: 4\nPhysical & Detail Integrity: 3",
        Some(3.5),
        &[4.0, 4.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance : 4\nVisual Naturalness : 2\nPhysical & Detail Integrity : 3",
        Some(3.0),
        &[4.0, 2.0, 3.0],
    ),
    // Bold letters.
    (
        Basic,
        "**Prompt Compliance:** 4\n**Visual Naturalness:** 5\n**Physical & Detail Integrity:** 4",
        None,
        &[4.0, 5.0, 4.0],
    ),
    (
        Basic,
        "**Prompt Compliance**: 4\n**Visual Naturalness**: 3\n**Physical & Detail Integrity**: 3",
        Some(3.33),
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance: **4**\nVisual Naturalness: 3\nPhysical & Detail Integrity: 2",
        Some(2.5),
        &[4.0, 3.0, 2.0],
    ),
    // Lists.
    (
        Basic,
        "- Prompt Compliance: 4/5\n- Visual Naturalness: 4/5\n- Physical & Detail Integrity: 3/5",
        None,
        &[4.0, 4.0, 3.0],
    ),
    (
        Basic,
        "1. Prompt Compliance: 4\n2. Visual Naturalness: 3\n3. Physical & Detail Integrity: 2",
        Some(3.0),
        &[4.0, 3.0, 2.0],
    ),
    (
        Basic,
        "* Prompt Compliance - 4\n* Visual Naturalness - 3\n* Physical & Detail Integrity - 2",
        None,
        &[4.0, 3.0, 2.0],
    ),
    (
        Basic,
        "### Prompt Compliance\n4\n### Visual Naturalness\n3\n### Physical & Detail Integrity\n3",
        None,
        &[4.0, 3.0, 3.0],
    ),
    // Numbers that are no digits.
    (
        Basic,
        "Prompt Compliance: 3.5\nVisual Naturalness: 4\nPhysical & Detail Integrity: 3",
        Some(3.5),
        &[3.5, 4.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4.\nVisual Naturalness: 3.\nPhysical & Detail Integrity: 2.",
        None,
        &[4.0, 3.0, 2.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4.0\nVisual Naturalness: 4\nPhysical & Detail Integrity: 4",
        Some(4.0),
        &[4.0, 4.0, 4.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4 (minor flaws)\nVisual Naturalness: 3 (seams)\nPhysical & Detail Integrity: 3",
        Some(3.0),
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4 out of 5\nVisual Naturalness: 4 out of 5\nPhysical & Detail Integrity: 5 out of 5",
        None,
        &[4.0, 4.0, 5.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4 - good\nVisual Naturalness: 3, since an edge shows\nPhysical & Detail Integrity: 3; fine",
        None,
        &[4.0, 3.0, 3.0],
    ),
    // Out of range, ranges, words.
    (Basic, "Prompt Compliance: 7\nVisual Naturalness: 4\nPhysical & Detail Integrity: 4", Some(5.0), &[]),
    (Basic, "Prompt Compliance: 0\nVisual Naturalness: 0\nPhysical & Detail Integrity: 0", Some(0.0), &[]),
    (Basic, "Prompt Compliance: -3\nVisual Naturalness: 4\nPhysical & Detail Integrity: 4", Some(4.0), &[]),
    (Basic, "Prompt Compliance: 3-4\nVisual Naturalness: 4\nPhysical & Detail Integrity: 4", Some(4.0), &[]),
    (
        Basic,
        "Prompt Compliance: four\nVisual Naturalness: three\nPhysical & Detail Integrity: three",
        None,
        &[],
    ),
    (
        Basic,
        "Prompt Compliance: 8/10\nVisual Naturalness: 8/10\nPhysical & Detail Integrity: 7/10",
        None,
        &[],
    ),
    // A stray line counts upstream; a label said twice.
    (
        Basic,
        "Dogs left: 4\nPrompt Compliance: 1\nVisual Naturalness: 1\nPhysical & Detail Integrity: 1",
        Some(1.75),
        &[1.0, 1.0, 1.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4\nVisual Naturalness: 3\nPhysical & Detail Integrity: 3\nOverall: 3",
        Some(3.25),
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance: 4\nVisual Naturalness: 3\nPhysical & Detail Integrity: 3\nPrompt Compliance: 2",
        Some(3.0),
        &[],
    ),
    (
        Basic,
        "Prompt Compliance: 4\nVisual Naturalness: 3\nPhysical & Detail Integrity: 3\nPrompt Compliance: 4",
        Some(3.5),
        &[4.0, 3.0, 3.0],
    ),
    // Missing.
    (Basic, "Prompt Compliance: 4\nVisual Naturalness: 3", Some(3.5), &[]),
    (Basic, "", None, &[]),
    (Basic, "I'm sorry, but I can't help with that.", None, &[]),
    (
        Basic,
        "Prompt Compliance: A number from 1 to 5.\nVisual Naturalness: A number from 1 to 5.\nPhysical & Detail Integrity: A number from 1 to 5.",
        None,
        &[],
    ),
    // Several on a line, prose.
    (
        Basic,
        "Prompt Compliance: 4, Visual Naturalness: 3, Physical & Detail Integrity: 2",
        None,
        &[4.0, 3.0, 2.0],
    ),
    (
        Basic,
        "The hat is there, so prompt compliance is 4. Visual naturalness gets a 3 and physical and detail integrity is rated 2.",
        None,
        &[4.0, 3.0, 2.0],
    ),
    (
        Basic,
        "Brief reasoning: hat: 1 missing. Prompt Compliance: 2; Visual Naturalness: 2; Physical & Detail Integrity: 2",
        None,
        &[2.0, 2.0, 2.0],
    ),
    // JSON.
    (
        Basic,
        "{\"Brief reasoning\": \"fits\", \"Prompt Compliance\": 4, \"Visual Naturalness\": 4, \"Physical & Detail Integrity\": 3}",
        None,
        &[4.0, 4.0, 3.0],
    ),
    (
        Basic,
        "```json\n{\n  \"prompt_compliance\": 4,\n  \"visual_naturalness\": \"3\",\n  \"physical_and_detail_integrity\": 3\n}\n```",
        Some(3.0),
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "{\n\"reasoning\": \"x\",\n\"Prompt Compliance\": 4,\n\"Visual Naturalness\": 4\n}",
        Some(4.0),
        &[],
    ),
    (
        Basic,
        "{\"promptCompliance\": 4, \"visualNaturalness\": 9, \"physicalAndDetailIntegrity\": 3}",
        None,
        &[],
    ),
    (
        Basic,
        "{\"scores\": {\"Prompt Compliance\": 5, \"Visual Naturalness\": 4, \"Physical & Detail Integrity\": 4}, \"reason\": \"x\"}",
        None,
        &[5.0, 4.0, 4.0],
    ),
    // Tables.
    (
        Basic,
        "| Criterion | Score |\n|---|---|\n| Prompt Compliance | 4 |\n| Visual Naturalness | 3 |\n| Physical & Detail Integrity | 3 |",
        None,
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "| Prompt Compliance | Visual Naturalness | Physical & Detail Integrity |\n|---|---|---|\n| 4 | 3 | 2 |",
        None,
        &[4.0, 3.0, 2.0],
    ),
    // Thinking, of which a draft is part.
    (
        Basic,
        "<think>\nPrompt Compliance: 2\n</think>\nPrompt Compliance: 4\nVisual Naturalness: 3\nPhysical & Detail Integrity: 3",
        Some(3.0),
        &[4.0, 3.0, 3.0],
    ),
    (Basic, "<think>Prompt Compliance: 2, perhaps 3", None, &[]),
    // Chinese, wide signs.
    (
        Basic,
        "简要理由：帽子很自然。\nPrompt Compliance：4\nVisual Naturalness：3\nPhysical & Detail Integrity：3",
        None,
        &[4.0, 3.0, 3.0],
    ),
    (
        Basic,
        "Prompt Compliance: ４\nVisual Naturalness: ３\nPhysical & Detail Integrity: ３",
        Some(3.33),
        &[4.0, 3.0, 3.0],
    ),
    (Basic, "指令遵循：4分\n视觉自然度：3分\n物理与细节完整性：3分", None, &[4.0, 3.0, 3.0]),
    // One score, as upstream's own prompt lets it come.
    (Uge, "Brief reasoning: partly followed, and people were bent out of shape. Score: 2.", None, &[2.0]),
    (Uge, "Brief reasoning: the badges are others; the writing stayed. Score: 3 (Acceptable)", None, &[3.0]),
    (Uge, "Brief reasoning: done.\nScore: 5", Some(5.0), &[5.0]),
    (Uge, "4", None, &[4.0]),
    (Uge, "Brief reasoning: 3 of 4 cups were taken away, which is nearly all.", None, &[]),
];
