//! The schedule of a CronJob, as `robfig/cron` parses it for Kubernetes.

use crate::kubernetes::go_duration::parse_nanoseconds;

/// A field of a schedule.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values, from `min` on.
    value_names: &'static [&'static str],
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

const fn field(
    name: &'static str,
    min: u32,
    max: u32,
    value_names: &'static [&'static str],
) -> Field {
    Field {
        name,
        min,
        max,
        value_names,
    }
}

const MACROS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

const SECOND: i64 = 1_000_000_000;

/// Returns why Kubernetes cannot parse the schedule, as the end of a sentence; `None` if it can.
pub fn problem(schedule: &str) -> Option<String> {
    if schedule.contains("TZ=") {
        return Some("the time zone must be set in the attribute `time_zone`".to_owned());
    }
    if let Some(duration) = schedule.strip_prefix("@every ") {
        let is_valid = parse_nanoseconds(duration).is_some_and(|it| it >= SECOND);
        return (!is_valid).then(|| {
            format!("{duration:?} is not a valid duration of at least one second, such as `90m` or `1h30m`")
        });
    }
    if schedule.starts_with('@') {
        return (!MACROS.contains(&schedule))
            .then(|| format!("the supported macros are {} and @every", MACROS.join(", ")));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("it has {} fields, not 5", fields.len()));
    }
    (FIELDS.iter().zip(fields))
        .find_map(|(field, list)| list.split(',').find_map(|item| field.problem(list, item)))
}

impl Field {
    /// Returns what is wrong with one item of a list: `*`, a number or a range, with or without a step.
    fn problem(&self, list: &str, item: &str) -> Option<String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        if !matches!(range, "*" | "?") {
            let invalid = [from, to].into_iter().find(|end| self.value(end).is_none());
            if let Some(invalid) = invalid {
                let invalid = if invalid.is_empty() { list } else { invalid };
                return Some(format!(
                    "{invalid:?} is not a valid {} ({})",
                    self.name,
                    self.bounds()
                ));
            }
            if self.value(from) > self.value(to) {
                return Some(format!(
                    "the {} range {range:?} ends before it begins",
                    self.name
                ));
            }
        }
        let is_valid = step.is_none_or(|step| number(step).is_some_and(|step| step > 0));
        (!is_valid).then(|| {
            format!(
                "the step in {item:?} ({}) is not a whole number of at least 1",
                self.name
            )
        })
    }

    /// Formats the valid values, such as `0–23`.
    fn bounds(&self) -> String {
        let Self {
            min,
            max,
            value_names,
            ..
        } = self;
        match (value_names.first(), value_names.last()) {
            (Some(first), Some(last)) => format!("{min}–{max} or {first}–{last}"),
            _ => format!("{min}–{max}"),
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let name = text.to_ascii_lowercase();
        let position = self.value_names.iter().position(|it| *it == name);
        let value = match position.and_then(|position| u32::try_from(position).ok()) {
            Some(position) => self.min + position,
            None => number(text)?,
        };
        (self.min..=self.max).contains(&value).then_some(value)
    }
}

/// Parses digits alone: `str::parse` would accept a sign.
fn number(text: &str) -> Option<u32> {
    text.chars()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn accepts_what_kubernetes_parses() {
        for schedule in [
            "* * * * *",
            "0 3 * * *",
            "*/15 0-6,12 ? JAN-mar mon,FRI",
            "5/10 23 31 12 6",
            "@hourly",
            "@midnight",
            "@every 1h30m",
            "@every 1.5h",
        ] {
            assert_eq!(problem(schedule), None, "{schedule}");
        }
    }

    #[test]
    fn rejects_invalid_schedules() {
        let duration = |text: &str| {
            format!(
                "{text:?} is not a valid duration of at least one second, such as `90m` or `1h30m`"
            )
        };
        for (schedule, expected) in [
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
                "the supported macros are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every",
            ),
            ("@every soon", &duration("soon")),
            ("@every 10ms", &duration("10ms")),
            ("@every -5m", &duration("-5m")),
            (
                "TZ=UTC 0 3 * * *",
                "the time zone must be set in the attribute `time_zone`",
            ),
        ] {
            assert_eq!(problem(schedule).as_deref(), Some(expected), "{schedule}");
        }
    }
}
