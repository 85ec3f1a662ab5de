//! Where the dials stood: steps that can be taken back, and taken again.

use crate::flow::Setting;

/// Steps that are remembered.
const MOST_STEPS: usize = 1000;

/// Where the dials stood, step by step, and which step is shown.
pub(super) struct History {
    steps: Vec<Vec<Setting>>,
    at: usize,
    /// What the last step was part of: a handle that is dragged makes one step.
    gesture: Option<String>,
}

impl History {
    pub(super) fn new(first: Vec<Setting>) -> Self {
        History { steps: vec![first], at: 0, gesture: None }
    }

    /// The dials were put there. A turn of the same gesture as the last one takes its place.
    pub(super) fn step(&mut self, settings: Vec<Setting>, gesture: Option<String>) {
        let goes_on = gesture.is_some() && gesture == self.gesture && self.at > 0;
        self.gesture = gesture;
        self.steps.truncate(self.at + 1);
        if goes_on {
            self.steps[self.at] = settings;
            return;
        }
        if self.steps[self.at] == settings {
            return;
        }
        self.steps.push(settings);
        if self.steps.len() > MOST_STEPS {
            self.steps.remove(0);
        }
        self.at = self.steps.len() - 1;
    }

    /// Takes a step back (`true`), or takes it again: where the dials stand then.
    pub(super) fn go(&mut self, back: bool) -> Option<Vec<Setting>> {
        self.gesture = None;
        let to = if back { self.at.checked_sub(1)? } else { self.at + 1 };
        let settings = self.steps.get(to)?.clone();
        self.at = to;
        Some(settings)
    }

    /// Steps that can be taken back, and again.
    pub(super) fn steps(&self) -> (usize, usize) {
        (self.at, self.steps.len() - 1 - self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: f32) -> Vec<Setting> {
        vec![Setting::At(value)]
    }

    #[test]
    fn a_gesture_is_one_step_and_what_was_taken_back_goes_when_another_step_is_taken() {
        let mut history = History::new(at(0.0));
        assert_eq!(history.go(true), None);
        for value in [1.0, 2.0, 3.0] {
            history.step(at(value), Some("drag 1".into()));
        }
        history.step(at(4.0), Some("drag 2".into()));
        history.step(at(4.0), None);
        assert_eq!(history.steps(), (2, 0));
        assert_eq!(history.go(true), Some(at(3.0)));
        assert_eq!(history.go(true), Some(at(0.0)));
        assert_eq!((history.go(true), history.steps()), (None, (0, 2)));
        assert_eq!(history.go(false), Some(at(3.0)));
        history.step(at(5.0), Some("drag 2".into()));
        assert_eq!((history.go(false), history.steps()), (None, (2, 0)));
        assert_eq!(history.go(true), Some(at(3.0)));
    }

    #[test]
    fn the_oldest_steps_are_forgotten() {
        let mut history = History::new(at(0.0));
        (1..=MOST_STEPS + 5).for_each(|value| history.step(at(value as f32), None));
        assert_eq!(history.steps(), (MOST_STEPS - 1, 0));
    }
}
