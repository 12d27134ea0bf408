//! Warnings about drift and conflicts with other field managers.

use crate::cluster;
use crate::feast::config::{Drift, DriftKind};
use crate::schema::Diagnostic;

/// Fields that others have added, if `drift_policy` asks for them.
pub fn added_by_others(added: &[&Drift]) -> Option<Diagnostic> {
    let fields = lines(added.iter().copied(), |_| String::new())?;
    Some(Diagnostic::warning(
        "Others have added to the feature store's objects",
        format!(
            "`drift_policy` is \"strict\", and this provider does not own these fields:\n{fields}\n\nAn apply does not \
             change them. Remove them if they should not be there."
        ),
    ))
}

/// Fields that the API server stored with other values than were applied. The private state records them.
pub fn rewritten(fields: &[Drift]) -> Option<Diagnostic> {
    let fields = lines(fields, |drift| match (&drift.wanted, &drift.live) {
        (Some(wanted), Some(live)) => format!(": {wanted:?} was applied, and {live:?} is stored"),
        (Some(wanted), None) => format!(": {wanted:?} was applied, and nothing is stored"),
        // Values that are not shown.
        (None, _) => ": another value is stored than was applied".to_owned(),
    })?;
    Some(Diagnostic::warning(
        "Admission control has changed what was applied",
        format!(
            "The API server accepted the apply and stored other values in these fields:\n{fields}\n\nA mutating admission \
             policy or webhook of the cluster does this; the API server does not name it. A value that was not stored at \
             all can require a feature gate that is off. The state keeps the values that were applied, and the stored \
             ones are not drift. This warning appears again only if one of the values changes. If the stored \
             values are not wanted, exempt the feature store from the policy."
        ),
    ))
}

/// The content of Secrets that the API server stored with other values than were applied.
pub fn altered_content(fields: &[Drift]) -> Option<Diagnostic> {
    let fields = lines(fields, |_| String::new())?;
    Some(Diagnostic::warning(
        "Admission control has changed the content of a Secret",
        format!(
            "The API server accepted the apply and stored other content:\n{fields}\n\nA mutating admission policy or \
             webhook of the cluster does this. The next plan shows it as drift. Exempt the feature store from the policy."
        ),
    ))
}

/// Fields that the configuration no longer has and that other managers keep.
pub fn retained(fields: &[Drift]) -> Option<Diagnostic> {
    let fields = lines(fields, |_| String::new())?;
    Some(Diagnostic::warning(
        "Fields were not removed: other managers own them",
        format!(
            "The configuration no longer has these fields, but other managers own them, so they stay in the \
             cluster:\n{fields}\n\nThe next plan does not show them. Remove them with the tool that owns them, if nothing \
             else needs them."
        ),
    ))
}

/// Fields that another manager applies and that the plan would change.
pub fn predicted_conflict(conflicts: &[Drift]) -> Diagnostic {
    let lines: Vec<String> = (conflicts.iter())
        .map(|drift| {
            let live = match (drift.live.as_deref(), drift.change) {
                (Some(live), _) => format!(", to {live}"),
                (None, DriftKind::Removed) => ", to nothing".to_owned(),
                // A value that is not shown.
                (None, _) => String::new(),
            };
            format!("  {} {}{}{live}", drift.object, drift.field, author(drift))
        })
        .collect();
    Diagnostic::warning(
        "An apply of this plan will stop at a conflict",
        format!(
            "Another manager applies these fields, and the plan would change them:\n{}\n\n{}",
            lines.join("\n"),
            cluster::error::CONFLICT_HINT
        ),
    )
}

/// Returns a line for each field: the object, the path, the `values`, and the manager. `None` if there is no field.
fn lines<'a>(
    fields: impl IntoIterator<Item = &'a Drift>,
    values: impl Fn(&Drift) -> String,
) -> Option<String> {
    let lines = fields.into_iter().map(|drift| {
        let Drift { object, field, .. } = drift;
        format!("  {object} {field}{}{}", values(drift), author(drift))
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn author(drift: &Drift) -> String {
    let Drift {
        manager,
        operation,
        time,
        ..
    } = drift;
    let Some(manager) = manager else {
        return String::new();
    };
    let how = match operation.as_deref() {
        Some("Apply") => "applied",
        _ => "set",
    };
    let time = (time.as_ref()).map_or_else(String::new, |time| format!(" at {time}"));
    format!(": {how} by \"{manager}\"{time}")
}
