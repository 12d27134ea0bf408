//! The longest tests of a run, which `main` starts first.

use std::sync::Mutex;
use std::time::{Duration, Instant};

const SHOWN: usize = 15;
/// The number of tests in a run whose times are of interest.
const MANY: usize = 50;

static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Runs a test, and notes its time.
pub fn measured<T>(name: &str, test: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = test();
    let mut times = TIMES.lock().unwrap();
    times.push((began.elapsed(), name.replace(' ', "")));
    result
}

pub fn print_longest() {
    let mut times = TIMES.lock().unwrap();
    if times.len() < MANY {
        return;
    }
    times.sort();
    eprintln!("The longest tests:");
    for (time, name) in times.iter().rev().take(SHOWN) {
        eprintln!("{:>6.1} s  {name}", time.as_secs_f32());
    }
}
