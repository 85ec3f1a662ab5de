//! The order at the door, and what passes in a minute, by a clock that the test turns.

use std::sync::mpsc;
use std::thread;

use governor::clock::FakeRelativeClock;

use super::*;

const NEVER: Breaker = Breaker { failures: u32::MAX, pause: Duration::ZERO };

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn who_came_first_goes_first() {
    let gate = Gate::new(1, None, None, NEVER);
    let first = gate.enter(0, far()).unwrap_or_else(|reason| panic!("{reason:?}"));
    let (entered, order) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..20 {
            let (gate, entered) = (&gate, entered.clone());
            scope.spawn(move || {
                let permit = gate.enter(0, far());
                entered.send(number).expect("somebody listens");
                drop(permit);
            });
            while gate.lock().waiting.len() <= number {
                thread::yield_now();
            }
        }
        drop((first, entered));
    });
    assert!(order.iter().eq(0..20));
    assert_eq!(gate.most_seen(), 1);
}

#[test]
fn who_has_no_time_leaves_no_gap() {
    let gate = Gate::new(1, None, None, NEVER);
    let first = gate.enter(0, far()).unwrap_or_else(|reason| panic!("{reason:?}"));
    assert_eq!(gate.enter(0, Instant::now()).err(), Some(NotLetIn::Full));
    assert!(gate.lock().waiting.is_empty());
    drop(first);
    assert!(gate.enter(0, Instant::now()).is_ok());
    assert_eq!(gate.lock().in_flight, 0);
}

#[test]
fn in_no_minute_do_more_pass_than_the_bound_and_a_sixth() {
    for bound in [1, 5, 60, 100, 1000] {
        let clock = FakeRelativeClock::default();
        let bucket =
            Bucket::with_clock(NonZeroU32::new(bound).expect("positive"), clock.clone()).expect("a bucket");
        let (step, minutes) = (Duration::from_millis(10), 4);
        // How many pass in each step, for one who takes whatever there is.
        let passed: Vec<u32> = (0..minutes * 6000)
            .map(|_| {
                clock.advance(step);
                (0..).take_while(|_| pay(Some(&bucket), &mut 1).is_none()).count() as u32
            })
            .collect();
        let most = passed.windows(6000).map(|minute| minute.iter().sum::<u32>()).max().expect("windows");
        assert!(most <= bound * 7 / 6 + 1, "{most} of {bound} in a minute");
        let all: u32 = passed.iter().sum();
        assert!(all >= bound * (minutes as u32), "{all} of {bound} a minute: what may pass does");
    }
}

#[test]
fn more_than_a_bucket_holds_is_taken_bite_by_bite() {
    let clock = FakeRelativeClock::default();
    let bucket =
        Bucket::with_clock(NonZeroU32::new(600).expect("positive"), clock.clone()).expect("a bucket");
    let (mut owed, mut waited) = (1000, Duration::ZERO);
    while let Some(wait) = pay(Some(&bucket), &mut owed) {
        waited += wait;
        clock.advance(wait);
    }
    // A hundred were there; the rest came at ten a second.
    assert!(waited.abs_diff(Duration::from_secs(90)) < Duration::from_millis(200), "{waited:?}");
}

#[test]
fn what_was_sent_before_the_last_good_answer_opens_nothing() {
    let gate = Gate::new(100, None, None, Breaker { failures: 3, pause: Duration::from_secs(60) });
    let enter = || gate.enter(0, Instant::now());
    let hung: Vec<_> = (0..10).map(|_| enter().expect("room")).collect();
    enter().expect("room").went(Went::Well);
    hung.into_iter().for_each(|permit| permit.went(Went::Badly));
    // What was sent since does.
    let (one, two, three) = (enter().expect("closed"), enter().expect("closed"), enter().expect("closed"));
    one.went(Went::Badly);
    two.went(Went::Badly);
    enter().expect("still closed").went(Went::Unsaid);
    three.went(Went::Badly);
    assert_eq!(enter().err(), Some(NotLetIn::Open));
}

#[test]
fn who_comes_when_it_has_failed_for_long_does_not_wait_for_the_next_try() {
    let pause = Duration::from_millis(200);
    let gate =
        Gate::new(100, None, None, Breaker { failures: 1, pause }).with_patience(Duration::from_millis(50));
    let fail = |deadline: Instant| gate.enter(0, deadline).map(|permit| permit.went(Went::Badly));
    fail(far()).expect("closed");
    // It is not ill for long yet: this one waits for the next try, and is it.
    let begin = Instant::now();
    fail(far()).expect("a try");
    assert!(begin.elapsed() >= pause - Duration::from_millis(20));
    let begin = Instant::now();
    assert!((0..50).all(|_| fail(far()).err() == Some(NotLetIn::Open)));
    assert!(begin.elapsed() < pause / 2, "somebody waited");
    // A try whose time has come is made all the same, and one that goes well ends it.
    while gate.enter(0, Instant::now()).map(|permit| permit.went(Went::Well)).is_err() {
        thread::yield_now();
    }
    fail(Instant::now()).expect("closed");
    assert_eq!(gate.lock().failures, 1);
}
