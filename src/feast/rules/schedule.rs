//! When the CronJob runs: the schedules that Kubernetes reads.

use super::Violation;
use super::accessors::CRON_JOB;
use crate::feast::config::FeatureStore;
use crate::schema::Path;

/// A field of a schedule: its name, its bounds, and the words for its numbers from the least on.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of month", 1, 31, &[]),
    field("month", 1, 12, &MONTHS),
    field("day of week", 0, 6, &DAYS),
];

const fn field(name: &'static str, least: u32, most: u32, words: &'static [&'static str]) -> Field {
    Field {
        name,
        least,
        most,
        words,
    }
}

const WORDS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let schedule = store
        .cron_job
        .as_ref()
        .and_then(|it| it.schedule.as_deref());
    let Some(reason) = schedule.and_then(|schedule| problem(schedule).map(|why| (schedule, why)))
    else {
        return Vec::new();
    };
    let (schedule, why) = reason;
    let at = Path::of(CRON_JOB).attribute("schedule");
    vec![Violation::new(
        at.clone(),
        [at],
        format!("{schedule:?} is not a schedule: {why}"),
        "Write minute, hour, day of month, month and day of week, such as `0 3 * * *` for three o'clock each \
         night, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` and `@every 90m`.",
    )]
}

/// What keeps Kubernetes from reading it.
fn problem(schedule: &str) -> Option<String> {
    if schedule.contains("TZ=") {
        return Some("the time zone is the attribute `time_zone`".to_owned());
    }
    if let Some(duration) = schedule.strip_prefix("@every ") {
        return (!is_duration(duration)).then(|| {
            format!("{duration:?} is not a valid duration of at least one second, such as `90m` or `1h30m`")
        });
    }
    if schedule.starts_with('@') {
        return (!WORDS.contains(&schedule))
            .then(|| format!("the words are {} and @every", WORDS.join(", ")));
    }
    let written: Vec<&str> = schedule.split_whitespace().collect();
    if written.len() != FIELDS.len() {
        return Some(format!("it has {} fields, not 5", written.len()));
    }
    FIELDS
        .iter()
        .zip(written)
        .find_map(|(field, text)| text.split(',').find_map(|part| field.problem(text, part)))
}

impl Field {
    /// Returns what is wrong with one element of the list `whole`: `*`, a number or a range, each with a step or
    /// without.
    fn problem(&self, whole: &str, part: &str) -> Option<String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        if !matches!(range, "*" | "?") {
            let ends = [from, to];
            let wrong = ends.into_iter().find(|end| self.number(end).is_none());
            if let Some(wrong) = wrong {
                let wrong = if wrong.is_empty() { whole } else { wrong };
                return Some(format!(
                    "{wrong:?} is not a valid {} ({})",
                    self.name,
                    self.bounds()
                ));
            }
            if self.number(from) > self.number(to) {
                return Some(format!(
                    "the {} range {range:?} ends before it begins",
                    self.name
                ));
            }
        }
        let valid = step.is_none_or(|step| number(step).is_some_and(|step| step > 0));
        (!valid).then(|| {
            format!(
                "the step in {part:?} ({}) is not a whole number of at least 1",
                self.name
            )
        })
    }

    /// The values that it can have: `0–23`.
    fn bounds(&self) -> String {
        let Self {
            least, most, words, ..
        } = self;
        match (words.first(), words.last()) {
            (Some(first), Some(last)) => format!("{least}–{most} or {first}–{last}"),
            _ => format!("{least}–{most}"),
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        let word = self.words.iter().position(|word| *word == lower);
        let value = match word.and_then(|position| u32::try_from(position).ok()) {
            Some(position) => self.least + position,
            None => number(text)?,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    text.chars()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// A Go duration of at least a second, such as `1h30m` or `1.5h`.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (value, after) = rest.split_at(digits.unwrap_or(rest.len()));
        let units = [
            ("ms", 0.001),
            ("us", 1e-6),
            ("ns", 1e-9),
            ("h", 3600.0),
            ("m", 60.0),
            ("s", 1.0),
        ];
        let unit = units.iter().find(|(unit, _)| after.starts_with(unit));
        let (Ok(value), Some((unit, length))) = (value.parse::<f64>(), unit) else {
            return false;
        };
        seconds += value * length;
        rest = &after[unit.len()..];
    }
    seconds >= 1.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::refused_whole;

    fn schedule(text: &str, why: Option<&str>) {
        let message = why.map(|why| format!("{text:?} is not a schedule: {why}"));
        let expected: Vec<_> = message
            .iter()
            .map(|message| ("cron_job.schedule", message.as_str()))
            .collect();
        let store = json!({"name": "demo", "feastProject": "p", "cronJob": {"schedule": text}});
        refused_whole("cron-schedule", store, &expected);
    }

    #[test]
    fn accepts_what_kubernetes_reads() {
        for good in [
            "* * * * *",
            "0 3 * * *",
            "*/15 0-6,12 ? JAN-mar mon,FRI",
            "5/10 23 31 12 6",
            "@hourly",
            "@midnight",
            "@every 1h30m",
            "@every 1.5h",
        ] {
            schedule(good, None);
        }
    }

    #[test]
    fn rejects_invalid_schedules() {
        for (wrong, why) in [
            ("every minute", "it has 2 fields, not 5"),
            ("0 0 3 * * *", "it has 6 fields, not 5"),
            ("60 * * * *", "\"60\" is not a valid minute (0–59)"),
            ("* 24 * * *", "\"24\" is not a valid hour (0–23)"),
            ("* 1,5-25/2 * * *", "\"25\" is not a valid hour (0–23)"),
            ("* * 0 * *", "\"0\" is not a valid day of month (1–31)"),
            (
                "* * * 13 *",
                "\"13\" is not a valid month (1–12 or jan–dec)",
            ),
            (
                "* * * * 7",
                "\"7\" is not a valid day of week (0–6 or sun–sat)",
            ),
            (
                "5-1 * * * *",
                "the minute range \"5-1\" ends before it begins",
            ),
            (
                "* * * * fri-mon",
                "the day of week range \"fri-mon\" ends before it begins",
            ),
            (
                "*/0 * * * *",
                "the step in \"*/0\" (minute) is not a whole number of at least 1",
            ),
            (
                "0 1-5/x * * *",
                "the step in \"1-5/x\" (hour) is not a whole number of at least 1",
            ),
            ("+1 * * * *", "\"+1\" is not a valid minute (0–59)"),
            ("1,, * * * *", "\"1,,\" is not a valid minute (0–59)"),
            ("-5 * * * *", "\"-5\" is not a valid minute (0–59)"),
            (
                "* * * mon *",
                "\"mon\" is not a valid month (1–12 or jan–dec)",
            ),
            (
                "@minutely",
                "the words are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every",
            ),
            (
                "@every soon",
                "\"soon\" is not a valid duration of at least one second, such as `90m` or `1h30m`",
            ),
            (
                "@every 10ms",
                "\"10ms\" is not a valid duration of at least one second, such as `90m` or `1h30m`",
            ),
            (
                "TZ=UTC 0 3 * * *",
                "the time zone is the attribute `time_zone`",
            ),
        ] {
            schedule(wrong, Some(why));
        }
    }
}
