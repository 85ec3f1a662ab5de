//! The grammar: one function for each type, with its wordings.

use threshflow::row::Refusal;

use super::Known;
use super::subject::Subject;
use crate::plan::choice::{of, slot};
use crate::plan::edit_plan::check::MOST_OF_NEW_OBJECT;
use crate::plan::edit_plan::words::{count, head, same_kind, words};
use crate::plan::edit_plan::{EditPlan, Instruction, Operation, Telling};
use crate::words::plain::lexicon::Lexicon;
use crate::words::plain::motion::Motion;
use crate::words::plain::phrase::with_article;

/// A share of the frame below which a way is not told, where there is a longer one.
const LEAST_WAY: f32 = 0.02;
/// The same of what came closer, or went away.
const LEAST_WAY_OF_GROWN: f32 = 0.08;

/// Writes one filling of a plan's slots.
pub(super) struct Writer<'a> {
    lexicon: &'a Lexicon,
    plan: &'a EditPlan,
    known: &'a Known<'a>,
    pick: u64,
    /// Of every step that has an object.
    subjects: Vec<Subject<'a>>,
}

/// What a step comes to: words, and what comes of it.
struct Said {
    words: String,
    result: String,
}

fn said(words: String) -> Said {
    Said { words, result: String::new() }
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        lexicon: &'a Lexicon,
        plan: &'a EditPlan,
        known: &'a Known<'a>,
        pick: u64,
        terse: bool,
    ) -> Result<Self, Refusal> {
        let (given, due) = (plan.steps.len(), plan.edit_type.steps().len());
        let subjects: Vec<Subject<'a>> = plan
            .steps
            .iter()
            .enumerate()
            .filter_map(|(number, step)| {
                // Turns about one object speak of one colour.
                let first = plan.steps.iter().position(|other| other.object == step.object);
                let colour = known.colours.get(first.unwrap_or(number)).copied().flatten();
                step.object.as_ref().map(|object| Subject::of(object, plan, colour, terse))
            })
            .collect();
        let objects = if plan.edit_type.objects() == 0 { 0 } else { due };
        if given != due || subjects.len() < objects {
            let found = subjects.len();
            let message = format!(
                "a plan of {} has {due} steps and {objects} of them objects, this one {given} and {found}",
                plan.edit_type
            );
            return Err(Refusal::permanent("bad_plan", message));
        }
        Ok(Writer { lexicon, plan, known, pick, subjects })
    }

    pub(crate) fn write(&self) -> Result<Instruction, Refusal> {
        let mut premise = None;
        let steps = self.plan.steps.len();
        let turns = match self.plan.edit_type.told() {
            Telling::Joined => return self.joined(),
            Telling::UnderPremise => {
                let all: Vec<usize> = (0..steps).collect();
                let colour = self.colour("premise", &all);
                premise = Some(self.premise(&colour));
                all.into_iter().map(|step| self.obeying(step, &colour)).collect()
            }
            Telling::Chained => self.conversation(steps, |step| self.pronoun(step)),
            Telling::Withdrawing => self.conversation(steps, |step| match step + 1 == steps {
                true => Ok(self.back(step)),
                false => self.pronoun(step),
            }),
            Telling::Single => self.single().map(|turn| vec![turn]),
        }?;
        let results = turns.iter().map(|turn| turn.result.clone()).collect();
        let prompts = turns.iter().map(|turn| sentence(&turn.words)).collect();
        Ok(Instruction { prompts, results, premise })
    }

    /// The one step of an edit.
    fn single(&self) -> Result<Said, Refusal> {
        match self.plan.steps[0].operation {
            Operation::Add | Operation::Remove | Operation::Replace | Operation::Adjust => self.clause(0),
            Operation::Action => Ok(said(self.action()?)),
            Operation::Style => Ok(self.style()),
            Operation::Extract => Ok(self.extract()),
            Operation::Visual => Ok(self.visual()),
            Operation::Background => Ok(self.background()),
        }
    }

    /// Turns of which the first names the object.
    fn conversation(
        &self,
        steps: usize,
        later: impl Fn(usize) -> Result<Said, Refusal>,
    ) -> Result<Vec<Said>, Refusal> {
        (0..steps).map(|step| if step == 0 { self.clause(step) } else { later(step) }).collect()
    }

    /// Of a step that the grammar has no such clause for.
    fn no_clause(&self, step: usize, clause: &str) -> Refusal {
        let operation = self.plan.steps[step].operation.name();
        let edit_type = self.plan.edit_type;
        let message = format!("the plain grammar has no {clause} for the step {operation} of a {edit_type}");
        Refusal::permanent("bad_plan", message)
    }

    /// One of some wordings, chosen by its slot.
    fn wording(&self, what: &str, wordings: &[String]) -> String {
        of(slot(self.pick, &format!("wording {what}")), wordings).cloned().unwrap_or_default()
    }

    fn entry<'b>(&self, what: &str, list: &[&'b String]) -> &'b str {
        of(slot(self.pick, what), list).map_or("", |entry| entry.as_str())
    }

    /// A colour that none of these steps' objects has.
    fn colour(&self, what: &str, steps: &[usize]) -> String {
        let had = |colour: &str| {
            let subjects = steps.iter().filter_map(|&step| self.subjects.get(step));
            subjects.into_iter().any(|subject| {
                subject.colour == Some(colour) || words(subject.noun).iter().any(|word| word == colour)
            })
        };
        let free: Vec<&String> = self.lexicon.colours.iter().filter(|colour| !had(colour)).collect();
        self.entry(&format!("colour {what}"), &free).to_owned()
    }

    /// What a step's object is to look like: a colour, and one time in four something else if there is anything else.
    fn look(&self, step: usize) -> String {
        let said = words(self.subjects[step].noun);
        let free: Vec<&String> = self.lexicon.looks.iter().filter(|look| !said.contains(look)).collect();
        if free.is_empty() || !slot(self.pick, &format!("look or colour {step}")).is_multiple_of(4) {
            return self.colour(&step.to_string(), &[step]);
        }
        self.entry(&format!("look {step}"), &free).to_owned()
    }

    /// What takes a step's object's place, without an article, and perhaps a colour: another kind of thing.
    fn thing(&self, step: usize) -> String {
        let kind = head(self.subjects[step].noun).unwrap_or_default();
        let other = |thing: &&String| head(thing).is_some_and(|head| !same_kind(&head, &kind));
        let others: Vec<&String> = self.lexicon.things.iter().filter(other).collect();
        self.entry(&format!("thing {step}"), &others).to_owned()
    }

    /// Two times in three with a colour.
    fn coloured_thing(&self, step: usize) -> String {
        let thing = self.thing(step);
        if slot(self.pick, &format!("thing's colour or none {step}")).is_multiple_of(3) {
            return thing;
        }
        let colours: Vec<&String> =
            self.lexicon.colours.iter().filter(|colour| !words(&thing).contains(colour)).collect();
        format!("{} {thing}", self.entry(&format!("thing's colour {step}"), &colours)).trim_start().to_owned()
    }

    /// A step that names its object, as a clause.
    fn clause(&self, step: usize) -> Result<Said, Refusal> {
        let subject = &self.subjects[step];
        let what = format!("clause {step}");
        Ok(match self.plan.steps[step].operation {
            Operation::Add => {
                let new = subject.introduced();
                let wordings = [format!("add {new}"), format!("insert {new}"), format!("put {new}")];
                said(self.wording(&what, &wordings))
            }
            Operation::Remove => {
                let known = subject.known();
                let wordings = [
                    format!("remove {known}"),
                    format!("erase {known}"),
                    format!("take {known} out of the picture"),
                    format!("delete {known}"),
                ];
                said(self.wording(&what, &wordings))
            }
            Operation::Adjust => self.adjusted(step, &subject.known(), &what),
            Operation::Replace => self.replaced(step, &subject.known_by_one(), &what),
            _ => return Err(self.no_clause(step, "clause")),
        })
    }

    fn replaced(&self, step: usize, known: &str, what: &str) -> Said {
        let result = with_article(&self.coloured_thing(step));
        let words = self.wording(
            what,
            &[
                format!("replace {known} with {result}"),
                format!("swap {known} for {result}"),
                format!("put {result} in place of {known}"),
            ],
        );
        Said { words, result }
    }

    fn adjusted(&self, step: usize, known: &str, what: &str) -> Said {
        let look = self.look(step);
        let result = self.subjects[step].made(&look, &self.lexicon.colours);
        let mut wordings = vec![format!("make {known} {look}"), format!("turn {known} into {result}")];
        if self.lexicon.colours.contains(&look) {
            wordings
                .extend([format!("change the colour of {known} to {look}"), format!("paint {known} {look}")]);
        }
        Said { words: self.wording(what, &wordings), result }
    }

    /// Two steps in one sentence.
    fn joined(&self) -> Result<Instruction, Refusal> {
        let (first, second) = (self.clause(0)?, self.clause(1)?);
        let joined = self.wording(
            "joint",
            &[
                format!("{} and {}", first.words, second.words),
                format!("{}, and {}", first.words, second.words),
                format!("{}, then {}", first.words, second.words),
            ],
        );
        let results = vec![first.result, second.result];
        Ok(Instruction { prompts: vec![sentence(&joined)], results, premise: None })
    }

    fn premise(&self, colour: &str) -> String {
        self.wording(
            "premise",
            &[
                format!("Everything that is edited must be {colour}."),
                format!("From now on, every new or changed object shall be {colour}."),
                format!("Whatever changes must end up {colour}."),
                format!("Keep to {colour} throughout."),
            ],
        )
    }

    /// A turn whose result obeys the premise, and which leaves it unsaid.
    fn obeying(&self, step: usize, colour: &str) -> Result<Said, Refusal> {
        let subject = &self.subjects[step];
        let what = format!("obeying {step}");
        match self.plan.steps[step].operation {
            Operation::Adjust => {
                let known = subject.known();
                let result = subject.made(colour, &self.lexicon.colours);
                let wordings = [
                    format!("recolour {known}"),
                    format!("repaint {known}"),
                    format!("give {known} another colour"),
                ];
                Ok(Said { words: self.wording(&what, &wordings), result })
            }
            Operation::Replace => {
                let (thing, known) = (self.thing(step), subject.known_by_one());
                let plain = with_article(&thing);
                let wordings = [format!("replace {known} with {plain}"), format!("swap {known} for {plain}")];
                let words = self.wording(&what, &wordings);
                Ok(Said { words, result: with_article(&format!("{colour} {thing}")) })
            }
            _ => Err(self.no_clause(step, "turn under a premise")),
        }
    }

    /// A later turn about the same object.
    fn pronoun(&self, step: usize) -> Result<Said, Refusal> {
        let it = self.subjects[step].pronoun();
        let what = format!("pronoun {step}");
        match self.plan.steps[step].operation {
            Operation::Remove => {
                let wordings =
                    [format!("now remove {it}"), format!("take {it} out again"), format!("now erase {it}")];
                Ok(said(self.wording(&what, &wordings)))
            }
            Operation::Adjust => {
                let look = self.look(step);
                let result = self.subjects[step].made(&look, &self.lexicon.colours);
                let mut wordings = vec![format!("make {it} {look}"), format!("now make {it} {look}")];
                if self.lexicon.colours.contains(&look) {
                    wordings.push(format!("paint {it} {look}"));
                }
                Ok(Said { words: self.wording(&what, &wordings), result })
            }
            Operation::Replace => Ok(self.replaced(step, it, &what)),
            _ => Err(self.no_clause(step, "later turn")),
        }
    }

    /// A turn that withdraws the one before it.
    fn back(&self, step: usize) -> Said {
        let (subject, look) = (&self.subjects[step], self.look(step));
        let (the, it) = (subject.bare(), subject.pronoun());
        let words = self.wording(
            "back",
            &[
                format!("undo the last change and make {the} {look} instead"),
                format!("go back to {the} and make {it} {look}"),
                format!("take back the last step; make {the} {look} instead"),
                format!("forget the last change, return to {the} and make {it} {look}"),
            ],
        );
        Said { words, result: subject.made(&look, &self.lexicon.colours) }
    }

    fn style(&self) -> Said {
        let styles: Vec<&String> = self.lexicon.styles.iter().collect();
        let style = self.entry("style", &styles).to_owned();
        let words = self.wording(
            "style",
            &[
                format!("change the whole picture to {}", with_article(&format!("{style} style"))),
                format!("render the picture in {style} style"),
                format!("give the whole picture {}", with_article(&format!("{style} look"))),
            ],
        );
        Said { words, result: style }
    }

    fn extract(&self) -> Said {
        let (known, it) = (self.subjects[0].known(), self.subjects[0].pronoun());
        said(self.wording(
            "extract",
            &[
                format!("cut out {known} and show {it} on a plain background"),
                format!("extract {known} and put {it} on a clean background"),
                format!("isolate {known} on a clean, empty background"),
            ],
        ))
    }

    fn visual(&self) -> Said {
        let known = self.subjects[0].known_by_one();
        let fits = |noun: &&str| (1..=MOST_OF_NEW_OBJECT).contains(&count(noun)) && !words(noun).is_empty();
        let (shown, result) = match self.known.reference.map(str::trim).filter(fits) {
            Some(noun) => (format!("the {noun} from the reference picture"), with_article(noun)),
            None => ("what the reference picture shows".to_owned(), "the reference object".to_owned()),
        };
        let words = self.wording(
            "visual",
            &[
                format!("replace {known} with {shown}"),
                format!("put {shown} in place of {known}"),
                format!("swap {known} for {shown}"),
            ],
        );
        Said { words, result }
    }

    fn background(&self) -> Said {
        let subject = &self.subjects[0];
        let kind = head(subject.noun).unwrap_or_default();
        let another = |ground: &&String| {
            let said = words(ground);
            let same_colour = subject.colour.is_some_and(|colour| said.iter().any(|word| word == colour));
            let bare = |words: Vec<String>| -> Vec<String> {
                words.into_iter().filter(|word| !matches!(word.as_str(), "a" | "an" | "the")).collect()
            };
            let same_kind = head(ground).is_some_and(|head| same_kind(&head, &kind));
            !(same_kind && same_colour) && bare(said) != bare(words(subject.noun))
        };
        let grounds: Vec<&String> = self.lexicon.grounds.iter().filter(another).collect();
        let result = self.entry("ground", &grounds).to_owned();
        let the = subject.bare();
        let words = self.wording(
            "background",
            &[
                format!("change the background from {the} to {result}"),
                format!("replace {the} in the background with {result}"),
                format!("turn {the} behind everything into {result}"),
            ],
        );
        Said { words, result }
    }

    fn action(&self) -> Result<String, Refusal> {
        let motion = self.known.motion;
        let way = motion.and_then(way);
        let (Some(motion), Some(way)) = (motion, way) else {
            let message = match motion {
                Some(motion) => format!("it is too little to tell: {motion:?}"),
                None => "nothing that moved was made out between the two frames".to_owned(),
            };
            return Err(Refusal::permanent("no_motion", message));
        };
        let the = motion.of.as_ref().map_or("the subject".to_owned(), |noun| format!("the {noun}"));
        Ok(self.wording(
            "action",
            &[
                format!("make {the} move {way}"),
                format!("let {the} move {way}"),
                format!("have {the} move {way}"),
            ],
        ))
    }
}

