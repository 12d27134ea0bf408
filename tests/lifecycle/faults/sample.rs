//! Which cases run: one, all, or a sample that a seed chooses.

use super::fault::Fault;
use super::request::RequestName;
use super::scenario::{SCENARIOS, Scenario};

/// How many cases run by default, over all scenarios.
const DEFAULT_RUNS: usize = 32;
const DEFAULT_SEED: u64 = 20_261_128;

/// The cases of one scenario that are to run.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    All,
    /// Three faults for each request, and all faults where a scenario has eight requests. The eight parts have each
    /// case once.
    Eighth(usize),
    One(RequestName, Fault),
    Sample {
        count: usize,
        seed: u64,
    },
}

impl Choice {
    /// Reads the environment; `None`: no case of this scenario.
    ///
    /// - `FEAST_FAULTS_CASE="<scenario> / <request> / <fault>"`: this one.
    /// - `FEAST_FAULTS_ALL=1`: all.
    /// - `FEAST_FAULTS_EIGHTH=<1 to 8>`: this part of them.
    /// - `FEAST_FAULTS_RUNS=<number>`, `FEAST_FAULTS_SEED=<number>`: a sample.
    pub fn of_environment(scenario: &Scenario) -> Option<Self> {
        let read = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(text) = read("FEAST_FAULTS_CASE") {
            let (of, request, fault) = parse(&text).unwrap_or_else(|error| panic!("{error}"));
            return (of == scenario.name).then_some(Self::One(request, fault));
        }
        if read("FEAST_FAULTS_ALL").is_some() {
            return Some(Self::All);
        }
        let number = |name: &str| {
            let text = read(name)?;
            Some(
                text.parse::<u64>()
                    .unwrap_or_else(|error| panic!("{name}={text}: {error}")),
            )
        };
        if let Some(part) = number("FEAST_FAULTS_EIGHTH") {
            assert!(
                (1..=8).contains(&part),
                "FEAST_FAULTS_EIGHTH={part}: 1 to 8"
            );
            return Some(Self::Eighth(part as usize - 1));
        }
        let runs = number("FEAST_FAULTS_RUNS").map_or(DEFAULT_RUNS, |runs| runs as usize);
        let seed = number("FEAST_FAULTS_SEED").unwrap_or(DEFAULT_SEED);
        let place = SCENARIOS.iter().position(|it| it.name == scenario.name);
        let place = place.expect("a scenario of the list");
        // The first ones have one more where it does not come out even.
        let count = runs / SCENARIOS.len() + usize::from(place < runs % SCENARIOS.len());
        // Each scenario begins elsewhere in the same sequence of faults.
        let seed = seed.wrapping_add(place as u64);
        (count > 0).then_some(Self::Sample { count, seed })
    }

    /// Returns whether so many runs are enough.
    pub fn is_enough(&self, runs: usize) -> bool {
        matches!(self, Self::Sample { count, .. } if runs >= *count)
    }

    /// Returns the cases in the order in which they run, from the requests that the operation makes. A sample takes
    /// the first ones.
    pub fn cases(&self, requests: &[RequestName]) -> Vec<(RequestName, Fault)> {
        let all = || {
            let pairs = requests.iter();
            pairs.flat_map(|request| Fault::ALL.map(|fault| (request.clone(), fault)))
        };
        match self {
            Self::All => all().collect(),
            Self::Eighth(part) => {
                let faults = |place: usize| {
                    let faults = Fault::ALL.into_iter().enumerate();
                    faults.filter(move |(fault, _)| (fault + place) % 8 == *part)
                };
                let requests = requests.iter().enumerate();
                let cases = requests.flat_map(|(place, request)| {
                    faults(place).map(|(_, fault)| (request.clone(), fault))
                });
                cases.collect()
            }
            Self::One(request, fault) => vec![(request.clone(), *fault)],
            Self::Sample { seed, .. } => {
                let mut random = Random(*seed);
                let (writes, reads): (Vec<_>, Vec<_>) =
                    all().partition(|(request, _)| request.is_write());
                let (writes, reads) = (random.shuffled(writes), random.shuffled(reads));
                // Most requests are reads, and most of what goes wrong goes wrong at writes.
                alternating(writes, reads)
            }
        }
    }
}

/// Takes from both in turn, until both are used up.
fn alternating<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    std::iter::from_fn(|| Some([first.next(), second.next()]))
        .take_while(|pair| pair.iter().any(Option::is_some))
        .flat_map(|pair| pair.into_iter().flatten())
        .collect()
}

pub fn describe(scenario: &Scenario, request: &RequestName, fault: Fault) -> String {
    format!("{} / {request} / {}", scenario.name, fault.name())
}

fn parse(text: &str) -> Result<(String, RequestName, Fault), String> {
    let parts: Vec<&str> = text.split(" / ").collect();
    let [scenario, request, fault] = parts.as_slice() else {
        return Err(format!(
            "{text:?} is not \"<scenario> / <request> / <fault>\""
        ));
    };
    if !SCENARIOS.iter().any(|it| it.name == *scenario) {
        return Err(format!("there is no scenario {scenario:?}"));
    }
    let fault = Fault::named(fault).ok_or_else(|| format!("there is no fault {fault:?}"))?;
    Ok(((*scenario).to_owned(), request.parse()?, fault))
}

/// SplitMix64: the same numbers for the same seed, on every machine and in every version.
struct Random(u64);

impl Random {
    fn shuffled<T>(&mut self, mut left: Vec<T>) -> Vec<T> {
        let mut shuffled = Vec::new();
        while !left.is_empty() {
            shuffled.push(left.swap_remove(self.below(left.len())));
        }
        shuffled
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits % limit as u64) as usize
    }
}

/// Checks the choice of cases; it needs no cluster.
pub fn a_seed_chooses_the_same_cases_again() {
    let requests: Vec<RequestName> = (1..=3)
        .map(|nth| RequestName {
            target: "LIST pods".to_owned(),
            nth,
        })
        .collect();
    let sample = |seed| Choice::Sample { count: 2, seed }.cases(&requests);
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let all = Choice::All.cases(&requests);
    assert_eq!(all.len(), 3 * Fault::ALL.len());
    // A sample is a different order of the same cases.
    let mut sorted = [sample(1), all];
    sorted.iter_mut().for_each(|cases| cases.sort());
    assert_eq!(sorted[0], sorted[1]);
    // The eight parts are a partition, each with three faults for a request.
    let mut parts: Vec<_> = (0..8)
        .map(|part| Choice::Eighth(part).cases(&requests))
        .collect();
    assert!(parts.iter().all(|part| part.len() == 9));
    let mut joined = parts.drain(..).flatten().collect::<Vec<_>>();
    joined.sort();
    assert_eq!(joined, sorted[0]);
    let enough = |choice: Choice| [1, 2].map(|runs| choice.is_enough(runs));
    assert_eq!(enough(Choice::Sample { count: 2, seed: 1 }), [false, true]);
    assert_eq!(enough(Choice::All), [false, false]);

    let case = describe(&SCENARIOS[0], &requests[1], Fault::Status429Later);
    assert_eq!(case, "create / LIST pods #2 / 429-retry-after");
    let parsed = parse(&case).unwrap();
    assert_eq!(
        parsed,
        (
            "create".to_owned(),
            requests[1].clone(),
            Fault::Status429Later
        )
    );
}
