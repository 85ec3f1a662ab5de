//! The edit types, and the operations that they are made of: one table, from which all else is generated.
//!
//! A new type is a row of `edit_types!` and a prompt, `words/prompts/instruct/NAME.md`. A new operation is a row, a prompt for
//! the judge, `words/prompts/judge/NAME.md`, and its arm wherever the compiler says that one is missing.
//!
//! A row's place in the table is its number, which rows and answers carry: append, and never reorder.

use std::fmt;

use serde::{Deserialize, Serialize};
use threshflow::row::{Group, In, RegionKind, Row, With};

/// The table. It hands itself to the macro that it is given the name of, so that each file generates what it needs: the enums
/// here, the prompts beside their questions.
///
/// Of an operation: its name, what it [changes](Changes), what its region then [shows](Shows), what comes of it in words
/// ([`Outcome`]), and how it is [made](MadeBy).
/// Of a type: its name, what it [needs](Needs), how it is [told](Telling), and its steps, each the operations that it may be.
macro_rules! edit_types {
    ($generate:ident) => {
        $generate! {
            operations {
                /// Puts an object in.
                Add "add": changes Object, shows Come, outcome Nothing, made ByRemoval;
                /// Takes an object out.
                Remove "remove": changes Object, shows Gone, outcome Nothing, made ByEditor;
                /// Puts another thing in an object's place.
                Replace "replace": changes Object, shows Another, outcome Thing, made ByEditor;
                /// Changes how an object looks.
                Adjust "adjust": changes Object, shows Altered, outcome Look, made ByEditor;
                /// Moves what is in the picture.
                Action "action": changes Motion, shows Unknown, outcome Nothing, made OnFilm;
                /// Shows the whole picture in another style.
                Style "style": changes Picture, shows Same, outcome Style, made ByEditor;
                /// Cuts an object out.
                Extract "extract": changes Surroundings, shows Same, outcome Nothing, made ByEditor;
                /// Puts what a reference picture shows in an object's place.
                Visual "visual": changes Object, shows Another, outcome Reference, made ByEditor;
                /// Changes the ground behind all objects.
                Background "background": changes Background, shows Another, outcome Ground, made ByEditor;
            }
            types {
                Add "add": needs Object, told Single, steps [Add];
                Remove "remove": needs Object, told Single, steps [Remove];
                Replace "replace": needs Object, told Single, steps [Replace];
                Adjust "adjust": needs Object, told Single, steps [Adjust];
                Action "action": needs TwoFrames, told Single, steps [Action];
                Style "style": needs Nothing, told Single, steps [Style];
                Extract "extract": needs Object, told Single, steps [Extract];
                Visual "visual": needs Object, told Single, steps [Visual];
                Background "background": needs Background, told Single, steps [Background];
                /// Two different operations on two objects, in one instruction.
                Hybrid "hybrid": needs Pair, told Joined,
                    steps [Add | Remove | Replace | Adjust] [Add | Remove | Replace | Adjust];
                /// Two turns that obey a premise, which neither repeats.
                ContentMemory "content_memory": needs Pair, told UnderPremise,
                    steps [Replace | Adjust] [Replace | Adjust];
                /// Three turns about one object, which the later ones call `it`.
                ContentUnderstanding "content_understanding": needs Object, told Chained,
                    steps [Add] [Adjust] [Remove | Replace];
                /// Three turns about one object, the last of which takes back the second.
                VersionBacktracking "version_backtracking": needs Object, told Withdrawing,
                    steps [Add] [Replace] [Adjust];
            }
        }
    };
}
pub(crate) use edit_types;

