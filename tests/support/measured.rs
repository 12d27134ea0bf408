//! Pages with results of measurements.

use std::fs;
use std::path::Path;

const END: &str = "<!-- End of generated content. -->";

/// Replaces the section of a page that follows the line `begin`.
pub fn write_section(page: &Path, begin: &str, section: &str) {
    let text = fs::read_to_string(page).unwrap();
    let (head, rest) = text.split_once(begin).expect("the start marker");
    let (_, tail) = rest.split_once(END).expect("the end of the section");
    let text = format!("{head}{begin}\n\n{section}\n{END}{tail}");
    fs::write(page, text).unwrap();
}

/// Returns processor, cores and memory of this machine.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    format!("{processor}, {cores} cores, {} GB", memory / 1_000_000)
}
