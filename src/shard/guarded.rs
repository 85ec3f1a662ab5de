//! Runs other people's code on hostile bytes. A panic in a picture decoder becomes that picture's refusal, and prints nothing on the
//! terminal.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many calls of [`guarded`] this thread is in.
    static GUARDED: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work`; a panic in it comes back as its message. It is caught on this thread, and the process's panic hook, which would print a
/// backtrace for each broken picture, doesn't hear of it.
///
/// ```
/// assert_eq!(threshflow::shard::guarded(|| 7), Ok(7));
/// assert_eq!(threshflow::shard::guarded::<()>(|| panic!("no such row")), Err("no such row".to_owned()));
/// ```
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if GUARDED.get() == 0 {
                before(panic);
            }
        }));
    });
    GUARDED.set(GUARDED.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(GUARDED.get() - 1);
    outcome.map_err(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Its own thread's panics only: other tests may panic meanwhile.
    const NAME: &str = "guarded, heard";

    #[test]
    fn the_hook_hears_of_no_guarded_panic_and_of_every_other() {
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        // Laid beneath ours where no other test was faster, else above it; then ours is silent, and this one counts for both.
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(NAME) && GUARDED.get() == 0 {
                HEARD.fetch_add(1, Ordering::SeqCst);
            } else {
                before(panic);
            }
        }));
        let heard = std::thread::Builder::new().name(NAME.to_owned()).spawn(|| {
            assert_eq!(guarded(|| guarded::<()>(|| panic!("inner"))), Ok(Err("inner".to_owned())));
            assert_eq!(guarded::<()>(|| panic!("{} of {}", 3, 2)), Err("3 of 2".to_owned()));
            let quiet = HEARD.load(Ordering::SeqCst);
            let _ = catch_unwind(|| panic!("outside"));
            (quiet, HEARD.load(Ordering::SeqCst))
        });
        assert_eq!(heard.unwrap().join().unwrap(), (0, 1));
    }
}
