//! Checks values of Kubernetes types before they are sent, as the API server does when it admits an object.
//!
//! Every function takes a value and returns its [`Violation`]s, at paths relative to that value and with the attribute
//! names of the Terraform schema (the snake_case of Kubernetes' field names). The bounds and the supported values are
//! those of `k8s.io/kubernetes/pkg/apis/*/validation`.
//!
//! Must not know: which attribute of the feature store holds the value.

pub mod autoscaling;
pub mod cron;
pub mod environment;
pub mod field_ref;
pub mod file_mode;
pub mod file_path;
pub mod metadata;
pub mod network_policy;
pub mod persistent_volume_claim;
pub mod pod_annotations;
pub mod pod_failure_policy;
pub mod projected_volume;
pub mod resources;
pub mod scheduling;
pub mod security_context;
pub mod selector;
pub mod service;
pub mod strategy;
#[cfg(test)]
pub mod testing;
pub mod time_zone;
pub mod volume;
pub mod volume_mount;
pub mod windows;

use crate::schema::Path;

/// A value that the API server, or a rule of the feature store, rejects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The attribute at which the violation is reported.
    pub path: Path,
    /// Every attribute that the verdict depends on. An absent attribute counts as well: its value may not be known yet.
    pub reads: Vec<Path>,
    /// One line: what is wrong.
    pub summary: String,
    /// Why it is wrong, and what to set instead.
    pub detail: String,
}

impl Violation {
    pub fn new(
        path: Path,
        reads: impl IntoIterator<Item = Path>,
        summary: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            path,
            reads: reads.into_iter().collect(),
            summary: summary.into(),
            detail: detail.into(),
        }
    }

    /// Returns a violation that depends on the value at its own path alone.
    pub fn at(path: Path, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(path.clone(), [path], summary, detail)
    }

    /// Adds attributes that the verdict depends on.
    #[must_use]
    pub fn reading(mut self, more: &[Path]) -> Self {
        self.reads.extend_from_slice(more);
        self
    }

    /// Moves a violation of a value to the place of that value.
    #[must_use]
    pub fn below(self, base: &Path) -> Self {
        let Self {
            path,
            reads,
            summary,
            detail,
        } = self;
        let absolute = |path: &Path| {
            let steps = path.steps().iter().cloned();
            steps.fold(base.clone(), |path, step| path.with(step))
        };
        Self {
            path: absolute(&path),
            reads: reads.iter().map(absolute).collect(),
            summary,
            detail,
        }
    }
}

/// Moves the violations of a value to the place of that value.
pub fn below(base: &Path, violations: impl IntoIterator<Item = Violation>) -> Vec<Violation> {
    let violations = violations.into_iter();
    violations.map(|violation| violation.below(base)).collect()
}

/// Validates each element of the list at `path`.
pub fn each<T>(path: &Path, list: &[T], validate: impl Fn(&T) -> Vec<Violation>) -> Vec<Violation> {
    (list.iter().enumerate())
        .flat_map(|(index, element)| below(&path.index(index), validate(element)))
        .collect()
}

/// Returns a violation if `value` is not one of the supported ones.
pub fn supported(path: Path, value: &str, supported: &[&str]) -> Option<Violation> {
    (!supported.contains(&value)).then(|| {
        Violation::at(
            path,
            format!("Unsupported value {value:?}"),
            format!("Supported values: {}.", quoted(supported, ", ")),
        )
    })
}

/// Returns a violation if a required value is empty.
pub fn required(path: Path, value: &str) -> Option<Violation> {
    let detail = "The value must not be empty.";
    (value.is_empty()).then(|| Violation::at(path, "The value is required", detail))
}

/// Returns a violation unless a number of seconds is in a range.
pub fn seconds_in_range(path: Path, seconds: i64, min: i64, max: i64) -> Option<Violation> {
    (!(min..=max).contains(&seconds)).then(|| {
        Violation::at(
            path,
            format!("{seconds} seconds is out of range"),
            format!("Set a number from {min} to {max}."),
        )
    })
}

