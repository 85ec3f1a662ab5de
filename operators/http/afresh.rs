//! What is found out once, by whoever needs it first, until it is forgotten: a session that asks anew finds it out anew.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A value that is made once.
pub struct Afresh<T>(Mutex<Arc<OnceLock<T>>>);

impl<T> Default for Afresh<T> {
    fn default() -> Self {
        Afresh(Mutex::default())
    }
}

impl<T: Clone> Afresh<T> {
    fn cell(&self) -> MutexGuard<'_, Arc<OnceLock<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value; `make` makes it, and who comes meanwhile waits for it.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> T {
        let cell = self.cell().clone();
        cell.get_or_init(make).clone()
    }

    /// The value, if it was made.
    pub fn get(&self) -> Option<T> {
        self.cell().get().cloned()
    }

    /// Forgets a value that `is_bad`. What is being made goes on.
    pub fn forget_if(&self, is_bad: impl FnOnce(&T) -> bool) {
        let mut cell = self.cell();
        if cell.get().is_some_and(is_bad) {
            *cell = Arc::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_is_made_anew_and_what_is_good_is_not() {
        let made: Afresh<Result<u32, u32>> = Afresh::default();
        assert_eq!(made.get(), None);
        assert_eq!(made.get_or_init(|| Err(1)), Err(1));
        assert_eq!(made.get_or_init(|| Ok(2)), Err(1), "once");
        made.forget_if(Result::is_err);
        assert_eq!(made.get_or_init(|| Ok(3)), Ok(3));
        made.forget_if(Result::is_err);
        assert_eq!(made.get(), Some(Ok(3)));
    }
}
