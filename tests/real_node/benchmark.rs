//! The speed of the online server: throughput by the number of pods, and the response of the HPA to a step of the load.
//! With `UPDATE_DOCS=1`, writes the results to `docs/serving.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plotters::prelude::*;

use crate::real_node::load::{Load, Report};
use crate::real_node::rollouts::wait_for_settled_pods;
use crate::real_node::store::Store;
use crate::support::measured;
use crate::support::testbed::cluster::eventually;

/// Each sends its next request when it has the response.
const CLIENTS: usize = 8;
const ROUNDS: usize = 3;
const MEASURED: Duration = Duration::from_secs(20);
/// The values in a response: two features of three entities.
const VALUES: usize = 6;

const ONE: &str = "scaling = { replicas = 1 }";
const AUTOSCALED: &str = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 4 } }";
/// The CPU request of the pods of the step.
const CPU: &str = "500m";
/// Between two requests of the client before the step, so that one pod is enough for it.
const PAUSE: Duration = Duration::from_millis(100);
const BEFORE_STEP: Duration = Duration::from_secs(20);
const AFTER_STEP: Duration = Duration::from_secs(120);
/// The width of a point in the plot.
const WINDOW: Duration = Duration::from_secs(5);

/// The result of one measurement.
#[derive(Clone, Copy)]
struct Speed {
    requests_per_second: f64,
    median: Duration,
    p99: Duration,
}

impl Speed {
    fn of(report: &Report) -> Self {
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
        Self {
            requests_per_second: report.answered as f64 / MEASURED.as_secs_f64(),
            median: percentile(&report.latencies, 50),
            p99: percentile(&report.latencies, 99),
        }
    }
}

/// Measures PostgreSQL and Redis.
pub fn throughput() {
    let rows: String = ["postgres", "redis"].map(throughput_of).concat();
    write(
        "benchmark::throughput",
        &format!(
            "Machine: {}, which also run PostgreSQL, Redis, the control plane and the clients.\n\n| online store | pods | requests/s | feature values/s | median | p99 |\n\
             |---|---|---|---|---|---|\n{rows}",
            measured::machine()
        ),
    );
}

/// Measures 1, 2 and 4 pods in turns, so that the speed of the machine does not decide. Returns rows of the table.
fn throughput_of(online_store: &'static str) -> String {
    let name = format!("speed-{online_store}");
    let store = Store::create_with(&name, online_store, "100m", ONE);
    let mut speeds: BTreeMap<usize, Vec<Speed>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for pods in [1, 2, 4] {
            store.configure_and_apply(&format!("scaling = {{ replicas = {pods} }}"));
            wait_for_settled_pods(&store);
            let load = Load::closed(&store.target(), CLIENTS, Duration::ZERO);
            std::thread::sleep(MEASURED);
            let speed = Speed::of(&load.end_all());
            eprintln!(
                "{online_store}, {pods} pods: {:.0} requests/s, p99 {:?}",
                speed.requests_per_second, speed.p99
            );
            speeds.entry(pods).or_default().push(speed);
        }
    }
    store.destroy();
    let row = |(pods, mut speeds): (usize, Vec<Speed>)| {
        speeds.sort_by(|a, b| a.requests_per_second.total_cmp(&b.requests_per_second));
        let Speed {
            requests_per_second,
            median,
            p99,
        } = speeds[ROUNDS / 2];
        format!(
            "| {online_store} | {pods} | {requests_per_second:.0} | {:.0} | {} ms | {} ms |\n",
            requests_per_second * VALUES as f64,
            median.as_millis(),
            p99.as_millis()
        )
    };
    speeds.into_iter().map(row).collect()
}

/// What the HPA makes of a step from one client to [`CLIENTS`].
struct Step {
    /// Ready pods, by the time since the start.
    pods: Vec<(Duration, u64)>,
    /// Responses, by the time since the start.
    latencies: Vec<(Duration, Duration)>,
}

/// Measures a step from one client with pauses to [`CLIENTS`] without.
pub fn scale_out() {
    let store = Store::create_with("step", "redis", CPU, AUTOSCALED);
    // The start of the server counts as load, too.
    eventually(
        "a single pod that needs no other",
        Duration::from_secs(180),
        Duration::from_secs(15),
        || {
            let autoscaler = store.namespace.json(&["get", "hpa/feast-demo"]).ok()?;
            let used = &autoscaler["status"]["currentMetrics"][0]["resource"]["current"];
            let is_idle = used["averageUtilization"].as_u64()? < 40;
            (is_idle && autoscaler["status"]["currentReplicas"] == 1).then_some(())
        },
    )
    .unwrap();
    let step = step(&store);
    store.destroy();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        step.plot(&documentation("serving.svg")).unwrap();
    }
    write("benchmark::scale_out", &step.text());
}