/// Returns a violation unless exactly one of the `fields` below `path`, each with whether it is set, is set. `hint`
/// says when to choose which.
pub fn exactly_one(path: &Path, fields: &[(&str, bool)], hint: &str) -> Option<Violation> {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let set = fields.iter().filter(|(_, is_set)| *is_set);
    let set: Vec<&str> = set.map(|(name, _)| *name).collect();
    let (reads, found) = match set.as_slice() {
        [_] => return None,
        // Each of the absent fields may only be unknown.
        [] => (names.as_slice(), "None of them is set.".to_owned()),
        several => (&[][..], format!("{} are set.", quoted(several, " and "))),
    };
    Some(Violation::new(
        path.clone(),
        reads.iter().map(|name| path.attribute(name)),
        format!("Exactly one of {} must be set", quoted(&names, ", ")),
        format!("{found} {hint}"),
    ))
}

/// Returns a violation for each element of a list whose `attribute` has the value that an earlier element has. Absent
/// values are never equal. With an empty `attribute` the elements are the values themselves.
pub fn unique<'a>(
    list: &Path,
    attribute: &str,
    noun: &str,
    values: impl IntoIterator<Item = Option<&'a str>>,
) -> Vec<Violation> {
    let values: Vec<Option<&str>> = values.into_iter().collect();
    let path = |index: usize| list.index(index).attribute(attribute);
    (values.iter().enumerate())
        .filter_map(|(index, value)| {
            let value = (*value)?;
            let first = values[..index].iter().position(|it| *it == Some(value))?;
            Some(Violation::new(
                path(index),
                [path(index), path(first)],
                format!("Duplicate {noun} {value:?}"),
                format!("Each {noun} can be listed only once. Remove or rename one of the two."),
            ))
        })
        .collect()
}

/// Returns the violation for a value that [`IntOrPercent`](super::int_or_percent::IntOrPercent) cannot parse.
pub fn not_int_or_percent(path: Path) -> Violation {
    Violation::at(
        path,
        "Not a number or percentage of pods",
        "Set a whole number that is not negative, such as `1`, or a percentage, such as `\"25%\"`. Only `max_surge` can \
         be more than `\"100%\"`.",
    )
}

/// Formats names for a message: `` `a`, `b` ``.
pub fn quoted(names: &[&str], separator: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_moves_every_path() {
        let violation = Violation::new(Path::of("a"), [Path::root(), Path::of("b")], "", "");
        let base = Path::of("list").index(0);
        assert_eq!(
            violation.below(&base),
            Violation::new(
                base.attribute("a"),
                [base.clone(), base.attribute("b")],
                "",
                ""
            )
        );
    }

    #[test]
    fn absent_fields_are_read_only_if_none_is_set() {
        let check = |a: bool, b: bool| exactly_one(&Path::of("x"), &[("a", a), ("b", b)], "Hint.");
        let violation = |reads: &[&str], found: &str| {
            Some(Violation::new(
                Path::of("x"),
                reads.iter().map(|path| Path::of(path)),
                "Exactly one of `a`, `b` must be set",
                format!("{found} Hint."),
            ))
        };
        assert_eq!(check(true, false), None);
        assert_eq!(
            check(false, false),
            violation(&["x.a", "x.b"], "None of them is set.")
        );
        assert_eq!(check(true, true), violation(&[], "`a` and `b` are set."));
    }

    #[test]
    fn duplicates_name_the_first_of_their_value() {
        let found = unique(
            &Path::of("l"),
            "name",
            "volume",
            [None, Some("a"), None, Some("b"), Some("a")],
        );
        let name = |index: usize| Path::of("l").index(index).attribute("name");
        let [violation] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(violation.path, name(4));
        assert_eq!(violation.reads, [name(4), name(1)]);
        assert_eq!(violation.summary, "Duplicate volume \"a\"");
    }
}
