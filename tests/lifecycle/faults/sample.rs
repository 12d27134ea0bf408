//! The selection of the cases to run: one, all, or a sample for a seed.

use std::collections::BTreeSet;

use super::fault::Fault;
use super::request::RequestName;
use super::scenario::{SCENARIOS, Scenario};

/// The default number of cases, over all scenarios.
const DEFAULT_RUNS: usize = 20;
const DEFAULT_SEED: u64 = 20_261_128;

/// The selected cases of one scenario.
#[derive(Debug, PartialEq, Eq)]
pub enum Selection {
    All,
    /// One of eight parts of the cases: three faults for each request. The parts are a partition of all cases, and a
    /// part has all faults if the scenario has at least eight requests.
    Eighth(usize),
    One(RequestName, Fault),
    Sample {
        count: usize,
        seed: u64,
    },
}

impl Selection {
    /// Reads the selection from the environment. Returns `None` if it has no case of this scenario.
    ///
    /// - `FEAST_FAULTS_CASE="<scenario> / <request> / <fault>"`: one case.
    /// - `FEAST_FAULTS_ALL=1`: all cases.
    /// - `FEAST_FAULTS_EIGHTH=<1 to 8>`: one of eight parts of the cases.
    /// - `FEAST_FAULTS_RUNS=<number>`, `FEAST_FAULTS_SEED=<number>`: a sample.
    pub fn from_environment(scenario: &Scenario) -> Option<Self> {
        let read = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(text) = read("FEAST_FAULTS_CASE") {
            let (name, request, fault) = parse(&text).unwrap_or_else(|error| panic!("{error}"));
            return (name == scenario.name).then_some(Self::One(request, fault));
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
        let position = SCENARIOS.iter().position(|it| it.name == scenario.name);
        let position = position.expect("a scenario of the list");
        // The first scenarios have one more if the number of cases is not divisible.
        let count = runs / SCENARIOS.len() + usize::from(position < runs % SCENARIOS.len());
        // Each scenario starts at another position of the same random sequence.
        let seed = seed.wrapping_add(position as u64);
        (count > 0).then_some(Self::Sample { count, seed })
    }

    /// Returns whether this number of runs is sufficient.
    pub fn is_complete_after(&self, runs: usize) -> bool {
        matches!(self, Self::Sample { count, .. } if runs >= *count)
    }

    /// Returns the cases in the order of execution, for the requests of the operation. A sample runs the first cases.
    pub fn cases(&self, requests: &[RequestName]) -> Vec<(RequestName, Fault)> {
        let all = || {
            let pairs = requests.iter();
            pairs.flat_map(|request| Fault::ALL.map(|fault| (request.clone(), fault)))
        };
        match self {
            Self::All => all().collect(),
            Self::Eighth(part) => {
                let faults = |position: usize| {
                    let faults = Fault::ALL.into_iter().enumerate();
                    faults.filter(move |(fault, _)| (fault + position) % 8 == *part)
                };
                let requests = requests.iter().enumerate();
                let cases = requests.flat_map(|(position, request)| {
                    faults(position).map(|(_, fault)| (request.clone(), fault))
                });
                cases.collect()
            }
            Self::One(request, fault) => vec![(request.clone(), *fault)],
            Self::Sample { seed, .. } => {
                let mut random = Random(*seed);
                let (writes, reads): (Vec<_>, Vec<_>) =
                    all().partition(|(request, _)| request.is_write());
                let (writes, reads) = (random.shuffled(writes), random.shuffled(reads));
                // Most requests are reads, and most problems occur with writes.
                interleave(writes, reads)
            }
        }
    }
}

/// Takes elements alternately from both lists, until both are empty.
fn interleave<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    std::iter::from_fn(|| Some([first.next(), second.next()]))
        .take_while(|pair| pair.iter().any(Option::is_some))
        .flat_map(|pair| pair.into_iter().flatten())
        .collect()
}

/// Returns the names of the cases that an interrupted run has completed: `FEAST_FAULTS_RESUME` is the file with its
/// output.
pub fn completed_cases() -> BTreeSet<String> {
    let Some(file) = std::env::var_os("FEAST_FAULTS_RESUME").filter(|file| !file.is_empty()) else {
        return BTreeSet::new();
    };
    let output = std::fs::read_to_string(&file);
    let output =
        output.unwrap_or_else(|error| panic!("FEAST_FAULTS_RESUME={}: {error}", file.display()));
    let completed = output.lines().filter_map(|line| {
        let (_, case) = line.split_once("faults: ok ")?;
        let (case, _) = case.rsplit_once(" (")?;
        Some(case.to_owned())
    });
    completed.collect()
}

pub fn case_name(scenario: &Scenario, request: &RequestName, fault: Fault) -> String {
    format!("{} / {request} / {}", scenario.name, fault.name())
}

fn parse(text: &str) -> Result<(String, RequestName, Fault), String> {
    let parts: Vec<&str> = text.split(" / ").collect();
    let [scenario, request, fault] = parts.as_slice() else {
        return Err(format!(
            "{text:?} does not have the form \"<scenario> / <request> / <fault>\""
        ));
    };
    if !SCENARIOS.iter().any(|it| it.name == *scenario) {
        return Err(format!("unknown scenario {scenario:?}"));
    }
    let fault = Fault::from_name(fault).ok_or_else(|| format!("unknown fault {fault:?}"))?;
    Ok(((*scenario).to_owned(), request.parse()?, fault))
}

/// The generator SplitMix64, whose numbers depend only on the seed.
struct Random(u64);

impl Random {
    fn shuffled<T>(&mut self, mut remaining: Vec<T>) -> Vec<T> {
        let mut shuffled = Vec::new();
        while !remaining.is_empty() {
            shuffled.push(remaining.swap_remove(self.below(remaining.len())));
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

/// Tests the selection of cases. It needs no cluster.
pub fn same_seed_selects_same_cases() {
    let requests: Vec<RequestName> = (1..=3)
        .map(|nth| RequestName {
            target: "LIST pods".to_owned(),
            nth,
        })
        .collect();
    let sample = |seed| Selection::Sample { count: 2, seed }.cases(&requests);
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let all = Selection::All.cases(&requests);
    assert_eq!(all.len(), 3 * Fault::ALL.len());
    // A sample is a permutation of all cases.
    let mut sorted = [sample(1), all];
    sorted.iter_mut().for_each(|cases| cases.sort());
    assert_eq!(sorted[0], sorted[1]);
    // The eight parts are a partition of all cases, with three faults for each request.
    let mut parts: Vec<_> = (0..8)
        .map(|part| Selection::Eighth(part).cases(&requests))
        .collect();
    assert!(parts.iter().all(|part| part.len() == 9));
    let mut joined = parts.drain(..).flatten().collect::<Vec<_>>();
    joined.sort();
    assert_eq!(joined, sorted[0]);
    let enough = |selection: Selection| [1, 2].map(|runs| selection.is_complete_after(runs));
    assert_eq!(
        enough(Selection::Sample { count: 2, seed: 1 }),
        [false, true]
    );
    assert_eq!(enough(Selection::All), [false, false]);

    let case = case_name(&SCENARIOS[0], &requests[1], Fault::Status429Later);
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
