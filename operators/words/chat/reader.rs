//! What a model said: the one reader of answers, for all tasks.
//!
//! A model's text is more than its answer. [`said`] takes away what the model thought, whatever form that has and whether or not
//! the template opened it, what it called, what it went on with after its turn, and every control token (`control`). What is left
//! is read as prose, as the last complete object of the wanted shape (`objects`), or as scores in lines (`scores`).
//!
//! Nothing is guessed: thinking that never ends is no answer, two values for one thing are none, and a draft that a broken object
//! follows is none either. An answer that can't be read is complained about and asked for once more.

mod control;
pub mod objects;
pub mod once;
pub(super) mod repair;
pub mod scores;

pub(crate) use control::without_control_tokens;

use control::{ControlMatch, Edge, Token, Who, next, welds};

/// Why a text holds no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Empty,
    /// There is thinking in it, and nothing besides.
    OnlyThought,
    /// A tool was called in the text.
    OnlyCalled,
}

impl Silence {
    /// A sentence for the model, and for people.
    pub fn told(self) -> &'static str {
        match self {
            Silence::Empty => "it is empty",
            Silence::OnlyThought => "it holds thinking and no answer",
            Silence::OnlyCalled => "it calls a tool, and there are none",
        }
    }
}

/// The answer in a model's text, without thinking, calls and control tokens.
pub fn said(text: &str) -> Result<String, Silence> {
    let text = after_spoken_marks(text)?;
    let mut hearing = Hearing::default();
    let mut from = 0;
    while let Some(found) = next(text, from) {
        hearing.hear(&text[from..found.start]);
        from = match hearing.take(text, found) {
            Some(from) => from,
            None => return hearing.end(),
        };
    }
    hearing.hear(&text[from..]);
    hearing.end()
}

/// Marks that are words: Granite's, and those that are left of harmony's and Ollama's where their tokens are taken away. What
/// follows the last of them.
fn after_spoken_marks(text: &str) -> Result<&str, Silence> {
    const MARKS: [(&[&str], &[&str]); 4] = [
        (
            &["Here is my thought process:", "Here's my thought process:"],
            &["Here is my response:", "Here's my response:"],
        ),
        (&["Thinking...\n"], &["...done thinking."]),
        (&["Thinking…\n"], &["…done thinking."]),
        (
            &["analysis", "commentary", "assistantanalysis", "assistantfinal", "assistantcommentary"],
            &["assistantfinal"],
        ),
    ];
    let begins = text.trim_start();
    for (opens, closes) in MARKS {
        if !opens.iter().any(|open| begins.starts_with(open)) {
            continue;
        }
        let after = closes.iter().filter_map(|close| Some(text.rfind(close)? + close.len())).max();
        return match after {
            Some(after) => Ok(&text[after..]),
            // A word such as `analysis` may open an answer too.
            None if opens.contains(&"analysis") => Ok(text),
            None => Err(Silence::OnlyThought),
        };
    }
    Ok(text)
}

const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{300c}', '\u{300d}'];

/// Where a reader is in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Saying,
    Thinking,
    Calling,
    /// Another's turn, such as a question that is repeated.
    Others,
}

/// A text while it is read, token by token.
#[derive(Default)]
struct Hearing {
    at: At,
    said: String,
    /// What an answer's own marks enclose, once they are closed.
    enclosed: Option<String>,
    /// Within such marks.
    within: bool,
    /// What stood before GLM's box, which may turn out to be around a few words only.
    before_box: Option<String>,
    thought: bool,
    called: bool,
}

impl Hearing {
    fn hear(&mut self, text: &str) {
        match self.at {
            At::Saying => self.said.push_str(text),
            At::Thinking => self.thought |= !text.trim().is_empty(),
            At::Calling => self.called |= !text.trim().is_empty(),
            At::Others => {}
        }
    }

    /// What a token does. Gives where the text goes on, or nothing where the answer has ended.
    fn take(&mut self, text: &str, found: ControlMatch) -> Option<usize> {
        let (before, after) = (&text[..found.start], &text[found.end..]);
        let behind_a_quote = before.ends_with(QUOTES);
        match (found.token, self.at) {
            // Somebody speaks of it.
            _ if behind_a_quote && after.starts_with(QUOTES) => {}
            (Token::Think(edge), _) => self.think(edge),
            (Token::Channel, _) => return Some(found.end + self.channel(after)),
            // A provider that takes all else away leaves this.
            (Token::Message, At::Others) => self.at = At::Saying,
            (Token::MessageEnd | Token::FoldEnd, At::Thinking) => self.at = At::Saying,
            (Token::TurnEnd | Token::MessageEnd, At::Saying) => {
                // Nor does it end a turn at the end of a text in JSON, or in thinking that the template opened.
                let goes_on = behind_a_quote || after.starts_with(QUOTES) || closes_thinking(after);
                if self.has_said() && !goes_on {
                    return None;
                }
            }
            (Token::TurnEnd | Token::MessageEnd, At::Calling) => self.at = At::Saying,
            (Token::Turn(_), At::Saying) if self.has_said() => return None,
            (Token::Turn(who), at) if at != At::Thinking => return Some(found.end + self.turn(who, after)),
            (Token::Answer(Edge::Open), At::Saying) => {
                self.said.clear();
                self.within = true;
            }
            (Token::Answer(Edge::Close), At::Saying) if self.within => self.enclose(),
            (Token::Box(edge), At::Saying) => self.boxed(edge, after),
            (Token::Call(Edge::Open), At::Saying) => self.at = At::Calling,
            (Token::Call(Edge::Close), At::Calling) => self.at = At::Saying,
            (Token::Place(Edge::Open), At::Saying) => return Some(found.end + coordinates(after)),
            (_, At::Saying) if welds(&self.said, after) => self.said.push(' '),
            _ => {}
        }
        Some(found.end)
    }

