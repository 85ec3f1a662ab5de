//! The steps of the commit protocol, named, so that tests can crash or fill the disk at any of them.
//!
//! Outside tests a step is nothing.

/// Before a step of the protocol: an error or a panic here is what a full disk or a crash looks like.
#[cfg(not(test))]
#[inline]
pub(super) fn step(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use injected::step;

#[cfg(test)]
pub(super) mod injected {
    use std::cell::RefCell;
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::{Arc, Mutex};

    /// What happens at the step that was chosen.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Mishap {
        /// The process ends: nothing after this step happens, no clean-up either.
        Crash,
        /// The disk is full from here on.
        Full,
    }

    #[derive(Default)]
    struct Plan {
        mishap: Option<(usize, Mishap)>,
        passed: Vec<&'static str>,
    }

    thread_local!(static PLAN: RefCell<Option<Arc<Mutex<Plan>>>> = const { RefCell::new(None) });

    struct Crashed;

    /// What an action under [`mishap_at`] came to.
    pub(crate) enum Ended<T> {
        Returned(T),
        Crashed,
    }

    /// Runs `action`, with `mishap` at the step of that number (counted from 0); gives the steps passed, too.
    pub(crate) fn mishap_at<T>(
        number: usize,
        mishap: Mishap,
        action: impl FnOnce() -> T,
    ) -> (Ended<T>, Vec<&'static str>) {
        let plan = Arc::new(Mutex::new(Plan { mishap: Some((number, mishap)), passed: Vec::new() }));
        adopt(Some(plan.clone()));
        let ended = catch_unwind(AssertUnwindSafe(action));
        adopt(None);
        let passed = plan.lock().unwrap().passed.clone();
        match ended {
            Ok(value) => (Ended::Returned(value), passed),
            Err(panic) if panic.is::<Crashed>() => (Ended::Crashed, passed),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// The plan of this thread, for the threads that it starts.
    pub(crate) fn inherit() -> impl Fn() + Sync {
        let plan = PLAN.with_borrow(Clone::clone);
        move || adopt(plan.clone())
    }

    pub(crate) fn frees_space(name: &str) -> bool {
        name.starts_with("delete")
    }

    fn adopt(plan: Option<Arc<Mutex<Plan>>>) {
        PLAN.with_borrow_mut(|here| *here = plan);
    }

    pub(crate) fn step(name: &'static str) -> io::Result<()> {
        let Some(plan) = PLAN.with_borrow(Clone::clone) else { return Ok(()) };
        let mut plan = plan.lock().unwrap();
        let number = plan.passed.len();
        plan.passed.push(name);
        let mishap = plan.mishap;
        drop(plan);
        match mishap {
            Some((at, Mishap::Crash)) if number >= at => resume_unwind(Box::new(Crashed)),
            Some((at, Mishap::Full)) if number >= at && !frees_space(name) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}
