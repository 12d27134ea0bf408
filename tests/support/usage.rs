//! CPU time and memory of Terraform's child processes, the providers, measured from outside (Linux).

#![allow(
    dead_code,
    reason = "each program that includes this module uses a part of it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// The usage of a process so far. Memory is in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu: Duration,
    /// The peak of the resident memory.
    pub peak: u64,
    /// The resident pages of files, which are mostly those of the program itself.
    pub files: u64,
}

impl Usage {
    /// Returns the usage of a process; `None` if it has ended, or if the system does not report it.
    pub fn of(process: u32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let kibibytes = |field: &str| -> Option<u64> {
            let value = status.lines().find_map(|line| line.strip_prefix(field))?;
            value.trim().trim_end_matches(" kB").parse().ok()
        };
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The fields after the name in parentheses, which can contain any character.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
        Some(Self {
            cpu: Duration::from_millis(ticks * 10),
            peak: kibibytes("VmHWM:")?,
            files: kibibytes("RssFile:")?,
        })
    }
}

/// The measurement of one Terraform command.
pub struct Watched {
    pub exit: ExitStatus,
    pub terraform: Usage,
    /// One for each process of a provider.
    pub providers: Vec<Usage>,
}

impl Watched {
    /// Waits for Terraform.
    pub fn wait(terraform: &mut Child) -> Self {
        let mut usage = Usage::default();
        let mut providers: BTreeMap<u32, Usage> = BTreeMap::new();
        loop {
            usage = Usage::of(terraform.id()).unwrap_or(usage);
            // The process can start as a shell.
            let own = program(terraform.id());
            for child in children(terraform.id()) {
                if program(child) == own {
                    // The child process has not started the provider yet, and shares Terraform's memory.
                    continue;
                }
                if let Some(now) = Usage::of(child) {
                    providers.insert(child, now);
                }
            }
            if let Some(exit) = terraform.try_wait().unwrap() {
                return Self {
                    exit,
                    terraform: usage,
                    providers: providers.into_values().collect(),
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn program(process: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/exe")).ok()
}

fn children(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}
