//! The tables and the plot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use crate::Samples;
use crate::measure::{Operation, Sample};
use crate::measured;
use crate::providers::Kind;
use crate::start::Start;

const OPERATIONS: [Operation; 7] = [
    Operation::Validate,
    Operation::FirstPlan,
    Operation::Apply,
    Operation::NoOpPlan,
    Operation::PlanWithoutRefresh,
    Operation::OneChange,
    Operation::Destroy,
];

/// The line in docs/performance.md after which the report is written.
const BEGIN: &str = "<!-- Written by `FEAST_BENCH_WRITE=1 cargo bench --bench peers`. -->";

pub struct Report {
    starts: BTreeMap<Kind, Start>,
    /// The medians of each operation, by number of stores.
    medians: BTreeMap<usize, BTreeMap<Kind, BTreeMap<Operation, Sample>>>,
    machine: String,
}

impl Report {
    pub fn new(starts: BTreeMap<Kind, Start>, samples: Samples) -> Self {
        let mut medians: BTreeMap<usize, BTreeMap<Kind, _>> = BTreeMap::new();
        for ((stores, kind), operations) in samples {
            let of_one = operations
                .into_iter()
                .map(|(operation, samples)| (operation, median_sample(samples)));
            medians
                .entry(stores)
                .or_default()
                .insert(kind, of_one.collect());
        }
        Self {
            starts,
            medians,
            machine: machine(),
        }
    }

    /// Writes the page, and the plot next to it.
    pub fn write(&self, docs: &Path) {
        let mut image = "";
        if let Some(plot) = self.plot(10) {
            fs::write(docs.join("performance.svg"), plot).unwrap();
            image = "![Ten stores: seconds of each provider](performance.svg)\n\n";
        }
        let page = docs.join("performance.md");
        measured::write_section(&page, BEGIN, &format!("{image}{self}"));
    }

