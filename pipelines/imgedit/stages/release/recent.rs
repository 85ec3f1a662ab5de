//! Things that were used last, opened once and shared by threads.

use std::sync::{Arc, Mutex, PoisonError};

/// Values by key, `most` of them: the ones that were used last.
pub(crate) struct Recent<K, V> {
    most: usize,
    /// The latest stands last.
    held: Mutex<Vec<(K, Arc<V>)>>,
}

impl<K: PartialEq, V> Recent<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Recent { most, held: Mutex::default() }
    }

    /// The value of that key, made by `make` where it is not held; whoever comes meanwhile waits.
    pub(crate) fn get<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = held.iter().position(|(known, _)| *known == key);
        let value = match found {
            Some(place) => held.remove(place).1,
            None => Arc::new(make()?),
        };
        if held.len() >= self.most {
            held.remove(0);
        }
        held.push((key, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let recent = Recent::new(2);
        let made = |key: u32| {
            let mut made = false;
            let value = recent.get(key, || {
                made = true;
                Ok::<_, ()>(key * 10)
            });
            assert_eq!(*value.unwrap(), key * 10);
            made
        };
        assert_eq!([1, 2, 1, 3, 1, 2].map(made), [true, true, false, true, false, true]);
        assert_eq!(recent.get(9, || Err("no")).unwrap_err(), "no");
        assert!(!made(2));
    }
}