/// The enums, their lists, and what the table says of each.
macro_rules! enums {
    (
        operations {$(
            $(#[$of_operation:meta])*
            $operation:ident $operation_name:literal:
                changes $changes:ident, shows $shows:ident, outcome $outcome:ident, made $made:ident;
        )+}
        types {$(
            $(#[$of_type:meta])*
            $type:ident $type_name:literal: needs $needs:ident, told $told:ident,
                steps $([$($step:ident)|+])+;
        )+}
    ) => {
        /// What one step does to a picture.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Operation {$(
            $(#[$of_operation])*
            #[serde(rename = $operation_name)]
            $operation,
        )+}

        impl Operation {
            /// How many there are.
            pub const COUNT: usize = [$(Operation::$operation),+].len();

            /// In the order of their numbers.
            pub const ALL: [Operation; Operation::COUNT] = [$(Operation::$operation),+];

            /// As files name it: `add`.
            pub fn name(self) -> &'static str {
                match self {$(Operation::$operation => $operation_name,)+}
            }

            /// What of the picture it changes.
            pub fn changes(self) -> Changes {
                match self {$(Operation::$operation => Changes::$changes,)+}
            }

            /// What its region shows afterwards.
            pub fn shows(self) -> Shows {
                match self {$(Operation::$operation => Shows::$shows,)+}
            }

            /// What comes of it, and an instruction must say (`edit_result`).
            pub fn outcome(self) -> Outcome {
                match self {$(Operation::$operation => Outcome::$outcome,)+}
            }

            /// How its pictures are made.
            pub fn made(self) -> MadeBy {
                match self {$(Operation::$operation => MadeBy::$made,)+}
            }
        }

        /// The types of ImgEdit, of one turn and of several. Their names are those of its parquet files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EditType {$(
            $(#[$of_type])*
            #[serde(rename = $type_name)]
            $type,
        )+}

        impl EditType {
            /// How many there are.
            pub const COUNT: usize = [$(EditType::$type),+].len();

            /// In the order of their numbers.
            pub const ALL: [EditType; EditType::COUNT] = [$(EditType::$type),+];

            /// Their names, in the same order.
            const TYPE_NAMES: &'static [&'static str] = &[$($type_name),+];

            /// As files and settings name it: `add`, `content_memory`.
            pub fn name(self) -> &'static str {
                match self {$(EditType::$type => $type_name,)+}
            }

            /// What it needs to be tried.
            pub fn needs(self) -> Needs {
                match self {$(EditType::$type => Needs::$needs,)+}
            }

            /// How its steps are told.
            pub fn told(self) -> Telling {
                match self {$(EditType::$type => Telling::$told,)+}
            }

            /// The operations that each of its steps may be, in their order.
            pub const fn steps(self) -> &'static [&'static [Operation]] {
                match self {$(EditType::$type => &[$(&[$(Operation::$step),+]),+],)+}
            }
        }
    };
}
edit_types!(enums);

/// What of a picture an operation changes: a region of it, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The object that it is about, and nothing else.
    Object,
    /// The background region that it is about.
    Background,
    /// Everything but the object that it is about.
    Surroundings,
    /// The whole picture; it is about no region.
    Picture,
    /// Where things are, from one frame to another; it is about no region.
    Motion,
}

/// What the region of an operation shows afterwards; of one that is about none, the surest object of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Its noun no longer.
    Gone,
    /// Its noun, where it was not.
    Come,
    /// What the result says, and its noun no longer.
    Another,
    /// What the result says, which is still its noun.
    Altered,
    /// Still its noun.
    Same,
    /// Nobody knows where to look.
    Unknown,
}

/// What comes of an operation, in the words of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to say.
    Nothing,
    /// Another thing: a noun phrase.
    Thing,
    /// The same thing, as it then looks: a noun phrase.
    Look,
    /// What the reference picture shows: a noun phrase.
    Reference,
    /// A ground: a noun phrase.
    Ground,
    /// A style's name.
    Style,
}

/// How the pictures of an operation are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// An editor makes the picture after it.
    ByEditor,
    /// What is added was there all along: an editor takes it out, and so makes the picture before it.
    ByRemoval,
    /// Both pictures are frames of a film: no editor is asked.
    OnFilm,
}

/// What a type needs of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// An object.
    Object,
    /// Two objects of different nouns, and apart.
    Pair,
    /// A background region.
    Background,
    /// A second frame.
    TwoFrames,
}

/// How the steps of a type are put in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// One step, one instruction.
    Single,
    /// Different steps, all in one instruction.
    Joined,
    /// A turn a step; all obey a premise that is said before, and none repeats it.
    UnderPremise,
    /// A turn a step; later turns refer to the object by a pronoun.
    Chained,
    /// As chained, and the last turn takes back the one before it.
    Withdrawing,
}

/// Dials may stand elsewhere for each type of edits.
impl Group for EditType {
    const NAME: &'static str = "edit_type";
    const NAMES: &'static [&'static str] = EditType::TYPE_NAMES;
}

/// Gives an edit's row its type as a column, which dials by type look at. Panics for a row of another sort: a fault of the pipeline's
/// file.
pub fn edit_type<R: Row>(row: R) -> With<R, In<EditType>> {
    let number = row.edit().expect("a row of an edit").number;
    With::new(row, In::number(number.into()))
}