/// `further to the right`, `up and to the left`, `closer`; `None` where it is no way at all.
fn way(motion: &Motion) -> Option<String> {
    let (across, down) = (motion.dx.abs(), motion.dy.abs());
    // What grows about its foot has a middle that rises.
    let least = if motion.zoom == 1.0 { LEAST_WAY } else { LEAST_WAY_OF_GROWN };
    let least = least.max(across.max(down) * 0.4);
    let side = if motion.dx > 0.0 { "to the right" } else { "to the left" };
    let rise = if motion.dy > 0.0 { "down" } else { "up" };
    let near = match motion.zoom {
        zoom if zoom >= 1.15 => "closer",
        zoom if zoom > 0.0 && zoom <= 0.87 => "further away",
        _ => "",
    };
    let way = match (across >= least, down >= least) {
        (true, true) => format!("{rise} and {side}"),
        (true, false) => format!("further {side}"),
        (false, true) => format!("further {rise}"),
        (false, false) => String::new(),
    };
    match (way.is_empty(), near.is_empty()) {
        (true, true) => None,
        (true, false) => Some(near.to_owned()),
        (false, true) => Some(way),
        (false, false) => Some(format!("{near}, {way}")),
    }
}

/// With a capital and a full stop. Clauses begin with a verb of small letters.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}
