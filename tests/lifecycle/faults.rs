//! Fault injection: a proxy in front of the real API server injects a fault into one request of an operation. Whatever
//! the result of the operation, the next apply must converge, the plan after it must be empty, and a destroy must
//! leave no objects behind.
//!
//! A case is a scenario, a request of its operation, and a fault. The first run of a scenario has no fault and records
//! the requests. `cargo test` runs a sample of the cases, `.ci/extended` runs an eighth of them.

#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "faults/request.rs"]
mod request;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/sample.rs"]
mod sample;
#[path = "faults/scenario.rs"]
mod scenario;

use std::time::Instant;

use libtest_mimic::Trial;

use super::times;
use run::Outcome;
use sample::{Selection, case_name, completed_cases};
use scenario::{SCENARIOS, Scenario};

pub use fault::Fault;
pub use proxy::{Injection, Proxy};
pub use request::{RequestName, requests_have_stable_names};
pub use sample::same_seed_selects_same_cases;

/// Returns one trial for each scenario.
pub fn trials() -> Vec<Trial> {
    let trials = SCENARIOS.iter().map(|scenario| {
        let name = format!("faults::{}", scenario.name);
        Trial::test(name.clone(), move || {
            times::measured(&name, || converges(scenario));
            Ok(())
        })
    });
    trials.collect()
}

/// Runs the selected cases of a scenario, and reports every failure with the command that repeats it.
fn converges(scenario: &'static Scenario) {
    let Some(selection) = Selection::from_environment(scenario) else {
        eprintln!("faults::{}: no case was selected", scenario.name);
        return;
    };
    let expected = run::without_fault(scenario).unwrap_or_else(|error| panic!("{error}"));
    let cases = selection.cases(&expected.requests);
    let all = expected.requests.len() * fault::Fault::ALL.len();
    let requests = expected.requests.len();
    let name = scenario.name;
    eprintln!("faults::{name}: {requests} requests, {all} cases, {selection:?}");
    let mut failures = Vec::new();
    let completed = completed_cases();
    let mut converged = 0;
    for (request, fault) in cases {
        if selection.is_complete_after(converged + failures.len()) {
            break;
        }
        let case = case_name(scenario, &request, fault);
        if completed.contains(&case) {
            converged += 1;
            continue;
        }
        let began = Instant::now();
        let result = run::with_fault(scenario, &expected, &request, fault);
        let seconds = began.elapsed().as_secs_f32();
        let word = match &result {
            Ok(Outcome::Converged) => "ok",
            Ok(Outcome::NotSent) => "the request was not sent:",
            Err(_) => "FAILED",
        };
        eprintln!("faults: {word} {case} ({seconds:.1} s)");
        converged += usize::from(result == Ok(Outcome::Converged));
        if let Err(error) = result {
            // Printed immediately, because a run can take hours.
            eprintln!("{error}");
            failures.push(format!(
                "{case}\n  FEAST_FAULTS_CASE='{case}' cargo test --test lifecycle -- --exact faults::{name}\n{error}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(converged > 0, "no case was completed");
}