fn step(store: &Store) -> Step {
    let start = Instant::now();
    let ended = AtomicBool::new(false);
    let (pods, latencies) = std::thread::scope(|scope| {
        let pods = scope.spawn(|| {
            let mut pods = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let deployment = store.namespace.json(&["get", "deployment/feast-demo"]);
                let ready = deployment.unwrap()["status"]["readyReplicas"].as_u64();
                pods.push((start.elapsed(), ready.unwrap_or(0)));
                std::thread::sleep(Duration::from_millis(500));
            }
            pods
        });
        let first = Load::closed(&store.target(), 1, PAUSE);
        std::thread::sleep(BEFORE_STEP);
        let stepped = start.elapsed();
        let others = Load::closed(&store.target(), CLIENTS - 1, Duration::ZERO);
        std::thread::sleep(AFTER_STEP);
        ended.store(true, Ordering::Relaxed);
        let (mut first, others) = (first.end_all(), others.end_all());
        assert_eq!((first.failures.len(), others.failures.len()), (0, 0));
        let others = others.latencies.into_iter();
        first
            .latencies
            .extend(others.map(|(at, took)| (stepped + at, took)));
        (pods.join().unwrap(), first.latencies)
    });
    Step { pods, latencies }
}

impl Step {
    /// Returns the seconds from the step until this number of pods is ready.
    fn seconds_until(&self, count: u64) -> Option<u64> {
        let mut after = self.pods.iter().filter(|(at, _)| *at >= BEFORE_STEP);
        let (time, _) = after.find(|(_, ready)| *ready >= count)?;
        Some((*time - BEFORE_STEP).as_secs())
    }

    /// Returns the end of each window, with the p99 of its responses.
    fn windows(&self) -> Vec<(Duration, Duration)> {
        let mut windows: BTreeMap<u64, Vec<(Duration, Duration)>> = BTreeMap::new();
        for (at, took) in &self.latencies {
            let window = at.as_secs() / WINDOW.as_secs();
            windows.entry(window).or_default().push((*at, *took));
        }
        let complete = (BEFORE_STEP + AFTER_STEP).as_secs() / WINDOW.as_secs();
        let windows = windows.into_iter().filter(|(window, _)| *window < complete);
        windows
            .map(|(window, latencies)| (WINDOW * (window as u32 + 1), percentile(&latencies, 99)))
            .collect()
    }

    fn text(&self) -> String {
        let worst = self.windows().into_iter().map(|(_, p99)| p99).max();
        let seconds = |pods| match self.seconds_until(pods) {
            Some(seconds) => format!("{seconds} s"),
            None => "not reached".to_owned(),
        };
        let last = self.windows().last().map(|(_, p99)| p99.as_millis());
        format!(
            "| after the step | |\n|---|---|\n\
             | a second pod is ready | {} |\n| four pods are ready | {} |\n\
             | largest p99 of 5 s | {} ms |\n| p99 of the last 5 s | {} ms |\n\n\
             ![Ready pods and p99 over time](serving.svg)\n",
            seconds(2),
            seconds(4),
            worst.unwrap_or_default().as_millis(),
            last.unwrap_or_default()
        )
    }

    fn plot(&self, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let seconds = (BEFORE_STEP + AFTER_STEP).as_secs_f64();
        let windows = self.windows();
        let most = windows.iter().map(|(_, p99)| p99.as_secs_f64() * 1000.0);
        let most = most.fold(0.0, f64::max);
        let area = SVGBackend::new(file, (760, 320)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Load step after 20 s", ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(35)
            .y_label_area_size(55)
            .right_y_label_area_size(45)
            .build_cartesian_2d(0.0..seconds, 0.0..most * 1.1)?
            .set_secondary_coord(0.0..seconds, 0.0..5.0);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("seconds")
            .x_label_formatter(&|seconds| format!("{seconds:.0}"))
            .y_desc("p99 in ms")
            .y_label_formatter(&|milliseconds| format!("{milliseconds:.0}"))
            .draw()?;
        chart
            .configure_secondary_axes()
            .y_desc("ready pods")
            .y_labels(6)
            .y_label_formatter(&|pods| format!("{pods:.0}"))
            .draw()?;
        let (p99, pods) = (RGBColor(0x26, 0x46, 0x53), RGBColor(0xf4, 0xa2, 0x61));
        let points = windows
            .iter()
            .map(|(at, p99)| (at.as_secs_f64(), p99.as_secs_f64() * 1000.0));
        chart
            .draw_series(LineSeries::new(points, p99.stroke_width(2)))?
            .label("p99 of 5 s")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], p99));
        let points = self
            .pods
            .iter()
            .map(|(at, ready)| (at.as_secs_f64(), *ready as f64));
        chart
            .draw_secondary_series(LineSeries::new(points, pods.stroke_width(2)))?
            .label("ready pods")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], pods));
        chart
            .configure_series_labels()
            .background_style(WHITE)
            .position(SeriesLabelPosition::UpperLeft)
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// Returns the `percent`-th percentile of the response times.
fn percentile(latencies: &[(Duration, Duration)], percent: usize) -> Duration {
    let mut times: Vec<Duration> = latencies.iter().map(|(_, took)| *took).collect();
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times[last * percent / 100]
}

fn documentation(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(file)
}

/// Prints the results of a measurement, and with `UPDATE_DOCS=1` writes them to the page.
fn write(trial: &str, results: &str) {
    eprintln!("{results}");
    if std::env::var_os("UPDATE_DOCS").is_none() {
        return;
    }
    let begin = format!("<!-- Written by `UPDATE_DOCS=1 cargo test --test real_node {trial}`. -->");
    measured::write_section(&documentation("serving.md"), &begin, results);
}