    fn think(&mut self, edge: Edge) {
        match (edge, self.at) {
            (Edge::Open, At::Saying) => self.at = At::Thinking,
            (Edge::Close, At::Thinking) => self.at = At::Saying,
            // It was opened by the template: all that came was thinking.
            (Edge::Close, _) => {
                self.thought |= self.has_said() || self.enclosed.is_some();
                *self = Hearing { thought: self.thought, called: self.called, ..Hearing::default() };
            }
            _ => {}
        }
    }

    /// Only harmony's `final` is said. Gives the length of the channel's name.
    fn channel(&mut self, after: &str) -> usize {
        let name =
            after.trim_start().split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        // `<|channel|>final <|constrain|>json<|message|>`; in Gemma's form a line ends the name.
        let mut end = after.find(name).unwrap_or_default() + name.len();
        let mut found = next(after, 0);
        while let Some(ControlMatch { start, end: behind, token }) =
            found.filter(|found| !after[..found.start].contains('\n'))
        {
            match token {
                Token::Message => {
                    end = start;
                    break;
                }
                Token::Other => found = next(after, behind),
                _ => break,
            }
        }
        match name {
            "final" | "response" => {
                self.thought |= self.has_said();
                *self = Hearing { thought: self.thought, called: self.called, ..Hearing::default() };
            }
            "commentary" => self.at = At::Calling,
            _ => self.at = At::Thinking,
        }
        end
    }

    /// Somebody's turn. Gives the length of the word that says whose.
    fn turn(&mut self, who: Option<Who>, after: &str) -> usize {
        const OTHERS: [&str; 8] =
            ["user", "system", "human", "tool", "developer", "function", "ipython", "observation"];
        const MODELS: [&str; 5] = ["assistant", "model", "gpt", "bot", "ai"];
        let word: String = after.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        let length = after.len() - after.trim_start().len() + word.len();
        let is = |known: &[&str]| known.contains(&word.as_str());
        // A word that says whose turn it is stands alone.
        let alone = after[length..].trim_start_matches(' ').is_empty()
            || after[length..].trim_start_matches(' ').starts_with(['\n', '<', ':']);
        let (who, length) = match who {
            Some(who) => (who, 0),
            None if is(&OTHERS) && alone => (Who::Others, length),
            None if is(&MODELS) && alone => (Who::Model, length),
            None => (Who::Model, 0),
        };
        self.at = if who == Who::Others { At::Others } else { At::Saying };
        length
    }

    fn boxed(&mut self, edge: Edge, after: &str) {
        match (edge, self.before_box.take()) {
            (Edge::Open, _) => {
                let before = self.said.trim_end_matches([' ', '\t', '*']);
                if before.is_empty() || before.ends_with(['\n', ':', '\u{ff1a}']) {
                    self.before_box = Some(std::mem::take(&mut self.said));
                }
            }
            (Edge::Close, Some(before)) => {
                let rest = without_control_tokens(after);
                let rest = rest.trim_start_matches([' ', '\t', '*', '.', '\u{3002}']);
                match rest.is_empty() || rest.starts_with('\n') {
                    true => self.enclose(),
                    false => self.said.insert_str(0, &before),
                }
            }
            _ => {}
        }
    }

    fn enclose(&mut self) {
        let enclosed = std::mem::take(&mut self.said);
        if !without_control_tokens(&enclosed).trim().is_empty() {
            self.enclosed = Some(enclosed);
        }
        self.within = false;
    }

    fn has_said(&self) -> bool {
        self.enclosed.is_some() || !self.said.trim().is_empty()
    }

    fn end(self) -> Result<String, Silence> {
        let left_open = self.at == At::Thinking && self.thought;
        let begun = self.within && !self.said.trim().is_empty();
        let said = match self.enclosed.filter(|_| !begun) {
            Some(enclosed) => enclosed,
            None if left_open => return Err(Silence::OnlyThought),
            None => self.said,
        };
        let said = without_control_tokens(&said).trim().to_owned();
        match (said.is_empty(), self.called, self.thought) {
            (false, ..) => Ok(said),
            (true, true, _) => Err(Silence::OnlyCalled),
            (true, false, true) => Err(Silence::OnlyThought),
            (true, false, false) => Err(Silence::Empty),
        }
    }
}

/// Whether thinking ends behind here that nobody is seen to begin, before the next turn.
fn closes_thinking(text: &str) -> bool {
    let mut from = 0;
    while let Some(found) = next(text, from) {
        match found.token {
            Token::Think(edge) => return edge == Edge::Close,
            Token::Turn(_) | Token::Channel => return false,
            _ => from = found.end,
        }
    }
    false
}

/// The length of the coordinates that a text opens with, up to the mark that ends them; 0 where it opens with words.
fn coordinates(text: &str) -> usize {
    let end = next(text, 0).map_or(text.len(), |found| found.start);
    let is_number =
        |letter: char| letter.is_ascii_digit() || letter.is_whitespace() || "()[],.-".contains(letter);
    if text[..end].chars().all(is_number) { end } else { 0 }
}

#[cfg(test)]
mod tests;