    fn start_table(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "| provider | start to handshake | memory after start | `providers schema` | schema as JSON | binary |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        for (kind, start) in &self.starts {
            writeln!(
                out,
                "| {kind} | {:.1} ms | {:.1} MB | {:.2} s | {} kB | {:.1} MB |",
                start.handshake.as_secs_f64() * 1e3,
                megabytes(start.memory),
                start.schema.as_secs_f64(),
                start.schema_size / 1000,
                start.binary as f64 / 1e6,
            )?;
        }
        writeln!(out)
    }

    fn table(&self, out: &mut String, stores: usize) -> fmt::Result {
        let providers = &self.medians[&stores];
        writeln!(
            out,
            "### {stores} {}\n",
            if stores == 1 { "store" } else { "stores" }
        )?;
        for (title, cell) in [
            (
                "seconds (× feast)",
                seconds as fn(&Sample, Option<&Sample>) -> String,
            ),
            ("requests to the API server", requests),
            ("provider: CPU seconds, peak memory", resource_usage),
        ] {
            write!(out, "| {title} |")?;
            OPERATIONS
                .iter()
                .try_for_each(|operation| write!(out, " {operation} |"))?;
            writeln!(out, "\n|---|{}", "---|".repeat(OPERATIONS.len()))?;
            for (kind, operations) in providers {
                let is_request = title.starts_with("requests") && *kind == Kind::ApiServerAlone;
                if kind.is_limit() && !title.starts_with("seconds") && !is_request {
                    continue;
                }
                write!(out, "| {kind} |")?;
                for operation in OPERATIONS {
                    let feast = providers.get(&Kind::Feast).filter(|_| *kind != Kind::Feast);
                    let feast = feast.map(|operations| &operations[&operation]);
                    match operations.get(&operation) {
                        Some(sample) => write!(out, " {} |", cell(sample, feast))?,
                        None => write!(out, " – |")?,
                    }
                }
                writeln!(out)?;
            }
            writeln!(out)?;
        }
        let states = providers.iter().filter(|(kind, _)| !kind.is_limit());
        let states = states.map(|(kind, operations)| {
            format!(
                "{kind} {} kB",
                operations[&Operation::NoOpPlan].state / 1000
            )
        });
        writeln!(out, "State: {}.\n", states.collect::<Vec<_>>().join(", "))?;
        let missing = (self.measured_providers()).filter(|kind| !providers.contains_key(kind));
        let missing: Vec<String> = missing.map(|kind| kind.to_string()).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => writeln!(
                out,
                "Not measured with this number of stores: {}.\n",
                missing.join(", ")
            ),
        }
    }

    /// Returns the providers that were measured, with any number of stores.
    fn measured_providers(&self) -> impl Iterator<Item = Kind> {
        let all: BTreeSet<Kind> = (self.medians.values())
            .flat_map(|providers| providers.keys().copied())
            .collect();
        all.into_iter()
    }

    /// Returns a bar chart: the seconds of each provider, one group for each operation.
    fn plot(&self, stores: usize) -> Option<String> {
        const SHOWN: [Operation; 3] = [Operation::Apply, Operation::NoOpPlan, Operation::Destroy];
        const COLORS: [&str; 8] = [
            "#2a9d8f", "#264653", "#8ab17d", "#e9c46a", "#f4a261", "#777777", "#999999", "#bbbbbb",
        ];
        const LEFT: f64 = 150.0;
        const WIDTH: f64 = 520.0;
        let providers = self.medians.get(&stores)?;
        let mut body = String::new();
        let mut y = 40.0;
        for operation in SHOWN {
            let walls = providers.iter().filter_map(|(kind, operations)| {
                Some((kind, operations.get(&operation)?.wall.as_secs_f64()))
            });
            let walls: Vec<_> = walls.collect();
            let longest = walls.iter().map(|(_, wall)| *wall).fold(0.0, f64::max);
            writeln!(
                body,
                "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{operation}</text>"
            )
            .ok()?;
            y += 8.0;
            for (position, (kind, seconds)) in walls.into_iter().enumerate() {
                let width = (seconds / longest * WIDTH).max(1.0);
                let color = COLORS[position % COLORS.len()];
                writeln!(
                    body,
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{kind}</text>\
                     <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"14\" fill=\"{color}\"/>\
                     <text x=\"{:.1}\" y=\"{}\">{seconds:.2} s</text>",
                    LEFT - 6.0,
                    y + 12.0,
                    LEFT + width + 6.0,
                    y + 12.0,
                )
                .ok()?;
                y += 18.0;
            }
            y += 26.0;
        }
        Some(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {y}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"760\" height=\"{y}\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"16\" font-size=\"14\">{stores} stores of 12 objects: seconds, each group to its own \
             scale</text>\n{body}</svg>\n"
        ))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = format!("{}\n\n", self.machine);
        self.start_table(&mut out)?;
        for stores in self.medians.keys() {
            self.table(&mut out, *stores)?;
        }
        f.write_str(out.trim_end())?;
        f.write_str("\n")
    }
}

fn seconds(sample: &Sample, feast: Option<&Sample>) -> String {
    let seconds = sample.wall.as_secs_f64();
    match feast {
        Some(feast) => format!("{seconds:.2} ({:.1})", seconds / feast.wall.as_secs_f64()),
        None => format!("**{seconds:.2}**"),
    }
}

pub fn requests(sample: &Sample, _: Option<&Sample>) -> String {
    let verbs = sample
        .requests
        .iter()
        .map(|(verb, count)| format!("{count} {verb}"));
    let verbs: Vec<String> = verbs.collect();
    match verbs.len() {
        0 => "0".to_owned(),
        1 => verbs.concat(),
        _ => format!("{}: {}", sample.all_requests(), verbs.join(", ")),
    }
}

fn resource_usage(sample: &Sample, _: Option<&Sample>) -> String {
    format!(
        "{:.2} s, {:.0} MB",
        sample.cpu.as_secs_f64(),
        megabytes(sample.memory)
    )
}

pub fn megabytes(kibibytes: u64) -> f64 {
    kibibytes as f64 * 1024.0 / 1e6
}

/// Returns the sample of median time, with the maximum memory of all samples.
fn median_sample(mut samples: Vec<Sample>) -> Sample {
    let memory = samples
        .iter()
        .map(|sample| sample.memory)
        .max()
        .unwrap_or(0);
    samples.sort_by_key(|sample| sample.wall);
    let median = samples.swap_remove(samples.len() / 2);
    Sample { memory, ..median }
}

/// Returns the machine, its system, and the load at the end.
pub fn machine() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "Machine: {}, {} {}; load average at the end {}.",
        measured::machine(),
        std::env::consts::OS,
        std::env::consts::ARCH,
        load.join(" ")
    )
}