impl EditType {
    /// Steps of an edit, at most.
    pub(crate) const MOST_STEPS: usize = {
        let (mut most, mut at) = (0, 0);
        while at < EditType::COUNT {
            let steps = EditType::ALL[at].steps().len();
            if steps > most {
                most = steps;
            }
            at += 1;
        }
        most
    };

    /// Its place in [`EditType::ALL`]: what rows carry.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The type that rows carry this number for.
    pub fn from_number(number: u16) -> Option<Self> {
        EditType::ALL.get(usize::from(number)).copied()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        EditType::ALL.into_iter().find(|known| known.name() == name)
    }

    /// How many instructions such an edit has: 1, or the turns of a conversation.
    pub fn turns(self) -> usize {
        match self.told() {
            Telling::Single | Telling::Joined => 1,
            Telling::UnderPremise | Telling::Chained | Telling::Withdrawing => self.steps().len(),
        }
    }

    pub fn is_multi_turn(self) -> bool {
        self.turns() > 1
    }

    /// How many regions such an edit is about: 0 for style and action.
    pub fn objects(self) -> usize {
        match self.needs() {
            Needs::Nothing | Needs::TwoFrames => 0,
            Needs::Object | Needs::Background => 1,
            Needs::Pair => 2,
        }
    }

    /// What its regions are.
    pub fn kind(self) -> RegionKind {
        match self.needs() {
            Needs::Background => RegionKind::Background,
            Needs::Nothing | Needs::TwoFrames | Needs::Object | Needs::Pair => RegionKind::Object,
        }
    }

    /// Whether a reference picture goes with it.
    pub fn has_reference(self) -> bool {
        self.may(|operation| operation.outcome() == Outcome::Reference)
    }

    /// Whether one of its steps may do this.
    pub fn may(self, does: impl Fn(Operation) -> bool) -> bool {
        self.steps().iter().copied().flatten().any(|operation| does(*operation))
    }
}

impl fmt::Display for EditType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Operation {
    /// Whether an instruction must say what comes of the step (`edit_result`): a noun phrase, or a style's name.
    pub fn has_result(self) -> bool {
        self.outcome() != Outcome::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows and stored answers carry the numbers: an order that changed would give each another type.
    #[test]
    fn numbers_and_names_stay_what_they_are() {
        let types = EditType::ALL.map(EditType::name);
        let known = [
            "add",
            "remove",
            "replace",
            "adjust",
            "action",
            "style",
            "extract",
            "visual",
            "background",
            "hybrid",
            "content_memory",
            "content_understanding",
            "version_backtracking",
        ];
        assert_eq!(types[..known.len()], known);
        assert_eq!(Operation::ALL.map(Operation::name)[..9], known[..9]);
        for (number, edit_type) in EditType::ALL.into_iter().enumerate() {
            assert_eq!(
                (edit_type.number(), EditType::from_number(number as u16)),
                (number as u16, Some(edit_type))
            );
            assert_eq!(serde_json::to_value(edit_type).unwrap(), edit_type.name());
        }
        let operations = Operation::ALL.map(|operation| serde_json::to_value(operation).unwrap());
        assert_eq!(operations, Operation::ALL.map(Operation::name));
    }

    #[test]
    fn a_row_of_the_table_hangs_together() {
        for edit_type in EditType::ALL {
            let (steps, told) = (edit_type.steps().len(), edit_type.told());
            assert_eq!(steps == 1, told == Telling::Single, "{edit_type}");
            assert!(steps >= edit_type.objects(), "{edit_type}");
            let frames = edit_type.needs() == Needs::TwoFrames;
            assert_eq!(edit_type.may(|operation| operation.made() == MadeBy::OnFilm), frames, "{edit_type}");
            let about = |changes| match changes {
                Changes::Object | Changes::Surroundings => [Needs::Object, Needs::Pair].as_slice(),
                Changes::Background => &[Needs::Background],
                Changes::Picture => &[Needs::Nothing],
                Changes::Motion => &[Needs::TwoFrames],
            };
            let lacks = |operation: Operation| !about(operation.changes()).contains(&edit_type.needs());
            assert!(!edit_type.may(lacks), "{edit_type}");
            // Different operations are left for every step.
            let different = |(at, step): (usize, &&[Operation])| told != Telling::Joined || step.len() > at;
            assert!(edit_type.steps().iter().enumerate().all(different), "{edit_type}");
        }
    }
}
