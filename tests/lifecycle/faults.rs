//! Fault injection: a proxy in front of the real API server breaks one request of an operation, in every way that
//! requests break in practice. Whatever the operation says then, the next apply must converge, the plan after it must
//! be empty, and a destroy must leave nothing.
//!
//! A case is a scenario, a request of its operation, and a fault. The first run of a scenario has no fault and finds
//! the requests. `cargo test` runs a sample, `.ci/extended` an eighth of all cases.

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

use run::Outcome;
use sample::{Choice, describe};
use scenario::{SCENARIOS, Scenario};

pub use fault::Fault;
pub use proxy::{Injection, Proxy};
pub use request::{RequestName, requests_have_stable_names};
pub use sample::a_seed_chooses_the_same_cases_again;

/// One trial for each scenario.
pub fn trials() -> Vec<Trial> {
    let trials = SCENARIOS.iter().map(|scenario| {
        Trial::test(format!("faults::{}", scenario.name), move || {
            converges(scenario);
            Ok(())
        })
    });
    trials.collect()
}

/// Checks the chosen cases of a scenario, and reports every one that fails with the command that repeats it.
fn converges(scenario: &'static Scenario) {
    let Some(choice) = Choice::of_environment(scenario) else {
        eprintln!("faults::{}: no case was chosen", scenario.name);
        return;
    };
    let expected = run::without_fault(scenario).unwrap_or_else(|error| panic!("{error}"));
    let cases = choice.cases(&expected.requests);
    let all = expected.requests.len() * fault::Fault::ALL.len();
    let requests = expected.requests.len();
    let name = scenario.name;
    eprintln!("faults::{name}: {requests} requests, {all} cases, {choice:?}");
    let mut failures = Vec::new();
    let mut converged = 0;
    for (request, fault) in cases {
        if choice.is_enough(converged + failures.len()) {
            break;
        }
        let case = describe(scenario, &request, fault);
        let began = Instant::now();
        let result = run::with_fault(scenario, &expected, &request, fault);
        let seconds = began.elapsed().as_secs_f32();
        let word = match &result {
            Ok(Outcome::Converged) => "ok",
            Ok(Outcome::NotMade) => "the request was not made this time:",
            Err(_) => "FAILED",
        };
        eprintln!("faults: {word} {case} ({seconds:.1} s)");
        converged += usize::from(result == Ok(Outcome::Converged));
        if let Err(error) = result {
            // At once, for whoever watches a long run.
            eprintln!("{error}");
            failures.push(format!(
                "{case}\n  FEAST_FAULTS_CASE='{case}' cargo test --test lifecycle -- --exact faults::{name}\n{error}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(converged > 0, "no case has run to its end");
}
